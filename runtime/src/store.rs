//! The registry: one record per version, with its status and counts, and one per table, with its lease.
//!
//! [`RegistryBackend`] is what storage has to provide: small atomic steps. [`Registry`] builds everything else on them,
//! so that it works in the same way on every backend: [`sqlite`] on one machine, `dynamodb` on AWS.

mod backend;
#[cfg(feature = "aws")]
pub mod dynamodb;
mod journal;
mod lease;
mod listed;
mod outline;
mod owner;
mod record;
mod registry;
pub mod sqlite;
mod status;

pub use backend::{BeginOutcome, BeginPublishing, RegistryBackend, Setting, VersionWrite, WriteOutcome};
pub use journal::{Action, Decision, JournalEntry, by_version};
pub(crate) use lease::lease_duration;
pub use lease::{LEASE, Lease};
pub use listed::ListedVersions;
pub use record::{Extent, Finding, Progress, TableState, Version, baseline, newest, same_parts};
pub use registry::{ListedParts, Registered, Registry};
pub use status::Status;
