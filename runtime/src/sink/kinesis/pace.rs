//! How much is sent at once: more while the shards accept it, half when they throttle.

use crate::breakpoint::env_override;

/// The smallest round, in bytes: what one shard accepts in a quarter of a second.
const MIN_BYTES: usize = 256 << 10;

/// The largest round, in bytes: what eight shards accept in a second.
const MAX_BYTES: usize = 8 << 20;

/// How much a round grows by, in bytes.
const STEP: usize = 512 << 10;

/// The size of rounds.
#[derive(Debug)]
pub(super) struct Pace(usize);

impl Default for Pace {
    fn default() -> Self {
        Self(env_override("TIDEMARK_ROUND_BYTES", MAX_BYTES as u64) as usize)
    }
}

impl Pace {
    /// The size of the next round, in bytes.
    pub(super) fn round(&self) -> usize {
        self.0
    }

    /// Adjusts to the outcome of a round.
    pub(super) fn learn(&mut self, was_throttled: bool) {
        self.0 = if was_throttled { (self.0 / 2).max(MIN_BYTES) } else { (self.0 + STEP).min(Self::default().0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_shrink_by_half_and_grow_by_steps() {
        let mut pace = Pace::default();
        pace.learn(false);
        assert_eq!(pace.round(), MAX_BYTES);
        (0..20).for_each(|_| pace.learn(true));
        assert_eq!(pace.round(), MIN_BYTES);
        pace.learn(false);
        assert_eq!(pace.round(), MIN_BYTES + STEP);
    }
}
