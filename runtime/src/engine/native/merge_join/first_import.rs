//! A first import: there is nothing to compare with, so every row is an INSERT. Batches are dealt out to several threads,
//! which read their rows and write the operations, and are taken back in their order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use super::batch::{BatchPool, MappedBatch};
use super::cursor::{Cursor, RowReader};
use super::key_order::{Key, KeyOrder};
use super::seen_keys::{self, SeenKeys};
use super::sorted::Keys;
use super::{Done, Stop, Tally};
use crate::engine::Resources;
use crate::engine::findings::DeletedRows;
use crate::engine::output::{Layouts, Output, OutputTotals};
use crate::operation::Head;
use crate::plan::Comparison;

/// Of the memory that a delta may take: what is kept of every key, where they do not ascend.
const KEYS: f64 = 0.5;

/// How many batches each thread has, the one at hand included.
const AHEAD: usize = 2;

/// What a thread works with.
#[derive(Clone)]
struct Given<'a> {
    layouts: Layouts<'a>,
    head: &'a Head,
    /// The order in which keys ascend, if they do.
    order: Option<KeyOrder>,
}

/// A batch to be read, and room for its lines.
struct Job {
    fed: Arc<MappedBatch>,
    lines: Vec<u8>,
}

/// The operations of one batch.
struct Block {
    lines: Vec<u8>,
    written: OutputTotals,
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
    head: &'a Head,
    room: Resources<'_>,
    mut snapshot: Cursor<'a>,
    output: Output<'o>,
) -> Result<Done<'o>, Stop> {
    let order = KeyOrder::learn(layouts.after, &snapshot.first_keys());
    let comparison = if order.is_some() { Comparison::Ascending } else { Comparison::Aligned };
    let given = Given { layouts, head, order };
    let used = snapshot.used();
    let workers = (0..room.threads()).map(|_| Worker::start(scope, given.clone(), used.clone())).collect();
    let (before, after) = (Tally::default(), Tally::default());
    let done = Done { comparison, output, before, after, deleted: DeletedRows::default() };
    let mut import = Import { workers, waiting: VecDeque::new(), spare: Vec::new(), done };
    let all = import.all(given.order.as_ref(), room, snapshot);
    let seen = import.workers.into_iter().map(Worker::finish).collect();
    all?;
    if given.order.is_none() && !SeenKeys::are_distinct(seen) {
        return Err(Stop::Fallback);
    }
    Ok(import.done)
}

struct Import<'scope, 'o> {
    workers: Vec<Worker<'scope>>,
    /// The workers that have a batch, once for each, as the batches stand in the export.
    waiting: VecDeque<usize>,
    spare: Vec<Vec<u8>>,
    done: Done<'o>,
}

impl Import<'_, '_> {
    fn all(&mut self, order: Option<&KeyOrder>, room: Resources<'_>, mut snapshot: Cursor<'_>) -> Result<(), Stop> {
        let most = room.share(KEYS).memory() / seen_keys::BYTES;
        let (mut keys, mut rows) = (order.cloned().map(Keys::new), 0);
        for turn in (0..self.workers.len()).cycle() {
            let Some((fed, _)) = snapshot.place() else { break };
            let (fed, records) = (Arc::clone(fed), fed.batch.len());
            rows += records as u64;
            match &mut keys {
                Some(keys) => keys.advance_over(&mut snapshot, records)?,
                None if rows > most => return Err(Stop::Fallback),
                None => {}
            }
            if self.waiting.len() == AHEAD * self.workers.len() {
                self.take()?;
            }
            let job = Job { fed, lines: self.spare.pop().unwrap_or_default() };
            // Nobody is there to take it after a panic, which finishing passes on.
            self.workers[turn].jobs.send(job).map_err(|_| Stop::Fallback)?;
            self.waiting.push_back(turn);
            snapshot.skip(records);
        }
        while !self.waiting.is_empty() {
            self.take()?;
        }
        Ok(())
    }

    /// Takes the operations of the batch that was dealt out first.
    fn take(&mut self) -> Result<(), Stop> {
        let Some(turn) = self.waiting.pop_front() else { return Ok(()) };
        let mut block = self.workers[turn].blocks.recv().map_err(|_| Stop::Fallback)??;
        self.done.after.merge(block.tally);
        self.done.output.take(&block.lines, block.written)?;
        block.lines.clear();
        self.spare.push(block.lines);
        Ok(())
    }
}

impl<'scope> Worker<'scope> {
    fn start<'a: 'scope>(scope: &'scope Scope<'scope, '_>, given: Given<'a>, used: BatchPool) -> Self {
        let (jobs, to_do) = sync_channel(AHEAD);
        let (send, blocks) = sync_channel(AHEAD);
        let thread = scope.spawn(move || work(&given, &to_do, &send, &used));
        Self { jobs, blocks, thread }
    }

    fn finish(self) -> SeenKeys {
        drop((self.jobs, self.blocks));
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn work(
    given: &Given<'_>,
    jobs: &Receiver<Job>,
    blocks: &SyncSender<Result<Block, Stop>>,
    used: &BatchPool,
) -> SeenKeys {
    let (mut reader, mut keys) = (RowReader::new(given.layouts.after), SeenKeys::default());
    for Job { fed, lines } in jobs {
        let block = write(given, &fed, lines, &mut reader, &mut keys);
        fed.done(used);
        if blocks.send(block).is_err() {
            // Nobody wants to know any more.
            break;
        }
    }
    keys
}

/// Writes the operations of a batch.
fn write(
    given: &Given<'_>,
    fed: &MappedBatch,
    mut lines: Vec<u8>,
    reader: &mut RowReader<'_>,
    keys: &mut SeenKeys,
) -> Result<Block, Stop> {
    let (mut last, mut next, mut tally) = (Key::default(), Key::default(), Tally::default());
    let mut output = Output::new(given.layouts, given.head, &mut lines);
    for at in 0..fed.batch.len() {
        let row = reader.read(fed, at).ok_or(Stop::Fallback)?;
        match &given.order {
            None => keys.add(row),
            Some(order) => {
                next.set(row.key());
                if at > 0 && !order.compare(&last, &next).is_lt() {
                    return Err(Stop::Fallback);
                }
                std::mem::swap(&mut last, &mut next);
            }
        }
        let hash = given.layouts.after.hash(row);
        tally.add(hash);
        output.insert(row.key(), (hash, row.values()))?;
    }
    let written = output.written;
    Ok(Block { lines, written, tally })
}
