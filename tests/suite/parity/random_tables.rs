//! Random tables, and how a failing one is shrunk and saved.

use std::fs;
use std::io::Read as _;
use std::num::NonZero;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::prop_oneof;
use proptest::strategy::{Just, Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use runtime::table::{Column, Table};

use super::{assert_no_failures, disagreement};
use crate::cases;
use crate::engines::{DeltaInput, DeltaResult, Parts, difference, reference_delta};
use crate::properties::damage::NASTY;
use crate::properties::tables::{Sheet, Tables, tables_with_rows};
use crate::random::{self, FileDice};
use crate::workspace::add_to_summary;

/// How many random tables are tried; `TIDEMARK_RANDOM_TABLES` overrides it.
const RANDOM_TABLES: usize = 30;

/// How many rows each of their exports has at most.
const MAX_ROWS: usize = 300;

/// The bit of a style with which each part has its own column order, which Athena refuses.
const IN_ANOTHER_ORDER: u32 = 2;

/// A copy of the table that Athena may read.
fn for_athena(table: &'static Table) -> &'static Table {
    // Athena cannot make pseudonyms.
    let columns = table.columns.iter().map(|column| Column { ty: column.source_type(), hmac: None, ..column.clone() });
    let columns: Vec<Column> = columns.collect();
    Box::leak(Box::new(Table { athena: true, columns: columns.leak(), ..table.clone() }))
}

/// Two exports of a random table.
#[derive(Debug, Clone)]
struct RandomExports {
    tables: Tables,
    /// Cells of the second export whose text is replaced: row, column, which text. Mostly empty.
    nasty: Vec<(u16, u16, u16)>,
}

fn random_exports() -> impl Strategy<Value = RandomExports> {
    let nasty = vec((any::<u16>(), any::<u16>(), any::<u16>()), 1..6);
    let nasty = prop_oneof![3 => Just(Vec::new()), 1 => nasty];
    (tables_with_rows(MAX_ROWS), nasty).prop_map(|(tables, nasty)| RandomExports { tables, nasty })
}

impl RandomExports {
    /// The exports as files; `None` if Athena cannot read such a table.
    fn input(&self) -> Option<DeltaInput> {
        let Self { tables, nasty } = self;
        let table = for_athena(tables.schema.table());
        // Athena takes a line of one empty field for a blank line.
        if table.columns.len() == 1 || generator::parse(&tests::yaml::schema(table)).is_err() {
            return None;
        }
        let (before, after) = (Sheet::new(table, &tables.before), Sheet::new(table, &tables.after()));
        let [first, second, _] = &tables.files;
        let [first, second] =
            [first, second].map(|dice| FileDice { style: dice.style & !IN_ANOTHER_ORDER, ..dice.clone() });
        let (mut texts, _) = after.respelled();
        for (row, column, text) in nasty {
            let Some(count) = NonZero::new(texts.len()) else { break };
            let cell = &mut texts[usize::from(*row) % count][usize::from(*column) % table.columns.len()];
            let nasty = NASTY[usize::from(*text) % NASTY.len()];
            // A dialect without quotes cannot write every text; and a byte order mark at the start of a file is not
            // text.
            if table.source.quote.is_some() && nasty != "\u{FEFF}" {
                (cell.text, cell.quotes) = (nasty.into(), random::Quotes::Needed);
            }
        }
        let baseline = random::export(table, &before.texts(), &first);
        Some(DeltaInput { table, baseline: Some(baseline), snapshot: random::export(table, &texts, &second) })
    }

    fn rows(&self) -> usize {
        self.length(false) + self.length(true)
    }

    fn length(&self, is_after: bool) -> usize {
        if is_after { self.tables.after.len() } else { self.tables.before.len() }
    }

    /// The same exports without some of the rows.
    fn without(&self, is_after: bool, at: usize, rows: usize) -> Self {
        let mut fewer = self.clone();
        let end = (at + rows).min(self.length(is_after));
        if is_after {
            fewer.tables.after.drain(at..end);
        } else {
            fewer.tables.before.drain(at..end);
        }
        fewer
    }
}

/// The smallest exports found that still fail, and how they fail. Rows are removed by halves, then by quarters, and so
/// on.
fn shrink(
    mut failing: (RandomExports, String),
    fails: impl Fn(&RandomExports) -> Option<String>,
) -> (RandomExports, String) {
    const MAX_STEPS: usize = 200;
    let (mut chunk, mut steps) = (MAX_ROWS, 0);
    while chunk > 0 {
        for is_after in [false, true] {
            let mut at = 0;
            while at < failing.0.length(is_after) && steps < MAX_STEPS {
                let smaller = failing.0.without(is_after, at, chunk);
                steps += 1;
                match fails(&smaller) {
                    Some(difference) => failing = (smaller, difference),
                    None => at += chunk,
                }
            }
        }
        chunk /= 2;
    }
    failing
}

/// Writes exports as a case that can be committed to tests/cases.
fn save_as_case(input: &DeltaInput, folder: &Path) {
    let _ = fs::remove_dir_all(folder);
    let write = |name: &str, parts: &Parts| {
        fs::create_dir_all(folder.join(name)).unwrap();
        for (part, bytes) in parts {
            let (part, bytes) = match part.strip_suffix(".gz") {
                Some(part) => {
                    let mut text = Vec::new();
                    MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut text).unwrap();
                    (part, text)
                }
                None => (part.as_str(), bytes.clone()),
            };
            fs::write(folder.join(name).join(part), bytes).unwrap();
        }
    };
    write("after", &input.snapshot);
    input.baseline.iter().for_each(|parts| write("before", parts));
    fs::write(folder.join("schema.yaml"), tests::yaml::schema(input.table)).unwrap();
}

/// The seed of the random tables: the 64 hex digits of `TIDEMARK_SEED`, or zeros.
fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    if let Ok(text) = std::env::var("TIDEMARK_SEED") {
        let byte = |at: usize| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok();
        let bytes: Option<Vec<u8>> = (0..seed.len()).map(byte).collect();
        seed.copy_from_slice(&bytes.expect("TIDEMARK_SEED is 64 hex digits"));
    }
    seed
}

