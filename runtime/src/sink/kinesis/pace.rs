//! How much is sent at once: more while the shards take it, half when they do not.

use crate::breakpoint::env_override;

/// The smallest round, and the largest: what one shard takes in a quarter of a second, and eight shards in one.
const LEAST: usize = 256 << 10;
const MOST: usize = 8 << 20;

/// What a round grows by.
const STEP: usize = 512 << 10;

/// How large rounds are.
#[derive(Debug)]
pub(super) struct Pace(usize);

impl Default for Pace {
    fn default() -> Self {
        Self(env_override("TIDEMARK_ROUND_BYTES", MOST as u64) as usize)
    }
}

impl Pace {
    /// The bytes of the next round.
    pub(super) fn round(&self) -> usize {
        self.0
    }

    /// A round is over.
    pub(super) fn learn(&mut self, was_throttled: bool) {
        self.0 = if was_throttled { (self.0 / 2).max(LEAST) } else { (self.0 + STEP).min(Self::default().0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_shrink_by_half_and_grow_by_steps() {
        let mut pace = Pace::default();
        pace.learn(false);
        assert_eq!(pace.round(), MOST);
        (0..20).for_each(|_| pace.learn(true));
        assert_eq!(pace.round(), LEAST);
        pace.learn(false);
        assert_eq!(pace.round(), LEAST + STEP);
    }
}
