//! Columns with `publish: hmac`: consumers have pseudonyms, and nothing durable has the values.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};
use tests::reference::pseudonym::pseudonym;
use tests::reference::{HMAC_KEY, value};

use crate::workspace::{CommandOutput, Workspace, files};

/// The values that must be nowhere, in the spellings of exports and in canonical ones.
const SECRETS: [&str; 6] = ["ann@s3cr3t", "bob@s3cr3t", "s3cr3t", "31415926", "17.03.1980", "1980-03-17"];

const VARIABLE: &str = "TIDEMARK_HMAC_KEY_acme";

fn key() -> &'static str {
    std::str::from_utf8(HMAC_KEY).unwrap()
}

/// The pseudonym that the reference has for a canonical text.
fn hmac_of(text: &str) -> Value {
    pseudonym(&value::Value::new(text.into(), json!(text))).text.into()
}

/// A table whose key and two other columns have these options.
fn schema([email, pin, born]: [&str; 3]) -> String {
    format!(
        "table: t\nprimary_key: [email]\ncolumns:\n  - {{ name: email, type: string{email} }}\n  \
         - {{ name: pin, type: int, nullable: true{pin} }}\n  \
         - {{ name: born, type: date, format: \"%d.%m.%Y\", nullable: true{born} }}\n  \
         - {{ name: visits, type: int }}\n\
         source: {{ compression: none }}\nengine: {{ athena: false }}\noperations: {{ before_image: true }}\n\
         guards: {{ min_baseline_rows: 2 }}\n"
    )
}

const HMAC: &str = ", publish: hmac";

/// A workspace with a schema of pseudonyms, in which exports are written by [`export`].
fn workspace() -> Workspace {
    let workspace = Workspace::from_schemas();
    workspace.write("schemas/t.yaml", schema([HMAC; 3]).as_bytes());
    workspace
}

fn export(workspace: &Workspace, version: &str, rows: &str) {
    workspace.write(&format!("exports/{version}/t.csv"), format!("born,email,pin,visits\n{rows}").as_bytes());
}

fn first(workspace: &Workspace) {
    export(workspace, "acme/t/V1", "17.03.1980,ann@s3cr3t,31415926,1\n,bob@s3cr3t,,1\n,cleo@s3cr3t,31415926,1\n");
}

/// Runs a command with full logging and a key, and asserts that nothing it prints contains a value.
fn traced(workspace: &Workspace, key: &str, arguments: &[&str]) -> CommandOutput {
    let output = workspace.tidemark_with_env(arguments, &[("RUST_LOG", "trace"), (VARIABLE, key)]);
    let printed = format!("{}{}", output.stdout, output.stderr);
    assert_without_secrets(&printed, &format!("{arguments:?}"));
    assert!(key.is_empty() || !printed.contains(key), "{arguments:?} shows the key");
    output
}

fn assert_runs(workspace: &Workspace, arguments: &[&str]) -> CommandOutput {
    let output = traced(workspace, key(), arguments);
    assert_eq!(output.status, 0, "{arguments:?}: {}", output.transcript());
    output
}

fn assert_without_secrets(text: &str, place: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{place} has {secret}: {text}");
    }
}

/// Asserts that no file has a value or the key, compressed or not.
fn assert_nothing_durable(workspace: &Workspace) {
    for folder in ["out", "again", ".tidemark", "rows", "report"] {
        for (path, bytes) in files(&workspace.path(folder)) {
            let mut text = Vec::new();
            let is_gzip = MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut text).is_ok();
            let text = String::from_utf8_lossy(if is_gzip { &text } else { &bytes }).into_owned();
            assert_without_secrets(&text, &path.to_string_lossy());
            assert!(!text.contains(key()), "{} has the key", path.display());
        }
    }
}

