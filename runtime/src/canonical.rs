//! Canonical values and rows: one sequence of bytes per value, so that two rows are equal when their values are.

pub mod field;
pub mod row;
pub mod row_bytes;
pub mod value;
