//! Rows under a changed schema: those that a stream does not send again are read from the table itself.

use std::io::{BufReader, BufWriter, Seek as _, Write as _};
use std::path::Path;

use super::changes::Changes;
use super::memory::Totals;
use crate::canonical::row::{Layout, Row};
use crate::error::{IoContext as _, Result};
use crate::sink::database::cell::Cell;
use crate::sink::database::dump::as_dumped;
use crate::sink::database::engine::Engine;
use crate::sink::database::shape::{Column, literal};
use crate::sink::database::statements::{Statements, totals};
use crate::snapshot::csv::{Dialect, Reader};
use crate::table::Table;

/// Rewrites a tenant's rows as today's schema reads them, with their hashes. A row that it cannot read is left as it
/// is, because the version with the change sends it again. Returns what the rows add up to.
pub(super) fn reread<E: Engine>(engine: &mut E, changes: &Changes<'_>, table: &'static Table) -> Result<Totals> {
    let place = Path::new("a temporary file");
    // One connection cannot read rows and write others.
    let mut spool = BufWriter::new(tempfile::tempfile().at("cannot create", place)?);
    engine.dump(table, &changes.key.tenant, &mut |bytes| spool.write_all(bytes).at("cannot write to", place))?;
    spool.flush().at("cannot write to", place)?;
    let mut file = spool.into_inner().expect("it was flushed");
    file.rewind().at("cannot read", place)?;
    engine.run_all(&changes.create())?;
    let layout = Layout::new(as_dumped(table));
    let mut records = Reader::new(BufReader::new(file), Dialect::from_format(&layout.format));
    let columns: Vec<&str> = changes.shape.names().chain([r#""_hash""#]).collect();
    engine.load(Statements::CHANGES, &columns, &mut |push| {
        let mut row = Row::default();
        while let Some(record) = records.next_record().at("cannot read", place)? {
            let is_read = record.is_ok_and(|record| layout.read(|index| record.field(index), &mut row, |_, _, _| ()));
            if let Some(mut cells) = changes.shape.cells_of_row(table, &row).filter(|_| is_read) {
                cells.push(Cell::Integer(layout.hash(&row)));
                push(&cells)?;
            }
        }
        Ok(())
    })?;
    engine.run(&rewrite(changes))?;
    engine.run_all(&changes.remove())?;
    totals(engine, &format!(r#"{} WHERE "_tenant" = {}"#, changes.shape.table, literal(&changes.key.tenant)), "")
}

/// Gives rows the values and hashes that were loaded.
fn rewrite(changes: &Changes<'_>) -> String {
    let set = |column: &Column| format!("{0} = c.{0}, ", column.quoted);
    let set: String = changes.shape.values.iter().map(set).collect();
    let (table, same_row) = (&changes.shape.table, changes.is_same_row());
    format!(r#"UPDATE {table} AS t SET {set}"_hash" = c."_hash" FROM {} AS c WHERE {same_row}"#, Statements::CHANGES)
}
