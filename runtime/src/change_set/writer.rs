//! Distributes the operations of a delta, as lines, over the parts of a change set.

use std::collections::VecDeque;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use flate2::Compression;

use super::Draft;
use crate::breakpoint::{Breakpoint, env_override};
use crate::error::Result;
use crate::gzip::Piece;

/// The size of a part in bytes, uncompressed: small enough to be published and retried on its own.
const PART_BYTES: u64 = 64 << 20;

/// The size of the blocks that are compressed at the same time, in bytes.
const BLOCK: usize = 256 << 10;

/// Receives the operations of a delta as lines.
pub trait LineSink {
    /// Receives operations, each with its line feed.
    fn write(&mut self, lines: &[u8]) -> Result<()>;

    /// Discards every line so far: they come again, in another order.
    fn restart(&mut self) -> Result<()>;
}

/// Options for writing the parts of a change set.
#[derive(Debug, Clone, Copy)]
pub struct PartOptions {
    /// The sequence in the lines.
    pub sequence: u64,
    /// The compression level.
    pub level: Compression,
    /// The number of threads that compress.
    pub threads: NonZero<usize>,
}

/// Writes the parts of a change set. Each part is written by its own thread, and each of its blocks is compressed by
/// one, so that the engine need not wait.
#[derive(Debug)]
pub struct PartWriter {
    draft: Arc<dyn Draft>,
    options: PartOptions,
    /// The size of a part in bytes.
    part_bytes: u64,
    block: Vec<u8>,
    /// How many bytes of the current part have been sent to its thread.
    written: u64,
    parts: u32,
    part: Option<SyncSender<JoinHandle<Piece>>>,
    threads: VecDeque<JoinHandle<Result<()>>>,
}

impl PartWriter {
    /// Writes into a draft that already has this many parts.
    pub fn new(draft: Arc<dyn Draft>, parts: u32, options: PartOptions) -> Self {
        let (block, threads) = (Vec::with_capacity(BLOCK), VecDeque::new());
        let part_bytes = env_override("TIDEMARK_PART_BYTES", PART_BYTES);
        Self { draft, options, part_bytes, block, written: 0, parts, part: None, threads }
    }

    /// Waits until every part is durable, and returns the number of parts.
    pub fn finish(mut self) -> Result<u32> {
        self.close()?;
        self.wait(0)?;
        Ok(self.parts)
    }

    fn send(&mut self) -> Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let PartOptions { sequence, level, threads } = self.options;
        let part = match &self.part {
            Some(part) => part,
            None => {
                let (sender, pieces) = sync_channel(threads.get());
                let (draft, part) = (Arc::clone(&self.draft), self.parts);
                let write = move || draft.write(part, sequence, &mut pieces.into_iter().map(join));
                self.threads.push_back(thread::spawn(write));
                self.parts += 1;
                self.part.insert(sender)
            }
        };
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
        self.written += block.len() as u64;
        let piece = thread::spawn(move || Piece::compress(&block, level));
        // Joining a thread that has ended returns its error.
        if part.send(piece).is_err() { self.wait(0) } else { Ok(()) }
    }

    fn close(&mut self) -> Result<()> {
        self.send()?;
        self.part = None;
        self.written = 0;
        self.wait(1)
    }

    /// Waits until at most `max_threads` threads are at work.
    fn wait(&mut self, max_threads: usize) -> Result<()> {
        while self.threads.len() > max_threads {
            let Some(thread) = self.threads.pop_front() else { return Ok(()) };
            join(thread)?;
        }
        Ok(())
    }
}

/// Waits for a thread and returns its result. A panic of the thread becomes a panic here.
fn join<T>(thread: JoinHandle<T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

impl LineSink for PartWriter {
    fn write(&mut self, lines: &[u8]) -> Result<()> {
        Breakpoint::Planning.reached();
        if lines.len() as u64 > self.part_bytes
            && let Some(end) = lines[..self.part_bytes as usize].iter().rposition(|byte| *byte == b'\n')
            && end + 1 < lines.len()
        {
            // The lines are larger than a part: split them.
            self.write(&lines[..=end])?;
            return self.write(&lines[end + 1..]);
        }
        self.block.extend_from_slice(lines);
        if self.block.len() < BLOCK.min(self.part_bytes as usize) {
            return Ok(());
        }
        self.send()?;
        if self.written >= self.part_bytes { self.close() } else { Ok(()) }
    }

    fn restart(&mut self) -> Result<()> {
        self.block.clear();
        if self.parts > 0 {
            self.part = None;
            self.wait(0)?;
            self.draft.clear()?;
            (self.written, self.parts) = (0, 0);
        }
        Ok(())
    }
}

impl LineSink for Vec<u8> {
    fn write(&mut self, lines: &[u8]) -> Result<()> {
        self.extend_from_slice(lines);
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.clear();
        Ok(())
    }
}

impl Drop for PartWriter {
    /// Ends the threads, so that none of them writes once the writer is gone.
    fn drop(&mut self) {
        self.part = None;
        for thread in self.threads.drain(..) {
            // An earlier error matters more than one from here.
            let _ = thread.join();
        }
    }
}
