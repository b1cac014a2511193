//! Searches bytes in blocks of 64, with one bit for each byte.

use wide::u8x16;

/// The number of bytes in a block.
pub(super) const BLOCK: usize = 64;

const LANES: usize = 16;

/// 64 bytes.
pub(super) struct Block([u8x16; BLOCK / LANES]);

impl Block {
    #[inline]
    pub(super) fn new(bytes: &[u8; BLOCK]) -> Self {
        let (lanes, _) = bytes.as_chunks::<LANES>();
        Self(std::array::from_fn(|at| u8x16::new(lanes[at])))
    }

    /// The block that starts with these bytes, and continues with anything.
    #[inline]
    pub(super) fn beginning(bytes: &[u8]) -> Self {
        match bytes.first_chunk() {
            Some(whole) => Self::new(whole),
            None => {
                let mut block = [0; BLOCK];
                block[..bytes.len()].copy_from_slice(bytes);
                Self::new(&block)
            }
        }
    }

    /// The positions of a byte, as bits.
    #[inline]
    pub(super) fn is(&self, byte: u8) -> u64 {
        self.bits(|lane| lane.simd_eq(u8x16::splat(byte)))
    }

    /// The positions of any of these bytes, as bits.
    #[inline]
    pub(super) fn is_any(&self, bytes: [u8; 3]) -> u64 {
        let [a, b, c] = bytes.map(u8x16::splat);
        self.bits(|lane| lane.simd_eq(a) | lane.simd_eq(b) | lane.simd_eq(c))
    }

    #[inline]
    fn bits(&self, compare: impl Fn(u8x16) -> u8x16) -> u64 {
        let [a, b, c, d] = self.0.map(|lane| u64::from(compare(lane).to_bitmask()));
        a | b << LANES | c << (2 * LANES) | d << (3 * LANES)
    }
}

/// Calls `found` with the position of each bit that is set.
#[inline]
pub(super) fn each(mut bits: u64, mut found: impl FnMut(usize)) {
    while bits != 0 {
        found(bits.trailing_zeros() as usize);
        bits &= bits - 1;
    }
}

/// All bits up to the highest one that is set.
#[inline]
pub(super) fn up_to_last(bits: u64) -> u64 {
    u64::MAX.checked_shr(bits.leading_zeros()).unwrap_or_default()
}

/// For each bit, whether an odd number of bits is set up to it.
#[inline]
pub(super) fn parity(mut bits: u64) -> u64 {
    for distance in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << distance;
    }
    bits
}

/// The lowest `count` bits.
#[inline]
pub(super) fn first(count: usize) -> u64 {
    if count >= BLOCK { u64::MAX } else { (1 << count) - 1 }
}
