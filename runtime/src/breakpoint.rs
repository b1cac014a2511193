//! Named points of a run where a test can stop the process, to kill it or to let time pass before it continues.
//!
//! Without the feature `breakpoints` they do nothing. With it, `TIDEMARK_BREAK=NAME` or `NAME:N` stops the process with
//! SIGSTOP when it reaches the point, or when it reaches it for the N-th time.

/// A point of a run, in the order of a run. Everything written before it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breakpoint {
    /// The parts of an export are listed; the registry does not know them yet.
    PartsListed,
    /// An export is registered.
    Registered,
    /// The lease is taken.
    Locked,
    /// The holder has read what there is to do.
    Listed,
    /// The registry is ready to go on in another one's output, which does not know of it yet.
    Adopting,
    /// An operation is written into a change set that no one knows of yet.
    Planning,
    /// The change set is durable and has its name; the registry does not know it yet.
    ChangesDurable,
    /// The version is PLANNED.
    Planned,
    /// The version is HELD.
    Held,
    /// The version is PUBLISHING, and has its sequence.
    Publishing,
    /// The sink knows this run as the writer.
    Claimed,
    /// The sink remembers the sequence.
    Marked,
    /// A part is durable under its temporary name.
    PartWritten,
    /// A part has its final name.
    PartPublished,
    /// The registry knows that the part is published.
    PartRecorded,
    /// Everything is published; the registry does not know it yet.
    Published,
    /// The version is SUCCEEDED.
    Succeeded,
    /// The lease is released.
    Unlocked,
}

impl Breakpoint {
    /// All breakpoints of a run, in its order; an adoption has another one.
    pub const ALL: [Breakpoint; 17] = [
        Breakpoint::PartsListed,
        Breakpoint::Registered,
        Breakpoint::Locked,
        Breakpoint::Listed,
        Breakpoint::Planning,
        Breakpoint::ChangesDurable,
        Breakpoint::Planned,
        Breakpoint::Held,
        Breakpoint::Publishing,
        Breakpoint::Claimed,
        Breakpoint::Marked,
        Breakpoint::PartWritten,
        Breakpoint::PartPublished,
        Breakpoint::PartRecorded,
        Breakpoint::Published,
        Breakpoint::Succeeded,
        Breakpoint::Unlocked,
    ];

    /// The name in `TIDEMARK_BREAK`.
    pub fn name(self) -> &'static str {
        match self {
            Breakpoint::PartsListed => "parts-listed",
            Breakpoint::Registered => "registered",
            Breakpoint::Locked => "locked",
            Breakpoint::Listed => "listed",
            Breakpoint::Adopting => "adopting",
            Breakpoint::Planning => "planning",
            Breakpoint::ChangesDurable => "changes-durable",
            Breakpoint::Planned => "planned",
            Breakpoint::Held => "held",
            Breakpoint::Publishing => "publishing",
            Breakpoint::Claimed => "claimed",
            Breakpoint::Marked => "marked",
            Breakpoint::PartWritten => "part-written",
            Breakpoint::PartPublished => "part-published",
            Breakpoint::PartRecorded => "part-recorded",
            Breakpoint::Published => "published",
            Breakpoint::Succeeded => "succeeded",
            Breakpoint::Unlocked => "unlocked",
        }
    }

    /// Stops the process if a test asks for it.
    #[cfg(not(feature = "breakpoints"))]
    #[inline]
    pub(crate) fn reached(self) {}

    /// Stops the process if a test asks for it.
    #[cfg(feature = "breakpoints")]
    pub(crate) fn reached(self) {
        target::stop_at(self);
    }
}

/// A number that tests can override.
#[cfg(not(feature = "breakpoints"))]
#[inline]
pub(crate) fn env_override(_: &str, default: u64) -> u64 {
    default
}

/// A number that tests can override with an environment variable of this name.
#[cfg(feature = "breakpoints")]
pub(crate) fn env_override(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Returns whether a test wants this operation to be lost.
#[cfg(not(feature = "breakpoints"))]
#[inline]
pub(crate) fn loses_operation() -> bool {
    false
}

/// Returns whether a test wants this operation to be lost: `TIDEMARK_LOSE_OPERATION` is its number, from 1.
#[cfg(feature = "breakpoints")]
pub(crate) fn loses_operation() -> bool {
    target::loses_operation()
}

#[cfg(feature = "breakpoints")]
mod target {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    use super::Breakpoint;

    /// The breakpoint to stop at, and after how many times.
    struct Target {
        name: String,
        remaining: AtomicU32,
    }

    static TARGET: LazyLock<Option<Target>> = LazyLock::new(|| {
        let text = std::env::var("TIDEMARK_BREAK").ok()?;
        let (name, times) = text.split_once(':').unwrap_or((&text, "1"));
        Some(Target { name: name.to_owned(), remaining: AtomicU32::new(times.parse().ok()?) })
    });

    static LOST_OPERATION: LazyLock<Option<AtomicU32>> =
        LazyLock::new(|| std::env::var("TIDEMARK_LOSE_OPERATION").ok()?.parse().ok().map(AtomicU32::new));

    pub(super) fn loses_operation() -> bool {
        LOST_OPERATION.as_ref().is_some_and(|number| number.fetch_sub(1, Ordering::Relaxed) == 1)
    }

    pub(super) fn stop_at(breakpoint: Breakpoint) {
        let Some(target) = TARGET.as_ref().filter(|target| target.name == breakpoint.name()) else { return };
        if target.remaining.fetch_sub(1, Ordering::Relaxed) == 1 {
            kill_process(getpid(), Signal::STOP).expect("a process may stop itself");
        }
    }
}
