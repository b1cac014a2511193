//! Distributes the operations of a delta, as lines, over the parts of a change set.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::Draft;
use crate::breakpoint::{Breakpoint, env_override};
use crate::error::Result;

/// The size of a part in bytes, uncompressed: small enough to be published and retried on its own.
const PART_BYTES: u64 = 64 << 20;

/// The size of the blocks that are compressed at once, in bytes.
const BLOCK: usize = 256 << 10;

/// How many blocks may wait to be compressed.
const BLOCKS: usize = 4;

/// Receives the operations of a delta as lines.
pub trait LineSink {
    /// Receives operations, each with its line feed.
    fn write(&mut self, lines: &[u8]) -> Result<()>;

    /// Discards every line so far: they come again, in another order.
    fn restart(&mut self) -> Result<()>;
}

/// Writes the parts of a change set. Each part is compressed by its own thread, so that the engine need not wait.
#[derive(Debug)]
pub struct PartWriter {
    draft: Arc<dyn Draft>,
    /// The size of a part in bytes.
    part_bytes: u64,
    block: Vec<u8>,
    /// How many bytes of the current part have been sent to its thread.
    written: u64,
    parts: u32,
    part: Option<SyncSender<Vec<u8>>>,
    threads: VecDeque<JoinHandle<Result<()>>>,
}

impl PartWriter {
    /// Writes into a draft that already has this many parts.
    pub fn new(draft: Arc<dyn Draft>, parts: u32) -> Self {
        let (block, threads) = (Vec::with_capacity(BLOCK), VecDeque::new());
        let part_bytes = env_override("TIDEMARK_PART_BYTES", PART_BYTES);
        Self { draft, part_bytes, block, written: 0, parts, part: None, threads }
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
        let part = match &self.part {
            Some(part) => part,
            None => {
                let (sender, blocks) = sync_channel(BLOCKS);
                let (draft, part) = (Arc::clone(&self.draft), self.parts);
                self.threads.push_back(thread::spawn(move || draft.write(part, &mut blocks.into_iter())));
                self.parts += 1;
                self.part.insert(sender)
            }
        };
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
        self.written += block.len() as u64;
        // Joining a thread that has ended returns its error.
        if part.send(block).is_err() { self.wait(0) } else { Ok(()) }
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
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok(())
    }
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
