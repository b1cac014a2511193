//! PostgreSQL: `postgres://USER@HOST/DATABASE`, with the options and variables of libpq.

mod address;
mod binary;
mod failure;
mod texts;
mod tls;

use std::io::{BufRead as _, Write as _};

use postgres::{Client, SimpleQueryMessage};

use super::cell::Cell;
use super::columns::{Alteration, ColumnDefinition};
use super::dump::published;
use super::engine::{Engine, Fill};
use super::shape::{hex, literal, quoted, quoted_path};
use crate::error::{Error, Result};
use crate::plan::Demand;
use crate::table::{History, Table, Target};
#[cfg(feature = "aws")]
pub(crate) use address::Password;
pub(crate) use address::{PostgresAddress, without_password};
use binary::Encoding;
use failure::failed;

/// How many bytes are collected before they are sent.
const BUFFER: usize = 256 << 10;

/// An open connection.
pub(crate) struct Postgres {
    client: Client,
    name: String,
}

impl Engine for Postgres {
    type Address = PostgresAddress;

    const HAS_ONE_WRITER: bool = false;

    const DEMAND: Option<Demand> = Some(Demand::Postgres);

    fn name(address: &PostgresAddress) -> String {
        address.name().into()
    }

    fn display_name(address: &PostgresAddress) -> String {
        address.display_name()
    }

    /// A database of a server is not created: that takes rights that a run should not have.
    fn connect(address: &PostgresAddress, _: bool) -> Result<Option<Self>> {
        let name = address.display_name();
        let client = address.connect()?;
        let mut connection = Self { client, name };
        connection.run_all("SET datestyle = ISO; SET standard_conforming_strings = on")?;
        let encoding = connection.text("SHOW server_encoding")?;
        if encoding.as_deref() != Some("UTF8") {
            let problem = format!("its encoding is {}, which cannot hold every text", encoding.unwrap_or_default());
            return Err(Error::refused(&connection.name, problem).help("use a database with the encoding UTF8"));
        }
        Ok(Some(connection))
    }

    fn statements(target: &Target) -> Result<&'static str, &'static str> {
        target.postgres
    }

    fn table_name(target: &Target) -> String {
        target.name.into()
    }

    fn history_statements(history: &History) -> [&'static str; 2] {
        history.postgres
    }

    /// As PostgreSQL spells a name without quotes. No schema has two names that differ only in case.
    fn column_name(name: &str) -> String {
        name.to_lowercase()
    }

    fn begin(&mut self, subject: &str) -> Result<()> {
        self.run_all("BEGIN")?;
        if self.text("SHOW transaction_read_only")?.as_deref() == Some("on") {
            return Err(Error::database(&self.name, "the database is read-only")
                .help("name the primary server, or lift the restriction, then run again"));
        }
        let subject = literal(subject);
        self.text(&format!("SELECT pg_advisory_xact_lock(hashtextextended({subject}, 0))")).map(|_| ())
    }

    fn commit(&mut self) -> Result<()> {
        self.run_all("COMMIT")
    }

    fn roll_back(&mut self) {
        let _ = self.client.batch_execute("ROLLBACK");
    }

