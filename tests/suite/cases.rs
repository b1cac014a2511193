//! The case table: one folder per rule, run through every engine.
//!
//! A case is a folder `cases/<name>/` with `schema.yaml`, the exports `before/` (absent for a first import) and
//! `after/`, and the expected result in `expect/`. Exports are plain text and are compressed as the schema says, unless
//! a file is compressed already. `UPDATE_EXPECT=1` rewrites `expect/` from the reference; review the diff before you
//! commit it.

mod options;

use std::fs;
use std::path::{Path, PathBuf};

use runtime::table::{Compression, Table, Tenant};
use serde_json::{Value as Json, json};
use tests::reference::{Changes, Reject};

use crate::engines::{DeltaInput, DeltaResult, ENGINES, FIELDS, Parts, TENANT, difference, reference_delta};
use crate::random::compress;
use crate::workspace::add_to_summary;

struct Case {
    name: String,
    folder: PathBuf,
    input: DeltaInput,
}

#[test]
fn every_engine_produces_the_expected_result_of_every_case() {
    let cases = cases();
    let mut failures = Vec::new();
    for case in &cases {
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            case.update();
        }
        let Some((expected, mentions)) = case.expected() else {
            failures.push(format!("{}: no expected result; write expect/, or set UPDATE_EXPECT=1", case.name));
            continue;
        };
        for engine in ENGINES {
            let actual = (engine.delta)(&case.input);
            let difference =
                difference(&expected, &actual).or_else(|| missing_mentions(&mentions, &actual, engine.name));
            failures.extend(difference.map(|difference| format!("{}, {}: {difference}", case.name, engine.name)));
        }
    }
    add_to_summary(&format!("{} cases, each run through {} engines", cases.len(), ENGINES.len()));
    assert!(cases.len() >= 100, "the case table was not found");
    assert!(failures.is_empty(), "{} failures\n\n{}", failures.len(), failures.join("\n\n"));
}

/// The exports of every case, by its name.
#[cfg(feature = "aws")]
pub(crate) fn inputs() -> Vec<(String, DeltaInput)> {
    cases().into_iter().map(|case| (case.name, case.input)).collect()
}

/// The exports of the case in a folder.
#[cfg(feature = "aws")]
pub(crate) fn read(folder: &Path) -> DeltaInput {
    Case::read(folder.to_path_buf()).unwrap().input
}

fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut folders: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.is_dir());
    folders.sort();
    let (cases, mistakes): (Vec<_>, Vec<_>) = folders.into_iter().map(Case::read).partition(Result::is_ok);
    let mistakes: Vec<String> = mistakes.into_iter().filter_map(Result::err).collect();
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    cases.into_iter().filter_map(Result::ok).collect()
}

impl Case {
    fn read(folder: PathBuf) -> Result<Self, String> {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let yaml = fs::read_to_string(folder.join("schema.yaml")).unwrap();
        let table = tests::table::parse(&yaml).map_err(|mistakes| format!("{name}:\n{mistakes}"))?;
        // The expected results must not depend on the schema hash.
        let fixed = |table: &Table| Table { schema: "0123456789abcdef0123456789abcdef", ..table.clone() };
        let tenants = table.tenants.iter().map(|own| Tenant { table: fixed(&own.table), ..own.clone() });
        let tenants: Vec<Tenant> = tenants.collect();
        let table: &Table = Box::leak(Box::new(Table { tenants: tenants.leak(), ..fixed(table) }));
        let before = folder.join("before");
        let input = DeltaInput {
            table,
            baseline: before.exists().then(|| parts(table.for_tenant(TENANT), &before)),
            snapshot: parts(table.for_tenant(TENANT), &folder.join("after")),
        };
        Ok(Self { name, folder, input })
    }

    fn expect(&self, file: &str) -> PathBuf {
        self.folder.join("expect").join(file)
    }

    /// The expected result, and the words that an error message must mention.
    fn expected(&self) -> Option<(DeltaResult, Vec<String>)> {
        let read = |file: &str| fs::read_to_string(self.expect(file)).ok();
        let json = |text: &str| -> Json { serde_json::from_str(text).unwrap() };
        if let Some(text) = read("error.json") {
            let error = json(&text);
            let mentions = serde_json::from_value(error["mentions"].clone()).unwrap();
            return Some((DeltaResult::Stopped(error["stop"].as_str()?.into()), mentions));
        }
        if let Some(text) = read("rejects.json") {
            let rejects = json(&text).as_array()?.iter().map(reject).collect();
            return Some((DeltaResult::rejected(rejects), Vec::new()));
        }
        let operations = read("operations.ndjson")?.lines().map(json).collect();
        Some((DeltaResult::Changes(changes(&json(&read("summary.json")?), operations)), Vec::new()))
    }