#[test]
fn no_value_reaches_an_operation_a_plan_a_database_a_log_an_error_or_a_report() {
    let workspace = workspace();
    let run = ["run", "exports", "--out", "out", "--sink", "sqlite:rows/t.db", "--create"];
    std::fs::create_dir(workspace.path("rows")).unwrap();
    first(&workspace);
    assert_runs(&workspace, &run);
    // Spelled in another way, the first row is the same.
    export(
        &workspace,
        "acme/t/V2",
        "17.03.1980,ann@s3cr3t,+031415926,1\n17.03.1980,bob@s3cr3t,31415926,1\n,dan@s3cr3t,,1\n",
    );
    assert_eq!(traced(&workspace, key(), &run).status, 1, "a third of the rows is deleted");
    let plan = assert_runs(&workspace, &["plan", "acme/t/V2", "--format", "json"]);
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    let hash = plan["plan"]["hash"].as_str().or(plan["hash"].as_str()).unwrap().to_owned();
    assert_runs(&workspace, &["approve", "acme/t/V2", &hash]);
    let operations = workspace.published("acme/t/V2");
    let update = operations.iter().find(|record| record["op"] == "UPDATE").unwrap();
    assert_eq!(update["key"], json!({ "email": hmac_of("bob@s3cr3t") }));
    assert_eq!(update["before"], json!({ "pin": null, "born": null, "visits": 1 }));
    assert_eq!(update["after"], json!({ "pin": hmac_of("31415926"), "born": hmac_of("1980-03-17"), "visits": 1 }));
    assert_eq!(operations.len(), 5, "{operations:?}");

    look_at_everything(&workspace, &run);
    assert_nothing_durable(&workspace);
}

/// Delivers an export that cannot be read, and runs every command that shows or writes something.
fn look_at_everything(workspace: &Workspace, run: &[&str]) {
    // Values that cannot be read, a key twice, NULL in the key.
    export(
        workspace,
        "acme/t/V3",
        "1980-03-17,ann@s3cr3t,1,1\n,bob@s3cr3t,31415926x,1\n,dan@s3cr3t,1,1\n,dan@s3cr3t,2,1\n,,1,1\n",
    );
    let failed = traced(workspace, key(), run);
    assert!(failed.status == 1 && failed.stderr.contains("a masked value is not an int"), "{}", failed.transcript());
    for command in [
        &["why", "acme/t", "bob@s3cr3t", "--format", "json"][..],
        &["history", "acme/t", "V3"],
        &["verify"],
        &["reconcile", "acme/t", "--to", "sqlite:rows/t.db"],
        &["replay", "acme/t/V2", "--out", "again"],
        &["report", "-o", "report"],
        &["status"],
    ] {
        assert_runs(workspace, command);
    }
}

#[test]
fn a_row_is_found_by_its_value_although_its_key_is_a_pseudonym() {
    let workspace = workspace();
    first(&workspace);
    assert_runs(&workspace, &["run", "exports"]);
    let why = assert_runs(&workspace, &["why", "acme/t", "ann@s3cr3t", "--format", "json"]);
    let why: Value = serde_json::from_str(&why.stdout).unwrap();
    assert_eq!(why["versions"][0]["operation"]["op"], "INSERT", "{why}");
    assert_eq!(why["versions"][0]["rows"].as_array().map(Vec::len), Some(1), "{why}");
    // A version that could not be read, too.
    export(&workspace, "acme/t/V2", ",ann@s3cr3t,31415926x,1\n");
    assert_eq!(traced(&workspace, key(), &["run", "exports"]).status, 1);
    let why = assert_runs(&workspace, &["why", "acme/t", "ann@s3cr3t", "--format", "json"]);
    let why: Value = serde_json::from_str(&why.stdout).unwrap();
    assert_eq!(why["versions"][1]["rows"].as_array().map(Vec::len), Some(1), "{why}");
}

#[test]
fn whoever_only_looks_at_the_status_needs_no_key() {
    let workspace = workspace();
    first(&workspace);
    assert_runs(&workspace, &["run", "exports"]);
    for key in ["", "the key of somebody else, who looks at it"] {
        let status = traced(&workspace, key, &["status", "--check"]);
        assert_eq!(status.status, 0, "{}", status.transcript());
    }
}

