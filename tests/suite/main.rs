//! Every test that reaches over several crates, in one binary.

mod commands;
mod diagnostics;
mod faults;
mod flow;
mod generator;
mod samples;
mod scale;
mod world;
