//! Canonical values and rows: one sequence of bytes for each value, so that rows are equal when their bytes are.

pub mod field;
#[cfg(feature = "pipeline")]
pub mod pseudonym;
pub mod row;
pub mod row_bytes;
pub mod value;
