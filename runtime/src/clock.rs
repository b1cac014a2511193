//! The only module that reads a clock. Clocks decide how soon something happens, never whether it is right.
#![expect(clippy::disallowed_methods, reason = "this is the one module that reads clocks")]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01 UTC; 0 if the machine's clock is before that.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64) + ahead_ms()
}

/// How many milliseconds a test wants this process's clock to be ahead.
#[cfg(feature = "breakpoints")]
fn ahead_ms() -> i64 {
    std::env::var("TIDEMARK_CLOCK_AHEAD_MS").ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}

#[cfg(not(feature = "breakpoints"))]
fn ahead_ms() -> i64 {
    0
}

/// The start of a measured duration.
pub(crate) fn instant() -> Instant {
    Instant::now()
}
