//! Everything that computes a delta, behind one signature, and what it means that two of them agree.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use runtime::Error;
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

/// The files of an export, with their names.
pub(crate) type Parts = Vec<(String, Vec<u8>)>;

/// Two exports of a table.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) table: &'static Table,
    pub(crate) baseline: Option<Parts>,
    pub(crate) snapshot: Parts,
}

/// What an engine makes of them.
#[derive(Debug, Clone)]
pub(crate) enum Finding {
    Changes(Changes),
    /// The offenders that are shown, and all of them by reason.
    Rejected {
        shown: Vec<Reject>,
        totals: BTreeMap<String, u64>,
    },
    Stopped(String),
}

/// One implementation of the delta.
pub(crate) struct Engine {
    pub(crate) name: &'static str,
    pub(crate) delta: fn(&Given) -> Finding,
}

/// All of them. The reference stands first: the others are held against it.
pub(crate) const ENGINES: &[Engine] = &[
    Engine { name: "reference", delta: by_reference },
    Engine { name: "native", delta: natively },
    Engine { name: "native without memory", delta: without_memory },
    Engine { name: "native with one thread", delta: with_one_thread },
    Engine { name: "native with eight threads", delta: with_eight_threads },
];

pub(crate) fn by_reference(given: &Given) -> Finding {
    let previous = given.baseline.is_some().then_some(PREVIOUS);
    let run = Run { table: given.table, tenant: TENANT, version: VERSION, previous };
    let baseline = given.baseline.as_ref().map(borrowed);
    match reference::delta(run, baseline.as_deref(), &borrowed(&given.snapshot)) {
        Outcome::Changes(changes) => Finding::Changes(changes),
        Outcome::Rejected(rejects) => Finding::rejected(rejects),
        Outcome::Stopped(stop) => Finding::Stopped(format!("{stop:?}")),
    }
}

fn borrowed(parts: &Parts) -> Vec<(&str, &[u8])> {
    parts.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect()
}

/// How many comparisons of the native engine there were of each kind.
pub(crate) static COMPARISONS: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];

thread_local! {
    static SEEN: Cell<Option<Comparison>> = const { Cell::new(None) };
}

/// How the native engine compared what this thread gave it last; `None` when it refused that.
pub(crate) fn seen() -> Option<Comparison> {
    SEEN.get()
}

pub(crate) fn natively(given: &Given) -> Finding {
    native(given, Limits::default())
}

/// Every row goes to a temporary file, and every partition's operations are written in a second look of their own.
pub(crate) fn without_memory(given: &Given) -> Finding {
    native(given, Limits { memory: 1, ..Limits::default() })
}

/// Nothing is shared out, and one export is read after the other.
pub(crate) fn with_one_thread(given: &Given) -> Finding {
    native(given, Limits { threads: NonZero::<usize>::MIN, ..Limits::default() })
}

/// Parts are read at the same time, each thread with room for a single row.
pub(crate) fn with_eight_threads(given: &Given) -> Finding {
    native(given, Limits { memory: 1, threads: NonZero::new(8).unwrap(), ..Limits::default() })
}

fn native(given: &Given, limits: Limits) -> Finding {
    let folder = tempfile::tempdir().unwrap();
    let export = |name: &str, parts| delta::export(&write(&folder.path().join(name), parts));
    let delta = || -> runtime::error::Result<Delta> {
        Ok(Delta {
            table: given.table,
            tenant: TENANT.into(),
            version: VERSION.into(),
            previous: PREVIOUS.into(),
            baseline: given.baseline.as_ref().map(|parts| export("before", parts)).transpose()?,
            snapshot: export("after", &given.snapshot)?,
            engines: Engines::default(),
            limits,
        })
    };
    let mut out = Vec::new();
    SEEN.set(None);
    match delta().and_then(|delta| delta.run(&mut out, &Watch::default())) {
        Ok(plan) => {
            COMPARISONS[plan.findings.comparison as usize].fetch_add(1, Ordering::Relaxed);
            SEEN.set(Some(plan.findings.comparison));
            Finding::Changes(Changes {
                operations: operations(given.table, &out),
                rows: plan.counts.rows,
                inserted: plan.counts.inserted,
                updated: plan.counts.updated,
                deleted: plan.counts.deleted,
                duplicates: plan.counts.duplicates,
                baseline_fingerprint: plan.baseline_fingerprint,
                fingerprint: plan.fingerprint,
            })
        }
        Err(Error::Rejected(rejected)) => {
            let rejects = rejected.rejects;
            let shown = rejects.offenders.into_iter().map(|offender| Reject {
                part: offender.part,
                line: offender.line,
                column: offender.column,
                reason: offender.reason.to_string(),
            });
            let totals = rejects.totals.iter().map(|(reason, count)| (reason.to_string(), *count)).collect();
            Finding::Rejected { shown: shown.collect(), totals }
        }
        Err(error @ Error::Export(_)) => Finding::Stopped(error.to_string()),
        Err(error) => panic!("the native engine failed as if the input were not at fault: {error:?}"),
    }
}

