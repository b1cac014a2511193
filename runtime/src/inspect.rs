//! Reads back what was delivered and published: [`why`] follows one row through all versions, [`verify`] checks files
//! against the registry, [`overdue`] finds what should have been delivered. None takes a lease or writes anything.

mod open;
pub mod overdue;
pub mod verify;
pub mod why;

pub use open::open;
