//! The right to write for a tenant's table.

use std::time::Duration;

use super::record::Version;
use crate::error::Error;
use crate::invocation::command;
use crate::name::TableKey;

/// How long a lease lasts without a heartbeat. A crashed run blocks its tables no longer than this.
pub const LEASE: Duration = Duration::from_secs(120);

/// [`LEASE`], or what a test sets instead.
pub(crate) fn lease_duration() -> Duration {
    #[cfg(feature = "breakpoints")]
    if let Some(milliseconds) = std::env::var("TIDEMARK_LEASE_MS").ok().and_then(|text| text.parse().ok()) {
        return Duration::from_millis(milliseconds);
    }
    LEASE
}

/// The right to write for a tenant's table, until it expires. Every write under it is conditional on its fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The table.
    pub key: TableKey,
    /// Who holds the lease.
    pub owner: String,
    /// Grows with each holder; a write under an older fence changes nothing.
    pub fence: u64,
}

/// The holder of a lease that has not expired, and that of one that has.
pub(crate) fn split_owner(owner: Option<String>, is_live: bool) -> (Option<String>, Option<String>) {
    if is_live { (owner, None) } else { (None, owner) }
}

impl Lease {
    /// The error of a write that came after another run had taken over the lease.
    pub(crate) fn lost(&self, version: &Version) -> Error {
        self.lost_by(&version.to_string())
    }

    /// The same, about the whole table.
    pub(crate) fn lost_table(&self) -> Error {
        self.lost_by(&self.key.to_string())
    }

    fn lost_by(&self, subject: &str) -> Error {
        Error::lease_lost(subject, format!("another run took over from this one (fence {})", self.fence))
            .help(format!("this run stopped writing; see: {}", command(&[&"status"])))
    }
}
