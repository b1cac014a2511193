//! The reference implementation, the sample makers, and the bridges from schemas to tables, for the tests in `suite/`.

pub mod architecture;
pub mod reference;
pub mod samples;
pub mod table;
pub mod yaml;
