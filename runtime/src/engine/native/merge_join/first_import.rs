//! A first import: without a baseline, every row is an INSERT. Several threads read batches and encode their
//! operations, which are written in the order of the export.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use super::batch::{BatchPool, MappedBatch};
use super::cursor::Cursor;
use super::highest_key::HighestKey;
use super::join_output::{JoinOutput, Tally};
use super::key_order::{Key, KeyOrder};
use super::stop::Stop;
use crate::engine::native::scan::RowReader;
use crate::engine::native::seen_keys::{self, SeenKeys};
use crate::engine::output::{Layouts, Output, OutputTotals};
use crate::engine::request::DeltaRequest;
use crate::operation::Head;
use crate::parallel::join;
use crate::plan::Comparison;

/// The share of a delta's memory for the hashes of all keys, if they do not ascend.
const KEYS: f64 = 0.5;

/// How many batches each thread has, including the one it reads.
const JOBS_AHEAD: usize = 2;

/// How a thread encodes rows.
#[derive(Clone)]
struct Encoding<'a> {
    layouts: Layouts<'a>,
    head: &'a Head,
    /// The order in which keys ascend, if they do.
    order: Option<KeyOrder>,
}

/// A batch to read, and a buffer for its operations.
struct Job {
    batch: Arc<MappedBatch>,
    lines: Vec<u8>,
}

/// The operations of one batch.
struct Block {
    lines: Vec<u8>,
    totals: OutputTotals,
    tally: Tally,
}

struct Worker<'scope> {
    jobs: SyncSender<Job>,
    blocks: Receiver<Result<Block, Stop>>,
    thread: ScopedJoinHandle<'scope, SeenKeys>,
}

/// Writes an INSERT for each row.
pub(super) fn import<'scope, 'a: 'scope, 'o>(
    scope: &'scope Scope<'scope, '_>,
    layouts: Layouts<'a>,
    request: &'a DeltaRequest<'a>,
    mut snapshot: Cursor<'a>,
    output: Output<'o>,
) -> Result<JoinOutput<'o>, Stop> {
    let order = KeyOrder::learn(layouts.after, &snapshot.first_keys());
    let comparison = if order.is_some() { Comparison::Ascending } else { Comparison::Aligned };
    let encoding = Encoding { layouts, head: request.head, order };
    let pool = snapshot.pool();
    let threads = 0..request.resources.threads();
    let workers = threads.map(|_| Worker::start(scope, encoding.clone(), pool.clone())).collect();
    let joined = JoinOutput::new(comparison, output);
    let mut import = Import { workers, busy: VecDeque::new(), buffers: Vec::new(), joined };
    let max_rows = request.resources.share(KEYS).memory() / seen_keys::BYTES;
    let result = import.run(encoding.order.as_ref(), max_rows, snapshot);
    let seen = import.workers.into_iter().map(Worker::finish).collect();
    result?;
    if encoding.order.is_none() && !SeenKeys::are_distinct(seen) {
        return Err(Stop::Fallback);
    }
    Ok(import.joined)
}

struct Import<'scope, 'o> {
    workers: Vec<Worker<'scope>>,
    /// The worker of each batch that is not written yet, in the order of the export.
    busy: VecDeque<usize>,
    /// Used buffers, to be filled again.
    buffers: Vec<Vec<u8>>,
    joined: JoinOutput<'o>,
}

impl Import<'_, '_> {
    fn run(&mut self, order: Option<&KeyOrder>, max_rows: u64, mut snapshot: Cursor<'_>) -> Result<(), Stop> {
        let (mut highest, mut rows) = (order.cloned().map(HighestKey::new), 0);
        for worker in (0..self.workers.len()).cycle() {
            let Some((batch, _)) = snapshot.position() else { break };
            let (batch, records) = (Arc::clone(batch), batch.records.len());
            rows += records as u64;
            match &mut highest {
                Some(highest) => highest.advance_over(&mut snapshot, records)?,
                None if rows > max_rows => return Err(Stop::Fallback),
                None => {}
            }
            if self.busy.len() == JOBS_AHEAD * self.workers.len() {
                self.write_block()?;
            }
            let job = Job { batch, lines: self.buffers.pop().unwrap_or_default() };
            // Sending fails only if the thread has panicked; `Worker::finish` passes the panic on.
            self.workers[worker].jobs.send(job).map_err(|_| Stop::Fallback)?;
            self.busy.push_back(worker);
            snapshot.skip(records);
        }
        while !self.busy.is_empty() {
            self.write_block()?;
        }
        Ok(())
    }

    /// Writes the operations of the first batch that is not written yet.
    fn write_block(&mut self) -> Result<(), Stop> {
        let Some(worker) = self.busy.pop_front() else { return Ok(()) };
        let mut block = self.workers[worker].blocks.recv().map_err(|_| Stop::Fallback)??;
        self.joined.after.merge(block.tally);
        self.joined.output.append(&block.lines, block.totals)?;
        block.lines.clear();
        self.buffers.push(block.lines);
        Ok(())
    }
}

impl<'scope> Worker<'scope> {
    fn start<'a: 'scope>(scope: &'scope Scope<'scope, '_>, encoding: Encoding<'a>, pool: BatchPool) -> Self {
        let (jobs, to_do) = sync_channel(JOBS_AHEAD);
        let (done, blocks) = sync_channel(JOBS_AHEAD);
        let thread = scope.spawn(move || work(&encoding, &to_do, &done, &pool));
        Self { jobs, blocks, thread }
    }

    /// Waits for the thread, and returns the keys it collected.
    fn finish(self) -> SeenKeys {
        drop((self.jobs, self.blocks));
        join(self.thread)
    }
}

fn work(
    encoding: &Encoding<'_>,
    jobs: &Receiver<Job>,
    blocks: &SyncSender<Result<Block, Stop>>,
    pool: &BatchPool,
) -> SeenKeys {
    let (mut reader, mut keys) = (RowReader::new(encoding.layouts.after), SeenKeys::default());
    for Job { batch, lines } in jobs {
        let block = encode(encoding, &batch, lines, &mut reader, &mut keys);
        batch.recycle(pool);
        if blocks.send(block).is_err() {
            // The import has stopped.
            break;
        }
    }
    keys
}

/// Encodes the operations of a batch.
fn encode(
    encoding: &Encoding<'_>,
    batch: &MappedBatch,
    mut lines: Vec<u8>,
    reader: &mut RowReader<'_>,
    keys: &mut SeenKeys,
) -> Result<Block, Stop> {
    let (mut last, mut next, mut tally) = (Key::default(), Key::default(), Tally::default());
    let mut output = Output::new(encoding.layouts, encoding.head, &mut lines);
    for at in 0..batch.records.len() {
        let row = reader.read(batch.record(at), &batch.fields).ok_or(Stop::Fallback)?;
        match &encoding.order {
            None => keys.add(row),
            Some(order) => {
                next.set(row.key());
                if at > 0 && !order.compare(&last, &next).is_lt() {
                    return Err(Stop::Fallback);
                }
                std::mem::swap(&mut last, &mut next);
            }
        }
        let hash = encoding.layouts.after.hash(row);
        tally.add(hash);
        output.insert(row.key(), (hash, row.values()))?;
    }
    let totals = output.totals;
    Ok(Block { lines, totals, tally })
}
