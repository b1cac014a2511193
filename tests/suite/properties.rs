//! Properties of every schema and every pair of exports.
//!
//! `PROPTEST_CASES` sets how many are tried.

pub(crate) mod damage;
pub(crate) mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::thread;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use runtime::table::Table;
use serde_json::Value as Json;

use self::damage::{NASTY, damage};
use self::tables::{Sheet, Tables, expected_counts, tables_with_rows};
use crate::engines::{COMPARISONS, DeltaInput, DeltaResult, ENGINES, Engine, difference};
use crate::random::{self, CellText};
use crate::workspace::add_to_summary;

/// How many pairs of exports are tried; `PROPTEST_CASES` overrides it. The fast tests try fewer than all tests do.
const CASES: u32 = if cfg!(feature = "aws") { 1000 } else { 600 };

/// So many cases, unless `PROPTEST_CASES` overrides it. Failures are shrunk and printed, and not written to disk.
pub(crate) fn config(cases: u32) -> Config {
    crate::limits::start();
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    Config { cases: wanted.unwrap_or(cases), failure_persistence: None, ..Config::default() }
}

/// Tries a property with random inputs on every core, each with its share of the cases. Returns the first failure.
pub(crate) fn on_every_core<S: Strategy>(
    config: &Config,
    input: impl Fn() -> S + Sync,
    property: impl Fn(S::Value) -> Result<(), TestCaseError> + Sync,
) -> Result<(), String> {
    let threads = thread::available_parallelism().map_or(1, |number| number.get() as u32);
    let share =
        |worker| Config { cases: config.cases.div_ceil(threads), rng_seed: seed(config, worker), ..config.clone() };
    let run = |config| TestRunner::new(config).run(&input(), &property).map_err(|failure| failure.to_string());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|worker| scope.spawn(move || run(share(worker)))).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("panics are failures of the property"))
    })
}