fn write(folder: &Path, parts: &Parts) -> PathBuf {
    fs::create_dir(folder).unwrap();
    for (name, bytes) in parts {
        fs::write(folder.join(name), bytes).unwrap();
    }
    folder.into()
}

/// The operations of NDJSON text. Their fields must stand in the documented order.
pub(crate) fn operations(table: &Table, text: &[u8]) -> Vec<Json> {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let operation: Json = serde_json::from_slice(line).unwrap();
            let InOrder(fields) = serde_json::from_slice(line).unwrap();
            let wanted: Vec<&str> = FIELDS.iter().copied().filter(|name| operation.get(*name).is_some()).collect();
            assert_eq!(fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), wanted);
            for (name, value) in fields {
                assert_order(table, &name, &value);
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

fn assert_order(table: &Table, name: &str, value: &serde_json::value::RawValue) {
    let wanted = match name {
        "key" => table.primary_key.to_vec(),
        "before" | "after" => {
            table.columns.iter().filter(|column| !table.is_key(column)).map(|column| column.name).collect()
        }
        _ => return,
    };
    let InOrder(fields) = serde_json::from_str(value.get()).unwrap();
    assert_eq!(fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), wanted, "the order within {name}");
}

/// A JSON object whose fields keep their order, and their repetitions.
struct InOrder(Vec<(String, Box<serde_json::value::RawValue>)>);

impl<'de> serde::Deserialize<'de> for InOrder {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> serde::de::Visitor<'de> for Fields {
            type Value = InOrder;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<InOrder, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(InOrder(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl Finding {
    /// All rejects, each of them shown.
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
            other => panic!("expected a change set, found {other:?}"),
        }
    }
}

/// What differs between what is expected and what an engine found.
pub(crate) fn difference(expected: &Finding, found: &Finding) -> Option<String> {
    match (expected, found) {
        (Finding::Changes(expected), Finding::Changes(found)) => changes_difference(expected, found),
        (Finding::Rejected { shown: all, totals }, Finding::Rejected { shown, totals: found }) => {
            rejects_difference(all, totals, shown, found)
        }
        (Finding::Stopped(_), Finding::Stopped(_)) => None,
        _ => Some(format!("expected {expected:#?}\nfound {found:#?}")),
    }
}

fn changes_difference(expected: &Changes, found: &Changes) -> Option<String> {
    let (wanted, got) = (by_key(&expected.operations), by_key(&found.operations));
    for key in wanted.keys().chain(got.keys()) {
        match (wanted.get(key).map(Vec::as_slice), got.get(key).map(Vec::as_slice)) {
            (Some([wanted]), Some([got])) if same(wanted, got) => {}
            (wanted, got) => return Some(format!("key {key}\nexpected {wanted:#?}\nfound {got:#?}")),
        }
    }
    let counts = |changes: &Changes| Changes { operations: Vec::new(), ..changes.clone() };
    let (wanted, got) = (counts(expected), counts(found));
    (wanted != got).then(|| format!("expected {wanted:#?}\nfound {got:#?}"))
}

fn by_key(operations: &[Json]) -> BTreeMap<String, Vec<Json>> {
    let mut by_key: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    for operation in operations {
        by_key.entry(operation["key"].to_string()).or_default().push(operation.clone());
    }
    by_key
}

/// Equal JSON; numbers as their values, so that `1` and `1.0` are equal.
fn same(a: &Json, b: &Json) -> bool {
    let same_fields = |a: &Map<String, Json>, b: &Map<String, Json>| {
        a.len() == b.len() && a.iter().all(|(name, value)| b.get(name).is_some_and(|other| same(value, other)))
    };
    match (a, b) {
        (Json::Object(a), Json::Object(b)) => same_fields(a, b),
        (Json::Number(x), Json::Number(y)) => x == y || ((x.is_f64() || y.is_f64()) && x.as_f64() == y.as_f64()),
        _ => a == b,
    }
}

/// All offenders are expected; an engine shows the first twenty of them and the totals.
fn rejects_difference(
    all: &[Reject],
    totals: &BTreeMap<String, u64>,
    shown: &[Reject],
    found: &BTreeMap<String, u64>,
) -> Option<String> {
    let sorted = |rejects: &[Reject]| {
        let mut rejects = rejects.to_vec();
        rejects.sort();
        rejects
    };
    let agrees = totals == found
        && shown.iter().all(|reject| all.contains(reject))
        && if all.len() <= runtime::reject::SHOWN || shown.len() == all.len() {
            sorted(all) == sorted(shown)
        } else {
            shown.len() == runtime::reject::SHOWN
        };
    (!agrees).then(|| format!("expected {totals:?} {all:#?}\nfound {found:?} {shown:#?}"))
}
