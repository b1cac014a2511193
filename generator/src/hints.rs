//! Suggests formats of dates and marks of numbers for texts that a column cannot read as declared.
//!
//! The grammars are those of defaults, which a property test compares with the runtime's.

mod numbers;
mod times;

pub use numbers::{MARKS, number_options, reads_number, symbol};
pub use times::{is_for_athena, reads_time, time_formats, times_that_read};
