//! Rows in a database: the rows of every tenant's newest version, in the tables of `generated/sqlite` and
//! `generated/postgres`.
//!
//! One version is one transaction. It changes the rows, checks what they add up to, and writes the [mark](marks), so
//! the effect is exactly once, whichever process dies when, and a reader sees whole versions only. What databases do
//! differently is in one file for each, behind [`Engine`](engine::Engine).

mod alteration;
mod apply;
mod cell;
mod columns;
mod definition;
mod demand;
mod dump;
pub(crate) mod engine;
mod history;
mod made;
mod marks;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
mod refused;
mod shape;
pub(crate) mod sqlite;
mod statements;
mod stream;
mod tenants;
mod versions;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Applied, Mark, OnProgress, Publication, PublishedVersion, Sink};
use crate::error::{Error, Result};
use crate::name::TableKey;
use crate::plan::Demand;
use crate::snapshot::Folder;
use crate::store::Extent;
use crate::table::Table;
use definition::Missing;
pub(crate) use demand::refusal;
use dump::RowsFolder;
pub(crate) use dump::as_dumped;
use engine::Engine;
use marks::Record;
use shape::{literal, quoted_path};
use statements::totals;

/// How operations are applied to a database.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DatabaseOptions {
    /// Whether to create what is missing.
    pub(crate) create: bool,
    /// Whether the row hashes in a table are added up again before each version is committed.
    pub(crate) recompute: bool,
}

/// A database that operations are applied to.
pub(crate) struct Database<E: Engine> {
    address: E::Address,
    options: DatabaseOptions,
    /// Tables are processed in parallel, but a database may let only one transaction write.
    writer: Mutex<()>,
}

impl<E: Engine> Database<E> {
    /// The database at an address.
    pub(crate) fn new(address: E::Address, options: DatabaseOptions) -> Self {
        Self { address, options, writer: Mutex::default() }
    }

    fn place(&self) -> String {
        E::display_name(&self.address)
    }

    /// What the database remembers about a tenant's table; `None` if there is nothing.
    fn record(&self, key: &TableKey) -> Result<Option<Record>> {
        let Some(mut engine) = E::connect(&self.address, false)? else { return Ok(None) };
        if engine.columns(marks::TABLE)?.is_empty() {
            return Ok(None);
        }
        marks::read(&mut engine, key)
    }

    /// Connects to a database that is there.
    fn existing(&self) -> Result<E> {
        E::connect(&self.address, false)?.ok_or_else(|| {
            Error::database(self.place(), "the database is gone").help("put it back, or run again with --create")
        })
    }

