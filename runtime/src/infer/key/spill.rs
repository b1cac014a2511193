//! Finds out whether any hash occurs twice, in memory that does not grow with their number.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _};

/// How many hashes are kept in memory; more go to temporary files.
const IN_MEMORY: usize = 1 << 18;

/// How many temporary files there are. Each is small enough to be sorted in memory.
const PARTITIONS: usize = 64;

/// The size of each file's buffer, in bytes.
const BUFFER: usize = 64 << 10;

/// The hashes of one candidate.
#[derive(Debug, Default)]
pub(super) struct Spill {
    memory: Vec<u128>,
    partitions: Vec<BufWriter<File>>,
}

impl Spill {
    pub(super) fn add(&mut self, hash: u128) -> io::Result<()> {
        self.memory.push(hash);
        if self.memory.len() == IN_MEMORY { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.partitions.len() < PARTITIONS {
            self.partitions.push(BufWriter::with_capacity(BUFFER, tempfile::tempfile()?));
        }
        for hash in self.memory.drain(..) {
            // The highest bits choose the file.
            self.partitions[(hash >> 122) as usize].write_all(&hash.to_le_bytes())?;
        }
        Ok(())
    }

    /// A hash that occurs twice: the smallest one of its partition.
    pub(super) fn duplicate(mut self) -> io::Result<Option<u128>> {
        if self.partitions.is_empty() {
            return Ok(repeated(self.memory));
        }
        self.flush()?;
        for partition in std::mem::take(&mut self.partitions) {
            let mut file = partition.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.rewind()?;
            let mut bytes = Vec::new();
            BufReader::with_capacity(BUFFER, file).read_to_end(&mut bytes)?;
            let (hashes, _) = bytes.as_chunks::<16>();
            if let Some(hash) = repeated(hashes.iter().map(|bytes| u128::from_le_bytes(*bytes)).collect()) {
                return Ok(Some(hash));
            }
        }
        Ok(None)
    }
}

fn repeated(mut hashes: Vec<u128>) -> Option<u128> {
    hashes.sort_unstable();
    hashes.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_that_occurs_twice_is_found_in_memory_and_in_files() {
        for count in [3, 3 * IN_MEMORY as u128 + 5] {
            let hash = |number: u128| number.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
            for twice in [None, Some(0), Some(count - 1)] {
                let mut spill = Spill::default();
                for number in (0..count).chain(twice) {
                    spill.add(hash(number)).unwrap();
                }
                assert_eq!(spill.duplicate().unwrap(), twice.map(hash));
            }
        }
    }
}