/// The seed of a worker: with `PROPTEST_RNG_SEED`, each has cases of its own, and has them again the next time.
fn seed(config: &Config, worker: u32) -> RngSeed {
    match config.rng_seed {
        RngSeed::Fixed(seed) => RngSeed::Fixed(seed.wrapping_add(u64::from(worker))),
        RngSeed::Random => RngSeed::Random,
    }
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

impl Tally {
    fn add(&mut self, table: &Table, rows: usize, result: &DeltaResult) {
        self.schemas.insert(format!("{table:?}"));
        self.rows += rows;
        match result {
            DeltaResult::Changes(changes) => self.operations += changes.operations.len(),
            DeltaResult::Rejected { shown, .. } => self.rejects += shown.len(),
            DeltaResult::Stopped(_) => self.stopped += 1,
        }
    }
}

/// The table and the files of an input, for whoever has to find out what is wrong.
fn shown(input: &DeltaInput) -> String {
    let compression = input.table.source.compression;
    let exports = [("baseline", input.baseline.as_ref()), ("snapshot", Some(&input.snapshot))];
    let parts =
        exports.into_iter().flat_map(|(export, parts)| parts.into_iter().flatten().map(move |part| (export, part)));
    let files = parts.map(|(export, (name, bytes))| {
        format!("{export}/{name}: {}\n", random::inflate(compression, bytes).escape_ascii())
    });
    format!("{:?}\n{}", input.table, files.collect::<String>())
}

/// The result of the reference, with which every engine must agree.
fn agreed(input: &DeltaInput) -> Result<DeltaResult, TestCaseError> {
    let [reference, others @ ..] = ENGINES else { panic!("the reference is the first engine") };
    let expected = (reference.delta)(input);
    for Engine { name, delta } in others {
        if let Some(difference) = difference(&expected, &delta(input)) {
            let problem = format!("{name} differs from the reference: {difference}\n{}", shown(input));
            return Err(TestCaseError::fail(problem));
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

fn ids(result: &DeltaResult) -> BTreeSet<String> {
    result.changes().operations.iter().map(|operation| operation["id"].to_string()).collect()
}

/// fp(new) = fp(old) + Σ hash − Σ previous_hash
fn conserves(result: &DeltaResult) -> bool {
    let changes = result.changes();
    let sum = |name: &str| -> i128 {
        let hashes = changes.operations.iter().filter_map(|operation| operation[name].as_str());
        hashes.map(|hash| hash.parse::<i128>().expect("a hash is a number")).sum()
    };
    changes.fingerprint == changes.baseline_fingerprint + sum("hash") - sum("previous_hash")
}

/// Checks that the delta of two exports turns one into the other, and that the spelling, order and duplicates of rows
/// do not matter.
fn check_delta(tables: &Tables, tally: &Mutex<Tally>) -> Result<(), TestCaseError> {
    let table = tables.schema.table();
    let (before, after) = (Sheet::new(table, &tables.before), Sheet::new(table, &tables.after()));
    let [first, second, third] = &tables.files;
    let old = random::export(table, &before.texts(), first);
    let new = random::export(table, &after.texts(), second);
    let delta = agreed(&DeltaInput { table, baseline: Some(old.clone()), snapshot: new.clone() })?;

    let changes = delta.changes();
    prop_assert_eq!([changes.inserted, changes.updated, changes.deleted], expected_counts(&before, &after));
    prop_assert!(conserves(&delta));
    let from_nothing = |snapshot| agreed(&DeltaInput { table, baseline: None, snapshot });
    let start = apply(table, BTreeMap::new(), &from_nothing(old.clone())?.changes().operations);
    let end = apply(table, BTreeMap::new(), &from_nothing(new.clone())?.changes().operations);
    prop_assert_eq!(apply(table, start, &changes.operations), end);

    let (respelled, duplicates) = after.respelled();
    let other = random::export(table, &respelled, third);
    let again = agreed(&DeltaInput { table, baseline: Some(old), snapshot: other.clone() })?;
    prop_assert_eq!(ids(&again), ids(&delta));
    prop_assert_eq!(again.changes().duplicates, duplicates);
    prop_assert_eq!(again.changes().fingerprint, changes.fingerprint);
    let unchanged = agreed(&DeltaInput { table, baseline: Some(new), snapshot: other })?;
    prop_assert_eq!(&unchanged.changes().operations, &Vec::<Json>::new());

    tally.lock().unwrap().add(table, before.len() + after.len(), &delta);
    Ok(())
}

#[test]
fn applying_a_delta_turns_one_export_into_the_other() {
    let tally = Mutex::new(Tally::default());
    let result = on_every_core(&config(CASES), || tables_with_rows(25), |tables| check_delta(&tables, &tally));
    let Tally { schemas, rows, operations, .. } = tally.into_inner().unwrap();
    add_to_summary(&format!(
        "properties: {} engines agree on {operations} operations of {rows} rows of {} random schemas",
        ENGINES.len(),
        schemas.len()
    ));
    result.unwrap();
    let [ascending, aligned, any_order] = COMPARISONS.each_ref().map(|count| count.load(Ordering::Relaxed));
    add_to_summary(&format!(
        "comparisons: {ascending} with ascending keys, {aligned} aligned, {any_order} in any order"
    ));
    assert!([ascending, aligned, any_order].iter().all(|count| *count > schemas.len() / 8));
}

/// Puts nasty texts into cells. Each is a row, a column and a text; the high bits of the column say how to quote it.
fn add_nasty_texts(table: &Table, texts: &mut [Vec<CellText>], nasty: Vec<(u16, u16, u16)>) {
    for (row, column, text) in nasty {
        let Some(count) = std::num::NonZero::new(texts.len()) else { break };
        let cell = &mut texts[usize::from(row) % count][usize::from(column) % table.columns.len()];
        cell.text = NASTY[usize::from(text) % NASTY.len()].into();
        cell.quotes = if column & 256 != 0 { random::Quotes::Needed } else { random::Quotes::Optional };
    }
}

#[test]
fn engines_reject_the_same_rows() {
    let tally = Mutex::new(Tally::default());
    let input = || {
        let nasty = vec((any::<u16>(), any::<u16>(), any::<u16>()), 0..6);
        let damages = vec((any::<u8>(), any::<u16>(), any::<u16>()), 0..4);
        (random::schema(), random::rows(12), random::files(), nasty, damages, any::<bool>())
    };
    let result = on_every_core(&config(CASES), input, |(schema, rows, files, nasty, damages, damages_baseline)| {
        let table = schema.table();
        let sheet = Sheet::new(table, &rows);
        let good = random::export(table, &sheet.texts(), &files);
        let mut texts = sheet.texts();
        add_nasty_texts(table, &mut texts, nasty);
        let mut parts = random::texts(table, &texts, &files);
        for (_, text) in &mut parts {
            *text = random::encode(table.source.encoding, text);
        }
        for (kind, position, choice) in damages {
            let part = usize::from(kind / 4) % parts.len();
            damage(&mut parts[part].1, (kind, position, choice));
        }
        for (_, text) in &mut parts {
            *text = random::compress(table.source.compression, text);
        }
        let (baseline, snapshot) = if damages_baseline { (parts, good) } else { (good, parts) };
        let result = agreed(&DeltaInput { table, baseline: Some(baseline), snapshot })?;
        tally.lock().unwrap().add(table, sheet.len(), &result);
        Ok(())
    });
    let Tally { schemas, rows, operations, rejects, stopped } = tally.into_inner().unwrap();
    add_to_summary(&format!(
        "properties: {} engines agree on damaged exports of {} random schemas with {rows} rows: {rejects} rejects, \
         {operations} operations of rows that are still readable, {stopped} exports with a wrong header",
        ENGINES.len(),
        schemas.len(),
    ));
    result.unwrap();
}
