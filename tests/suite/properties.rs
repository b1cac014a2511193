//! What must hold for every schema and every pair of exports.
//!
//! `PROPTEST_CASES` says how many are tried.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use runtime::table::Table;
use serde_json::Value as Json;

use crate::engines::{COMPARISONS, ENGINES, Engine, Finding, Given, difference};
use crate::random::{self, FileDice, Row, SchemaDice, Written};
use crate::world::tell;

/// How many pairs of exports are tried unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 1_000;

/// Tries so many cases, unless `PROPTEST_CASES` says otherwise. Failures are printed, with their dice made small; none
/// is written to disk.
pub(crate) fn runner(cases: u32) -> TestRunner {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    TestRunner::new(Config { cases: asked.unwrap_or(cases), failure_persistence: None, ..Config::default() })
}

/// How much was tried, to be printed at the end.
#[derive(Default)]
struct Tally {
    schemas: BTreeSet<String>,
    rows: usize,
    operations: usize,
    rejects: usize,
    stopped: usize,
}

/// Two tables with common keys.
#[derive(Debug, Clone)]
pub(crate) struct Tables {
    pub(crate) schema: SchemaDice,
    pub(crate) before: Vec<Row>,
    /// New rows, each of which may borrow cells from a row of `before`: where from, and which cells.
    pub(crate) after: Vec<(u16, u16, Row)>,
    pub(crate) files: [FileDice; 3],
}

fn tables() -> impl Strategy<Value = Tables> {
    tables_of(25)
}

/// The same with up to so many rows.
pub(crate) fn tables_of(most: usize) -> impl Strategy<Value = Tables> {
    let after = vec((any::<u16>(), any::<u16>(), vec(any::<random::Cell>(), random::MOST_COLUMNS)), 0..most);
    let files = [random::files(), random::files(), random::files()];
    (random::schema(), random::rows(most), after, files).prop_map(|(schema, before, after, files)| Tables {
        schema,
        before,
        after,
        files,
    })
}

impl Tables {
    pub(crate) fn after(&self) -> Vec<Row> {
        self.after.iter().map(|(origin, own, cells)| self.borrow(*origin, *own, cells)).collect()
    }

    /// Two thirds of the rows are those of before, with the cells of `own` exchanged.
    fn borrow(&self, origin: u16, own: u16, cells: &Row) -> Row {
        if self.before.is_empty() || origin.is_multiple_of(3) {
            return cells.clone();
        }
        let old = &self.before[usize::from(origin / 3) % self.before.len()];
        let takes_own = |at: usize| own >> at & 1 != 0 && own >> 12 != 0;
        (0..cells.len()).map(|at| if takes_own(at) { cells[at] } else { old[at] }).collect()
    }
}

/// The names of the values of a row, by column.
type Names = Vec<Option<String>>;

/// Rows that a dialect can write, one a key.
pub(crate) struct Sheet {
    table: &'static Table,
    rows: Vec<(Row, Vec<Written>)>,
}

impl Sheet {
    pub(crate) fn new(table: &'static Table, rows: &[Row]) -> Self {
        let mut keys = BTreeSet::new();
        let rows = rows.iter().filter_map(|row| Some((row.clone(), random::written(table, row)?)));
        let rows = rows.filter(|(_, written)| keys.insert(key_names(table, &names(written))));
        Self { table, rows: rows.collect() }
    }

    pub(crate) fn texts(&self) -> Vec<Vec<Written>> {
        self.rows.iter().map(|(_, written)| written.clone()).collect()
    }

