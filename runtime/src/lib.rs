//! The library behind Tidemark: compares full exports of a table, and publishes the differences as typed operations.
//!
//! Consumers of the operations need [`Record`], the [`types`] of values, and [`canonical::row::Layout`], which hashes
//! rows. Everything else is the pipeline, behind the feature of that name: [`run`] holds its flow, [`snapshot`] finds
//! and reads exports, [`engine`] computes deltas, [`store`] is the registry with its leases, and [`sink`] publishes.
//! [`delta`] compares two exports without a registry. `docs/wire-format.md` specifies operations and hashes.
//!
//! # Reading operations
//!
//! The generated crate has a `Key` and a `Values` for each table. They are written out here:
//!
//! ```
//! use runtime::{Change, Decimal, Record};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Key {
//!     order_id: i64,
//! }
//!
//! #[derive(Deserialize)]
//! struct Values {
//!     amount: Option<Decimal<2>>,
//! }
//!
//! let line = r#"{"op":"INSERT","id":"fd53a1f2fc55ff3e1acae4ff3bd19b2e","tenant":"acme","table":"orders","sequence":2,
//!     "version":"V2","previous":"V1","key":{"order_id":120},"after":{"amount":"76.29"},
//!     "hash":"2532559787858283878","schema":"orders@b7760fb671a3a5062cb104720ff15d37"}"#;
//! let Record::Operation(operation) = Record::<Key, Values>::from_json(line)? else { panic!("not an operation") };
//! let Change::Insert { after, .. } = operation.change else { panic!("not an INSERT") };
//! assert_eq!((operation.sequence, operation.key.order_id), (2, 120));
//! assert_eq!(after.amount, Some(Decimal::from_unscaled(7629)));
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! # Checking rows against END
//!
//! The sum of the hashes of a consumer's rows is the `fingerprint` of the last END it applied:
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use runtime::canonical::row::Layout;
//! use runtime::table::{Column, Guards, Source, Table, Target, Type};
//! use runtime::{Change, Record};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
//! struct Key {
//!     id: i32,
//! }
//!
//! #[derive(Serialize, Deserialize)]
//! struct Values {
//!     v: Option<i8>,
//! }
//!
//! static TABLE: Table = Table {
//!     name: "golden",
//!     description: None,
//!     role: "golden",
//!     schema: "cb104720ff15d37b7760fb671a3a5062",
//!     primary_key: &["id"],
//!     columns: &[Column::new("id", Type::Int), Column::new("v", Type::Tinyint).nullable()],
//!     source: Source::DEFAULT,
//!     before_image: false,
//!     athena: false,
//!     guards: Guards::DEFAULT,
//!     expect: None,
//!     target: Target::NONE,
//!     tenants: &[],
//! };
//!
//! # let head = r#""tenant":"acme","table":"golden","sequence":1,"version":"V1","previous":null"#;
//! # let schema = r#""schema":"golden@cb104720ff15d37b7760fb671a3a5062""#;
//! # let insert = |key: &str, values: &str, hash: &str| {
//! #     format!(r#"{{"op":"INSERT","id":"00",{head},"key":{key},"after":{values},"hash":"{hash}",{schema}}}"#)
//! # };
//! # let end = r#""fingerprint":"-7253753529722798038","rows":2,"inserted":2,"updated":0,"deleted":0"#;
//! # let lines = [
//! #     insert(r#"{"id":3}"#, r#"{"v":7}"#, "1700406775351481295"),
//! #     insert(r#"{"id":6}"#, r#"{"v":null}"#, "-8954160305274079333"),
//! #     format!(r#"{{"op":"END",{head},{schema},{end}}}"#),
//! # ];
//! let layout = Layout::new(&TABLE);
//! let mut rows = BTreeMap::new();
//! for line in lines {
//!     match Record::<Key, Values>::from_json(&line)? {
//!         Record::Begin(_) => {}
//!         Record::Operation(operation) => {
//!             match operation.change {
//!                 Change::Insert { after, .. } | Change::Update { after, .. } => rows.insert(operation.key, after),
//!                 Change::Delete { .. } => rows.remove(&operation.key),
//!             };
//!         }
//!         Record::End(end) => {
//!             let mut fingerprint = 0;
//!             for (key, values) in &rows {
//!                 fingerprint += i128::from(layout.hash_of_typed(key, values)?);
//!             }
//!             assert_eq!(fingerprint, end.fingerprint);
//!         }
//!     }
//! }
//! # assert_eq!(rows.len(), 2);
//! # Ok::<(), serde_json::Error>(())
//! ```
#![cfg_attr(
    not(feature = "pipeline"),
    expect(dead_code, reason = "the modules that consumers need also have functions that only the pipeline calls")
)]

#[cfg(feature = "pipeline")]
mod advice;
pub mod canonical;
pub mod consumer;
pub mod epoch;
pub mod error;
pub mod float;
pub mod name;
pub mod operation;
pub mod reject;
pub mod table;
pub mod typed;
pub mod types;

#[cfg(feature = "pipeline")]
pub mod apply;
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
mod gzip;
#[cfg(feature = "pipeline")]
pub mod infer;
#[cfg(feature = "pipeline")]
pub mod inspect;
#[cfg(feature = "pipeline")]
mod invocation;
#[cfg(feature = "pipeline")]
pub mod keys;
#[cfg(feature = "aws")]
pub mod lambda;
#[cfg(feature = "pipeline")]
mod parallel;
#[cfg(feature = "pipeline")]
pub mod plan;
#[cfg(feature = "pipeline")]
pub mod project;
#[cfg(feature = "pipeline")]
pub mod report;
#[cfg(feature = "pipeline")]
pub mod run;
#[cfg(feature = "pipeline")]
pub mod schemas;
#[cfg(feature = "pipeline")]
pub mod sink;
#[cfg(feature = "pipeline")]
pub mod snapshot;
#[cfg(feature = "pipeline")]
mod sqlite;
#[cfg(feature = "pipeline")]
pub mod store;
#[cfg(feature = "pipeline")]
pub mod telemetry;

mod wording;

pub use error::Error;
pub use operation::{Change, Operation, Record};
pub use types::{Binary, Date, Decimal, Timestamp, Timestamptz};
