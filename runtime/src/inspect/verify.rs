//! Checks whether the files of a version that succeeded, and what was published of it, still match the registry.

mod export;
mod published;
mod verdict;

pub use export::export;
pub use published::published;
pub use verdict::Verdict;
