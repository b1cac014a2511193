//! Operations on a Kinesis stream.

mod batch;
pub mod client;
pub mod kpl;
mod pace;
mod put;
pub mod reader;
mod shards;
mod sink;
mod stream_name;

pub use sink::Stream;
