//! Operations that arrive in any order, and sinks that take them so.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use serde::Serialize;

use super::Sink;
use crate::error::{Error, Result};
use crate::name::TableKey;
use crate::table::Table;

/// How far the parts of a stream were read: by the name of each part, the position of the last record.
pub type Positions = BTreeMap<String, String>;

/// A record of a stream.
#[derive(Debug)]
pub struct Delivered {
    /// BEGIN, END or an operation, as JSON.
    pub line: Vec<u8>,
    /// Where in the stream it is, for errors.
    pub origin: Arc<str>,
}

/// A stream of operations, which is read up to its current end.
pub trait OperationStream {
    /// The name under which a sink remembers how far it was read.
    fn name(&self) -> String;

    /// Reads some records after the positions, and moves these. `None` if there is nothing more at the moment.
    fn read(&mut self, positions: &mut Positions) -> Result<Option<Vec<Delivered>>>;
}

/// What becomes of records that cannot be applied.
pub trait Rejects {
    /// Takes a record, and why it cannot be applied. After an error, nothing of its batch is applied.
    fn reject(&mut self, record: &Delivered, error: Error) -> Result<()>;

    /// Makes what was taken durable, before the stream is read on.
    fn keep(&mut self) -> Result<()>;
}

/// Ends with the first record that cannot be applied.
#[derive(Debug)]
pub struct RefuseRejects;

impl Rejects for RefuseRejects {
    fn reject(&mut self, _: &Delivered, error: Error) -> Result<()> {
        Err(error)
    }

    fn keep(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A sink that holds rows, and takes operations in any order.
pub trait TakesAnyOrder: Sink {
    /// Begins to take operations.
    fn receiver(&self) -> Result<Box<dyn Receiver>>;
}

/// Takes operations in any order: at any time, each row is that of the newest operation that was taken.
pub trait Receiver: Send {
    /// Checks that a tenant's table can take operations, and creates what is missing if the sink may.
    fn prepare(&mut self, table: &'static Table, tenant: &str) -> Result<()>;

    /// How far a stream was read.
    fn positions(&mut self, stream: &str) -> Result<Positions>;

    /// Remembers how far a stream was read.
    fn remember(&mut self, stream: &str, positions: &Positions) -> Result<()>;

    /// Takes records of one tenant's table, in one transaction. Those that were taken before change nothing, and those
    /// that cannot be applied are left to `rejects`.
    fn receive(
        &mut self,
        table: &'static Table,
        key: &TableKey,
        records: &[Delivered],
        rejects: &mut dyn Rejects,
    ) -> Result<Received>;

    /// The state of every table that a stream feeds.
    fn standings(&mut self) -> Result<Vec<Standing>>;
}

/// What was done with records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Received {
    /// The number of operations that changed a row.
    pub applied: u64,
    /// The number of operations that were skipped: they were published under another schema than today's, which cannot
    /// read them.
    pub other_schema: u64,
}

/// How a tenant's table stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The tenant and the table.
    #[serde(flatten)]
    pub key: TableKey,
    /// The newest version that has ended.
    pub version: Option<String>,
    /// The number of rows.
    pub rows: u64,
    /// How the rows compare with that version.
    pub state: State,
}

/// How rows compare with the newest version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// They are exactly those of the version: their number and their hashes are.
    Complete,
    /// A newer version is being delivered.
    Arriving,
    /// They are others, although the version has ended.
    Differs,
}
