//! Makes two exports of a table of any shape and its schema, and prints the counts that a delta between them must have.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::thread;

use clap::{Parser, ValueEnum};
use flate2::write::GzEncoder;
use serde_json::json;

/// Make two exports of a table of any shape
///
/// Writes OUT/schemas/bench.yaml, OUT/baseline/part-0000.csv.gz and OUT/snapshot/part-0000.csv.gz (the extension
/// depends on the compression), and prints the counts that a delta must have. The same options give the same bytes.
#[derive(Debug, Clone, Parser)]
struct Args {
    /// The folder to create
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Rows of the baseline
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Columns, including the key
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(2..))]
    columns: u32,
    /// Share of the rows that change: a third each are inserted, updated and deleted
    #[arg(long, value_name = "SHARE", default_value_t = 0.03)]
    changes: f64,
    /// Order of the rows
    #[arg(long, value_enum, default_value_t = Order::Same)]
    order: Order,
    /// Which fields are quoted
    #[arg(long, value_enum, default_value_t = Quoting::None)]
    quoting: Quoting,
    /// Compression of the parts
    #[arg(long, value_enum, default_value_t = Compression::Gzip)]
    compression: Compression,
    /// Length of the last column, a text
    #[arg(long, value_name = "CHARACTERS", default_value_t = 16)]
    text: usize,
    /// Seed of the random values
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Order {
    /// Sorted by key in both
    Same,
    /// Not sorted, but the same in both
    Unsorted,
    /// Sorted by key in the baseline, shuffled in the snapshot
    Shuffled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Quoting {
    None,
    All,
    /// Those that need it, as PostgreSQL writes them: in 20 rows one has a line break in its text, one a comma, and one
    /// a quote
    Needed,
}

/// Each at the default level of its own tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Compression {
    Gzip,
    Zstd,
    None,
}

impl Compression {
    /// Its name in a schema.
    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::None => "none",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
            Self::None => "",
        }
    }
}

/// The types of the columns after the key, repeated as needed; the last column is always a text.
const TYPES: [&str; 6] = ["decimal(12,2)", "varchar(24)", "date", "int", "timestamp", "boolean"];

/// What happens to a row between the baseline and the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Unchanged,
    Updated,
    Deleted,
    /// Only the snapshot has it.
    Inserted,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    for folder in ["schemas", "baseline", "snapshot"] {
        fs::create_dir_all(args.out.join(folder))?;
    }
    fs::write(args.out.join("schemas/bench.yaml"), schema(&args))?;
    let [baseline, snapshot] = ["baseline", "snapshot"].map(|folder| args.out.join(folder));
    thread::scope(|scope| {
        let baseline = scope.spawn(|| write(&args, &baseline, false));
        write(&args, &snapshot, true)?;
        baseline.join().expect("the thread does not panic")
    })?;
    let count = |fate| ids(&args).filter(|id| args.fate(*id) == fate).count() as u64;
    let [unchanged, updated, deleted, inserted] =
        [Fate::Unchanged, Fate::Updated, Fate::Deleted, Fate::Inserted].map(count);
    let made = json!({
        "baseline": baseline,
        "snapshot": snapshot,
        "baseline_rows": unchanged + updated + deleted,
        "rows": unchanged + updated + inserted,
        "inserted": inserted,
        "updated": updated,
        "deleted": deleted,
    });
    println!("{made:#}");
    Ok(())
}

fn schema(args: &Args) -> String {
    let mut yaml = String::from("table: bench\nprimary_key: [id]\ncolumns:\n  - { name: id, type: bigint }\n");
    for column in 1..args.columns {
        let ty = if column + 1 == args.columns { "string" } else { TYPES[column as usize % TYPES.len()] };
        yaml += &format!("  - {{ name: c{column}, type: \"{ty}\", nullable: true }}\n");
    }
    let compression = args.compression.name();
    let multiline = if args.quoting == Quoting::Needed { ", multiline: true" } else { "" };
    yaml + &format!("engine: {{ athena: false }}\nsource: {{ compression: {compression}{multiline} }}\n")
}

/// The ids of all rows of both exports; some of them are only in the snapshot.
fn ids(args: &Args) -> std::ops::Range<u64> {
    0..args.rows + (args.rows as f64 * args.changes / 3.0) as u64
}

impl Args {
    fn fate(&self, id: u64) -> Fate {
        let share = self.rows as f64 * self.changes / 3.0 / ids(self).end as f64;
        let dice = random(self.seed, id, 0) as f64 / u64::MAX as f64;
        match dice / share {
            0.0..1.0 => Fate::Inserted,
            1.0..2.0 => Fate::Updated,
            2.0..3.0 => Fate::Deleted,
            _ => Fate::Unchanged,
        }
    }
}

