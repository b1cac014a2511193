//! Every implementation of the delta behind one signature, and the comparison of their results.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use runtime::Error;
use runtime::canonical::pseudonym::HmacKey;
use runtime::delta::{self, Delta};
use runtime::engine::{Engines, Limits};
use runtime::plan::Comparison;
use runtime::table::Table;
use runtime::telemetry::Watch;
use serde_json::{Map, Value as Json};
use tests::reference::{self, Changes, Outcome, Reject, Run};

pub(crate) const TENANT: &str = "acme";
pub(crate) const VERSION: &str = "20260102_V0001";
pub(crate) const PREVIOUS: &str = "20260101_V0001";

/// The tenant's key of pseudonyms.
pub(crate) fn hmac_key() -> HmacKey {
    HmacKey::new(reference::HMAC_KEY).unwrap()
}

/// The files of an export: names and bytes.
pub(crate) type Parts = Vec<(String, Vec<u8>)>;

/// The input of a delta: two exports of a table.
#[derive(Debug, Clone)]
pub(crate) struct DeltaInput {
    pub(crate) table: &'static Table,
    pub(crate) baseline: Option<Parts>,
    pub(crate) snapshot: Parts,
}

/// The result of a delta.
#[derive(Debug, Clone)]
pub(crate) enum DeltaResult {
    Changes(Changes),
    /// The rejected rows that are shown, and the number of all rejected rows by reason.
    Rejected {
        shown: Vec<Reject>,
        totals: BTreeMap<String, u64>,
    },
    Stopped(String),
}

/// One implementation of the delta.
pub(crate) struct Engine {
    pub(crate) name: &'static str,
    pub(crate) delta: fn(&DeltaInput) -> DeltaResult,
}

/// All implementations. The reference comes first; the others are compared with it.
pub(crate) const ENGINES: &[Engine] = &[
    Engine { name: "reference", delta: reference_delta },
    Engine { name: "native", delta: native_delta },
    Engine { name: "native without memory", delta: native_without_memory },
    Engine { name: "native with one thread", delta: native_with_one_thread },
    Engine { name: "native with eight threads", delta: native_with_eight_threads },
];

pub(crate) fn reference_delta(input: &DeltaInput) -> DeltaResult {
    let previous = input.baseline.is_some().then_some(PREVIOUS);
    let run = Run { table: input.table, tenant: TENANT, version: VERSION, previous };
    let baseline = input.baseline.as_ref().map(borrowed);
    match reference::delta(run, baseline.as_deref(), &borrowed(&input.snapshot)) {
        Outcome::Changes(changes) => DeltaResult::Changes(changes),
        Outcome::Rejected(rejects) => DeltaResult::rejected(rejects),
        Outcome::Stopped(stop) => DeltaResult::Stopped(format!("{stop:?}")),
    }
}

fn borrowed(parts: &Parts) -> Vec<(&str, &[u8])> {
    parts.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect()
}

/// How often the native engine used each kind of comparison.
pub(crate) static COMPARISONS: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];

thread_local! {
    static LAST_COMPARISON: Cell<Option<Comparison>> = const { Cell::new(None) };
}

/// How the native engine compared the last input of this thread; `None` if it rejected that input.
pub(crate) fn last_comparison() -> Option<Comparison> {
    LAST_COMPARISON.get()
}

pub(crate) fn native_delta(input: &DeltaInput) -> DeltaResult {
    run_native(input, Limits::default())
}

/// Every row is spilled to a temporary file, and the operations of each partition are written in a second pass.
fn native_without_memory(input: &DeltaInput) -> DeltaResult {
    run_native(input, Limits { memory: 1, ..Limits::default() })
}

/// Work is not divided, and the exports are read one after the other.
fn native_with_one_thread(input: &DeltaInput) -> DeltaResult {
    run_native(input, Limits { threads: NonZero::<usize>::MIN, ..Limits::default() })
}

/// Parts are read in parallel, each thread with memory for a single row.
fn native_with_eight_threads(input: &DeltaInput) -> DeltaResult {
    run_native(input, Limits { memory: 1, threads: NonZero::new(8).unwrap(), ..Limits::default() })
}

