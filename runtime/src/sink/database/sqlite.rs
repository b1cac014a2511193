//! SQLite: a database in a file, `sqlite:FILE`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags};

use super::cell::Cell;
use super::columns::{Alteration, ColumnDefinition};
use super::dump::{published, write_csv};
use super::engine::{Engine, Fill};
use super::shape::{hex, literal, quoted, quoted_path};
use crate::breakpoint::env_override;
use crate::error::{Error, Result};
use crate::name::printable;
use crate::plan::Demand;
use crate::sqlite::wait_for_writers;
use crate::table::{History, Table, Target};

/// How long a transaction waits for another program that writes, in milliseconds.
const BUSY: u64 = 60_000;

const PERMISSIONS: &str = "check the path and its permissions, then run again";

/// An open database.
#[derive(Debug)]
pub(crate) struct Sqlite {
    connection: Connection,
    name: String,
}

/// A database in a file.
#[derive(Debug, Clone)]
pub(crate) struct SqliteAddress {
    /// As it was typed.
    path: PathBuf,
    absolute: PathBuf,
}

impl SqliteAddress {
    /// The database in a file, which may not exist yet.
    pub(crate) fn new(path: &Path) -> Self {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
        Self { path: path.into(), absolute }
    }
}

impl Engine for Sqlite {
    type Address = SqliteAddress;

    const HAS_ONE_WRITER: bool = true;

    const DEMAND: Option<Demand> = None;

    fn name(address: &SqliteAddress) -> String {
        format!("sqlite:{}", address.absolute.display())
    }

    fn display_name(address: &SqliteAddress) -> String {
        printable(&format!("sqlite:{}", address.path.display()))
    }

    fn connect(address: &SqliteAddress, create: bool) -> Result<Option<Self>> {
        let name = Self::display_name(address);
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if create {
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
        } else if fs::symlink_metadata(&address.absolute)
            .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
        {
            return Ok(None);
        }
        let open = || {
            let mut connection = Connection::open_with_flags(&address.absolute, flags)?;
            let max = Duration::from_millis(env_override("TIDEMARK_BUSY_MS", BUSY));
            wait_for_writers(&mut connection, name.clone(), max)?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            Ok(connection)
        };
        let connection = open().map_err(|error| failed(&name, error))?;
        Ok(Some(Self { connection, name }))
    }

    fn statements(target: &Target) -> Result<&'static str, &'static str> {
        target.sqlite
    }

    /// SQLite has no schemas.
    fn table_name(target: &Target) -> String {
        target.name.replace('.', "_")
    }

    fn history_statements(history: &History) -> [&'static str; 2] {
        history.sqlite
    }

    fn column_name(name: &str) -> String {
        name.into()
    }

    /// Only one transaction at a time writes a database of SQLite, whichever table it is about.
    fn begin(&mut self, _: &str) -> Result<()> {
        let is_read_only = self.connection.is_readonly(MAIN_DB).map_err(|error| failed(&self.name, error))?;
        if is_read_only {
            return Err(Error::database(&self.name, "the database is read-only").help(PERMISSIONS));
        }
        self.run_all("BEGIN IMMEDIATE")
    }

    fn commit(&mut self) -> Result<()> {
        self.run_all("COMMIT")
    }

    fn roll_back(&mut self) {
        let _ = self.connection.execute_batch("ROLLBACK");
    }

    fn run_all(&mut self, sql: &str) -> Result<()> {
        self.connection.execute_batch(sql).map_err(|error| failed(&self.name, error))
    }

    fn run(&mut self, sql: &str) -> Result<u64> {
        let changed = self.connection.execute(sql, []).map_err(|error| failed(&self.name, error))?;
        Ok(changed as u64)
    }

