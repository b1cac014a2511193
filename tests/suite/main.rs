//! The end-to-end, parity and property tests, in one binary.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod athena_queries;
mod breakpoints;
mod cases;
mod commands;
mod csv;
mod deployment;
mod diagnostics;
mod docs;
mod engines;
mod epochs;
mod faults;
mod flow;
mod gc;
mod generator;
mod golden;
mod guards;
mod histories;
mod hygiene;
mod inspect;
mod new_table;
mod parity;
mod pipeline;
mod processes;
mod properties;
mod random;
mod registry;
mod remote;
mod resync;
mod row_orders;
mod samples;
mod scale;
mod stack;
mod streams;
mod workspace;
