//! What a database remembers about the tables that a stream feeds.

use crate::error::{Error, Result};
use crate::name::TableKey;
use crate::operation::{Begin, End};
use crate::sink::any_order::{Positions, Standing, State};
use crate::sink::database::cell::Cell;
use crate::sink::database::engine::Engine;
use crate::sink::database::marks::{self, Rows, number};
use crate::sink::database::shape::literal;
use crate::sink::database::tenants::condition;
use crate::table::Table;

/// What stands for a registry in the mark of a table that a stream feeds. No registry has this name.
pub(super) const REGISTRY: &str = "a stream";

/// For each tenant's table, which versions have been seen, and what the rows add up to.
pub(super) const STREAMS: &str = "_tidemark_streams";

/// The keys without a row, with the sequences of their last operations.
pub(super) const DELETED: &str = "_tidemark_deleted";

/// How far each part of a stream was read.
const POSITIONS: &str = "_tidemark_positions";

/// The tables, and the statements that create them in every database.
pub(super) const TABLES: [(&str, &str); 3] = [
    (
        STREAMS,
        r#"CREATE TABLE "_tidemark_streams" (
  tenant TEXT NOT NULL,
  table_name TEXT NOT NULL,
  held BIGINT NOT NULL, -- Operations up to this sequence were applied before, from files.
  "full" BIGINT NOT NULL, -- The newest version in full: older operations do not count.
  newest BIGINT NOT NULL, -- The highest sequence that has been seen.
  ended BIGINT, -- The newest version that has ended.
  ended_version TEXT,
  ended_fingerprint TEXT,
  ended_rows BIGINT,
  fingerprint TEXT NOT NULL, -- The sum of the rows' hashes, and their number.
  row_count BIGINT NOT NULL,
  PRIMARY KEY (tenant, table_name)
);
"#,
    ),
    (
        DELETED,
        r#"CREATE TABLE "_tidemark_deleted" (
  tenant TEXT NOT NULL,
  table_name TEXT NOT NULL,
  key_hash TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  PRIMARY KEY (tenant, table_name, key_hash)
);
"#,
    ),
    (
        POSITIONS,
        r#"CREATE TABLE "_tidemark_positions" (
  stream TEXT NOT NULL,
  part TEXT NOT NULL,
  position TEXT NOT NULL,
  PRIMARY KEY (stream, part)
);
"#,
    ),
];

/// What is known about a tenant's table. Everything but the sums only grows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) held: u64,
    pub(super) full: u64,
    pub(super) newest: u64,
    pub(super) end: Option<Ended>,
    pub(super) fingerprint: i128,
    pub(super) rows: u64,
}

/// A version that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) sequence: u64,
    pub(super) version: String,
    fingerprint: i128,
    rows: u64,
}

/// A number of rows, and the sum of their hashes.
pub(super) type Totals = (u64, i128);

impl Memory {
    /// What is known about rows that are those of a version.
    pub(super) fn from_rows(rows: &Rows) -> Self {
        let Rows { sequence, fingerprint, count, .. } = *rows;
        let end = Ended { sequence, version: rows.version.clone(), fingerprint, rows: count };
        Self { held: sequence, full: 0, newest: sequence, end: Some(end), fingerprint, rows: count }
    }

    pub(super) fn begin(&mut self, begin: &Begin) {
        self.newest = self.newest.max(begin.sequence);
        if begin.previous.is_none() && begin.sequence > self.held {
            self.full = self.full.max(begin.sequence);
        }
    }

    pub(super) fn end(&mut self, end: &End) {
        self.newest = self.newest.max(end.sequence);
        if self.end.as_ref().is_none_or(|known| known.sequence < end.sequence) {
            let End { sequence, fingerprint, rows, .. } = *end;
            self.end = Some(Ended { sequence, version: end.version.clone(), fingerprint, rows });
        }
    }

    /// Returns whether a version in full has ended, which was not known before.
    pub(super) fn drops_after(&self, before: &Self) -> bool {
        let has_ended = |memory: &Self| memory.end.as_ref().is_some_and(|end| end.sequence >= memory.full);
        self.full > 0 && has_ended(self) && (self.full > before.full || !has_ended(before))
    }

    pub(super) fn add(&mut self, (rows, fingerprint): Totals) {
        self.rows += rows;
        self.fingerprint += fingerprint;
    }

    pub(super) fn subtract(&mut self, (rows, fingerprint): Totals) {
        self.rows = self.rows.saturating_sub(rows);
        self.fingerprint -= fingerprint;
    }

    /// Takes over rows that were rewritten under another schema. If they were those of a version, they still are.
    pub(super) fn replace(&mut self, (rows, fingerprint): Totals) {
        let was_whole = self.state() == State::Complete;
        (self.rows, self.fingerprint) = (rows, fingerprint);
        if let Some(end) = self.end.as_mut().filter(|_| was_whole) {
            end.fingerprint = fingerprint;
        }
    }

    pub(super) fn state(&self) -> State {
        match &self.end {
            Some(end) if end.sequence == self.newest => {
                let is_whole = (end.rows, end.fingerprint) == (self.rows, self.fingerprint);
                if is_whole { State::Complete } else { State::Differs }
            }
            _ => State::Arriving,
        }
    }

