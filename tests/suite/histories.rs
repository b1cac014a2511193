//! Random histories: good, bad, late and repeated deliveries, schema changes, kills, stalls, races, lost, restored and
//! second registries, and commands in any order. A consumer that reads everything that is published, repeatedly,
//! checks every END, and must end with the last good snapshot. So must a database, which some histories have, too.
//!
//! `TIDEMARK_HISTORIES` sets their number; the fast tests play fewer than all tests do. A failing history is shrunk to
//! the steps that matter.

mod consumer;
mod databases;
mod decisions;
mod model;
mod others;
mod registries;
mod rows;

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;
use runtime::breakpoint::Breakpoint;

use crate::properties::on_every_core;
use crate::workspace::add_to_summary;
use databases::Database;
use model::History;
use others::Others;
use registries::Loss;

/// The default number of histories. They would be most of the work of the fast tests.
const HISTORIES: u32 = if cfg!(feature = "aws") { 2000 } else { 500 };

/// The maximum length of a history.
const MAX_STEPS: usize = 20;

/// One event. `version` picks one of the existing versions, modulo their number.
#[derive(Debug, Clone)]
enum Step {
    /// The next version is delivered, after skipping `skip` numbers.
    Deliver { edits: Vec<Edit>, skip: u8, defect: Defect },
    /// A version older than the newest is delivered late.
    DeliverLate { edits: Vec<Edit> },
    /// A version is delivered again: with other rows, or with the same bytes if there are no edits.
    Redeliver { version: u8, edits: Vec<Edit>, defect: Defect },
    /// The files of a version are removed.
    Vanish { version: u8 },
    /// The schema gains or loses a column.
    ChangeSchema,
    /// An undisturbed run.
    Run,
    /// A run that is killed at a breakpoint.
    Kill { breakpoint: u8, nth: u8 },
    /// A run that stalls at a breakpoint and resumes at some later time.
    Stall { breakpoint: u8, nth: u8 },
    /// The stalled run resumes.
    Resume,
    /// The HELD versions are approved.
    Approve,
    /// The HELD versions are rejected.
    Reject,
    /// The FAILED versions are retried.
    Retry,
    /// The newest version that succeeded is retired, as if its name were mistyped.
    Retire,
    /// A resync is requested: the next version is published in full.
    Resync,
    /// A version is replayed.
    Replay { version: u8 },
    /// Somebody else is at the same output.
    Others { who: Others },
    /// The registry is copied.
    BackUp,
    /// The registry is lost, or restored from the copy.
    Lose { loss: Loss },
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
    /// Only the smaller keys remain, as in a truncated export.
    Cut {
        below: u8,
    },
}

/// What is wrong with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defect {
    None,
    BadValue,
    ConflictingRows,
    TruncatedFile,
    NoFile,
}

fn step() -> impl Strategy<Value = Step> {
    let edits = || vec(edit(), 0..5);
    let breakpoint = || 0..Breakpoint::ALL.len() as u8;
    prop_oneof![
        6 => (edits(), 0..3u8, defect()).prop_map(|(edits, skip, defect)| Step::Deliver { edits, skip, defect }),
        1 => edits().prop_map(|edits| Step::DeliverLate { edits }),
        2 => (any::<u8>(), edits(), defect()).prop_map(|(version, edits, defect)| Step::Redeliver { version, edits, defect }),
        1 => any::<u8>().prop_map(|version| Step::Vanish { version }),
        1 => Just(Step::ChangeSchema),
        5 => Just(Step::Run),
        4 => (breakpoint(), 1..3u8).prop_map(|(breakpoint, nth)| Step::Kill { breakpoint, nth }),
        2 => (breakpoint(), 1..3u8).prop_map(|(breakpoint, nth)| Step::Stall { breakpoint, nth }),
        1 => Just(Step::Resume),
        2 => Just(Step::Approve),
        1 => Just(Step::Reject),
        1 => Just(Step::Retry),
        1 => Just(Step::Retire),
        1 => Just(Step::Resync),
        1 => any::<u8>().prop_map(|version| Step::Replay { version }),
        2 => prop_oneof![Just(Others::Run), Just(Others::Registry), Just(Others::Adopter)].prop_map(|who| Step::Others { who }),
        1 => Just(Step::BackUp),
        1 => prop_oneof![Just(Loss::Deleted), Just(Loss::Forgotten), Just(Loss::Restored)].prop_map(|loss| Step::Lose { loss }),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        6 => (0..12u8, 0..4u8).prop_map(|(key, value)| Edit::Put { key, value }),
        2 => (0..12u8).prop_map(|key| Edit::Remove { key }),
        1 => (0..12u8).prop_map(|below| Edit::Cut { below }),
    ]
}

fn defect() -> impl Strategy<Value = Defect> {
    prop_oneof![
        12 => Just(Defect::None),
        1 => Just(Defect::BadValue),
        1 => Just(Defect::ConflictingRows),
        1 => Just(Defect::TruncatedFile),
        1 => Just(Defect::NoFile),
    ]
}

/// The number of histories, unless the environment says another.
fn number(default: u32) -> u32 {
    std::env::var("TIDEMARK_HISTORIES").ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}

/// Plays random histories, each with the database that `database` picks.
fn play(count: u32, database: impl Fn() -> Database + Sync) {
    let [steps, published, intrusions] = [const { AtomicUsize::new(0) }; 3];
    let config = Config { cases: count, failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    let result = on_every_core(
        &config,
        || vec(step(), 1..MAX_STEPS),
        |history| {
            steps.fetch_add(history.len(), Ordering::Relaxed);
            let (versions, others) = History::play(&history, database())?;
            published.fetch_add(versions, Ordering::Relaxed);
            intrusions.fetch_add(others, Ordering::Relaxed);
            Ok(())
        },
    );
    result.unwrap();
    add_to_summary(&format!(
        "{count} random histories with {steps:?} steps, {published:?} versions published, {intrusions:?} times another \
         registry"
    ));
}

#[test]
fn a_consumer_always_ends_with_the_last_good_snapshot() {
    play(number(HISTORIES), || Database::None);
}

#[test]
fn a_database_always_ends_with_the_last_good_snapshot_and_its_history_with_every_version() {
    play(number(HISTORIES) / 16, || Database::Sqlite);
}

#[cfg(feature = "postgres")]
#[test]
fn a_database_of_postgres_always_ends_with_the_last_good_snapshot_and_its_history_with_every_version() {
    use crate::targets::server::SERVER;

    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    play(number(HISTORIES) / 80, || {
        let name = format!("history_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        Database::Postgres(SERVER.database(&name).leak())
    });
}
