//! Named places of a run where a test may stop the process, to kill it there or to let time pass before it goes on.
//!
//! Without the feature `breakpoints` they are nothing. With it, `TIDEMARK_BREAK=NAME` or `NAME:N` stops the process
//! with SIGSTOP when it comes to the place, or when it comes there for the N-th time.

/// A place of a run, in the order in which a run comes by. What is written before a place is durable there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breakpoint {
    /// An export is noted in the registry.
    Registered,
    /// The lease is taken.
    Locked,
    /// An operation is written into a change set that nobody knows of yet.
    Planning,
    /// The change set is durable and has its name; the registry does not say so yet.
    ChangesDurable,
    /// The version is PLANNED.
    Planned,
    /// The version is HELD.
    Held,
    /// The version is PUBLISHING, and has its sequence.
    Publishing,
    /// The sink knows this run as the writer.
    Claimed,
    /// A part is written aside and durable.
    PartWritten,
    /// A part has its name.
    PartPublished,
    /// The registry knows that the part is out.
    PartRecorded,
    /// Everything is out; the registry does not say so yet.
    Published,
    /// The version is SUCCEEDED.
    Succeeded,
    /// The lease is given back.
    Unlocked,
}

impl Breakpoint {
    /// Every one.
    pub const ALL: [Breakpoint; 14] = [
        Breakpoint::Registered,
        Breakpoint::Locked,
        Breakpoint::Planning,
        Breakpoint::ChangesDurable,
        Breakpoint::Planned,
        Breakpoint::Held,
        Breakpoint::Publishing,
        Breakpoint::Claimed,
        Breakpoint::PartWritten,
        Breakpoint::PartPublished,
        Breakpoint::PartRecorded,
        Breakpoint::Published,
        Breakpoint::Succeeded,
        Breakpoint::Unlocked,
    ];

    /// Its name in `TIDEMARK_BREAK`.
    pub fn name(self) -> &'static str {
        match self {
            Breakpoint::Registered => "registered",
            Breakpoint::Locked => "locked",
            Breakpoint::Planning => "planning",
            Breakpoint::ChangesDurable => "changes-durable",
            Breakpoint::Planned => "planned",
            Breakpoint::Held => "held",
            Breakpoint::Publishing => "publishing",
            Breakpoint::Claimed => "claimed",
            Breakpoint::PartWritten => "part-written",
            Breakpoint::PartPublished => "part-published",
            Breakpoint::PartRecorded => "part-recorded",
            Breakpoint::Published => "published",
            Breakpoint::Succeeded => "succeeded",
            Breakpoint::Unlocked => "unlocked",
        }
    }

    /// The run comes by.
    #[cfg(not(feature = "breakpoints"))]
    #[inline]
    pub(crate) fn reached(self) {}

    /// The run comes by.
    #[cfg(feature = "breakpoints")]
    pub(crate) fn reached(self) {
        wanted::stop_at(self);
    }
}

/// A number, unless a test wants another one.
#[cfg(not(feature = "breakpoints"))]
#[inline]
pub(crate) fn env_override(_: &str, usual: u64) -> u64 {
    usual
}

/// A number, unless a test wants another one, and says so in a variable of this name.
#[cfg(feature = "breakpoints")]
pub(crate) fn env_override(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[cfg(feature = "breakpoints")]
mod wanted {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    use super::Breakpoint;

    /// The place to stop at, and how often to pass it before.
    struct Wanted {
        name: String,
        left: AtomicU32,
    }

    static WANTED: LazyLock<Option<Wanted>> = LazyLock::new(|| {
        let text = std::env::var("TIDEMARK_BREAK").ok()?;
        let (name, times) = text.split_once(':').unwrap_or((&text, "1"));
        Some(Wanted { name: name.to_owned(), left: AtomicU32::new(times.parse().ok()?) })
    });

    pub(super) fn stop_at(place: Breakpoint) {
        let Some(wanted) = WANTED.as_ref().filter(|wanted| wanted.name == place.name()) else { return };
        if wanted.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            kill_process(getpid(), Signal::STOP).expect("a process may stop itself");
        }
    }
}
