//! What the machine has: disk space, a folder for temporary files, processors, a clock.

use std::path::{Path, PathBuf};

use indicatif::HumanBytes;
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};

use super::check::Check;
use super::storage::existing;
use crate::cli::args::{OUT, StateArgs};
use crate::clock::{self, iso_time};
use crate::engine::Limits;
use crate::name::printable_path;
use crate::store::Registry;
use crate::wording::plural;

/// A run that writes less than this is unusual, in bytes.
const LITTLE_SPACE: u64 = 1 << 30;

/// With less than this, not even a registry fits, in bytes.
const NO_SPACE: u64 = 16 << 20;

/// Before this program was written: 2026-01-01T00:00:00Z, in milliseconds since 1970.
const EARLIEST: i64 = 1_767_225_600_000;

/// How far ahead of this clock that of another machine may be, in milliseconds.
const MAX_SKEW: i64 = 5 * 60 * 1000;

pub(super) fn checks(state: &StateArgs, registry: Option<&Registry>) -> Vec<Check> {
    let mut checks = vec![temporary_files()];
    let mut seen: Vec<PathBuf> = Vec::new();
    for folder in [state.folder(), OUT.into(), std::env::temp_dir()] {
        let folder = existing(&folder);
        if !seen.contains(&folder) {
            checks.push(disk(&folder));
            seen.push(folder);
        }
    }
    checks.push(Check::ok("processors", plural(Limits::default().threads.get() as u64, "thread")));
    checks.push(time(registry));
    checks
}

fn temporary_files() -> Check {
    const CHECK: &str = "temporary files";
    let folder = std::env::temp_dir();
    let shown = printable_path(&folder);
    match access(&folder, AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) => Check::ok(CHECK, shown),
        Err(error) => Check::problem(CHECK, format!("cannot write to {shown}: {error}"), "name another with TMPDIR"),
    }
}

fn disk(folder: &Path) -> Check {
    const CHECK: &str = "disk space";
    let shown = printable_path(folder);
    let stat = match statvfs(folder) {
        Ok(stat) => stat,
        Err(error) => return Check::note(CHECK, format!("unknown for {shown}: {error}"), "check it with df"),
    };
    let free = stat.blocks_available().saturating_mul(stat.fragment_size());
    let found = format!("{} free for {shown}", HumanBytes(free));
    if free < NO_SPACE {
        Check::problem(CHECK, found, "free some space")
    } else if free < LITTLE_SPACE {
        Check::note(CHECK, found, "a large export may need more")
    } else {
        Check::ok(CHECK, found)
    }
}

/// The sequences of a registry begin with the time of its creation, and leases end by the clock.
fn time(registry: Option<&Registry>) -> Check {
    const CHECK: &str = "clock";
    let now = clock::now_ms();
    // A registry that cannot be read is reported as such.
    let created = registry.and_then(|registry| registry.created().ok()).unwrap_or_default();
    let created = i64::try_from(created).unwrap_or(i64::MAX);
    let found = iso_time(now);
    let help = "set the clock of this machine";
    if now < EARLIEST {
        Check::problem(CHECK, format!("{found}, which is in the past"), help)
    } else if created > now.saturating_add(MAX_SKEW) {
        Check::problem(CHECK, format!("{found}, but the registry was created at {}", iso_time(created)), help)
    } else {
        Check::ok(CHECK, found)
    }
}
