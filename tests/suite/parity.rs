//! Athena's generated queries, executed by a real Trino, agree with the reference and the native engine.

use std::fs;
use std::io::Read as _;
use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::prop_oneof;
use proptest::strategy::{Just, Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use runtime::delta;
use runtime::engine::athena::Athena;
use runtime::engine::{Failed, Found, Inputs, Statement, Turned};
use runtime::error::Error;
use runtime::operation::Head;
use runtime::row::{Field, Layout, Row};
use runtime::snapshot::s3::{Place, S3Folder};
use runtime::table::{Column, Encoding, Guards, Source, Table, Type};
use runtime::telemetry::Watch;
use tests::reference::{Changes, Reject};

use crate::cases;
use crate::engines::{
    Finding, Given, PREVIOUS, Parts, TENANT, VERSION, by_reference, difference, natively, operations,
};
use crate::properties::{NASTY, Sheet, Tables, tables_with_rows};
use crate::random::{self, FileDice};
use crate::stack::{Sandbox, Stack};
use crate::world::tell;

/// Cases that Athena refuses for other reasons than the native engine: the files are broken, and its reader splits them
/// into other broken rows; or their header has another column order than the schema.
const REFUSED: &[&str] = &[
    "bad-character",
    "bad-character-without-quotes",
    "bad-quoting",
    "bad-quoting-line-break",
    "blank-lines",
    "changed-in-column-order",
    "duplicates",
    "gzip-of-no-bytes",
    "header-order",
    "quoted-header",
    "several-parts",
];

/// Cases whose fault is invisible to queries, because Athena's reader skips it; docs/athena.md lists them.
const INVISIBLE: &[&str] = &["blank-lines-of-one-column", "gzip-bytes-after-the-end", "gzip-zeros-after-the-end"];

/// How many random tables are tried; `TIDEMARK_RANDOM_TABLES` overrides it.
const RANDOM_TABLES: usize = 30;

/// How many rows each of their exports has at most.
const MAX_ROWS: usize = 300;

/// What Athena finds in two exports.
fn by_athena(given: &Given) -> Finding {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    /// All random tables share a bucket, each with its own tenant.
    static SANDBOX: LazyLock<Sandbox> = LazyLock::new(Sandbox::new);
    let _no_failures = Stack::get().without_failures();
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let model = generator::parse(&tests::yaml::schema(given.table)).unwrap_or_else(|found| panic!("{found:#?}"));
    let statements = vec![tests::table::statements(&model)].leak();
    let sandbox =
        Sandbox { aws: Arc::clone(&SANDBOX.aws), bucket: SANDBOX.bucket.clone(), database: format!("parity_{number}") };
    sandbox.create_database();
    sandbox.create_table(statements[0].glue);
    let athena = Athena {
        aws: Arc::clone(&sandbox.aws),
        statements,
        database: sandbox.database.clone(),
        workgroup: "primary".into(),
        results: None,
        cutoff: None,
    };
    let upload = |version: &str, parts: &Parts| {
        let key = format!("tenant-{number}/{}/{version}", given.table.name);
        parts.iter().for_each(|(name, bytes)| sandbox.put(&format!("{key}/{name}"), bytes));
        let place = Place { bucket: sandbox.bucket.clone(), key };
        delta::whole(version.into(), Arc::new(S3Folder::new(Arc::clone(&sandbox.aws), place)))
    };
    let exports = given.baseline.as_ref().map(|parts| upload(PREVIOUS, parts)).transpose();
    let exports = exports.and_then(|baseline| Ok((baseline, upload(VERSION, &given.snapshot)?)));
    let (baseline, snapshot) = match exports {
        Ok(exports) => exports,
        Err(error) => return Finding::Stopped(error.to_string()),
    };
    let inputs = Inputs { baseline: baseline.as_ref(), snapshot: &snapshot };
    let head = Head {
        tenant: TENANT.into(),
        table: given.table.name.into(),
        version: VERSION.into(),
        previous: given.baseline.is_some().then(|| PREVIOUS.to_owned()),
        schema: given.table.schema_id(),
    };
    let mut out = Vec::new();
    match compute(&athena, &Layout::new(given.table), &head, inputs, &mut out) {
        Ok(found) => Finding::Changes(Changes {
            operations: operations(given.table, &out),
            rows: found.counts.rows,
            inserted: found.counts.inserted,
            updated: found.counts.updated,
            deleted: found.counts.deleted,
            duplicates: found.counts.duplicates,
            baseline_fingerprint: found.baseline_fingerprint,
            fingerprint: found.fingerprint,
        }),
        Err(Failed { error: Error::Rejected(rejected), .. }) => {
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
        Err(Failed { error, .. }) => Finding::Stopped(error.to_string()),
    }
}

/// Computes a delta as the steps of the flow do: a turn knows only what the state machine keeps of the turn before, and
/// reads one of the query's output files.
fn compute(
    athena: &Athena,
    layout: &Layout,
    head: &Head,
    inputs: Inputs<'_>,
    out: &mut Vec<u8>,
) -> Result<Box<Found>, Failed> {
    let mut execution: Option<Statement> = None;
    loop {
        match athena.turn(layout, head, inputs, ("parity", execution.as_ref(), 1), &Watch::default(), out)? {
            Turned::Found(found) => return Ok(found),
            Turned::Runs(statement) => {
                if statement.reading.is_none() {
                    thread::sleep(Duration::from_millis(50));
                }
                let kept = serde_json::to_string(&statement).unwrap();
                execution = Some(serde_json::from_str(&kept).unwrap());
            }
        }
    }
}

/// The finding without the details that Athena does not know: line numbers, and the parts of conflicting duplicates.
fn without_unknown_details(finding: Finding) -> Finding {
    let Finding::Rejected { shown, totals } = finding else { return finding };
    let strip = |mut reject: Reject| {
        reject.line = 0;
        if reject.reason == "conflicting-duplicate" {
            reject.part = String::new();
        }
        reject
    };
    let mut shown: Vec<Reject> = shown.into_iter().map(strip).collect();
    shown.sort();
    shown.dedup();
    Finding::Rejected { shown, totals }
}

/// How Athena or the native engine differs from the reference, if they do.
fn disagreement(given: &Given) -> Option<String> {
    let expected = by_reference(given);
    if let Some(difference) = difference(&expected, &natively(given)) {
        return Some(format!("the native engine: {difference}"));
    }
    let (expected, found) = (without_unknown_details(expected), without_unknown_details(by_athena(given)));
    match (&expected, &found) {
        // Which of more than twenty offenders are shown depends on their lines.
        (Finding::Rejected { shown: all, totals }, Finding::Rejected { shown, totals: found }) => {
            let agrees = totals == found && !shown.is_empty() && shown.iter().all(|reject| all.contains(reject));
            (!agrees).then(|| format!("expected {totals:?} {all:#?}\nfound {found:?} {shown:#?}"))
        }
        _ => difference(&expected, &found),
    }
}

fn assert_no_failures(failures: &[String]) {
    assert!(failures.is_empty(), "{} failures\n\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn athena_passes_every_case() {
    let (mut failures, mut agreed) = (Vec::new(), 0);
    for (name, given) in cases::given().into_iter().filter(|(_, given)| given.table.athena) {
        if REFUSED.contains(&name.as_str()) {
            let found = by_athena(&given);
            if matches!(found, Finding::Changes(_)) {
                failures.push(format!("{name}: Athena should refuse it, but finds {found:#?}"));
            }
        } else {
            match (disagreement(&given), INVISIBLE.contains(&name.as_str())) {
                (Some(difference), false) => failures.push(format!("{name}: {difference}")),
                (None, true) => failures.push(format!("{name}: Athena does detect it; remove it from `INVISIBLE`")),
                _ => agreed += 1,
            }
        }
    }
    tell(&format!(
        "parity: reference, native engine and Trino agree on {agreed} cases; Trino refuses {} for other reasons",
        REFUSED.len()
    ));
    assert_no_failures(&failures);
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
    fn given(&self) -> Option<Given> {
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
        Some(Given { table, baseline: Some(baseline), snapshot: random::export(table, &texts, &second) })
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
fn save_as_case(given: &Given, folder: &Path) {
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
    write("after", &given.snapshot);
    given.baseline.iter().for_each(|parts| write("before", parts));
    fs::write(folder.join("schema.yaml"), tests::yaml::schema(given.table)).unwrap();
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
    let differ = |exports: &RandomExports| exports.given().and_then(|given| disagreement(&given));
    let (mut failures, mut tried, mut rows, mut operations, mut rejects) = (Vec::new(), 0, 0, 0, 0);
    while tried < wanted {
        let exports = strategy.new_tree(&mut runner).expect("the strategy rejects nothing").current();
        let Some(given) = exports.given() else { continue };
        tried += 1;
        rows += exports.rows();
        if let Some(difference) = disagreement(&given) {
            // Shrinking takes some minutes, and one small example is usually enough.
            let is_first = failures.is_empty();
            let failing = (exports, difference);
            let (exports, difference) = if is_first { shrink(failing, differ) } else { failing };
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("athena-{}-{tried}", &hex[..8]));
            save_as_case(&exports.given().expect("it failed"), &folder);
            failures.push(format!(
                "table {tried} of TIDEMARK_SEED={hex}: {difference}\nsaved as {}; copy it to tests/cases, and run with \
                 UPDATE_EXPECT=1",
                folder.display()
            ));
            continue;
        }
        match by_reference(&given) {
            Finding::Changes(changes) => operations += changes.operations.len(),
            Finding::Rejected { totals, .. } => rejects += totals.values().sum::<u64>(),
            Finding::Stopped(_) => {}
        }
    }
    tell(&format!(
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
        let given = exports.given()?;
        match by_reference(&given) {
            Finding::Changes(changes) if !changes.operations.is_empty() => Some(String::new()),
            _ => None,
        }
    };
    let mut candidates = (0..).map(|_| strategy.new_tree(&mut runner).unwrap().current());
    let large = candidates.find(|exports| exports.rows() > 100 && has_operations(exports).is_some()).unwrap();
    let (small, _) = shrink((large, String::new()), has_operations);
    assert!(small.rows() <= 2, "{} rows are left", small.rows());
    let (folder, given) = (tempfile::tempdir().unwrap(), small.given().unwrap());
    save_as_case(&given, &folder.path().join("case"));
    let saved = cases::read(&folder.path().join("case"));
    assert_eq!(difference(&without_schema(by_reference(&given)), &without_schema(by_reference(&saved))), None);
}

/// Operations without the schema's hash, which depends on the order of the fields in its file.
fn without_schema(mut finding: Finding) -> Finding {
    if let Finding::Changes(changes) = &mut finding {
        for operation in &mut changes.operations {
            operation.as_object_mut().unwrap().remove("schema");
        }
    }
    finding
}

/// The bit of a style with which each part has its own column order, which Athena refuses.
const IN_ANOTHER_ORDER: u32 = 2;

/// The table with `engine: { athena: true }`.
fn for_athena(table: &'static Table) -> &'static Table {
    Box::leak(Box::new(Table { athena: true, ..table.clone() }))
}

#[test]
fn athena_parses_values_of_every_type_like_the_reference() {
    let (mut failures, mut read, mut refused) = (Vec::new(), 0, 0);
    for column in columns() {
        let ty = format!("{:?} {}", column.ty, column.format.unwrap_or_default());
        let table: &'static Table = Box::leak(Box::new(Table {
            name: "texts",
            schema: "00000000000000000000000000000000",
            primary_key: &["id"],
            columns: vec![Column::new("id", Type::Int), column].leak(),
            athena: true,
            before_image: false,
            source: Source::DEFAULT,
            guards: Guards::DEFAULT,
        }));
        let (good, bad): (Vec<&str>, Vec<&str>) = texts().into_iter().partition(|text| is_value(table, text));
        (read, refused) = (read + good.len(), refused + bad.len());
        for texts in [good, bad].into_iter().filter(|texts| !texts.is_empty()) {
            let quoted = |text: &&str| format!("\"{}\"", text.replace('"', "\"\""));
            let line = |(id, text): (usize, &&str)| format!("{id},{}\n", quoted(text));
            let lines: String = texts.iter().enumerate().map(line).collect();
            let bytes = random::compress(table.source.compression, format!("id,v\n{lines}").as_bytes());
            let given = Given { table, baseline: None, snapshot: vec![("part-0.csv.gz".into(), bytes)] };
            failures.extend(disagreement(&given).map(|difference| format!("{ty}: {difference}")));
        }
    }
    tell(&format!("parity: reference, native engine and Trino read {read} texts and refuse {refused} alike"));
    assert_no_failures(&failures);
}

/// A column of every type, and of several formats.
fn columns() -> Vec<Column> {
    let types = [
        Type::Boolean,
        Type::Tinyint,
        Type::Smallint,
        Type::Int,
        Type::Bigint,
        Type::Float,
        Type::Double,
        Type::decimal(12, 2),
        Type::decimal(38, 0),
        Type::decimal(38, 38),
        Type::Char(2),
        Type::Varchar(5),
        Type::String,
        Type::Binary(Encoding::Hex),
        Type::Binary(Encoding::Base64),
        Type::Date,
        Type::Timestamp,
        Type::Timestamptz,
    ];
    let formats = [
        (Type::Date, "%d.%m.%Y"),
        (Type::Date, "100%% %m/%d/%Y"),
        (Type::Timestamp, "%Y%m%d%H%M%S%f"),
        (Type::Timestamp, "%d/%m/%Y %H:%M"),
        (Type::Timestamptz, "%z %Y%m%d%H%M%S.%f"),
    ];
    let plain = types.into_iter().map(|ty| Column::new("v", ty).nullable());
    let formatted = formats.into_iter().map(|(ty, format)| Column::new("v", ty).nullable().format(format));
    let trimmed = Column { trim: true, ..Column::new("v", Type::Int).nullable() };
    plain.chain(formatted).chain([trimmed]).collect()
}

/// Texts that are values of some type, or nearly. Athena's readers cannot represent line breaks and NUL.
fn texts() -> Vec<&'static str> {
    const MORE: &[&str] = &[
        "007",
        "+5",
        "-0.00",
        "000000000000000000000000000000000000000000001.5",
        "12345678.901234567890123456789",
        "1.50",
        "0.1e-5",
        "4.9e-324",
        "1.7976931348623157e308",
        "3.4028235e38",
        "1.17549435e-38",
        "16777217",
        "0.1",
        "-0.0",
        "T",
        "f",
        "2020-12-31T23:59:59.9",
        "2020-06-30 12:00:00.000001",
        "2020-06-30T12:00:00+05:30",
        "2020-06-30T12:00:00-0330",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999+00",
        "0001-01-01T13:00:00+14",
        "01/02/2020 03:04",
        "Z 20200101000000.5",
        "-01:30 20200101000000.25",
        "20201231235959123",
        "\\",
        "a\\b",
        "a,b",
        "\"",
        "ab\"c",
        "ÄÖ",
        "aaaaaa",
        "ééééé",
        "DEADbeef",
        "SGVsbG8=",
        "0.12345678901234567890123456789012345678",
        "99999999999999999999999999999999999999",
    ];
    NASTY.iter().chain(MORE).copied().filter(|text| !text.contains(['\n', '\r', '\0'])).collect()
}

/// Returns whether the text is a value of the table's last column, or NULL.
fn is_value(table: &'static Table, text: &str) -> bool {
    let field = |index: usize| Field::new(if index == 0 { b"1" } else { text.as_bytes() }, true);
    Layout::new(table).read(field, &mut Row::default(), |_, _, _| {})
}
