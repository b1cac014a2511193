//! Every test that reaches over several crates, in one binary.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod commands;
mod diagnostics;
mod faults;
mod flow;
mod generator;
mod guards;
mod samples;
mod scale;
mod world;
