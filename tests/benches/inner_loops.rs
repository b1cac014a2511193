//! Benchmarks of a delta's inner loops on rows of `ledger_entries`: `cargo bench -p tests`.

use std::hint::black_box;
use std::io::{Cursor, Read as _};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use flate2::Compression;
use flate2::read::GzEncoder;
use runtime::canonical::row::{Layout, Row};
use runtime::snapshot::csv::{Batch, Dialect, Reader, Splitter};
use runtime::snapshot::part::Inflated;
use runtime::table::{self, Table};

/// How many rows each benchmark processes.
const ROWS: u64 = 10_000;

fn table() -> &'static Table {
    generated::TABLES.iter().find(|table| table.name == "ledger_entries").expect("the project has the table")
}

/// The rows as CSV, without a header.
fn rows() -> Vec<u8> {
    let row = |id: u64| {
        let (day, cents) = (1 + id % 28, id * 7919 % 10_000_000);
        format!(
            "EU01,{},2025-11-{day:02},2025-11-{day:02}T10:21:24,40{:08},DE{:020},-{}.{:02},GBP,1.{:04},false,INV {id},{}\n",
            1_000_000 + id,
            id * 31,
            id * 7919,
            cents / 100,
            cents % 100,
            id % 10_000,
            id % 300,
        )
    };
    (0..ROWS).flat_map(|id| row(id).into_bytes()).collect()
}

fn inner_loops(criterion: &mut Criterion) {
    let (layout, bytes) = (Layout::new(table()), rows());
    let dialect = Dialect::from_format(&layout.format);
    let mut group = criterion.benchmark_group("10,000 rows");
    group.throughput(Throughput::Bytes(bytes.len() as u64));

    let mut packed = Vec::new();
    GzEncoder::new(bytes.as_slice(), Compression::default()).read_to_end(&mut packed).expect("memory can be read");
    group.bench_function("inflate", |bencher| {
        let mut out = vec![0; 128 << 10];
        bencher.iter(|| {
            let mut inflated = Inflated::new(Cursor::new(&packed), table::Compression::Gzip).expect("it is gzip");
            while inflated.read(&mut out).expect("it is whole") > 0 {}
        });
    });
    group.bench_function("find records", |bencher| {
        let mut batch = Batch::default();
        bencher.iter(|| {
            let mut reader = Reader::new(bytes.as_slice(), dialect.clone());
            while reader.next_batch(&mut batch).expect("memory can be read") {}
        });
    });
    group.bench_function("split records", |bencher| {
        let mut splitter = Splitter::new(dialect.clone());
        let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        bencher.iter(|| lines.iter().all(|line| splitter.split(black_box(line), line.len(), 1).is_ok()));
    });
    read_rows(&mut group, &layout, &bytes);
    group.finish();
}

/// The loops over the records of one batch.
fn read_rows(group: &mut BenchmarkGroup<'_, WallTime>, layout: &Layout, bytes: &[u8]) {
    let dialect = Dialect::from_format(&layout.format);
    let mut batch = Batch::default();
    let mut reader = Reader::new(bytes, dialect.clone());
    assert!(reader.next_batch(&mut batch).expect("memory can be read"), "there are rows");
    let each_row = |use_row: &mut dyn FnMut(&Row)| {
        let (mut splitter, mut row) = (Splitter::new(dialect.clone()), Row::default());
        for index in 0..batch.len() {
            let (bytes, length) = batch.with_following(index);
            let record = splitter.split(bytes, length, 1).expect("the rows are valid");
            layout.read(|column| record.field(column), &mut row, |column, _, _| panic!("{}", column.name));
            use_row(&row);
        }
    };
    let mut rows = Vec::new();
    each_row(&mut |row| rows.push(row.clone()));
    group.throughput(Throughput::Elements(batch.len() as u64));
    group.bench_function("split, and values to canonical bytes", |bencher| {
        bencher.iter(|| each_row(&mut |row| assert!(!black_box(row.image()).is_empty())));
    });
    group.bench_function("row hashes", |bencher| {
        bencher.iter(|| rows.iter().fold(0, |sum: i64, row| sum.wrapping_add(layout.hash(row))));
    });
    group.bench_function("key hashes", |bencher| {
        bencher.iter(|| rows.iter().fold(0, |sum: u128, row| sum.wrapping_add(row.key_hash())));
    });
}

criterion_group!(benches, inner_loops);
criterion_main!(benches);
