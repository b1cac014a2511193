//! How much time a function has left.

use std::time::Duration;

use crate::clock;

/// How long before its deadline a function starts nothing new, so that what is in flight can finish.
const MARGIN: Duration = Duration::from_secs(20);

/// The time at which a function is terminated, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(pub(super) i64);

impl Deadline {
    /// Returns whether there is time to start something.
    pub(super) fn is_far(self) -> bool {
        Duration::from_millis(u64::try_from(self.0 - clock::now_ms()).unwrap_or_default()) > MARGIN
    }
}