    /// The sum of the row hashes that a table keeps of a tenant.
    fn sum_of_hashes(&self, table: &str, key: &TableKey, condition: &str) -> Result<i128> {
        let mut engine = self.existing()?;
        let tenant = literal(&key.tenant);
        let rows = format!(r#"{} WHERE "_tenant" = {tenant}{condition}"#, quoted_path(table));
        totals(&mut engine, &rows, "").map(|(_, sum)| sum)
    }

    fn writer(&self) -> Option<MutexGuard<'_, ()>> {
        E::HAS_ONE_WRITER.then(|| self.writer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A tenant's table, and the statements that create it. Fails if it cannot be there.
    pub(crate) fn definition(&self, table: &'static Table, tenant: &str) -> Result<(&'static Table, &'static str)> {
        let table = tenants::table_of(table, tenant)?;
        let statements = E::statements(&table.target).map_err(|problem| {
            Error::refused(format!("{} {}", self.place(), table.name), format!("it cannot be there: {problem}"))
        })?;
        Ok((table, statements))
    }

    fn prepare_on(&self, engine: &mut E, table: &'static Table, statements: &str) -> Result<()> {
        // All tables share the one with the marks.
        engine.begin(marks::TABLE)?;
        let done = self.create_missing(engine, table, statements).and_then(|()| engine.commit());
        done.inspect_err(|_| engine.roll_back())
    }

    /// Creates what is missing for a table, or fails with it.
    fn create_missing(&self, engine: &mut E, table: &'static Table, statements: &str) -> Result<()> {
        let place = self.place();
        let missing = definition::missing(engine, table, statements, &place)?;
        if missing.reads_again {
            marks::forget_schema(engine, table)?;
        }
        if missing.statements.is_empty() {
            engine.check_rights(&E::table_name(&table.target))?;
            if table.target.history.is_some() {
                engine.check_rights(&history::history_name::<E>(&table.target))?;
            }
            return missing.record.iter().try_for_each(|record| engine.run_all(record));
        }
        if !self.options.create {
            return Err(definition::refuse::<E>(missing, &place, table));
        }
        missing.statements.iter().try_for_each(|statements| engine.run_all(statements))?;
        if missing.is_new {
            marks::forget_rows(engine, table)?;
            stream::forget(engine, table)?;
        }
        Ok(())
    }

    /// Creates those of these tables that are missing, or fails with them. The database remembers something in them.
    fn create_own(&self, engine: &mut E, tables: &[(&'static str, &'static str)]) -> Result<()> {
        let mut missing = Vec::new();
        for table in tables {
            match engine.columns(table.0)?.is_empty() {
                true => missing.push(*table),
                false => engine.check_rights(table.0)?,
            }
        }
        match self.options.create || missing.is_empty() {
            true => missing.iter().try_for_each(|(_, statement)| engine.run_all(statement)),
            false => Err(definition::refuse_own(&self.place(), &missing)),
        }
    }
}

impl<E: Engine + 'static> Sink for Database<E> {
    fn name(&self) -> String {
        E::name(&self.address)
    }

    fn display_name(&self) -> String {
        self.place()
    }

    fn max_operation_bytes(&self) -> Result<Option<usize>> {
        Ok(None)
    }

    fn demand(&self) -> Option<Demand> {
        E::DEMAND
    }

    fn holds_marks(&self) -> bool {
        true
    }

    fn holds_rows(&self) -> bool {
        true
    }

    fn mark(&self, key: &TableKey) -> Result<Option<Mark>> {
        Ok(self.record(key)?.map(|record| record.mark))
    }

    fn published(&self, _: &TableKey) -> Result<Vec<PublishedVersion>> {
        // Whatever was applied has a mark.
        Ok(Vec::new())
    }

    fn prepare(&self, table: &'static Table, tenant: &str) -> Result<()> {
        let (table, statements) = self.definition(table, tenant)?;
        let Some(mut engine) = E::connect(&self.address, self.options.create)? else {
            return Err(definition::refuse::<E>(Missing::everything::<E>(table, statements), &self.place(), table));
        };
        let _writer = self.writer();
        self.prepare_on(&mut engine, table, statements)
    }

    fn applied(&self, key: &TableKey) -> Result<Applied> {
        let rows = self.record(key)?.and_then(|record| record.rows);
        Ok(rows.map_or_else(Applied::default, |rows| Applied {
            sequence: rows.sequence,
            version: Some(rows.version),
            schema: Some(rows.schema),
        }))
    }

    fn rows(&self, table: &'static Table, key: &TableKey) -> Result<Arc<dyn Folder>> {
        let table = tenants::table_of(table, &key.tenant)?;
        Ok(Arc::new(RowsFolder::<E> { address: self.address.clone(), table, key: key.clone() }))
    }

    fn kept_fingerprints(&self, table: &Table, key: &TableKey) -> Result<Vec<i128>> {
        let table = tenants::known_table_of(table, &key.tenant);
        let sum = self.sum_of_hashes(&E::table_name(&table.target), key, "")?;
        let open_states = |_| {
            self.sum_of_hashes(&history::history_name::<E>(&table.target), key, r#" AND "_until_sequence" IS NULL"#)
        };
        let open = table.target.history.as_ref().map(open_states).transpose()?;
        let remembered = self.record(key)?.and_then(|record| record.rows).map_or(0, |rows| rows.fingerprint);
        Ok(open.into_iter().chain([sum, remembered]).collect())
    }

    fn adopt(&self, key: &TableKey, seen: Option<&Mark>, mark: &Mark) -> Result<()> {
        let mut engine = self.existing()?;
        let _writer = self.writer();
        engine.begin(&key.to_string())?;
        let done = marks::adopt(&mut engine, key, seen, mark, &self.place()).and_then(|()| engine.commit());
        done.inspect_err(|_| engine.roll_back())
    }

    /// All of a version is applied or nothing, so it does not matter what was delivered before.
    fn publish(
        &self,
        publication: Publication<'_>,
        _: &BTreeMap<u32, Extent>,
        on_progress: &mut OnProgress<'_>,
    ) -> Result<()> {
        let table = tenants::known_table_of(publication.table, &publication.version.key.tenant);
        let publication = Publication { table, ..publication };
        let mut engine = self.existing()?;
        {
            let _writer = self.writer();
            apply::apply(&mut engine, publication, &self.place(), self.options.recompute)?;
        }
        on_progress(0, Extent::Whole)
    }
}

impl<E: Engine> fmt::Debug for Database<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("address", &self.address).finish_non_exhaustive()
    }
}