    /// The same values in other spellings, and some rows twice.
    pub(crate) fn respelled(&self) -> (Vec<Vec<Written>>, u64) {
        let mut texts = Vec::new();
        let mut duplicates = 0;
        for (row, written) in &self.rows {
            let spelled = |by: u16| {
                let other: Row = row.iter().map(|(value, spelling)| (*value, spelling.wrapping_add(by))).collect();
                // Another spelling can be one that the dialect cannot write.
                let other = random::written(self.table, &other).filter(|other| names(other) == names(written));
                other.unwrap_or_else(|| written.clone())
            };
            texts.push(spelled(1));
            if row[0].1 % 7 == 0 {
                texts.push(spelled(2));
                duplicates += 1;
            }
        }
        (texts, duplicates)
    }

    fn by_key(&self) -> BTreeMap<Names, Names> {
        let rows = self.rows.iter().map(|(_, written)| names(written));
        rows.map(|names| (key_names(self.table, &names), names)).collect()
    }
}

fn names(written: &[Written]) -> Names {
    written.iter().map(|cell| cell.name.clone()).collect()
}

fn key_names(table: &Table, names: &Names) -> Names {
    names.iter().zip(table.columns).filter(|(_, column)| table.is_key(column)).map(|(name, _)| name.clone()).collect()
}

/// Inserted, updated and deleted, as the dice know them without any text being read.
fn counts(before: &Sheet, after: &Sheet) -> [u64; 3] {
    let (old, new) = (before.by_key(), after.by_key());
    let differs = |a: &Names, b: &Names| {
        a.iter().zip(b).zip(before.table.columns).any(|((a, b), column)| column.compare && a != b)
    };
    let inserted = new.keys().filter(|key| !old.contains_key(*key)).count();
    let deleted = old.keys().filter(|key| !new.contains_key(*key)).count();
    let updated = new.iter().filter(|(key, row)| old.get(*key).is_some_and(|old| differs(old, row))).count();
    [inserted, updated, deleted].map(|count| count as u64)
}

/// Every engine's finding, which must be that of the reference.
fn agreed(given: &Given) -> Result<Finding, TestCaseError> {
    let [reference, others @ ..] = ENGINES else { panic!("there is at least the reference") };
    let expected = (reference.delta)(given);
    for Engine { name, delta } in others {
        if let Some(difference) = difference(&expected, &delta(given)) {
            return Err(TestCaseError::fail(format!("{name} differs from the reference: {difference}")));
        }
    }
    Ok(expected)
}

/// The compared columns of the rows that a consumer has after the operations.
fn apply(table: &Table, mut state: BTreeMap<String, Json>, operations: &[Json]) -> BTreeMap<String, Json> {
    for operation in operations {
        let key = operation["key"].to_string();
        if operation["op"] == "DELETE" {
            state.remove(&key).expect("only a key that is there is deleted");
        } else {
            let mut after = operation["after"].clone();
            let values = after.as_object_mut().expect("values are an object");
            values.retain(|name, _| table.column(name).is_some_and(|column| column.compare));
            assert_eq!(state.insert(key, after).is_some(), operation["op"] == "UPDATE");
        }
    }
    state
}

fn ids(finding: &Finding) -> BTreeSet<String> {
    finding.changes().operations.iter().map(|operation| operation["id"].to_string()).collect()
}

/// fp(new) = fp(old) + Σ hash − Σ previous_hash
fn conserves(finding: &Finding) -> bool {
    let changes = finding.changes();
    let sum = |name: &str| -> i128 {
        let hashes = changes.operations.iter().filter_map(|operation| operation[name].as_str());
        hashes.map(|hash| hash.parse::<i128>().expect("a hash is a number")).sum()
    };
    changes.fingerprint == changes.baseline_fingerprint + sum("hash") - sum("previous_hash")
}

