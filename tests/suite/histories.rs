//! Random histories: deliveries good and bad, late and repeated, schema changes, kills, stalls and commands in any
//! order. A consumer that reads what is published, again and again, must end with the last good snapshot.
//!
//! `TIDEMARK_HISTORIES` says how many; what fails is shrunk and shown as the steps that lead to it.

mod consumer;
mod model;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use runtime::breakpoint::Breakpoint;

use crate::world::tell;
use model::History;

/// How many histories there are when nobody asks for more.
const HISTORIES: u32 = 5000;

/// The longest history, in steps.
const STEPS: usize = 20;

/// One thing that happens. Numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Step {
    /// The next version is delivered, `skip` places later.
    Deliver { edits: Vec<Edit>, skip: u8, flaw: Flaw },
    /// A version from before the newest is delivered late.
    DeliverLate { edits: Vec<Edit> },
    /// A version is delivered again, with other rows or, without edits, with the same bytes.
    Redeliver { version: u8, edits: Vec<Edit>, flaw: Flaw },
    /// The files of a version are taken away.
    Vanish { version: u8 },
    /// The schema gains or loses a column.
    ChangeSchema,
    /// A run, undisturbed.
    Run,
    /// A run that is killed at a place.
    Kill { place: u8, nth: u8 },
    /// A run that stalls at a place; it wakes at some later time.
    Stall { place: u8, nth: u8 },
    /// The stalled run goes on.
    Wake,
    /// What is HELD is approved.
    Approve,
    /// What is HELD is rejected.
    Reject,
    /// What FAILED is tried again.
    Retry,
    /// The next version is to be published whole.
    Resync,
    /// A version is published again.
    Replay { version: u8 },
}

/// A change to the rows of the last delivery.
#[derive(Debug, Clone)]
enum Edit {
    Put {
        key: u8,
        value: u8,
    },
    Remove {
        key: u8,
    },
    /// Only the keys below stay: what a truncated export has.
    Cut {
        below: u8,
    },
}

/// What is wrong with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    BadValue,
    TwoRowsOfOneKey,
    TruncatedFile,
    NoFile,
}

fn step() -> impl Strategy<Value = Step> {
    let edits = || vec(edit(), 0..5);
    let place = || 0..Breakpoint::ALL.len() as u8;
    prop_oneof![
        6 => (edits(), 0..3u8, flaw()).prop_map(|(edits, skip, flaw)| Step::Deliver { edits, skip, flaw }),
        1 => edits().prop_map(|edits| Step::DeliverLate { edits }),
        2 => (any::<u8>(), edits(), flaw()).prop_map(|(version, edits, flaw)| Step::Redeliver { version, edits, flaw }),
        1 => any::<u8>().prop_map(|version| Step::Vanish { version }),
        1 => Just(Step::ChangeSchema),
        5 => Just(Step::Run),
        4 => (place(), 1..3u8).prop_map(|(place, nth)| Step::Kill { place, nth }),
        2 => (place(), 1..3u8).prop_map(|(place, nth)| Step::Stall { place, nth }),
        1 => Just(Step::Wake),
        2 => Just(Step::Approve),
        1 => Just(Step::Reject),
        1 => Just(Step::Retry),
        1 => Just(Step::Resync),
        1 => any::<u8>().prop_map(|version| Step::Replay { version }),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        6 => (0..12u8, 0..4u8).prop_map(|(key, value)| Edit::Put { key, value }),
        2 => (0..12u8).prop_map(|key| Edit::Remove { key }),
        1 => (0..12u8).prop_map(|below| Edit::Cut { below }),
    ]
}

fn flaw() -> impl Strategy<Value = Flaw> {
    prop_oneof![
        12 => Just(Flaw::None),
        1 => Just(Flaw::BadValue),
        1 => Just(Flaw::TwoRowsOfOneKey),
        1 => Just(Flaw::TruncatedFile),
        1 => Just(Flaw::NoFile),
    ]
}

#[test]
fn a_consumer_always_ends_with_the_last_good_snapshot() {
    let wanted = std::env::var("TIDEMARK_HISTORIES").ok().and_then(|number| number.parse().ok()).unwrap_or(HISTORIES);
    let threads = thread::available_parallelism().map_or(1, |number| number.get() as u32);
    let (steps, published) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let live = || {
        let config = Config {
            cases: wanted.div_ceil(threads),
            failure_persistence: None,
            max_shrink_iters: 2000,
            ..Config::default()
        };
        let run = TestRunner::new(config).run(&vec(step(), 1..STEPS), |history| {
            steps.fetch_add(history.len(), Ordering::Relaxed);
            published.fetch_add(History::live(&history)?, Ordering::Relaxed);
            Ok(())
        });
        if let Err(failure) = run {
            panic!("{failure}");
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(live);
        }
    });
    tell(&format!("{wanted} histories of {steps:?} steps, {published:?} versions published"));
}
