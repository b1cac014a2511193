//! The only place where a clock is read. Clocks decide how soon something happens, never whether it is right.
#![expect(clippy::disallowed_methods, reason = "this is the one place that reads clocks")]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01 UTC; 0 where the machine's clock stands before that.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64) + ahead()
}

/// By how much a test wants this process's clock to be wrong.
#[cfg(feature = "breakpoints")]
fn ahead() -> i64 {
    std::env::var("TIDEMARK_CLOCK_AHEAD_MS").ok().and_then(|ahead| ahead.parse().ok()).unwrap_or_default()
}

#[cfg(not(feature = "breakpoints"))]
fn ahead() -> i64 {
    0
}

/// A moment to measure a duration from.
pub(crate) fn instant() -> Instant {
    Instant::now()
}