#[test]
fn applying_a_delta_turns_one_export_into_the_other() {
    let tally = RefCell::new(Tally::default());
    let result = runner(CASES).run(&tables(), |tables| {
        let table = tables.schema.table();
        let (before, after) = (Sheet::new(table, &tables.before), Sheet::new(table, &tables.after()));
        let [first, second, third] = &tables.files;
        let old = random::export(table, &before.texts(), first);
        let new = random::export(table, &after.texts(), second);
        let delta = agreed(&Given { table, baseline: Some(old.clone()), snapshot: new.clone() })?;

        let changes = delta.changes();
        prop_assert_eq!([changes.inserted, changes.updated, changes.deleted], counts(&before, &after));
        prop_assert!(conserves(&delta));
        let from_nothing = |snapshot| agreed(&Given { table, baseline: None, snapshot });
        let start = apply(table, BTreeMap::new(), &from_nothing(old.clone())?.changes().operations);
        let end = apply(table, BTreeMap::new(), &from_nothing(new.clone())?.changes().operations);
        prop_assert_eq!(apply(table, start, &changes.operations), end);

        let (respelled, duplicates) = after.respelled();
        let other = random::export(table, &respelled, third);
        let again = agreed(&Given { table, baseline: Some(old), snapshot: other.clone() })?;
        prop_assert_eq!(ids(&again), ids(&delta));
        prop_assert_eq!(again.changes().duplicates, duplicates);
        prop_assert_eq!(again.changes().fingerprint, changes.fingerprint);
        let unchanged = agreed(&Given { table, baseline: Some(new), snapshot: other })?;
        prop_assert_eq!(&unchanged.changes().operations, &Vec::<Json>::new());

        let mut tally = tally.borrow_mut();
        tally.schemas.insert(format!("{table:?}"));
        tally.rows += before.rows.len() + after.rows.len();
        tally.operations += changes.operations.len();
        Ok(())
    });
    let Tally { schemas, rows, operations, .. } = tally.into_inner();
    tell(&format!("{} schemas, {rows} rows, {operations} operations: {} engines agree", schemas.len(), ENGINES.len()));
    result.unwrap();
    let [ascending, aligned, in_any_order] = COMPARISONS.each_ref().map(|count| count.load(Ordering::Relaxed));
    tell(&format!("comparisons: {ascending} with ascending keys, {aligned} aligned, {in_any_order} in any order"));
    assert!([ascending, aligned, in_any_order].iter().all(|count| *count > schemas.len() / 8));
}

/// Texts that look like values and are none, or look like none and are.
pub(crate) const NASTY: &[&str] = &[
    "1.",
    ".5",
    ".",
    "1d",
    "0x10",
    "1e5",
    "1e400",
    "1e39",
    "-1e39",
    "٣",
    "２",
    " 1",
    "1 ",
    "--5",
    "+-5",
    "5-",
    "128",
    "-129",
    "32768",
    "2147483648",
    "9223372036854775808",
    "-9223372036854775808",
    "99999999999999999999999999999999999999999999",
    "nan",
    "+NaN",
    "infinit",
    "INF",
    "1_000",
    "1,5",
    "true",
    "TRUE",
    "tRuE",
    "yes",
    "Ja",
    "ja",
    "y",
    "2020-1-1",
    "2020-02-30",
    "2021-02-29",
    "0000-01-01",
    "10000-01-01",
    "2020-01-01",
    "2020-01-01 00:00:00",
    "2020-01-01T24:00:00",
    "2020-01-01T23:59:60",
    "2020-01-01T00:00:00.1234567",
    "2020-01-01T00:00:00.",
    "2020-01-01T00:00:00Z",
    "2020-01-01T00:00:00z",
    "2020-01-01T00:00:00+14:00",
    "2020-01-01T00:00:00+14:01",
    "0001-01-01T00:00:00+01",
    "9999-12-31T23:30:00-01:00",
    "2020-01-01T00:00:00+1",
    "2020-01-01T00:00:00 +01",
    "2020-01-01t00:00:00Z",
    "01.02.2020",
    "31.04.2020",
    "29.02.2000",
    "20200101",
    "20200101000000",
    "20200101000000123456",
    "AA==",
    "AB==",
    "AA=",
    "AAA=",
    "AAB=",
    "AA",
    "A===",
    "AAAA",
    "=",
    "dead",
    "DEADB",
    "0g",
    "",
    "NULL",
    "\\N",
    " ",
    "\t",
    "n/a",
    "\u{FFFD}",
    "\u{FEFF}",
    "1.10",
    "100% 01/02/2020",
    "-0",
    "00",
    "é",
    "e\u{301}e\u{301}",
];