fn write(args: &Args, folder: &Path, is_new: bool) -> io::Result<()> {
    let path = folder.join(format!("part-0000.csv{}", args.compression.extension()));
    let file = BufWriter::with_capacity(256 << 10, File::create(path)?);
    match args.compression {
        Compression::Gzip => {
            let mut out = GzEncoder::new(file, flate2::Compression::default());
            rows(args, is_new, &mut out)?;
            out.finish()?.flush()
        }
        Compression::Zstd => {
            let mut out = zstd::Encoder::new(file, zstd::DEFAULT_COMPRESSION_LEVEL)?;
            rows(args, is_new, &mut out)?;
            out.finish()?.flush()
        }
        Compression::None => {
            let mut out = file;
            rows(args, is_new, &mut out)?;
            out.flush()
        }
    }
}

fn rows(args: &Args, is_new: bool, out: &mut impl Write) -> io::Result<()> {
    let names: Vec<String> = (1..args.columns).map(|column| format!("c{column}")).collect();
    writeln!(out, "id,{}", names.join(","))?;
    let all = ids(args).end;
    let mixes = args.order == Order::Shuffled && is_new;
    let stride = coprime(all);
    let mut line = String::new();
    for place in ids(args) {
        let id = if mixes { (u128::from(place) * u128::from(stride) % u128::from(all)) as u64 } else { place };
        let fate = args.fate(id);
        if fate == if is_new { Fate::Deleted } else { Fate::Inserted } {
            continue;
        }
        line.clear();
        row(args, id, is_new && fate == Fate::Updated, &mut line);
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}

/// A number near the golden section of `all` that is coprime to it.
fn coprime(all: u64) -> u64 {
    let gcd = |mut a: u64, mut b: u64| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let near = (all as f64 * 0.618) as u64;
    (near.max(1)..).find(|number| gcd(*number, all) == 1).expect("any larger prime is coprime")
}

fn row(args: &Args, id: u64, is_updated: bool, line: &mut String) {
    // `random` is a bijection, so keys stay unique.
    let key = if args.order == Order::Unsorted { random(0, id, 0).cast_signed() } else { id.cast_signed() };
    field(args, &key.to_string(), line);
    for column in 1..args.columns {
        line.push(',');
        let is_changed = is_updated && column == 1;
        let dice = random(args.seed + u64::from(is_changed), id, u64::from(column));
        let text = if column + 1 == args.columns { last_text(args, dice) } else { value(column, dice) };
        field(args, &text, line);
    }
    line.push('\n');
}

fn field(args: &Args, text: &str, line: &mut String) {
    match args.quoting {
        Quoting::None => line.push_str(text),
        Quoting::All => {
            line.push('"');
            line.push_str(text);
            line.push('"');
        }
        Quoting::Needed if text.contains(['"', ',', '\n']) => {
            line.push('"');
            line.push_str(&text.replace('"', "\"\""));
            line.push('"');
        }
        Quoting::Needed => line.push_str(text),
    }
}

/// The text of the last column.
fn last_text(args: &Args, dice: u64) -> String {
    let mut text = text(dice, args.text);
    let nasty = ['\n', ',', '"'];
    if let (Quoting::Needed, Some(nasty)) = (args.quoting, nasty.get((dice >> 40) as usize % 20)) {
        text.insert(text.len() / 2, *nasty);
    }
    text
}

fn value(column: u32, dice: u64) -> String {
    let number = dice >> 20;
    match TYPES[column as usize % TYPES.len()] {
        "decimal(12,2)" => format!("{}.{:02}", number % 1_000_000, dice % 100),
        "varchar(24)" => format!("DE{:020}", number),
        "date" => format!("20{:02}-{:02}-{:02}", number % 30, 1 + dice % 12, 1 + dice % 28),
        "int" => (number % 100_000).to_string(),
        "timestamp" => {
            format!("2025-{:02}-{:02} {:02}:{:02}:00", 1 + dice % 12, 1 + number % 28, dice % 24, number % 60)
        }
        _ => dice.is_multiple_of(2).to_string(),
    }
}

/// A text of words, which compresses like prose.
fn text(dice: u64, characters: usize) -> String {
    const WORDS: [&str; 16] = [
        "account", "balance", "carrier", "delivery", "entry", "freight", "goods", "height", "invoice", "journal",
        "key", "ledger", "margin", "number", "order", "price",
    ];
    let mut text = String::with_capacity(characters + 16);
    for place in 0.. {
        if text.len() >= characters {
            break;
        }
        text.push_str(WORDS[(random(dice, place, 1) % 16) as usize]);
        text.push(' ');
    }
    text.truncate(characters);
    text
}

/// SplitMix64 (G. Steele, D. Lea, C. Flood, 2014) of three numbers: a bijection in the second.
fn random(seed: u64, id: u64, column: u64) -> u64 {
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let start = mix(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(column));
    mix(id.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(start))
}
