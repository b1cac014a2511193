//! The delta as the design words it, written once more with clarity instead of speed.
//!
//! Whole exports are held in memory, maps are ordered, text is matched by regular expressions and nothing is shared
//! with the runtime but the description of a table. So when an engine and this disagree, one of the two has not read
//! the design.

pub mod csv;
pub mod delta;
pub mod export;
pub mod number;
pub mod row;
pub mod time;
pub mod value;

pub use delta::{Changes, Outcome, Run, delta};
pub use export::{Reject, Stop};
