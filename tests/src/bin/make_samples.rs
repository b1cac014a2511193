//! Regenerates the sample exports, or makes exports of millions of rows.

use clap::{Parser, ValueEnum};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use tests::samples::{self, Big, BigCounts, BigTable, Counts};

/// Write sample exports
///
/// Without options: regenerates samples/exports and samples/late of this checkout, byte for byte as they are committed,
/// and prints the counts that a run over them must have.
///
/// With --table: writes a baseline and a snapshot of any size as OUT/acme/TABLE/VERSION and prints the exact counts
/// that a delta between them must have.
///
/// The same options give the same files. Files are written to a temporary folder, which is renamed when it is complete.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
struct Args {
    /// The table of two big exports
    #[arg(long, requires = "out")]
    table: Option<BigTable>,
    /// Folder for big exports, which must be new or empty; without --table, a folder to use instead of samples/
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write the three exports of test_table into DIR: 3 rows, 3 rows, 100,000 rows
    #[arg(long, value_name = "DIR", conflicts_with_all = ["table", "out"])]
    test_table: Option<PathBuf>,
    /// Output format of the counts
    #[arg(long, default_value = "text")]
    format: Format,
    #[command(flatten)]
    shape: Shape,
}

/// The shape of the big exports.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Big exports")]
struct Shape {
    /// Rows of the baseline
    #[arg(long, requires = "table", default_value_t = 1_000_000)]
    rows: u64,
    /// Seed of the random rows
    #[arg(long, requires = "table", default_value_t = 1)]
    seed: u64,
    /// Share of the rows that are updated
    #[arg(long, requires = "table", value_name = "SHARE", default_value_t = 0.01)]
    update: f64,
    /// Share of the rows that are deleted
    #[arg(long, requires = "table", value_name = "SHARE", default_value_t = 0.005)]
    delete: f64,
    /// New rows, as a share of the baseline's
    #[arg(long, requires = "table", value_name = "SHARE", default_value_t = 0.005)]
    insert: f64,
    /// Share of the rows that change only in columns that are not compared: no operation
    #[arg(long, requires = "table", value_name = "SHARE", default_value_t = 0.01)]
    touch: f64,
    /// Share of the rows whose values are spelled differently (1.50, then 1.5): no operation
    #[arg(long, requires = "table", value_name = "SHARE", default_value_t = 0.01)]
    respell: f64,
    /// Write the rows of the snapshot in another order
    #[arg(long, requires = "table")]
    shuffle: bool,
    /// Parts of each export (ledger_entries)
    #[arg(long, requires = "table")]
    parts: Option<usize>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

const EXAMPLES: &str = "\
Examples:
  Regenerate samples/
    cargo run --release -p tests --bin make_samples

  A million rows of twelve columns, and their delta
    cargo run --release -p tests --bin make_samples -- --table ledger_entries --out /tmp/big
    cargo tidemark delta ledger_entries /tmp/big/acme/ledger_entries/20260101_V0001 \\
        /tmp/big/acme/ledger_entries/20260102_V0001 -o /tmp/big/operations.ndjson

  Ten million orders in shuffled order, with updates only
    … -- --table orders --rows 10000000 --shuffle --update 0.1 --delete 0 --insert 0 --out /tmp/orders

  The three exports of test_table, the third of 100,000 rows
    … -- --test-table /tmp/test_table
    cargo tidemark run /tmp/test_table";

fn main() -> ExitCode {
    let args = Args::parse();
    match make(&args) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
        Ok(()) => ExitCode::SUCCESS,
    }
}

fn make(args: &Args) -> io::Result<()> {
    if let Some(out) = &args.test_table {
        return print_table(&samples::write_test_table(out)?, args.format);
    }
    match (args.table, &args.out) {
        (Some(table), Some(out)) => print_big(&make_big(table, out, &args.shape)?, args.format),
        (_, out) => {
            let committed = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("samples");
            print_table(&samples::write(out.as_deref().unwrap_or(&committed))?, args.format)
        }
    }
}

fn make_big(table: BigTable, out: &Path, shape: &Shape) -> io::Result<BigCounts> {
    let Shape { rows, seed, update, delete, insert, touch, respell, shuffle, parts } = *shape;
    let big = Big { table, rows, seed, update, delete, insert, touch, respell, shuffle, parts };
    let (written, terminal) = (AtomicU64::new(0), io::stderr().is_terminal());
    let counts = samples::write_big(out, &big, &|more| {
        let written = written.fetch_add(more, Ordering::Relaxed) + more;
        if terminal {
            eprint!("\r{written} rows of 2 × {rows} ");
        }
    });
    if terminal {
        eprint!("\r\x1b[K");
    }
    counts
}

fn print_table(counts: &[Counts], format: Format) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if let Format::Json = format {
        return writeln!(out, "{}", serde_json::to_string_pretty(counts)?);
    }
    writeln!(out, "| tenant | table | version | rows | inserted | updated | deleted |")?;
    writeln!(out, "|---|---|---|---:|---:|---:|---:|")?;
    counts.iter().try_for_each(|line| writeln!(out, "{line}"))
}

fn print_big(counts: &BigCounts, format: Format) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if let Format::Json = format {
        return writeln!(out, "{}", serde_json::to_string_pretty(counts)?);
    }
    let BigCounts { baseline, snapshot, baseline_rows, rows, inserted, updated, deleted, rewritten } = counts;
    writeln!(out, "baseline   {}  {baseline_rows} rows", baseline.display())?;
    writeln!(out, "snapshot   {}  {rows} rows", snapshot.display())?;
    writeln!(out, "inserted   {inserted}\nupdated    {updated}\ndeleted    {deleted}")?;
    writeln!(out, "rewritten  {rewritten} (no operations)")
}
