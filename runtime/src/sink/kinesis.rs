//! Operations on a Kinesis stream.

mod batch;
pub mod client;
pub mod kpl;
mod pace;
mod shards;
mod sink;

pub use sink::Stream;
