//! What databases do differently. A new one is one file that implements [`Engine`].

use std::fmt::Debug;

use super::cell::Cell;
use super::columns::{Alteration, ColumnDefinition};
use crate::error::Result;
use crate::plan::Demand;
use crate::table::{History, Table, Target};

/// A connection to a database.
///
/// Its errors never contain a value of a row.
pub(crate) trait Engine: Sized + Send {
    /// Where a database is, and how to connect to it.
    type Address: Debug + Clone + Send + Sync + 'static;

    /// Whether only one transaction at a time can write, whichever tables it is about.
    const HAS_ONE_WRITER: bool;

    /// What the database demands of operations.
    const DEMAND: Option<Demand>;

    /// The address as the registry remembers it: `sqlite:/data/shop.db`. It contains no password.
    fn name(address: &Self::Address) -> String;

    /// The address for people to read.
    fn display_name(address: &Self::Address) -> String;

    /// Connects to a database. `None` if it does not exist; with `create`, it is created then.
    fn connect(address: &Self::Address, create: bool) -> Result<Option<Self>>;

    /// The statements that create a table; or why it cannot be there.
    fn statements(target: &Target) -> Result<&'static str, &'static str>;

    /// The name of a table there, without quotes: `table`, or `schema.table`.
    fn table_name(target: &Target) -> String;

    /// The statements that create a history: its table, and the view of it.
    fn history_statements(history: &History) -> [&'static str; 2];

    /// How the database spells the name of a column.
    fn column_name(name: &str) -> String;

    /// Begins a transaction that may write, once all others with the same `subject` have ended.
    fn begin(&mut self, subject: &str) -> Result<()>;

    /// Makes everything since [`Engine::begin`] durable and visible.
    fn commit(&mut self) -> Result<()>;

    /// Undoes everything since [`Engine::begin`], best effort: the caller's error matters more than one from here.
    fn roll_back(&mut self);

    /// Runs statements.
    fn run_all(&mut self, sql: &str) -> Result<()>;

    /// Runs a statement. Returns how many rows it changed.
    fn run(&mut self, sql: &str) -> Result<u64>;

    /// Calls `each` with each row of a query. A row's cells are null, integers, reals, texts or bytes.
    fn query(&mut self, sql: &str, each: &mut dyn FnMut(&[Cell<'_>]) -> Result<()>) -> Result<()>;

    /// Fills columns of a table with the rows that `fill` pushes.
    fn load(&mut self, table: &str, columns: &[&str], fill: &mut Fill<'_>) -> Result<()>;

    /// Writes the rows of a tenant as CSV, in the order of their keys: the columns of the schema in their order, NULL
    /// as an empty field, and every value quoted.
    fn dump(&mut self, table: &Table, tenant: &str, write: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>;

    /// The statement that creates what a table has to be in, if that is missing.
    fn missing_schema(&mut self, _: &Target) -> Result<Option<String>> {
        Ok(None)
    }

    /// The columns of a table, in their order; none if it does not exist.
    fn columns(&mut self, table: &str) -> Result<Vec<ColumnDefinition>>;

    /// The statements that make a step from the table of an earlier schema to that of today. Its name is quoted.
    fn alter(table: &str, step: &Alteration) -> Vec<String>;

    /// Checks that rows of a table may be changed.
    fn check_rights(&mut self, _: &str) -> Result<()> {
        Ok(())
    }

    /// The columns that a table has once the statements that create it have run, found out by running them out of
    /// sight.
    fn expected_columns(&mut self, name: &str, statements: &str) -> Result<Vec<ColumnDefinition>>;
}

/// Pushes rows, one after the other.
pub(crate) type Fill<'f> = dyn FnMut(&mut dyn FnMut(&[Cell<'_>]) -> Result<()>) -> Result<()> + 'f;