/// What the native engine says about a first export that it refuses.
pub(crate) fn native_problem(table: &'static Table, text: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let parts = vec![("part.csv".to_owned(), text.to_vec())];
    let delta = Delta {
        table,
        tenant: TENANT.into(),
        version: VERSION.into(),
        previous: PREVIOUS.into(),
        baseline: None,
        snapshot: delta::export(&write_parts(&folder.path().join("after"), &parts)).unwrap(),
        engines: Engines::default(),
        limits: Limits::default(),
        hmac_key: Some(hmac_key()),
    };
    let error = delta.run(&mut Vec::new(), &Watch::default()).expect_err("the export is refused");
    let offenders = error.rejects().map(|rejects| rejects.offenders.as_slice()).unwrap_or_default();
    let messages: Vec<&str> = offenders.iter().map(|offender| offender.message.as_str()).collect();
    format!("{error}\n{}\n{}", error.next_step().unwrap_or_default(), messages.join("\n"))
}

fn run_native(input: &DeltaInput, limits: Limits) -> DeltaResult {
    crate::limits::start();
    let folder = tempfile::tempdir().unwrap();
    let export = |name: &str, parts| delta::export(&write_parts(&folder.path().join(name), parts));
    let delta = || -> runtime::error::Result<Delta> {
        Ok(Delta {
            table: input.table,
            tenant: TENANT.into(),
            version: VERSION.into(),
            previous: PREVIOUS.into(),
            baseline: input.baseline.as_ref().map(|parts| export("before", parts)).transpose()?,
            snapshot: export("after", &input.snapshot)?,
            engines: Engines::default(),
            limits,
            hmac_key: Some(hmac_key()),
        })
    };
    let mut out = Vec::new();
    LAST_COMPARISON.set(None);
    match delta().and_then(|delta| delta.run(&mut out, &Watch::default())) {
        Ok(plan) => {
            COMPARISONS[plan.findings.comparison as usize].fetch_add(1, Ordering::Relaxed);
            LAST_COMPARISON.set(Some(plan.findings.comparison));
            DeltaResult::Changes(Changes {
                operations: operations(input.table, &out),
                rows: plan.counts.rows,
                inserted: plan.counts.inserted,
                updated: plan.counts.updated,
                deleted: plan.counts.deleted,
                duplicates: plan.counts.duplicates,
                baseline_fingerprint: plan.baseline_fingerprint,
                fingerprint: plan.fingerprint,
            })
        }
        Err(error) if error.fails_the_version() => DeltaResult::from_error(&error),
        Err(error) => panic!("the native engine failed with an error that does not blame the input: {error:?}"),
    }
}

pub(crate) fn write_parts(folder: &Path, parts: &Parts) -> PathBuf {
    fs::create_dir(folder).unwrap();
    for (name, bytes) in parts {
        fs::write(folder.join(name), bytes).unwrap();
    }
    folder.into()
}

/// Parses operations from NDJSON, and asserts that their fields are in the documented order.
pub(crate) fn operations(table: &Table, text: &[u8]) -> Vec<Json> {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let operation: Json = serde_json::from_slice(line).unwrap();
            let OrderedObject(fields) = serde_json::from_slice(line).unwrap();
            let expected: Vec<&str> = FIELDS.iter().copied().filter(|name| operation.get(*name).is_some()).collect();
            assert_eq!(fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), expected);
            for (name, value) in fields {
                assert_field_order(table, &name, &value);
            }
            operation
        })
        .collect()
}

/// The order of an operation's fields.
pub(crate) const FIELDS: [&str; 14] = [
    "op",
    "id",
    "tenant",
    "table",
    "sequence",
    "version",
    "previous",
    "key",
    "before",
    "after",
    "changed",
    "hash",
    "previous_hash",
    "schema",
];

fn assert_field_order(table: &Table, name: &str, value: &serde_json::value::RawValue) {
    let expected = match name {
        "key" => table.primary_key.to_vec(),
        "before" | "after" => {
            let published = table.columns.iter().filter(|column| column.publish && !table.is_key(column));
            published.map(|column| column.name).collect()
        }
        _ => return,
    };
    let OrderedObject(fields) = serde_json::from_str(value.get()).unwrap();
    assert_eq!(
        fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        expected,
        "the order of fields in {name}"
    );
}

/// A JSON object that keeps the order and the repetitions of its fields.
struct OrderedObject(Vec<(String, Box<serde_json::value::RawValue>)>);