    fn update(&self) {
        let mentions = self.expected().map(|(_, mentions)| mentions).unwrap_or_default();
        let _ = fs::remove_dir_all(self.folder.join("expect"));
        fs::create_dir(self.folder.join("expect")).unwrap();
        let write = |file: &str, text: String| fs::write(self.expect(file), text).unwrap();
        match reference_delta(&self.input) {
            DeltaResult::Stopped(stop) => {
                write("error.json", pretty_json(&json!({ "stop": stop, "mentions": mentions })))
            }
            DeltaResult::Rejected { shown, .. } => {
                let lines: Vec<String> = shown.iter().map(|reject| format!("  {}", reject_line(reject))).collect();
                write("rejects.json", format!("[\n{}\n]\n", lines.join(",\n")));
            }
            DeltaResult::Changes(changes) => {
                let lines =
                    changes.operations.iter().map(|operation| operation_line(self.input.table, operation) + "\n");
                write("operations.ndjson", lines.collect());
                write("summary.json", summary(&changes));
            }
        }
    }
}

/// The words that an engine's error message should mention but does not. The reference only knows the kind of error.
fn missing_mentions(mentions: &[String], actual: &DeltaResult, engine: &str) -> Option<String> {
    let DeltaResult::Stopped(message) = actual else { return None };
    let missing: Vec<&String> = mentions.iter().filter(|mention| !message.contains(*mention)).collect();
    (engine != "reference" && !missing.is_empty()).then(|| format!("`{message}` does not mention {missing:?}"))
}

/// The files of an export, compressed as the schema says.
fn parts(table: &Table, folder: &Path) -> Parts {
    let mut parts: Parts = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = fs::read(&path).unwrap();
        let extension = match table.source.compression {
            Compression::Gzip => ".gz",
            Compression::Zstd => ".zst",
            Compression::None => "",
        };
        let keep_as_is = name.starts_with(['_', '.']) || name.ends_with(".gz") || name.ends_with(".zst");
        parts.push(match keep_as_is {
            true => (name, bytes),
            false => (name + extension, compress(table.source.compression, &bytes)),
        });
    }
    parts.sort();
    parts
}

fn reject(json: &Json) -> Reject {
    let text = |name: &str| json[name].as_str().map(String::from);
    Reject {
        part: text("part").unwrap(),
        line: json["line"].as_u64().unwrap(),
        column: text("column"),
        reason: text("reason").unwrap(),
    }
}

fn reject_line(reject: &Reject) -> String {
    let Reject { part, line, column, reason } = reject;
    let column = column.as_ref().map_or_else(String::new, |column| format!(r#", "column": {}"#, json!(column)));
    format!(r#"{{ "part": {}, "line": {line}{column}, "reason": "{reason}" }}"#, json!(part))
}

fn changes(summary: &Json, operations: Vec<Json>) -> Changes {
    let count = |name: &str| summary[name].as_u64().unwrap();
    let fingerprint = |name: &str| summary[name].as_str().unwrap().parse().unwrap();
    Changes {
        operations,
        rows: count("rows"),
        inserted: count("inserted"),
        updated: count("updated"),
        deleted: count("deleted"),
        duplicates: count("duplicates"),
        baseline_fingerprint: fingerprint("baseline_fingerprint"),
        fingerprint: fingerprint("fingerprint"),
    }
}

fn summary(changes: &Changes) -> String {
    let Changes { rows, inserted, updated, deleted, duplicates, baseline_fingerprint, fingerprint, .. } = changes;
    format!(
        r#"{{
  "rows": {rows},
  "inserted": {inserted},
  "updated": {updated},
  "deleted": {deleted},
  "duplicates": {duplicates},
  "baseline_fingerprint": "{baseline_fingerprint}",
  "fingerprint": "{fingerprint}"
}}
"#
    )
}

fn pretty_json(json: &Json) -> String {
    serde_json::to_string_pretty(json).unwrap() + "\n"
}

/// An operation with its fields in the documented order.
fn operation_line(table: &Table, operation: &Json) -> String {
    let columns = table.columns.iter().map(|column| column.name);
    let field = |name: &str| match name {
        "key" => object(&operation[name], table.primary_key.iter().copied()),
        "before" | "after" => object(&operation[name], columns.clone()),
        _ => operation[name].to_string(),
    };
    let present = FIELDS.iter().filter(|name| operation.get(**name).is_some());
    let fields: Vec<String> = present.map(|name| format!("{}:{}", json!(name), field(name))).collect();
    format!("{{{}}}", fields.join(","))
}

fn object<'a>(values: &Json, names: impl Iterator<Item = &'a str>) -> String {
    let present = names.filter_map(|name| Some((name, values.get(name)?)));
    let fields: Vec<String> = present.map(|(name, value)| format!("{}:{value}", json!(name))).collect();
    format!("{{{}}}", fields.join(","))
}
