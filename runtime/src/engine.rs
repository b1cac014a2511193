//! Computing the delta of two exports.
//!
//! [`native`] computes it in this process, [`athena`] on Amazon's machines; [`Engines`] chooses between them. Every
//! engine produces the same operations, counts and fingerprints.

pub mod athena;
mod choice;
mod common_values;
mod deleted_rows;
mod findings;
pub mod native;
mod output;
#[cfg(feature = "aws")]
mod pending;
mod request;
mod resources;

#[cfg(feature = "aws")]
pub use athena::{DeltaProgress, Poll, QueryExecution};
pub use choice::{Choice, Engines, NATIVE_BYTES};
pub use request::{DeltaError, DeltaRequest, DeltaSummary, Inputs, Side};
pub use resources::{Limits, Resources};
