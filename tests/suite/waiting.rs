//! Waiting for what another process or thread does.
//!
//! A test waits for an event and never for a time in which the event ought to have come: machines differ.

use std::thread;
use std::time::Duration;

/// When a wait fails: later than any machine takes, and well before a test's own limit.
const TIMEOUT: Duration = Duration::from_secs(600);

/// The time between two checks of a condition: a tenth of the time so far, between these two. A check can be several
/// calls of a server.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(400)];

/// Waits until a condition holds. Returns whether it did in time.
pub(crate) fn holds_in_time(mut holds: impl FnMut() -> bool) -> bool {
    let mut waited = Duration::ZERO;
    while !holds() {
        if waited >= TIMEOUT {
            return false;
        }
        let pause = (waited / 10).clamp(PAUSES[0], PAUSES[1]);
        thread::sleep(pause);
        waited += pause;
    }
    true
}

/// Waits until a condition holds, and fails with its description if it never does.
pub(crate) fn wait_until(condition: &str, holds: impl FnMut() -> bool) {
    assert!(holds_in_time(holds), "waited {TIMEOUT:?} in vain until {condition}");
}
