//! What a text could be, if it is not a value of its column as declared: the format of a date, the marks of a number.
//!
//! The grammars are those of defaults, which a property test compares with the runtime's.

mod numbers;
mod times;

pub use numbers::{number_options, reads_number};
pub use times::{is_for_athena, reads_time, time_formats, times_that_read};
