//! Memory for rows of any length, which are removed in any order: without an allocation for each, and without gaps that
//! nothing fits into.

/// The least that an arena has room for, in bytes.
pub(super) const MIN_BYTES: u64 = MIN_CHUNK as u64;

/// The size of the chunks that are allocated, in bytes: at least 1/64 of the memory. The larger they are, the more
/// likely the processor has in its cache where they are.
const MIN_CHUNK: usize = 32 << 10;
const MAX_CHUNK: usize = 1 << 20;

/// Bytes that are zeroed at a time: so few that they are still in the processor's cache when a row is written there.
const FILLED: usize = 8 << 10;

/// A row begins at a multiple of this.
const UNIT: usize = 16;

/// How many sizes there are between a power of two and the next, in bits: a row wastes at most a sixteenth of its size.
const STEPS: u32 = 4;

/// Where a row is, in units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(u32);

/// Chunks of memory, divided into slots of many sizes.
#[derive(Debug)]
pub(super) struct Arena {
    /// Each is filled with zeros as far as it is used: a small export touches little memory.
    chunks: Vec<Vec<u8>>,
    /// How many units a chunk has, as a power of two. A row that is larger does not fit.
    chunk_bits: u32,
    /// How many units are used, without the slots that are free again.
    end: usize,
    /// The slots that are free again, by the number of their size.
    free: Vec<Vec<Slot>>,
    max_chunks: usize,
}

impl Arena {
    /// An arena that takes at most so many bytes.
    pub(super) fn new(max_bytes: u64) -> Self {
        let max_bytes = usize::try_from(max_bytes).unwrap_or(usize::MAX);
        let chunk = (max_bytes / 64).next_power_of_two().clamp(MIN_CHUNK, MAX_CHUNK);
        let (chunk_bits, max_chunks) = ((chunk / UNIT).ilog2(), max_bytes / chunk);
        Self { chunks: Vec::new(), chunk_bits, end: 0, free: Vec::new(), max_chunks }
    }

    /// A slot for so many bytes; `None` if they do not fit.
    pub(super) fn add(&mut self, bytes: usize) -> Option<Slot> {
        let Size { number, units } = Size::for_bytes(bytes);
        if let Some(slot) = self.free.get_mut(number).and_then(Vec::pop) {
            return Some(slot);
        }
        let units_of_chunk = 1 << self.chunk_bits;
        if self.end + units > self.chunks.len() * units_of_chunk {
            // What is left of the last chunk is too small, and stays unused.
            self.end = self.chunks.len() * units_of_chunk;
        }
        let slot = u32::try_from(self.end).ok().filter(|_| units <= units_of_chunk)?;
        if self.end == self.chunks.len() * units_of_chunk {
            if self.chunks.len() == self.max_chunks {
                return None;
            }
            self.chunks.push(Vec::with_capacity(units_of_chunk * UNIT));
        }
        self.end += units;
        self.fill_to_end(units_of_chunk * UNIT);
        Some(Slot(slot))
    }

    /// Fills the last chunk with zeros, to the end of what is used or a little more.
    fn fill_to_end(&mut self, chunk_bytes: usize) {
        let begin = (self.chunks.len() - 1) * chunk_bytes;
        let used = self.end * UNIT - begin;
        if let Some(chunk) = self.chunks.last_mut().filter(|chunk| chunk.len() < used) {
            chunk.resize(used.next_multiple_of(FILLED).min(chunk_bytes), 0);
        }
    }

    /// Frees the slot that [`Arena::add`] returned for so many bytes.
    pub(super) fn remove(&mut self, slot: Slot, bytes: usize) {
        let Size { number, .. } = Size::for_bytes(bytes);
        if self.free.len() <= number {
            self.free.resize_with(number + 1, Vec::new);
        }
        self.free[number].push(slot);
    }

    /// The bytes of a slot and those after it, to the end of its chunk.
    #[inline]
    pub(super) fn get(&self, slot: Slot) -> &[u8] {
        let (chunk, at) = self.locate(slot);
        &self.chunks[chunk][at..]
    }

    /// The same, to be written.
    pub(super) fn get_mut(&mut self, slot: Slot) -> &mut [u8] {
        let (chunk, at) = self.locate(slot);
        &mut self.chunks[chunk][at..]
    }

    /// The index of the chunk that has a slot, and where it is there.
    #[inline]
    fn locate(&self, slot: Slot) -> (usize, usize) {
        let unit = slot.0 as usize;
        (unit >> self.chunk_bits, (unit & ((1 << self.chunk_bits) - 1)) * UNIT)
    }
}

/// The size of a slot.
struct Size {
    /// Sizes are numbered from the smallest.
    number: usize,
    units: usize,
}

impl Size {
    /// The smallest size that holds so many bytes.
    fn for_bytes(bytes: usize) -> Self {
        let units = bytes.div_ceil(UNIT).max(1);
        let shift = units.ilog2().saturating_sub(STEPS);
        let steps = units.div_ceil(1 << shift);
        Self { number: ((shift as usize) << STEPS) + steps, units: steps << shift }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbered_and_waste_little() {
        let mut last = (0, 0);
        for bytes in 0..3 * MIN_CHUNK {
            let Size { number, units } = Size::for_bytes(bytes);
            assert!(units * UNIT >= bytes && units * UNIT <= bytes + bytes / 16 + UNIT, "{bytes}");
            assert!((number, units) == last || (number > last.0 && units > last.1), "{bytes}");
            last = (number, units);
        }
    }

    #[test]
    fn slots_do_not_overlap_and_are_used_again() {
        let mut arena = Arena::new(10 * MIN_BYTES);
        let mut kept: Vec<(Slot, usize, u8)> = Vec::new();
        for round in 0..20_000_usize {
            let bytes = 1 + round * 7919 % 700;
            let slot = arena.add(bytes).unwrap();
            arena.get_mut(slot)[..bytes].fill(round as u8);
            kept.push((slot, bytes, round as u8));
            if kept.len() > 500 {
                let (slot, bytes, byte) = kept.swap_remove(round * 31 % 500);
                assert!(arena.get(slot)[..bytes].iter().all(|other| *other == byte), "round {round}");
                arena.remove(slot, bytes);
            }
        }
    }

    #[test]
    fn what_is_too_large_does_not_fit() {
        for chunk in [MIN_CHUNK, MAX_CHUNK] {
            let mut arena = Arena::new(if chunk == MIN_CHUNK { 2 } else { 64 } * chunk as u64);
            assert!(arena.add(chunk).is_some() && arena.add(chunk + 1).is_none() && arena.add(chunk).is_some());
            arena.max_chunks = 2;
            assert!(arena.add(1).is_none());
        }
    }
}
