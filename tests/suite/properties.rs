//! Properties of every schema and every pair of exports.
//!
//! `PROPTEST_CASES` sets how many are tried.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use runtime::table::Table;
use serde_json::Value as Json;

use crate::engines::{COMPARISONS, ENGINES, Engine, Finding, Given, difference};
use crate::random::{self, CellText, FileDice, Row, SchemaDice};
use crate::world::tell;

/// How many pairs of exports are tried; `PROPTEST_CASES` overrides it.
const CASES: u32 = 1_000;

/// A runner of so many cases, unless `PROPTEST_CASES` overrides it. Failures are shrunk and printed, and not written to
/// disk.
pub(crate) fn runner(cases: u32) -> TestRunner {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    TestRunner::new(Config { cases: wanted.unwrap_or(cases), failure_persistence: None, ..Config::default() })
}

/// How much was tried, for the summary.
#[derive(Default)]
struct Tally {
    schemas: BTreeSet<String>,
    rows: usize,
    operations: usize,
    rejects: usize,
    stopped: usize,
}

/// Two versions of a table that have keys in common.
#[derive(Debug, Clone)]
pub(crate) struct Tables {
    pub(crate) schema: SchemaDice,
    pub(crate) before: Vec<Row>,
    /// New rows, each of which may copy cells from a row of `before`: from which row, and which cells.
    pub(crate) after: Vec<(u16, u16, Row)>,
    pub(crate) files: [FileDice; 3],
}

fn tables() -> impl Strategy<Value = Tables> {
    tables_with_rows(25)
}

/// Tables with up to so many rows.
pub(crate) fn tables_with_rows(max_rows: usize) -> impl Strategy<Value = Tables> {
    let after = vec((any::<u16>(), any::<u16>(), vec(any::<random::Cell>(), random::MAX_COLUMNS)), 0..max_rows);
    let files = [random::files(), random::files(), random::files()];
    (random::schema(), random::rows(max_rows), after, files).prop_map(|(schema, before, after, files)| Tables {
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

    /// A row that copies cells. Two thirds of the rows are rows of `before`, with the cells that `own` selects
    /// replaced.
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

/// Rows that a dialect can write, one for each key.
pub(crate) struct Sheet {
    table: &'static Table,
    rows: Vec<(Row, Vec<CellText>)>,
}

impl Sheet {
    pub(crate) fn new(table: &'static Table, rows: &[Row]) -> Self {
        let mut keys = BTreeSet::new();
        let rows = rows.iter().filter_map(|row| Some((row.clone(), random::cell_texts(table, row)?)));
        let rows = rows.filter(|(_, cells)| keys.insert(key_names(table, &names(cells))));
        Self { table, rows: rows.collect() }
    }

    pub(crate) fn texts(&self) -> Vec<Vec<CellText>> {
        self.rows.iter().map(|(_, cells)| cells.clone()).collect()
    }

    /// The same values in other spellings, with some rows repeated, and the number of repeated rows.
    pub(crate) fn respelled(&self) -> (Vec<Vec<CellText>>, u64) {
        let mut texts = Vec::new();
        let mut duplicates = 0;
        for (row, cells) in &self.rows {
            let spelled = |by: u16| {
                let other: Row = row.iter().map(|(value, spelling)| (*value, spelling.wrapping_add(by))).collect();
                // The dialect may not be able to write another spelling.
                let other = random::cell_texts(self.table, &other).filter(|other| names(other) == names(cells));
                other.unwrap_or_else(|| cells.clone())
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
        let rows = self.rows.iter().map(|(_, cells)| names(cells));
        rows.map(|names| (key_names(self.table, &names), names)).collect()
    }
}

fn names(cells: &[CellText]) -> Names {
    cells.iter().map(|cell| cell.name.clone()).collect()
}

fn key_names(table: &Table, names: &Names) -> Names {
    names.iter().zip(table.columns).filter(|(_, column)| table.is_key(column)).map(|(name, _)| name.clone()).collect()
}

/// The expected numbers of inserted, updated and deleted rows, computed from the values without reading any text.
fn expected_counts(before: &Sheet, after: &Sheet) -> [u64; 3] {
    let (old, new) = (before.by_key(), after.by_key());
    let differs = |a: &Names, b: &Names| {
        a.iter().zip(b).zip(before.table.columns).any(|((a, b), column)| column.compare && a != b)
    };
    let inserted = new.keys().filter(|key| !old.contains_key(*key)).count();
    let deleted = old.keys().filter(|key| !new.contains_key(*key)).count();
    let updated = new.iter().filter(|(key, row)| old.get(*key).is_some_and(|old| differs(old, row))).count();
    [inserted, updated, deleted].map(|count| count as u64)
}

/// The finding of the reference, with which every engine must agree.
fn agreed(given: &Given) -> Result<Finding, TestCaseError> {
    let [reference, others @ ..] = ENGINES else { panic!("the reference is the first engine") };
    let expected = (reference.delta)(given);
    for Engine { name, delta } in others {
        if let Some(difference) = difference(&expected, &delta(given)) {
            return Err(TestCaseError::fail(format!("{name} differs from the reference: {difference}")));
        }
    }
    Ok(expected)
}

/// The rows that a consumer has after applying the operations, with their compared columns only.
fn apply(table: &Table, mut state: BTreeMap<String, Json>, operations: &[Json]) -> BTreeMap<String, Json> {
    for operation in operations {
        let key = operation["key"].to_string();
        if operation["op"] == "DELETE" {
            state.remove(&key).expect("only existing keys are deleted");
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
        prop_assert_eq!([changes.inserted, changes.updated, changes.deleted], expected_counts(&before, &after));
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
    tell(&format!(
        "properties: {} engines agree on {operations} operations of {rows} rows of {} random schemas",
        ENGINES.len(),
        schemas.len()
    ));
    result.unwrap();
    let [ascending, aligned, any_order] = COMPARISONS.each_ref().map(|count| count.load(Ordering::Relaxed));
    tell(&format!("comparisons: {ascending} with ascending keys, {aligned} aligned, {any_order} in any order"));
    assert!([ascending, aligned, any_order].iter().all(|count| *count > schemas.len() / 8));
}

/// Texts that look like values but are not, or the other way round.
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

/// Damage to a text: its kind, its position, and which bytes to use.
type Damage = (u8, u16, u16);

fn damage(text: &mut Vec<u8>, (kind, position, choice): Damage) {
    let at = usize::from(position) % (text.len() + 1);
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
        0 => drop(text.splice(at..at, bytes[usize::from(choice) % bytes.len()].iter().copied())),
        1 if at < text.len() => text[at] = bytes[usize::from(choice) % bytes.len()][0],
        2 if at < text.len() => drop(text.remove(at)),
        _ => {
            // Repeat a whole line, perhaps with another last byte.
            let begin = text[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |before| before + 1);
            let end = text[at..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |length| at + length);
            let mut line = text[begin..end].to_vec();
            if choice % 2 == 0 {
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
            cell.quotes = if column & 256 != 0 { random::Quotes::Needed } else { random::Quotes::Optional };
        }
        let mut parts = random::texts(table, &texts, &files);
        for (kind, position, choice) in damages {
            let part = usize::from(kind / 4) % parts.len();
            damage(&mut parts[part].1, (kind, position, choice));
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
        "properties: {} engines agree on damaged exports of {} random schemas with {rows} rows: {rejects} rejects, \
         {operations} operations of rows that are still readable, {stopped} exports with a wrong header",
        ENGINES.len(),
        schemas.len(),
    ));
    result.unwrap();
}