#[test]
fn athena_agrees_with_the_reference_on_random_tables() {
    let wanted = std::env::var("TIDEMARK_RANDOM_TABLES").ok().and_then(|number| number.parse().ok());
    let wanted = wanted.unwrap_or(RANDOM_TABLES);
    let (seed, strategy) = (seed(), random_exports());
    let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let differ = |exports: &RandomExports| exports.input().and_then(|input| disagreement(&input));
    let (mut failures, mut tried, mut rows, mut operations, mut rejects) = (Vec::new(), 0, 0, 0, 0);
    while tried < wanted {
        let exports = strategy.new_tree(&mut runner).expect("the strategy rejects nothing").current();
        let Some(input) = exports.input() else { continue };
        tried += 1;
        rows += exports.rows();
        if let Some(difference) = disagreement(&input) {
            // Shrinking takes some minutes, and one small example is usually enough.
            let is_first = failures.is_empty();
            let failing = (exports, difference);
            let (exports, difference) = if is_first { shrink(failing, differ) } else { failing };
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("athena-{}-{tried}", &hex[..8]));
            save_as_case(&exports.input().expect("it failed"), &folder);
            failures.push(format!(
                "table {tried} of TIDEMARK_SEED={hex}: {difference}\nsaved as {}; copy it to tests/cases, and run with \
                 UPDATE_EXPECT=1",
                folder.display()
            ));
            continue;
        }
        match reference_delta(&input) {
            DeltaResult::Changes(changes) => operations += changes.operations.len(),
            DeltaResult::Rejected { totals, .. } => rejects += totals.values().sum::<u64>(),
            DeltaResult::Stopped(_) => {}
        }
    }
    add_to_summary(&format!(
        "parity: reference, native engine and Trino agree on {operations} operations and {rejects} rejects of {rows} rows \
         of {tried} random tables; seed {hex}"
    ));
    assert_no_failures(&failures);
}

#[test]
fn a_failing_random_table_is_shrunk_and_saved_as_a_case() {
    let mut runner = TestRunner::deterministic();
    let strategy = random_exports();
    let has_operations = |exports: &RandomExports| {
        let input = exports.input()?;
        match reference_delta(&input) {
            DeltaResult::Changes(changes) if !changes.operations.is_empty() => Some(String::new()),
            _ => None,
        }
    };
    let mut candidates = (0..).map(|_| strategy.new_tree(&mut runner).unwrap().current());
    let large = candidates.find(|exports| exports.rows() > 100 && has_operations(exports).is_some()).unwrap();
    let (small, _) = shrink((large, String::new()), has_operations);
    assert!(small.rows() <= 2, "{} rows are left", small.rows());
    let (folder, input) = (tempfile::tempdir().unwrap(), small.input().unwrap());
    save_as_case(&input, &folder.path().join("case"));
    let saved = cases::read(&folder.path().join("case"));
    assert_eq!(difference(&without_schema(reference_delta(&input)), &without_schema(reference_delta(&saved))), None);
}

/// Operations without the schema's hash, which depends on the order of the fields in its file.
fn without_schema(mut result: DeltaResult) -> DeltaResult {
    if let DeltaResult::Changes(changes) = &mut result {
        for operation in &mut changes.operations {
            operation.as_object_mut().unwrap().remove("schema");
        }
    }
    result
}
