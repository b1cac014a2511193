//! Looking back at what lies there: nothing here needs a lease, and nothing is written.

pub mod verify;
pub mod why;
