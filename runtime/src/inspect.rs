//! Reading back: [`why`] follows one row through all versions, [`verify`] checks files against the registry. Neither needs a
//! lease or writes anything.

pub mod verify;
pub mod why;