    fn query(&mut self, sql: &str, each: &mut dyn FnMut(&[Cell<'_>]) -> Result<()>) -> Result<()> {
        let failed = |error| failed(&self.name, error);
        let mut statement = self.connection.prepare(sql).map_err(failed)?;
        let columns = statement.column_count();
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let cells = (0..columns).map(|index| row.get_ref(index).map(cell));
            each(&cells.collect::<rusqlite::Result<Vec<_>>>().map_err(failed)?)?;
        }
        Ok(())
    }

    fn load(&mut self, table: &str, columns: &[&str], fill: &mut Fill<'_>) -> Result<()> {
        let failed = |error| failed(&self.name, error);
        let places: Vec<String> = (1..=columns.len()).map(|place| format!("?{place}")).collect();
        let sql = format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), places.join(", "));
        let mut statement = self.connection.prepare(&sql).map_err(failed)?;
        fill(&mut |cells| {
            for (index, cell) in cells.iter().enumerate() {
                statement.raw_bind_parameter(index + 1, bound(cell)).map_err(failed)?;
            }
            statement.raw_execute().map(|_| ()).map_err(failed)
        })
    }

    fn dump(&mut self, table: &Table, tenant: &str, write: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let names = |names: &mut dyn Iterator<Item = &'static str>| names.map(quoted).collect::<Vec<_>>().join(", ");
        let sql = format!(
            r#"SELECT {} FROM {} WHERE "_tenant" = {} ORDER BY {}"#,
            names(&mut published(table).map(|column| column.name)),
            quoted_path(&Self::table_name(&table.target)),
            literal(tenant),
            names(&mut table.primary_key.iter().copied())
        );
        let mut row = Vec::new();
        self.query(&sql, &mut |cells| {
            row.clear();
            write_csv(cells, &mut row);
            write(&row)
        })
    }

    fn columns(&mut self, table: &str) -> Result<Vec<ColumnDefinition>> {
        columns(&self.connection, table).map_err(|error| failed(&self.name, error))
    }

    /// A column cannot change in place: a new one takes its name.
    fn alter(table: &str, step: &Alteration) -> Vec<String> {
        let add = |name: &str, column: &ColumnDefinition, value: &Cell<'_>| {
            // What cannot be NULL has to be something until the rows are read again.
            let value =
                if *value == Cell::Null && !column.is_nullable { zero(&column.ty) } else { value.to_owned_cell() };
            let not_null = if column.is_nullable { "" } else { " NOT NULL" };
            format!("ALTER TABLE {table} ADD COLUMN {name} {}{not_null} DEFAULT {};", column.ty, sql(&value))
        };
        match step {
            Alteration::Rename { from, to } => {
                vec![format!("ALTER TABLE {table} RENAME COLUMN {} TO {};", quoted(from), quoted(to))]
            }
            Alteration::Add { column, value } => vec![add(&quoted(&column.name), column, value)],
            Alteration::Drop { name } => vec![format!("ALTER TABLE {table} DROP COLUMN {};", quoted(name))],
            Alteration::Change { column } => {
                let (name, new) = (quoted(&column.name), quoted("_new"));
                // A cast never fails.
                let ty = if column.ty == "ANY" { "REAL" } else { &column.ty };
                vec![
                    add(&new, column, &Cell::Null),
                    format!("UPDATE {table} SET {new} = CAST({name} AS {ty}) WHERE {name} IS NOT NULL;"),
                    format!("ALTER TABLE {table} DROP COLUMN {name};"),
                    format!("ALTER TABLE {table} RENAME COLUMN {new} TO {name};"),
                ]
            }
        }
    }

    fn expected_columns(&mut self, name: &str, statements: &str) -> Result<Vec<ColumnDefinition>> {
        let columns = || {
            let scratch = Connection::open_in_memory()?;
            scratch.execute_batch(statements)?;
            columns(&scratch, name)
        };
        columns().map_err(|error| failed(&self.name, error))
    }
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<ColumnDefinition>> {
    let sql = format!("PRAGMA main.table_xinfo({})", quoted(table));
    let mut statement = connection.prepare(&sql)?;
    let column = |row: &rusqlite::Row<'_>| {
        Ok(ColumnDefinition {
            name: row.get(1)?,
            ty: row.get(2)?,
            is_nullable: !row.get::<_, bool>(3)?,
            key_position: row.get(5)?,
        })
    };
    statement.query_map([], column)?.collect()
}

/// A value of a type.
fn zero(ty: &str) -> Cell<'static> {
    match ty {
        "INTEGER" => Cell::Integer(0),
        "ANY" => Cell::Real(0.0),
        "BLOB" => Cell::Bytes(Vec::new()),
        _ => Cell::Text("".into()),
    }
}

/// A value in SQL.
fn sql(cell: &Cell<'_>) -> String {
    match cell {
        Cell::Null => "NULL".into(),
        Cell::Bool(value) => i64::from(*value).to_string(),
        Cell::Integer(value) => value.to_string(),
        Cell::Real(value) if value.is_nan() => "'NaN'".into(),
        Cell::Real(value) if value.is_infinite() => if *value > 0.0 { "9e999" } else { "-9e999" }.into(),
        Cell::Real(value) => format!("{value:e}"),
        Cell::Text(text) => literal(text),
        Cell::Bytes(bytes) => format!("X'{}'", hex(bytes)),
    }
}

fn bound<'c>(cell: &'c Cell<'_>) -> ToSqlOutput<'c> {
    match cell {
        Cell::Null => ToSqlOutput::Owned(Value::Null),
        Cell::Bool(value) => ToSqlOutput::Owned(Value::Integer(i64::from(*value))),
        Cell::Integer(value) => ToSqlOutput::Owned(Value::Integer(*value)),
        // As a number, it would become NULL.
        Cell::Real(value) if value.is_nan() => ToSqlOutput::Borrowed(ValueRef::Text(b"NaN")),
        Cell::Real(value) => ToSqlOutput::Owned(Value::Real(*value)),
        Cell::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        Cell::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
    }
}

fn cell(value: ValueRef<'_>) -> Cell<'_> {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(value) => Cell::Integer(value),
        ValueRef::Real(value) => Cell::Real(value),
        ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
    }
}

/// The error of the database with this name.
fn failed(name: &str, error: rusqlite::Error) -> Error {
    use ErrorCode::{
        CannotOpen, ConstraintViolation, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase,
        PermissionDenied, ReadOnly, SystemIoFailure,
    };
    let help = match error.sqlite_error_code() {
        Some(ConstraintViolation) => {
            return Error::diverged(name, format!("the table refuses a row: {error}"))
                .help("remove the constraint or trigger, or the rows that it is about, then run again")
                .caused_by(error);
        }
        Some(DatabaseBusy | DatabaseLocked) => "another program is using it; run again once it is done",
        Some(DiskFull | SystemIoFailure) => "free some space, then run again; nothing is lost",
        Some(CannotOpen | PermissionDenied | ReadOnly) => PERMISSIONS,
        Some(DatabaseCorrupt | NotADatabase) => {
            "name another file; or move it away, and run again with --create: it is filled again"
        }
        _ => "run again; nothing is lost",
    };
    Error::database(name, &error).help(help).caused_by(error)
}
