//! Runs the Tidemark pipeline for any registered table: full exports in, typed INSERT, UPDATE and DELETE out.
//!
//! [`run`] holds the flow as one function. Around it stand the things it uses, each in a folder of its own:
//! [`snapshot`] (where exports come from), [`engine`] (what computes the delta), [`store`] (the registry and its locks)
//! and [`sink`] (where operations go). [`table`] is what the generator says about a table; [`operation`] and [`types`]
//! are what a consumer of the operations meets.

#[cfg(feature = "aws")]
pub mod aws;
pub mod breakpoint;
pub mod canonical;
pub mod change_set;
pub mod cli;
mod clock;
pub mod delta;
pub mod engine;
pub mod epoch;
pub mod error;
pub mod float;
mod fs;
pub mod gc;
pub mod inspect;
#[cfg(feature = "aws")]
pub mod lambda;
pub mod name;
pub mod operation;
mod parallel;
pub mod plan;
pub mod reject;
pub mod run;
pub mod sink;
pub mod snapshot;
pub mod store;
pub mod table;
pub mod telemetry;
pub mod types;

pub use error::Error;
pub use operation::{Change, Operation, Record};
pub use types::{Binary, Date, Decimal, Timestamp, Timestamptz};
