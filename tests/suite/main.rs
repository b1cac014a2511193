//! The end-to-end, parity and property tests, in one binary.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

/// Many tests make millions of small values.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod adoption;
mod apart;
mod architecture;
#[cfg(feature = "aws")]
mod athena_queries;
mod attention;
mod breakpoints;
#[cfg(feature = "browser")]
mod browser;
mod cases;
mod change_sets;
mod commands;
mod conservation;
mod consumer;
mod content;
mod csv;
#[cfg(feature = "aws")]
mod deployment;
mod diagnostics;
mod docs;
mod doctor;
mod durability;
mod engines;
mod epochs;
mod expectations;
mod exports;
mod fallback;
mod faults;
mod flow;
mod gc;
mod generator;
mod golden;
mod guards;
mod histories;
mod history;
mod hygiene;
mod idle;
mod import;
mod infer;
mod inspect;
mod installed;
mod json_output;
mod limits;
mod messages;
mod mistyped;
#[cfg(feature = "aws")]
mod new_table;
mod own_schemas;
#[cfg(feature = "aws")]
mod parity;
mod parts;
#[cfg(feature = "aws")]
mod pipeline;
mod plans;
mod pollution;
mod processes;
mod project;
mod properties;
mod pseudonyms;
mod random;
#[cfg(feature = "aws")]
mod reader;
mod reading;
mod record_limit;
mod registry;
#[cfg(feature = "aws")]
mod remote;
mod report;
mod resync;
mod row_orders;
#[cfg(feature = "aws")]
mod s3_output;
mod samples;
mod scale;
mod schema_changes;
mod sequences;
#[cfg(feature = "aws")]
mod stack;
mod strays;
#[cfg(feature = "aws")]
mod streams;
mod targets;
mod tenants;
mod unpublished;
mod unreadable;
mod waiting;
mod workspace;
mod wrong_root;