#[test]
fn without_a_key_of_32_bytes_nothing_is_read_and_the_error_says_what_to_do() {
    let workspace = workspace();
    first(&workspace);
    let missing = traced(&workspace, "", &["run", "exports"]);
    assert_eq!(missing.status, 1, "{}", missing.transcript());
    for expected in [
        "tenant acme: there is no HMAC key for the pseudonyms of `email`",
        "set TIDEMARK_HMAC_KEY_acme",
        "openssl rand -hex 32",
    ] {
        assert!(missing.stderr.contains(expected), "{expected}: {}", missing.stderr);
    }
    let short = traced(&workspace, &key()[..31], &["run", "exports"]);
    assert!(short.status == 1 && short.stderr.contains("has 31 bytes, and needs at least 32"), "{}", short.stderr);
    assert_eq!(workspace.statuses("acme/t"), [("V1".to_owned(), "REGISTERED".to_owned())].into());
    assert!(workspace.published("acme/t/V1").is_empty());
    let delta = ["delta", "t", "none", "exports/acme/t/V1", "--format", "json"];
    let anonymous = traced(&workspace, key(), &delta);
    assert!(anonymous.status == 2 && anonymous.stdout.contains("--tenant"), "{}", anonymous.transcript());
    assert_runs(&workspace, &[&delta[..], &["--tenant", "acme"]].concat());
    assert_runs(&workspace, &["run", "exports"]);
}

#[test]
fn keys_are_in_files_named_after_tenants_and_equal_values_of_two_tenants_have_two_pseudonyms() {
    let workspace = workspace();
    for (tenant, key) in
        [("acme", format!("{}\n", key())), ("other-1", "another key, which is also long enough".into())]
    {
        workspace.write(&format!("keys/{tenant}"), key.as_bytes());
        export(&workspace, &format!("{tenant}/t/V1"), ",ann@s3cr3t,,1\n");
    }
    let folder = [("TIDEMARK_HMAC_KEYS", "keys")];
    let output = workspace.tidemark_with_env(&["run", "exports"], &folder);
    assert_eq!(output.status, 0, "{}", output.transcript());
    let pseudonym = |tenant: &str| workspace.published(&format!("{tenant}/t/V1"))[1]["key"]["email"].clone();
    assert_eq!(pseudonym("acme"), hmac_of("ann@s3cr3t"));
    assert_ne!(pseudonym("other-1"), pseudonym("acme"));
    assert_eq!(pseudonym("other-1").as_str().map(str::len), Some(64));
    // Which of two keys is meant is not guessed.
    export(&workspace, "acme/t/V2", ",ann@s3cr3t,,2\n");
    let both = workspace.tidemark_with_env(&["run", "exports"], &[folder[0], (VARIABLE, key())]);
    assert!(both.status == 1 && both.stderr.contains("both have its HMAC key"), "{}", both.transcript());
}

#[test]
fn another_key_is_refused_until_a_version_is_published_in_full() {
    let workspace = workspace();
    first(&workspace);
    assert_runs(&workspace, &["run", "exports"]);
    export(&workspace, "acme/t/V2", "17.03.1980,ann@s3cr3t,31415926,2\n,bob@s3cr3t,,1\n,cleo@s3cr3t,31415926,1\n");
    let new = "the new key of acme, which is long enough, too";
    let refused = traced(&workspace, new, &["run", "exports"]);
    assert_eq!(refused.status, 1, "{}", refused.transcript());
    for expected in [
        "key-changed: the pseudonyms of V1 have the key",
        "again; or publish the next version in full",
        "resync acme/t",
    ] {
        assert!(refused.stderr.contains(expected), "{expected}: {}", refused.stderr);
    }
    // Files can still be checked, by their bytes.
    assert_eq!(traced(&workspace, new, &["verify"]).status, 0);
    assert_runs(&workspace, &["resync", "acme/t"]);
    let full = traced(&workspace, new, &["run", "exports"]);
    assert_eq!(full.status, 0, "{}", full.transcript());
    let operations = workspace.published("acme/t/V2");
    assert_eq!((operations.len(), &operations[0]["reset"]), (5, &json!(true)), "{operations:?}");
    assert!(operations.iter().all(|record| record["key"]["email"] != hmac_of("ann@s3cr3t")));
    assert_nothing_durable(&workspace);
    let old = traced(&workspace, key(), &["why", "acme/t", "ann@s3cr3t"]);
    assert!(old.status == 0 && old.stdout.contains("its rows had another key"), "{}", old.transcript());
}

