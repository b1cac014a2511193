//! Runs the Tidemark pipeline for any registered table: full exports in, typed INSERT, UPDATE and DELETE out.
//!
//! [`run`] holds the flow as one function. Around it stand the things it uses, each in a folder of its own:
//! [`snapshot`] (where exports come from), [`engine`] (what computes the delta), [`store`] (the registry and its locks)
//! and [`sink`] (where operations go). [`table`] is what the generator says about a table; [`operation`] and [`types`]
//! are what a consumer of the operations meets; without its features, the crate has nothing else.
#![cfg_attr(
    not(feature = "pipeline"),
    expect(dead_code, reason = "the modules that consumers need also have functions that only the pipeline calls")
)]

pub mod canonical;
pub mod epoch;
pub mod error;
pub mod float;
pub mod name;
pub mod operation;
pub mod reject;
pub mod table;
pub mod types;

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "pipeline")]
pub mod breakpoint;
#[cfg(feature = "pipeline")]
pub mod change_set;
#[cfg(feature = "pipeline")]
pub mod cli;
#[cfg(feature = "pipeline")]
mod clock;
#[cfg(feature = "pipeline")]
pub mod delta;
#[cfg(feature = "pipeline")]
pub mod engine;
#[cfg(feature = "pipeline")]
mod fs;
#[cfg(feature = "pipeline")]
pub mod gc;
#[cfg(feature = "pipeline")]
pub mod inspect;
#[cfg(feature = "aws")]
pub mod lambda;
#[cfg(feature = "pipeline")]
mod parallel;
#[cfg(feature = "pipeline")]
pub mod plan;
#[cfg(feature = "pipeline")]
pub mod run;
#[cfg(feature = "pipeline")]
pub mod sink;
#[cfg(feature = "pipeline")]
pub mod snapshot;
#[cfg(feature = "pipeline")]
pub mod store;
#[cfg(feature = "pipeline")]
pub mod telemetry;

pub use error::Error;
pub use operation::{Change, Operation, Record};
pub use types::{Binary, Date, Decimal, Timestamp, Timestamptz};