impl<'de> serde::Deserialize<'de> for OrderedObject {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> serde::de::Visitor<'de> for Fields {
            type Value = OrderedObject;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<OrderedObject, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(OrderedObject(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl DeltaResult {
    /// What an engine reported as the input's fault.
    pub(crate) fn from_error(error: &Error) -> Self {
        let Some(rejects) = error.rejects() else { return Self::Stopped(error.to_string()) };
        let shown = rejects.offenders.iter().map(|offender| Reject {
            part: offender.part.clone(),
            line: offender.line,
            column: offender.column.clone(),
            reason: offender.reason.to_string(),
        });
        let totals = rejects.totals.iter().map(|(reason, count)| (reason.to_string(), *count)).collect();
        Self::Rejected { shown: shown.collect(), totals }
    }

    /// A result in which every rejected row is shown.
    pub(crate) fn rejected(rejects: Vec<Reject>) -> Self {
        let mut totals = BTreeMap::new();
        for reject in &rejects {
            *totals.entry(reject.reason.clone()).or_default() += 1;
        }
        Self::Rejected { shown: rejects, totals }
    }

    pub(crate) fn changes(&self) -> &Changes {
        match self {
            Self::Changes(changes) => changes,
            other => panic!("expected changes, got {other:?}"),
        }
    }
}

/// Describes the difference between the expected and the actual result, if there is one.
pub(crate) fn difference(expected: &DeltaResult, actual: &DeltaResult) -> Option<String> {
    match (expected, actual) {
        (DeltaResult::Changes(expected), DeltaResult::Changes(actual)) => changes_difference(expected, actual),
        (DeltaResult::Rejected { shown: all, totals }, DeltaResult::Rejected { shown, totals: actual_totals }) => {
            rejects_difference(all, totals, shown, actual_totals)
        }
        (DeltaResult::Stopped(_), DeltaResult::Stopped(_)) => None,
        _ => Some(format!("expected {expected:#?}\nactual {actual:#?}")),
    }
}

fn changes_difference(expected: &Changes, actual: &Changes) -> Option<String> {
    let (expected_by_key, actual_by_key) = (by_key(&expected.operations), by_key(&actual.operations));
    for key in expected_by_key.keys().chain(actual_by_key.keys()) {
        match (expected_by_key.get(key).map(Vec::as_slice), actual_by_key.get(key).map(Vec::as_slice)) {
            (Some([expected]), Some([actual])) if json_equal(expected, actual) => {}
            (expected, actual) => return Some(format!("key {key}\nexpected {expected:#?}\nactual {actual:#?}")),
        }
    }
    let counts = |changes: &Changes| Changes { operations: Vec::new(), ..changes.clone() };
    let (expected, actual) = (counts(expected), counts(actual));
    (expected != actual).then(|| format!("expected {expected:#?}\nactual {actual:#?}"))
}

fn by_key(operations: &[Json]) -> BTreeMap<String, Vec<&Json>> {
    let mut by_key: BTreeMap<String, Vec<&Json>> = BTreeMap::new();
    for operation in operations {
        by_key.entry(operation["key"].to_string()).or_default().push(operation);
    }
    by_key
}

/// Compares JSON with numbers by value, so that `1` equals `1.0`.
fn json_equal(a: &Json, b: &Json) -> bool {
    let fields_equal = |a: &Map<String, Json>, b: &Map<String, Json>| {
        a.len() == b.len() && a.iter().all(|(name, value)| b.get(name).is_some_and(|other| json_equal(value, other)))
    };
    match (a, b) {
        (Json::Object(a), Json::Object(b)) => fields_equal(a, b),
        (Json::Number(x), Json::Number(y)) => x == y || ((x.is_f64() || y.is_f64()) && x.as_f64() == y.as_f64()),
        _ => a == b,
    }
}

/// The expectation lists all rejected rows; an engine shows the first twenty, and the totals.
fn rejects_difference(
    all: &[Reject],
    totals: &BTreeMap<String, u64>,
    shown: &[Reject],
    actual_totals: &BTreeMap<String, u64>,
) -> Option<String> {
    let sorted = |rejects: &[Reject]| {
        let mut rejects = rejects.to_vec();
        rejects.sort();
        rejects
    };
    let agrees = totals == actual_totals
        && shown.iter().all(|reject| all.contains(reject))
        && if all.len() <= runtime::reject::SHOWN || shown.len() == all.len() {
            sorted(all) == sorted(shown)
        } else {
            shown.len() == runtime::reject::SHOWN
        };
    (!agrees).then(|| format!("expected {totals:?} {all:#?}\nactual {actual_totals:?} {shown:#?}"))
}
