//! The delta on Athena, for exports that are too large for one machine: the generator writes the SQL, and this module
//! runs it and reads its output.
//!
//! A query reads each export once and writes lines of JSON, which `unloaded` reads: a line for each operation, with its
//! rows as the bytes that [`crate::canonical::row`] defines; a line for each reason to reject rows; and a line for all
//! unchanged rows together. Ids, changed columns and everything else come from the code that the native engine uses,
//! too.

#[cfg(feature = "aws")]
mod checks;
#[cfg(feature = "aws")]
mod execution;
#[cfg(feature = "aws")]
mod query;
#[cfg(feature = "aws")]
mod query_output;
#[cfg(feature = "aws")]
mod run;
mod statements;
mod unloaded;

#[cfg(feature = "aws")]
pub use execution::{DeltaProgress, Poll, QueryExecution, ReadPosition};
#[cfg(feature = "aws")]
pub use run::{Athena, ScanBudget};
pub(crate) use statements::not_for_athena;
pub use statements::{StatementSource, Statements};
pub use unloaded::{Totals, Unloaded};
