//! A run over the sample exports: the counts in samples/README.md, and consumption with the generated types.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use runtime::canonical::row::Layout;
use runtime::{Change, Operation, Record};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::command;
use crate::workspace::{Workspace, gunzip};

/// A workspace with the sample exports.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    fs::remove_dir(workspace.path("exports")).unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/exports"), &workspace.path("exports"));
    workspace
}

fn copy(from: &Path, to: &Path) {
    let copied = command("cp").arg("-r").args([from, to]).status().unwrap();
    assert!(copied.success());
}

/// `tenant/table/version -> rows, inserted, updated, deleted`, from the table in samples/README.md.
fn counts_in_readme() -> BTreeMap<String, [u64; 4]> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/README.md")).unwrap();
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    readme
        .lines()
        .map(cells)
        .filter(|cells| cells.len() == 7)
        .filter_map(|cells| {
            let numbers: Vec<u64> = cells[3..].iter().filter_map(|cell| cell.parse().ok()).collect();
            Some((cells[..3].join("/"), numbers.try_into().ok()?))
        })
        .collect()
}

#[test]
fn the_samples_produce_the_counts_in_their_readme() {
    let workspace = workspace();
    let (status, report) = workspace.run_json();
    assert_eq!(status, 0, "{report:#}");
    let counts: BTreeMap<String, [u64; 4]> = report["outcomes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|outcome| {
            let text = |name: &str| outcome[name].as_str().unwrap();
            let count = |name: &str| outcome["counts"][name].as_u64().unwrap();
            let name = format!("{}/{}/{}", text("tenant"), text("table"), text("version"));
            (name, ["rows", "inserted", "updated", "deleted"].map(count))
        })
        .collect();
    assert!(counts.len() > 30);
    assert_eq!(counts, counts_in_readme());
}

#[test]
fn the_late_sample_is_superseded() {
    let workspace = workspace();
    workspace.run();
    let late = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/late/acme/orders/20260101_V0002");
    copy(&late, &workspace.path("exports/acme/orders/"));
    let output = workspace.run();
    assert_eq!(output.status, 0);
    assert_eq!(workspace.statuses("acme/orders")["20260101_V0002"], "SUPERSEDED", "{}", output.stdout);
}

#[test]
fn every_published_version_folds_to_its_fingerprint_with_the_generated_types() {
    let workspace = workspace();
    workspace.run();
    let folded = fold::<generated::ledger_entries::Key, generated::ledger_entries::Values>(
        &workspace,
        &generated::ledger_entries::TABLE,
    ) + fold::<generated::orders::Key, generated::orders::Values>(&workspace, &generated::orders::TABLE)
        + fold::<generated::products::Key, generated::products::Values>(&workspace, &generated::products::TABLE)
        + fold::<generated::sensor_readings::Key, generated::sensor_readings::Values>(
            &workspace,
            &generated::sensor_readings::TABLE,
        )
        + fold::<generated::support_tickets::Key, generated::support_tickets::Values>(
            &workspace,
            &generated::support_tickets::TABLE,
        )
        + fold::<generated::test_table::Key, generated::test_table::Values>(&workspace, &generated::test_table::TABLE)
        + fold::<generated::web_events::Key, generated::web_events::Values>(&workspace, &generated::web_events::TABLE);
    assert_eq!(folded, counts_in_readme().len());
}

/// Folds every tenant's versions of a table, and returns how many there are. Each line is parsed into the generated
/// types and written back.
fn fold<K, V>(workspace: &Workspace, table: &'static runtime::table::Table) -> usize
where
    K: Ord + Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    let layout = Layout::new(table);
    let mut versions = 0;
    for tenant in sorted(&workspace.path("out")) {
        let mut rows: BTreeMap<K, V> = BTreeMap::new();
        let mut folders = sorted(&tenant.join(table.name));
        folders.sort_by(|a, b| runtime::name::natural_cmp(&a.to_string_lossy(), &b.to_string_lossy()));
        for line in folders.iter().flat_map(|folder| sorted(folder)).flat_map(|part| lines(&part)) {
            match Record::<K, V>::from_json(&line).unwrap() {
                Record::Begin(begin) => assert_eq!(begin.fingerprint, fingerprint(&layout, &rows)),
                Record::Operation(operation) => {
                    assert_round_trip(&line, &operation);
                    match operation.change {
                        Change::Insert { after, .. } => assert!(rows.insert(operation.key, after).is_none()),
                        Change::Update { after, .. } => assert!(rows.insert(operation.key, after).is_some()),
                        Change::Delete { .. } => assert!(rows.remove(&operation.key).is_some()),
                    }
                }
                Record::End(end) => {
                    assert_eq!((end.fingerprint, end.rows), (fingerprint(&layout, &rows), rows.len() as u64));
                    versions += 1;
                }
            }
        }
    }
    versions
}

fn fingerprint<K: Serialize, V: Serialize>(layout: &Layout, rows: &BTreeMap<K, V>) -> i128 {
    rows.iter().map(|(key, values)| i128::from(layout.hash_of_typed(key, values).unwrap())).sum()
}

/// Serializing the parsed operation gives the line back.
fn assert_round_trip<K: Serialize, V: Serialize>(line: &str, operation: &Operation<K, V>) {
    let original: serde_json::Value = serde_json::from_str(line).unwrap();
    let serialized = serde_json::to_value(operation).unwrap();
    assert_eq!(numbers_as_floats(serialized), numbers_as_floats(original));
}

/// The JSON has the shortest text of a `float` column's 32 bits, a `Value` has them widened to a double.
fn numbers_as_floats(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Number(number) => Value::from(format!("{:.6e}", number.as_f64().unwrap())),
        Value::Array(items) => items.into_iter().map(numbers_as_floats).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, field)| (name, numbers_as_floats(field))).collect(),
        other => other,
    }
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn lines(part: &Path) -> Vec<String> {
    gunzip(part).lines().map(str::to_owned).collect()
}