/// A way to damage a text: what, where, and with what.
type Damage = (u8, u16, u16);

fn damage(text: &mut Vec<u8>, (kind, place, what): Damage) {
    let at = usize::from(place) % (text.len() + 1);
    let bytes: &[&[u8]] = &[
        b"\"",
        b"'",
        b"\r",
        b"\0",
        b"\xFF",
        b"\n",
        b",",
        b";",
        b"\t",
        b"x",
        b"\r\n",
        b"\"\"",
        b" ",
        b"\xEF\xBB\xBF",
        b"\xEF\xBF\xBD",
    ];
    match kind % 4 {
        0 => drop(text.splice(at..at, bytes[usize::from(what) % bytes.len()].iter().copied())),
        1 if at < text.len() => text[at] = bytes[usize::from(what) % bytes.len()][0],
        2 if at < text.len() => drop(text.remove(at)),
        _ => {
            // A whole line once more, perhaps with another last byte.
            let begin = text[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |before| before + 1);
            let end = text[at..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |length| at + length);
            let mut line = text[begin..end].to_vec();
            if what % 2 == 0 {
                line.pop();
                line.push(b'7');
            }
            text.extend_from_slice(b"\n");
            text.append(&mut line);
        }
    }
}

#[test]
fn engines_reject_the_same_rows() {
    let nasty = vec((any::<u16>(), any::<u16>(), any::<u16>()), 0..6);
    let damages = vec((any::<u8>(), any::<u16>(), any::<u16>()), 0..4);
    let tally = RefCell::new(Tally::default());
    let input = (random::schema(), random::rows(12), random::files(), nasty, damages, any::<bool>());
    let result = runner(CASES).run(&input, |(schema, rows, files, nasty, damages, damages_baseline)| {
        let table = schema.table();
        let sheet = Sheet::new(table, &rows);
        let good = random::export(table, &sheet.texts(), &files);
        let mut texts = sheet.texts();
        for (row, column, text) in nasty {
            let Some(count) = std::num::NonZero::new(texts.len()) else { break };
            let cell = &mut texts[usize::from(row) % count][usize::from(column) % table.columns.len()];
            cell.text = NASTY[usize::from(text) % NASTY.len()].into();
            cell.quotes = if column & 256 != 0 { random::Quotes::Needed } else { random::Quotes::Free };
        }
        let mut parts = random::texts(table, &texts, &files);
        for (kind, place, what) in damages {
            let part = usize::from(kind / 4) % parts.len();
            damage(&mut parts[part].1, (kind, place, what));
        }
        for (_, text) in &mut parts {
            *text = random::compress(table.source.compression, text);
        }
        let (baseline, snapshot) = if damages_baseline { (parts, good) } else { (good, parts) };
        let finding = agreed(&Given { table, baseline: Some(baseline), snapshot })?;
        let mut tally = tally.borrow_mut();
        tally.schemas.insert(format!("{table:?}"));
        tally.rows += sheet.rows.len();
        match finding {
            Finding::Changes(changes) => tally.operations += changes.operations.len(),
            Finding::Rejected { shown, .. } => tally.rejects += shown.len(),
            Finding::Stopped(_) => tally.stopped += 1,
        }
        Ok(())
    });
    let Tally { schemas, rows, operations, rejects, stopped } = tally.into_inner();
    tell(&format!(
        "{} schemas, {rows} rows: {} engines agree on {rejects} rejects, {operations} operations of rows that turned \
         out readable, and {stopped} exports without the right header",
        schemas.len(),
        ENGINES.len(),
    ));
    result.unwrap();
}
