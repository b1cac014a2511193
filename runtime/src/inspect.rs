//! Reads back what was delivered and published: [`why`] follows one row through all versions, [`verify`] checks files
//! against the registry. Neither takes a lease or writes anything.

pub mod verify;
pub mod why;