    pub(super) fn standing(self, key: TableKey) -> Standing {
        Standing { key, rows: self.rows, state: self.state(), version: self.end.map(|end| end.version) }
    }
}

/// The columns of a memory, in the order in which they are read.
const COLUMNS: &str = r#"s.tenant, s.table_name, s.held, s."full", s.newest, s.ended, s.ended_version, s.ended_fingerprint, s.ended_rows, s.fingerprint, s.row_count"#;

/// What is known about a tenant's table; `None` if nothing is.
pub(super) fn read<E: Engine>(engine: &mut E, key: &TableKey) -> Result<Option<Memory>> {
    let condition = format!("s.tenant = {} AND s.table_name = {}", literal(&key.tenant), literal(&key.table));
    let sql = format!("SELECT {COLUMNS} FROM \"{STREAMS}\" AS s WHERE {condition}");
    Ok(select(engine, &sql)?.pop().map(|(_, memory)| memory))
}

/// What is known about every table that a stream feeds.
pub(super) fn all<E: Engine>(engine: &mut E) -> Result<Vec<(TableKey, Memory)>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM \"{STREAMS}\" AS s JOIN \"{}\" AS m ON m.tenant = s.tenant \
         AND m.table_name = s.table_name WHERE m.registry = {} ORDER BY s.tenant, s.table_name",
        marks::TABLE,
        literal(REGISTRY)
    );
    select(engine, &sql)
}

fn select<E: Engine>(engine: &mut E, sql: &str) -> Result<Vec<(TableKey, Memory)>> {
    let mut found = Vec::new();
    engine.query(sql, &mut |cells| {
        let unreadable = || {
            Error::diverged(STREAMS, "a row of it cannot be read")
                .help("delete the row; then publish the next version of its table in full with `resync`")
        };
        found.push(parse(cells).ok_or_else(unreadable)?);
        Ok(())
    })?;
    Ok(found)
}

fn parse(cells: &[Cell<'_>]) -> Option<(TableKey, Memory)> {
    let [tenant, table, held, full, newest, ended, version, ended_fingerprint, ended_rows, fingerprint, rows] = cells
    else {
        return None;
    };
    let sum = |cell: &Cell<'_>| marks::text(cell)?.parse::<i128>().ok();
    let end = match number(ended) {
        None => None,
        Some(sequence) => {
            let (fingerprint, rows) = (sum(ended_fingerprint)?, number(ended_rows)?);
            Some(Ended { sequence, version: marks::text(version)?, fingerprint, rows })
        }
    };
    let (fingerprint, rows) = (sum(fingerprint)?, number(rows)?);
    let memory = Memory { held: number(held)?, full: number(full)?, newest: number(newest)?, end, fingerprint, rows };
    Some((TableKey { tenant: marks::text(tenant)?, table: marks::text(table)? }, memory))
}

/// Remembers what is known about a tenant's table.
pub(super) fn write<E: Engine>(engine: &mut E, key: &TableKey, memory: &Memory) -> Result<()> {
    let Memory { held, full, newest, end, fingerprint, rows } = memory;
    let ended = match end {
        None => "NULL, NULL, NULL, NULL".to_owned(),
        Some(end) => {
            format!("{}, {}, '{}', {}", end.sequence, literal(&end.version), end.fingerprint, end.rows)
        }
    };
    let (tenant, table) = (literal(&key.tenant), literal(&key.table));
    engine.run(&format!("DELETE FROM \"{STREAMS}\" WHERE tenant = {tenant} AND table_name = {table}"))?;
    let sql = format!(
        r#"INSERT INTO "{STREAMS}" (tenant, table_name, held, "full", newest, ended, ended_version, ended_fingerprint, ended_rows, fingerprint, row_count) VALUES ({tenant}, {table}, {held}, {full}, {newest}, {ended}, '{fingerprint}', {rows})"#
    );
    engine.run(&sql).map(|_| ())
}

/// Forgets what is known about a table that was created anew.
pub(in crate::sink::database) fn forget<E: Engine>(engine: &mut E, table: &Table) -> Result<()> {
    if engine.columns(STREAMS)?.is_empty() {
        return Ok(());
    }
    for name in [STREAMS, DELETED] {
        engine.run(&format!("DELETE FROM \"{name}\" WHERE {}", condition(table)))?;
    }
    Ok(())
}

/// How far a stream was read.
pub(super) fn positions<E: Engine>(engine: &mut E, stream: &str) -> Result<Positions> {
    let sql = format!("SELECT part, position FROM \"{POSITIONS}\" WHERE stream = {}", literal(stream));
    let mut positions = Positions::new();
    engine.query(&sql, &mut |cells| {
        if let [Cell::Text(part), Cell::Text(position)] = cells {
            positions.insert(part.to_string(), position.to_string());
        }
        Ok(())
    })?;
    Ok(positions)
}

/// Remembers how far a stream was read.
pub(super) fn set_positions<E: Engine>(engine: &mut E, stream: &str, positions: &Positions) -> Result<()> {
    for (part, position) in positions {
        let values = [stream, part, position].map(literal).join(", ");
        engine.run(&format!(
            "INSERT INTO \"{POSITIONS}\" (stream, part, position) VALUES ({values}) \
             ON CONFLICT (stream, part) DO UPDATE SET position = excluded.position"
        ))?;
    }
    Ok(())
}
