//! The reference implementation of the delta: the design, written for clarity instead of speed.
//!
//! Whole exports are held in memory, maps are ordered, texts are matched by regular expressions, and the only thing
//! shared with the runtime is the description of a table. So when an engine disagrees with the reference, one of the
//! two contradicts the design.

pub mod csv;
pub mod delta;
pub mod dialect;
pub mod encoding;
pub mod export;
pub mod field;
pub mod lines;
pub mod number;
pub mod pattern;
pub mod pseudonym;
pub mod record;
pub mod row;
pub mod time;
pub mod value;
pub mod zones;

pub use delta::{Changes, Outcome, Run, delta};
pub use export::{Reject, Stop};
pub use pseudonym::HMAC_KEY;
