//! Every test that reaches over several crates, in one binary.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod architecture;
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
mod looking_back;
mod new_table;
mod orders;
mod parity;
mod pipeline;
mod processes;
mod properties;
mod random;
mod registry;
mod remote;
mod resync;
mod samples;
mod scale;
mod stack;
mod statements;
mod streams;
mod world;
