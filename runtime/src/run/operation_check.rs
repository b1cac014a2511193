//! Checks operations while a change set is written.

use std::path::Path;

use crate::change_set::{LineSink, PartWriter};
use crate::error::{Error, Result};
use crate::operation;
use crate::plan::Demand;
use crate::sink::refusal;

/// Refuses operations that a sink cannot take. A version that is PUBLISHING has to be finished, so this must be
/// known before.
pub(super) struct OperationCheck<'a> {
    pub(super) parts: PartWriter,
    /// The sequence in the lines.
    pub(super) sequence: u64,
    pub(super) max_bytes: Option<usize>,
    pub(super) demands: Vec<Demand>,
    pub(super) label: &'a str,
}

impl OperationCheck<'_> {
    /// The largest size of a line in bytes, under any sequence.
    fn size(&self, line: &[u8]) -> usize {
        const DIGITS: u32 = u64::MAX.ilog10();
        line.len() + (DIGITS - self.sequence.checked_ilog10().unwrap_or_default()) as usize
    }
}

impl LineSink for OperationCheck<'_> {
    fn write(&mut self, lines: &[u8]) -> Result<()> {
        if let Some(max_bytes) = self.max_bytes
            && let Some(line) = lines.split_inclusive(|byte| *byte == b'\n').find(|line| self.size(line) > max_bytes)
        {
            return Err(too_large(line, self.size(line), max_bytes, self.label));
        }
        for demand in &self.demands {
            let refused = |line: &&[u8]| refusal(*demand, line);
            let mut lines = lines.split_inclusive(|byte| *byte == b'\n');
            if let Some((line, problem)) = lines.find_map(|line| Some((line, refused(&line)?))) {
                let problem = format!("an operation (id {}) cannot be applied: {problem}", id(line));
                return Err(
                    Error::export(Path::new(self.label), problem).help("shorten or clean its values at the source")
                );
            }
        }
        self.parts.write(lines)
    }

    fn restart(&mut self) -> Result<()> {
        self.parts.restart()
    }
}

fn too_large(line: &[u8], size: usize, max_bytes: usize, label: &str) -> Error {
    let id = id(line);
    let problem = format!("an operation (id {id}) has {size} bytes, but the sink accepts at most {max_bytes}");
    Error::export(Path::new(label), problem)
        .help("shorten its values, raise the stream's maximum record size, or publish to files")
}

/// The id of an operation, as it is on its line.
fn id(line: &[u8]) -> String {
    operation::id(line).map_or_else(|| "?".into(), |id| format!("{id:032x}"))
}