/// Publishes the same rows under two schemas. Returns what the second run prints.
fn under_two_schemas(before: [&str; 3], after: [&str; 3]) -> (Workspace, CommandOutput) {
    let workspace = Workspace::from_schemas();
    let mut last = None;
    for (version, options) in [("V1", before), ("V2", after)] {
        workspace.write("schemas/t.yaml", schema(options).as_bytes());
        export(&workspace, &format!("acme/t/{version}"), "17.03.1980,ann,7,1\n");
        last = Some(workspace.tidemark_with_env(&["run", "exports"], &[(VARIABLE, key())]));
    }
    (workspace, last.unwrap())
}

#[test]
fn what_consumers_have_as_values_cannot_become_pseudonyms_without_a_version_in_full() {
    for (before, after, expected) in [
        (["", "", ""], ["", HMAC, ""], "the values of `pin` were published, and now pseudonyms are"),
        (["", HMAC, ""], ["", "", ""], "pseudonyms of `pin` were published, and now its values are"),
        (["", "", ""], [HMAC, "", ""], "the values of `email` were published"),
    ] {
        let (workspace, refused) = under_two_schemas(before, after);
        assert!(refused.status == 1 && refused.stderr.contains(expected), "{}", refused.transcript());
        assert_eq!(workspace.tidemark(&["resync", "acme/t"]).status, 0);
        let full = workspace.tidemark_with_env(&["run", "exports"], &[(VARIABLE, key())]);
        assert_eq!(full.status, 0, "{}", full.transcript());
    }
}

#[test]
fn a_column_that_was_not_published_gets_pseudonyms_like_an_added_column() {
    let (workspace, output) = under_two_schemas(["", ", publish: false", ""], ["", HMAC, ""]);
    assert_eq!(output.status, 0, "{}", output.transcript());
    let operations = workspace.published("acme/t/V2");
    let added = json!([{ "name": "pin", "type": "char(64)", "value": null }]);
    assert_eq!((&operations[0]["schema_change"]["added"], operations.len()), (&added, 3));
    assert_eq!(operations[1]["after"]["pin"], hmac_of("7"));
    let (workspace, output) = under_two_schemas(["", HMAC, ""], ["", ", publish: false", ""]);
    assert_eq!(output.status, 0, "{}", output.transcript());
    assert_eq!(workspace.published("acme/t/V2").len(), 2);
}

#[test]
fn a_database_has_pseudonyms_in_place_of_values_that_it_had() {
    let workspace = Workspace::from_schemas();
    let run = ["run", "exports", "--sink", "sqlite:t.db", "--create"];
    workspace.write("schemas/t.yaml", schema([""; 3]).as_bytes());
    first(&workspace);
    assert_eq!(workspace.tidemark(&run).status, 0);
    workspace.write("schemas/t.yaml", schema(["", HMAC, HMAC]).as_bytes());
    export(&workspace, "acme/t/V2", "17.03.1980,ann@s3cr3t,31415926,2\n,bob@s3cr3t,,1\n,cleo@s3cr3t,31415926,1\n");
    assert_eq!(workspace.tidemark(&["resync", "acme/t"]).status, 0);
    for arguments in [&run[..], &["reconcile", "acme/t", "--to", "sqlite:t.db"], &["verify"]] {
        let output = workspace.tidemark_with_env(arguments, &[(VARIABLE, key())]);
        assert_eq!(output.status, 0, "{}", output.transcript());
    }
    let database = rusqlite::Connection::open(workspace.path("t.db")).unwrap();
    let mut rows = database.prepare("SELECT pin, born FROM t ORDER BY email").unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let rows: Vec<(Option<String>, Option<String>)> = rows.collect::<Result<_, _>>().unwrap();
    let text = |text: &str| hmac_of(text).as_str().map(str::to_owned);
    let (pin, born) = (text("31415926"), text("1980-03-17"));
    assert_eq!(rows, [(pin.clone(), born), (None, None), (pin, None)]);
}
