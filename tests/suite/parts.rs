//! Which files of an export are its parts: `source.parts`, and the manifest that Redshift's UNLOAD writes.

use serde_json::json;

use crate::workspace::Workspace;

fn schema(source: &str) -> String {
    format!(
        "table: t\nprimary_key: [id]\ncolumns:\n  - {{ name: id, type: int }}\nsource: {{ compression: none, {source} }}\nengine: {{ athena: false }}\n"
    )
}

fn workspace(source: &str) -> Workspace {
    let workspace = Workspace::from_schemas();
    workspace.write("schemas/t.yaml", schema(source).as_bytes());
    workspace
}

fn write(workspace: &Workspace, version: &str, file: &str, text: &str) {
    workspace.write(&format!("exports/acme/t/{version}/{file}"), text.as_bytes());
}

/// The status of a version after a run, and what the run printed.
fn run(workspace: &Workspace, version: &str) -> (String, String) {
    let output = workspace.run();
    (workspace.statuses("acme/t")[version].clone(), format!("{}{}", output.stdout, output.stderr))
}

#[test]
fn files_that_are_not_parts_are_neither_counted_nor_read() {
    let workspace = workspace("parts: 'data_*.csv', complete: { count: 2 }");
    write(&workspace, "V1", "data_1.csv", "id\n1\n");
    write(&workspace, "V1", "log.csv", "not,a,row\n");
    write(&workspace, "V1", "data_1.csv.log", "no rows");
    let (status, text) = run(&workspace, "V1");
    assert_eq!(status, "WAITING", "{text}");
    write(&workspace, "V1", "data_2.csv", "id\n2\n");
    let (status, text) = run(&workspace, "V1");
    assert_eq!(status, "SUCCEEDED", "{text}");
    // Another file that arrives later is no revision, and the version is a baseline all the same.
    write(&workspace, "V1", "readme.txt", "nothing");
    write(&workspace, "V2", "data_1.csv", "id\n1\n3\n");
    write(&workspace, "V2", "data_2.csv", "id\n");
    let (status, text) = run(&workspace, "V2");
    assert_eq!(status, "SUCCEEDED", "{text}");
    assert_eq!(workspace.published("acme/t/V2").len(), 4);
    assert_eq!(workspace.tidemark(&["verify"]).status, 0);
    let why = workspace.tidemark(&["why", "acme/t", "2"]);
    assert!(why.stdout.contains("data_2.csv:2") && !why.stdout.contains("log.csv"), "{}", why.transcript());
    let delta = workspace.tidemark(&["delta", "t", "exports/acme/t/V1", "exports/acme/t/V2"]);
    assert_eq!(delta.stderr, "2 rows: 1 inserted, 0 updated, 1 deleted\n");
    // A file that is named is read, whatever its name.
    workspace.write("other.csv", b"id\n1\n2\n");
    let delta = workspace.tidemark(&["delta", "t", "other.csv", "exports/acme/t/V2"]);
    assert_eq!(delta.stderr, "2 rows: 1 inserted, 0 updated, 1 deleted\n");
}

#[test]
fn an_older_version_keeps_the_parts_it_was_read_with() {
    let workspace = workspace("complete: { count: 2 }");
    write(&workspace, "V1", "a.csv", "id\n1\n");
    write(&workspace, "V1", "b.csv", "id\n2\n");
    assert_eq!(run(&workspace, "V1").0, "SUCCEEDED");
    workspace.write("schemas/t.yaml", schema("parts: 'a*'").as_bytes());
    write(&workspace, "V2", "a.csv", "id\n1\n");
    write(&workspace, "V2", "b.csv", "id\n2\n");
    let (status, text) = run(&workspace, "V2");
    assert_eq!(status, "SUCCEEDED", "{text}");
    let operations = workspace.published("acme/t/V2");
    assert_eq!((operations.len(), &operations[1]["op"]), (3, &json!("DELETE")));
    assert_eq!(workspace.statuses("acme/t")["V1"], "SUCCEEDED");
    assert_eq!(workspace.tidemark(&["verify"]).status, 0);
}

/// A manifest of Redshift with these files, each with its metadata.
fn manifest(files: &[(&str, &str)]) -> String {
    let entry = |(name, meta): &(&str, &str)| format!(r#"{{"url":"s3://lake/x/{name}","mandatory":true{meta}}}"#);
    let entries: Vec<String> = files.iter().map(entry).collect();
    format!(r#"{{"entries":[{}],"author":{{"name":"Amazon Redshift","version":"1.0.0"}}}}"#, entries.join(","))
}

#[test]
fn an_export_of_redshift_waits_for_what_its_manifest_lists() {
    let workspace = workspace("complete: { redshift_manifest: data_manifest }");
    write(&workspace, "V1", "data_0000_part_00", "id\n1\n");
    let waits = |expected: &str| {
        let (status, text) = run(&workspace, "V1");
        assert_eq!(status, "WAITING", "{text}");
        assert!(text.contains(expected), "{expected}: {text}");
    };
    waits("data_manifest");
    let size = |bytes: u64| format!(r#","meta":{{"content_length":{bytes}}}"#);
    let (five, six) = (size(5), size(6));
    write(&workspace, "V1", "data_manifest", "{");
    waits("data_manifest to be valid");
    write(&workspace, "V1", "data_manifest", &manifest(&[("data_0000_part_00", &six)]));
    waits("data_0000_part_00 to have 6 bytes, as in data_manifest; it has 5");
    write(&workspace, "V1", "data_manifest", &manifest(&[("data_0000_part_00", &five), ("data_0001_part_00", &six)]));
    waits("data_0001_part_00, which data_manifest lists");
    write(&workspace, "V1", "data_0001_part_00", "id\n22\n");
    write(&workspace, "V1", "other", "id\n3\n");
    waits("other to be listed in data_manifest or removed");
    std::fs::remove_file(workspace.path("exports/acme/t/V1/other")).unwrap();
    let (status, text) = run(&workspace, "V1");
    assert_eq!(status, "SUCCEEDED", "{text}");
    // Older manifests say no sizes; those that are verbose also say the number of rows.
    write(&workspace, "V2", "part", "id\n1\n");
    write(&workspace, "V2", "data_manifest", &manifest(&[("part", "")]));
    assert_eq!(run(&workspace, "V2").0, "SUCCEEDED");
    write(&workspace, "V3", "part", "id\n1\n");
    let two_rows = r#","meta":{"content_length":5,"record_count":2}"#;
    write(&workspace, "V3", "data_manifest", &manifest(&[("part", two_rows)]));
    let (status, text) = run(&workspace, "V3");
    assert_eq!(status, "FAILED", "{text}");
    assert!(text.contains("it has 1 row, but the manifest says 2"), "{text}");
    assert_eq!(workspace.tidemark(&["verify"]).status, 0);
}
