//! What a run with nothing to do reads: of versions that are done, nothing but a list of them, in which any change of
//! their files is noticed all the same.

use std::fs;

use rusqlite::Connection;

use crate::workspace::Workspace;

const ROWS: &str = "PK1;1;a;b\n";

/// A workspace in which V1 to V3 have succeeded, and V0, which came late, is SUPERSEDED.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    for version in ["V1", "V2", "V3", "V0"] {
        workspace.export(&format!("acme/test_table/{version}"), ROWS);
        assert_eq!(workspace.run().status, 0);
    }
    workspace
}

fn execute(workspace: &Workspace, sql: &str) {
    Connection::open(workspace.path(".tidemark/registry.sqlite")).unwrap().execute_batch(sql).unwrap();
}

/// Makes the records of V0, V1 and V2 unreadable.
fn damage_old_records(workspace: &Workspace) {
    execute(workspace, "UPDATE versions SET record = 'x' WHERE place IN ('V0000', 'V00011', 'V00012')");
}

/// A run that has nothing to do, and says so.
fn run_idle(workspace: &Workspace) {
    let output = workspace.run();
    let is_idle = output.status == 0 && output.stdout == "nothing to do: 4 versions known, none is new\n";
    assert!(is_idle && output.stderr.is_empty(), "{}", output.transcript());
}

/// A run that refuses the files of a version.
fn run_refusing(workspace: &Workspace, version: &str) {
    let output = workspace.run();
    let mut lines = output.stderr.lines();
    let is_named = lines.any(|line| line.contains(&format!(" {version}: ")) && line.contains("is refused"));
    assert!(output.status == 1 && is_named, "{version}: {}", output.transcript());
}

#[test]
fn a_run_with_nothing_to_do_reads_no_record_of_old_versions() {
    let workspace = workspace();
    damage_old_records(&workspace);
    run_idle(&workspace);
    // Whatever reads them says that they are damaged.
    for arguments in [&["status"][..], &["history", "acme/test_table"], &["history", "acme/test_table/V1"]] {
        let output = workspace.tidemark(arguments);
        assert!(output.status == 2 && output.stderr.contains("is damaged"), "{}", output.transcript());
    }
    // So does a run that needs one, because its files changed.
    workspace.export("acme/test_table/V1", "PK1;2;a;b\n");
    let output = workspace.run();
    let names_it = output.stderr.contains("the record of acme/test_table V1 is damaged");
    assert!(output.status == 2 && names_it, "{}", output.transcript());
}

#[test]
fn every_change_of_the_files_of_an_old_version_is_noticed() {
    let workspace = workspace();
    let folder = |version: &str| workspace.path(&format!("exports/acme/test_table/{version}"));
    let (part, renamed) = (folder("V1").join("part.csv.gz"), folder("V1").join("other.csv.gz"));
    let before = fs::read(&part).unwrap();
    fs::rename(&part, &renamed).unwrap();
    run_refusing(&workspace, "V1");
    fs::rename(&renamed, &part).unwrap();
    run_idle(&workspace);
    workspace.export("acme/test_table/V1", "PK1;2;a;b\n");
    run_refusing(&workspace, "V1");
    // The same files again, with another time: only once do they have to be read.
    fs::write(&part, before).unwrap();
    run_idle(&workspace);
    damage_old_records(&workspace);
    run_idle(&workspace);
}

#[test]
fn another_spelling_of_an_old_version_is_noticed() {
    let workspace = workspace();
    fs::rename(workspace.path("exports/acme/test_table/V1"), workspace.path("exports/acme/test_table/V01")).unwrap();
    run_refusing(&workspace, "V01");
}

#[test]
fn a_file_that_only_the_earlier_schema_took_for_a_part_is_noticed() {
    for parts in ["parts: '*.csv',", ""] {
        assert_noticed(parts);
    }
}

/// `parts` is an option of the earlier schema.
fn assert_noticed(parts: &str) {
    let workspace = Workspace::from_schemas();
    let write_schema = |parts: &str| {
        let schema = format!(
            "table: t\nprimary_key: [id]\ncolumns:\n  - {{ name: id, type: int }}\n\
             source: {{ compression: none, {parts} complete: {{ count: 1 }} }}\nengine: {{ athena: false }}\n"
        );
        workspace.write("schemas/t.yaml", schema.as_bytes());
    };
    write_schema(parts);
    for version in ["V1", "V2"] {
        workspace.write(&format!("exports/acme/t/{version}/a.csv"), b"id\n1\n");
        assert_eq!(workspace.run().status, 0);
    }
    write_schema("parts: 'a*',");
    assert_eq!(workspace.run().status, 0);
    workspace.write("exports/acme/t/V1/b.csv", b"id\n2\n");
    run_refusing(&workspace, "V1");
}

#[test]
fn a_registry_of_an_earlier_release_reads_its_records_once() {
    let workspace = workspace();
    let downgrade = "DROP INDEX versions_by_status; ALTER TABLE versions DROP COLUMN digest;
        CREATE INDEX versions_by_status ON versions (tenant, name, status, place); PRAGMA user_version = 5";
    execute(&workspace, downgrade);
    run_idle(&workspace);
    damage_old_records(&workspace);
    run_idle(&workspace);
    // A record that was damaged before is named.
    execute(&workspace, downgrade);
    let output = workspace.run();
    assert!(output.status == 2 && output.stderr.contains("V0 is damaged"), "{}", output.transcript());
}

#[test]
fn old_versions_of_a_table_that_lost_its_schema_are_not_read() {
    let workspace = Workspace::from_schemas();
    let schema = b"table: t\nprimary_key: [id]\ncolumns:\n  - { name: id, type: int }\n";
    workspace.write("schemas/t.yaml", schema);
    workspace
        .write("schemas/other.yaml", String::from_utf8_lossy(schema).replace("table: t", "table: other").as_bytes());
    for version in ["V1", "V2"] {
        workspace.export(&format!("acme/t/{version}"), "id\n1\n");
        assert_eq!(workspace.run().status, 0);
    }
    fs::remove_file(workspace.path("schemas/t.yaml")).unwrap();
    execute(&workspace, "UPDATE versions SET record = 'x'");
    let output = workspace.run();
    assert_eq!((output.status, output.stderr.as_str()), (0, ""), "{}", output.transcript());
    workspace.export("acme/t/V3", "id\n1\n");
    let output = workspace.run();
    assert!(output.stdout.contains("WAITING"), "{}", output.transcript());
}
