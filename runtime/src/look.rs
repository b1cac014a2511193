//! Looking back: [`why`] follows one row through all versions, [`verify`] holds files against the registry, [`gc`] finds
//! what nobody needs any more. The first two need no lease and write nothing.

pub mod gc;
pub mod verify;
pub mod why;
