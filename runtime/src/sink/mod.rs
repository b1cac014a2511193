//! Where operations are published.

pub mod file;
