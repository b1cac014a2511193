//! A table in a database, read as if it were an export: CSV in the order of the schema's columns, from a thread of its
//! own.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::cell::Cell;
use super::engine::Engine;
use super::shape::hex;
use crate::error::{Error, Result};
use crate::name::TableKey;
use crate::snapshot::{Folder, Listing, Part};
use crate::table::{Column, Compression, Encoding, Source, Table, Type};

/// The only part.
const PART: &str = "rows.csv";

/// How many blocks may wait to be read.
const BLOCKS: usize = 4;

/// How many bytes are collected before they can be read.
const BLOCK: usize = 256 << 10;

/// The rows of a tenant.
pub(super) struct RowsFolder<E: Engine> {
    pub(super) address: E::Address,
    pub(super) table: &'static Table,
    pub(super) key: TableKey,
}

impl<E: Engine> std::fmt::Debug for RowsFolder<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowsFolder").field("address", &self.address).field("key", &self.key).finish_non_exhaustive()
    }
}

impl<E: Engine> Folder for RowsFolder<E> {
    fn list(&self) -> Result<Listing> {
        let part = Part::listed(PART.into(), 0, String::new());
        Ok(Listing { parts: vec![part], ..Listing::default() })
    }

    fn open(&self, _: &str) -> Result<Box<dyn Read + Send>> {
        let (sender, blocks) = sync_channel(BLOCKS);
        let (address, table, tenant) = (self.address.clone(), self.table, self.key.tenant.clone());
        thread::spawn(move || {
            if let Err(error) = dump::<E>(&address, table, &tenant, &sender) {
                // Whoever reads may have stopped.
                let _ = sender.send(Err(error));
            }
        });
        Ok(Box::new(Blocks { blocks, block: Vec::new(), read: 0 }))
    }

    fn read_sidecar(&self, name: &str) -> io::Result<String> {
        Err(io::Error::new(io::ErrorKind::NotFound, name))
    }

    fn path(&self, _: &str) -> PathBuf {
        PathBuf::from(format!("{} {}", E::display_name(&self.address), self.key))
    }
}

fn dump<E: Engine>(
    address: &E::Address,
    table: &Table,
    tenant: &str,
    sender: &SyncSender<Result<Vec<u8>>>,
) -> Result<()> {
    let mut engine = E::connect(address, false)?
        .ok_or_else(|| Error::database(E::display_name(address), "the database is gone").help("check the path"))?;
    let mut block = Vec::with_capacity(BLOCK + (BLOCK >> 2));
    engine.dump(table, tenant, &mut |bytes| {
        block.extend_from_slice(bytes);
        if block.len() < BLOCK {
            return Ok(());
        }
        let full = std::mem::replace(&mut block, Vec::with_capacity(BLOCK + (BLOCK >> 2)));
        sender.send(Ok(full)).map_err(|_| Error::interrupted())
    })?;
    let _ = sender.send(Ok(block));
    Ok(())
}

/// Reads blocks as they come.
struct Blocks {
    blocks: Receiver<Result<Vec<u8>>>,
    block: Vec<u8>,
    /// How much of the block has been read.
    read: usize,
}

impl Read for Blocks {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.read == self.block.len() {
            match self.blocks.recv() {
                Ok(Ok(block)) => (self.block, self.read) = (block, 0),
                Ok(Err(error)) => return Err(io::Error::other(error)),
                Err(_) => return Ok(0),
            }
        }
        let length = out.len().min(self.block.len() - self.read);
        out[..length].copy_from_slice(&self.block[self.read..self.read + length]);
        self.read += length;
        Ok(length)
    }
}

/// The columns of the schema that a database has.
pub(super) fn published(table: &Table) -> impl Iterator<Item = &'static Column> {
    table.columns.iter().filter(|column| column.publish)
}

/// The table as a database writes its rows: the same columns and types, without what only its exports have. It is made
/// once for each schema, because tables live as long as the process does.
pub(crate) fn as_dumped(table: &'static Table) -> &'static Table {
    static DUMPED: Mutex<BTreeMap<(&str, &str), &'static Table>> = Mutex::new(BTreeMap::new());
    let mut dumped = DUMPED.lock().unwrap_or_else(PoisonError::into_inner);
    dumped.entry((table.name, table.schema)).or_insert_with(|| Box::leak(Box::new(without_source(table))))
}

fn without_source(table: &'static Table) -> Table {
    let column = |column: &Column| Column {
        nullable: column.nullable,
        compare: column.compare,
        pii: column.pii,
        ..Column::new(
            column.name,
            if matches!(column.ty, Type::Binary(_)) { Type::Binary(Encoding::Hex) } else { column.ty },
        )
    };
    let source = Source {
        compression: Compression::None,
        header: false,
        quoted_nulls: false,
        multiline: true,
        ..Source::DEFAULT
    };
    let columns: Vec<Column> = table.columns.iter().filter(|column| column.publish).map(column).collect();
    Table { columns: columns.leak(), source, athena: false, ..table.clone() }
}

/// Appends a row as CSV: NULL is an empty field, and the empty text is quoted.
pub(super) fn write_csv(cells: &[Cell<'_>], out: &mut Vec<u8>) {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let text = match cell {
            Cell::Null => continue,
            Cell::Bool(value) => value.to_string(),
            Cell::Integer(value) => value.to_string(),
            Cell::Real(value) => format!("{value:e}"),
            Cell::Text(text) => text.replace('"', "\"\""),
            Cell::Bytes(bytes) => hex(bytes),
        };
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    }
    out.push(b'\n');
}
