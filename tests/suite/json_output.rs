//! What commands print with `--format json`: every output of every test is what its JSON Schema in docs/json says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use jsonschema::Validator;
use regex::Regex;
use serde_json::Value;

use crate::workspace::{Workspace, gzip};

/// What the schemas have in common.
const COMMON: &str = "common";

/// The schemas by their names: those of the commands, and that of an error.
static SCHEMAS: LazyLock<BTreeMap<String, Validator>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/json");
    let read = |name: &str| fs::read_to_string(folder.join(format!("{name}.schema.json"))).unwrap();
    let common: Value = serde_json::from_str(&read(COMMON)).unwrap();
    let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = names.filter_map(|name| name.strip_suffix(".schema.json").map(str::to_owned));
    let schema = |name: String| {
        // Everything in one document, so that no reference leaves it.
        let mut schema: Value = serde_json::from_str(&read(&name).replace("common.schema.json#", "#")).unwrap();
        let mut shared = common["$defs"].clone();
        if let Some(own) = schema.get("$defs").and_then(Value::as_object) {
            shared.as_object_mut().unwrap().extend(own.clone());
        }
        schema["$defs"] = shared;
        let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, validator)
    };
    names.filter(|name| name != COMMON).map(schema).collect()
});

/// Checks what a command printed on stdout, if it was asked for JSON.
pub(crate) fn check(arguments: &[&str], stdout: &[u8]) {
    if !arguments.windows(2).any(|pair| pair == ["--format", "json"]) || stdout.is_empty() {
        return;
    }
    let Some(command) = arguments.iter().find(|word| SCHEMAS.contains_key(**word)) else { return };
    let Ok(output) = serde_json::from_slice::<Value>(stdout) else {
        assert_eq!(*command, "delta", "{arguments:?} prints no JSON: {}", String::from_utf8_lossy(stdout));
        // Operations, one a line.
        return;
    };
    let is_error = output.as_object().is_some_and(|fields| fields.keys().eq(["error"]));
    let is_operation = *command == "delta" && output.get("op").is_some();
    if is_operation {
        return;
    }
    let name = if is_error { "error" } else { command };
    let errors: Vec<String> =
        SCHEMAS[name].iter_errors(&output).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(
        errors.is_empty(),
        "{arguments:?} prints something else than docs/json/{name}.schema.json: {errors:#?}\n{output:#}"
    );
}

/// The commands that take `--format`.
fn commands(workspace: &Workspace) -> BTreeSet<String> {
    let help = workspace.tidemark(&["--help"]).stdout;
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let name = Regex::new(r"(?m)^  ([a-z]+) ").unwrap();
    let names = name.captures_iter(commands).map(|name| name[1].to_owned()).filter(|name| name != "help");
    names.filter(|name| workspace.tidemark(&[name, "--help"]).stdout.contains("--format <FORMAT>")).collect()
}

#[test]
fn every_command_that_prints_json_has_a_schema() {
    let mut expected = commands(&Workspace::new());
    assert!(expected.len() > 15, "{expected:?}");
    expected.insert("error".into());
    assert_eq!(SCHEMAS.keys().cloned().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn an_output_with_another_field_is_found() {
    let recovered = br#"{ "tables": [{ "tenant": "acme", "table": "orders", "new": 1 }] }"#;
    let arguments = ["recover", "--format", "json"];
    assert!(std::panic::catch_unwind(|| check(&arguments, recovered)).is_err());
    check(&arguments, br#"{ "tables": [{ "tenant": "acme", "table": "orders" }] }"#);
}

/// Every command, with an output that is not an error: its arguments, and its exit status. HASH is that of V2's plan.
/// The versions are delivered before the run that finds them.
const CALLS: [(&str, i32); 31] = [
    ("run exports --out out --sink sqlite:rows.db --create", 1),
    ("status --check", 1),
    ("plan acme/test_table/V2", 0),
    ("approve acme/test_table/V2 HASH", 0),
    ("run exports", 0),
    ("run exports", 1),
    ("retry acme/test_table/V4", 0),
    ("status", 0),
    ("history acme/test_table", 0),
    ("history acme/test_table V1", 0),
    ("why acme/test_table PK001", 0),
    ("verify", 0),
    ("replay acme/test_table/V1", 0),
    ("retire acme/test_table/V3", 0),
    ("reconcile acme/test_table --to sqlite:rows.db", 0),
    ("apply out --to sqlite:other.db --create", 0),
    ("resync acme/test_table", 0),
    ("recover", 0),
    ("gc --keep 0", 0),
    ("tables", 0),
    ("tables orders", 0),
    ("delta test_table old.csv.gz new.csv.gz -o operations.ndjson", 0),
    ("infer old.csv.gz", 0),
    ("init shop old.csv.gz", 0),
    ("doctor", 0),
    ("report", 0),
    ("run exports", 1),
    ("run exports", 1),
    ("reject acme/test_table/V6", 0),
    ("run exports", 0),
    ("status --check", 0),
];

#[test]
fn the_output_of_every_command_is_as_its_schema_says() {
    let workspace = Workspace::new();
    let rows = |numbers: std::ops::Range<u32>| numbers.map(|n| format!("PK{n:03};{n};;\n")).collect::<String>();
    let mut deliveries = [
        vec![("V1", rows(0..200)), ("V2", rows(0..50))],
        vec![("V3", rows(0..1))],
        vec![("V4", "bad\n".to_owned())],
        vec![("V5", rows(0..200))],
        vec![("V6", rows(0..1))],
        Vec::new(),
    ]
    .into_iter();
    workspace.write("old.csv.gz", &gzip(rows(0..2).as_bytes()));
    workspace.write("new.csv.gz", &gzip(rows(1..3).as_bytes()));
    let (known, mut seen) = (commands(&workspace), BTreeSet::new());
    let mut hash = String::new();
    for (call, status) in CALLS {
        let words = call.replace("HASH", &hash);
        let words: Vec<&str> = words.split(' ').chain(["--format", "json"]).collect();
        if words[0] == "run" {
            for (version, rows) in deliveries.next().unwrap() {
                workspace.export(&format!("acme/test_table/{version}"), &rows);
            }
        }
        let output = workspace.tidemark(&words);
        assert_eq!(output.status, status, "{call}: {}", output.transcript());
        let json: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{}", output.transcript()));
        assert!(json.get("error").is_none(), "{call}: {json:#}");
        hash = json["plan"]["hash"].as_str().map_or(hash, str::to_owned);
        seen.insert(words[0].to_owned());
    }
    assert_eq!(seen, known);
}