    fn run_all(&mut self, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).map_err(|error| failed(&self.name, error))
    }

    fn run(&mut self, sql: &str) -> Result<u64> {
        let mut changed = 0;
        for message in self.client.simple_query(sql).map_err(|error| failed(&self.name, error))? {
            if let SimpleQueryMessage::CommandComplete(rows) = message {
                changed = rows;
            }
        }
        Ok(changed)
    }

    /// Every value is a text.
    fn query(&mut self, sql: &str, each: &mut dyn FnMut(&[Cell<'_>]) -> Result<()>) -> Result<()> {
        for message in self.client.simple_query(sql).map_err(|error| failed(&self.name, error))? {
            if let SimpleQueryMessage::Row(row) = message {
                let cell = |index| row.get(index).map_or(Cell::Null, |text: &str| Cell::Text(text.into()));
                each(&(0..row.len()).map(cell).collect::<Vec<_>>())?;
            }
        }
        Ok(())
    }

    fn load(&mut self, table: &str, columns: &[&str], fill: &mut Fill<'_>) -> Result<()> {
        let columns = columns.join(", ");
        let encodings = self.encodings(&format!("SELECT {columns} FROM {table}"))?;
        let name = &self.name;
        let sql = format!("COPY {table} ({columns}) FROM STDIN (FORMAT binary)");
        let mut copy = self.client.copy_in(&sql).map_err(|error| failed(name, error))?;
        let mut rows = Vec::with_capacity(BUFFER + (BUFFER >> 2));
        rows.extend(binary::HEADER);
        fill(&mut |cells| {
            binary::write_row(&encodings, cells, &mut rows).ok_or_else(|| failure::wrong_type(name))?;
            if rows.len() >= BUFFER {
                copy.write_all(&rows).map_err(|error| failure::while_copying(name, error))?;
                rows.clear();
            }
            Ok(())
        })?;
        rows.extend(binary::TRAILER);
        copy.write_all(&rows).map_err(|error| failure::while_copying(name, error))?;
        copy.finish().map_err(|error| failed(name, error)).map(|_| ())
    }

    fn dump(&mut self, table: &Table, tenant: &str, write: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let texts: Vec<String> = published(table).map(texts::as_text).collect();
        let names: Vec<String> = published(table).map(|column| quoted(&column.name.to_lowercase())).collect();
        let keys: Vec<String> =
            table.primary_key.iter().filter_map(|name| table.column(name)).map(texts::in_order).collect();
        let sql = format!(
            r#"COPY (SELECT {} FROM {} AS t WHERE "_tenant" = {} ORDER BY {}) TO STDOUT (FORMAT csv, FORCE_QUOTE ({}))"#,
            texts.join(", "),
            quoted_path(table.target.name),
            literal(tenant),
            keys.join(", "),
            names.join(", ")
        );
        let name = &self.name;
        let mut rows = self.client.copy_out(&sql).map_err(|error| failed(name, error))?;
        loop {
            let block = rows.fill_buf().map_err(|error| failure::while_copying(name, error))?;
            if block.is_empty() {
                return Ok(());
            }
            let length = block.len();
            write(block)?;
            rows.consume(length);
        }
    }

    fn columns(&mut self, table: &str) -> Result<Vec<ColumnDefinition>> {
        let sql = format!(
            "SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, \
                    coalesce(array_position(i.indkey::int2[], a.attnum) + 1, 0) \
             FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary \
             WHERE a.attrelid = to_regclass({}) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
            literal(&quoted_path(table))
        );
        let mut columns = Vec::new();
        self.query(&sql, &mut |cells| {
            if let [Cell::Text(name), Cell::Text(ty), Cell::Text(not_null), Cell::Text(place)] = cells {
                let key_position = place.parse().unwrap_or_default();
                let (name, ty) = (name.to_string(), ty.to_string());
                columns.push(ColumnDefinition { name, ty, is_nullable: not_null == "f", key_position });
            }
            Ok(())
        })?;
        Ok(columns)
    }

    fn alter(table: &str, step: &Alteration) -> Vec<String> {
        let statements = match step {
            Alteration::Rename { from, to } => vec![format!("RENAME COLUMN {} TO {}", quoted(from), quoted(to))],
            Alteration::Add { column, value } => {
                let not_null = if column.is_nullable { "" } else { " NOT NULL" };
                let name = quoted(&column.name);
                let default = if *value == Cell::Null && !column.is_nullable { zero(&column.ty) } else { text(value) };
                let default = default.map(|default| format!(" DEFAULT {}", literal(&default))).unwrap_or_default();
                vec![
                    format!("ADD COLUMN {name} {}{not_null}{default}", column.ty),
                    format!("ALTER COLUMN {name} DROP DEFAULT"),
                ]
            }
            Alteration::Drop { name } => vec![format!("DROP COLUMN {}", quoted(name))],
            Alteration::Change { column } => {
                let (name, ty) = (quoted(&column.name), &column.ty);
                let null = if column.is_nullable { "DROP" } else { "SET" };
                vec![
                    format!("ALTER COLUMN {name} TYPE {ty} USING {name}::text::{ty}"),
                    format!("ALTER COLUMN {name} {null} NOT NULL"),
                ]
            }
        };
        statements.into_iter().map(|statement| format!("ALTER TABLE {table} {statement};")).collect()
    }

    fn missing_schema(&mut self, target: &Target) -> Result<Option<String>> {
        let Some((schema, _)) = target.name.split_once('.') else { return Ok(None) };
        let schema = quoted(schema);
        let found = self.text(&format!("SELECT to_regnamespace({}) IS NOT NULL", literal(&schema)))?;
        Ok((found.as_deref() != Some("t")).then(|| format!("CREATE SCHEMA {schema};\n")))
    }

    /// Temporary tables are in a schema of their own, which is gone again afterwards.
    fn expected_columns(&mut self, name: &str, statements: &str) -> Result<Vec<ColumnDefinition>> {
        self.run_all("SAVEPOINT expected; SET LOCAL search_path TO pg_temp")?;
        let (schema, name) = name.split_once('.').unwrap_or(("", name));
        self.run_all(&statements.replace(&format!("{}.", quoted(schema)), ""))?;
        let columns = self.columns(name)?;
        self.run_all("ROLLBACK TO SAVEPOINT expected")?;
        Ok(columns)
    }

    fn check_rights(&mut self, table: &str) -> Result<()> {
        let table_name = literal(&quoted_path(table));
        for right in ["SELECT", "INSERT", "UPDATE", "DELETE"] {
            let sql = format!("SELECT has_table_privilege({table_name}, '{right}')");
            if self.text(&sql)?.as_deref() != Some("t") {
                let problem = format!("the role may not {right} in `{table}`");
                let grant = format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO the role", quoted_path(table));
                return Err(Error::refused(&self.name, problem).help(grant));
            }
        }
        Ok(())
    }
}

/// A value as a text that every type reads; `None` is NULL.
fn text(value: &Cell<'_>) -> Option<String> {
    Some(match value {
        Cell::Null => return None,
        Cell::Bool(value) => value.to_string(),
        Cell::Integer(value) => value.to_string(),
        Cell::Real(value) => value.to_string().replace("inf", "Infinity"),
        Cell::Text(text) => text.to_string(),
        Cell::Bytes(bytes) => format!("\\x{}", hex(bytes)),
    })
}

/// A value of a type, for what cannot be NULL and has to be something until the rows are read again.
fn zero(ty: &str) -> Option<String> {
    let value = match ty.split([' ', '(']).next().unwrap_or_default() {
        "boolean" => "false",
        "character" | "text" | "bytea" => "",
        "date" | "timestamp" => "0001-01-01",
        _ => "0",
    };
    Some(value.into())
}

impl Postgres {
    /// The encodings of a query's columns.
    fn encodings(&mut self, sql: &str) -> Result<Vec<Encoding>> {
        let statement = self.client.prepare(sql).map_err(|error| failed(&self.name, error))?;
        let encodings = statement.columns().iter().map(|column| Encoding::new(column.type_()));
        encodings.collect::<Option<_>>().ok_or_else(|| failure::wrong_type(&self.name))
    }

    /// The only value of a query.
    fn text(&mut self, sql: &str) -> Result<Option<String>> {
        let mut found = None;
        self.query(sql, &mut |cells| {
            if let [Cell::Text(text)] = cells {
                found = Some(text.to_string());
            }
            Ok(())
        })?;
        Ok(found)
    }
}
