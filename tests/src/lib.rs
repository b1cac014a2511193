//! Tests that reach over several crates, and the makers of what they and the samples read.

pub mod architecture;
pub mod reference;
pub mod samples;
pub mod table;
pub mod yaml;
