//! Takes operations as lines, and deals them out to the parts of a change set.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::Draft;
use crate::breakpoint::{Breakpoint, env_override};
use crate::error::Result;

/// How many bytes of operations one part holds, inflated: small enough to publish and retry on its own.
const PART_BYTES: u64 = 64 << 20;

/// How many bytes of operations are compressed at once.
const BLOCK: usize = 256 << 10;

/// How many blocks may wait for their compression.
const BLOCKS: usize = 4;

/// Takes the operations of a delta as lines.
pub trait LineSink {
    /// Takes operations, each with its line feed.
    fn write(&mut self, lines: &[u8]) -> Result<()>;

    /// Forgets every line so far: they come again, in another order.
    fn restart(&mut self) -> Result<()>;
}

/// Writes the parts of a change set. Each part is compressed by a thread of its own, so that whoever finds the operations
/// does not wait for that.
#[derive(Debug)]
pub struct Writer {
    draft: Arc<dyn Draft>,
    /// How much a part holds.
    most: u64,
    block: Vec<u8>,
    /// How much of the part that is being written is on its way.
    written: u64,
    parts: u32,
    part: Option<SyncSender<Vec<u8>>>,
    threads: VecDeque<JoinHandle<Result<()>>>,
}

impl Writer {
    /// A writer of a change set that has so many parts already.
    pub fn new(draft: Arc<dyn Draft>, parts: u32) -> Self {
        let (block, threads) = (Vec::with_capacity(BLOCK), VecDeque::new());
        let most = env_override("TIDEMARK_PART_BYTES", PART_BYTES);
        Self { draft, most, block, written: 0, parts, part: None, threads }
    }

    /// Waits until every part is durable, and says how many there are.
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
        // A thread that is gone says why when it is waited for.
        if part.send(block).is_err() { self.wait(0) } else { Ok(()) }
    }

    fn close(&mut self) -> Result<()> {
        self.send()?;
        self.part = None;
        self.written = 0;
        self.wait(1)
    }

    /// Waits until no more than so many threads are at work.
    fn wait(&mut self, most: usize) -> Result<()> {
        while self.threads.len() > most {
            let Some(thread) = self.threads.pop_front() else { return Ok(()) };
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok(())
    }
}

impl LineSink for Writer {
    fn write(&mut self, lines: &[u8]) -> Result<()> {
        Breakpoint::Planning.reached();
        if lines.len() as u64 > self.most
            && let Some(end) = lines[..self.most as usize].iter().rposition(|byte| *byte == b'\n')
            && end + 1 < lines.len()
        {
            // More than a part holds, in one piece.
            self.write(&lines[..=end])?;
            return self.write(&lines[end + 1..]);
        }
        self.block.extend_from_slice(lines);
        if self.block.len() < BLOCK.min(self.most as usize) {
            return Ok(());
        }
        self.send()?;
        if self.written >= self.most { self.close() } else { Ok(()) }
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

impl Drop for Writer {
    /// No thread writes any more once the writer is gone.
    fn drop(&mut self) {
        self.part = None;
        for thread in self.threads.drain(..) {
            // What went wrong before says more.
            let _ = thread.join();
        }
    }
}
