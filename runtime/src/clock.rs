//! The only place where a clock is read. Clocks decide how soon something happens, never whether it is right.
#![expect(clippy::disallowed_methods, reason = "this is the one place that reads clocks")]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01 UTC; 0 where the machine's clock stands before that.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// A moment to measure a duration from.
pub(crate) fn instant() -> Instant {
    Instant::now()
}
