//! The statements that several steps of the SQLite registry share.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use serde::Serialize;

use crate::clock;
use crate::name::{TableKey, natural_sort_key};
use crate::store::backend::{Range, VersionWrite};
use crate::store::journal::JournalEntry;
use crate::store::lease::{Lease, split_owner};
use crate::store::listed::ListedVersions;
use crate::store::record::{TableState, Version};
use crate::store::status::Status;

pub(super) fn sequence_of(version: &Version) -> i64 {
    version.sequence.unwrap_or_default() as i64
}

pub(super) fn setting(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    connection.query_row("SELECT value FROM settings WHERE name = ?1", [name], |row| row.get(0)).optional()
}

/// When the registry was created, see [`RegistryBackend::created`](crate::store::RegistryBackend::created).
pub(super) fn created(connection: &Connection) -> rusqlite::Result<u64> {
    let Some(created) = setting(connection, "created")? else { return Ok(0) };
    // A smaller one than it was would let sequences fall back.
    created.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}

pub(super) fn state(connection: &Connection, key: &TableKey) -> rusqlite::Result<Option<TableState>> {
    let sql = "SELECT pending, sequence, resync, owner, expires_at > ?3, expires_at FROM tables WHERE tenant = ?1 AND name = ?2";
    let state = |row: &Row<'_>| {
        let (pending, sequence) = (row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64);
        let is_live = row.get::<_, Option<bool>>(4)?.unwrap_or_default();
        let (owner, expired_owner) = split_owner(row.get(3)?, is_live);
        Ok(TableState { pending, sequence, resync: row.get(2)?, owner, expires_at: row.get(5)?, expired_owner })
    };
    connection.query_row(sql, params![key.tenant, key.table, clock::now_ms()], state).optional()
}

pub(super) fn remember(connection: &Connection, name: &str, value: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO settings VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2";
    connection.execute(sql, [name, value]).map(|_| ())
}

/// A version's record, as it is stored.
pub(super) struct StoredRecord {
    /// The version's position in natural order.
    pub(super) place: String,
    /// The name of the status that it is found by, unless it is damaged.
    pub(super) status: String,
    /// JSON, unless it is damaged.
    pub(super) text: String,
}

impl StoredRecord {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { place: lossy_text(row, 0)?, status: lossy_text(row, 1)?, text: lossy_text(row, 2)? })
    }
}

/// A text that may be damaged.
fn lossy_text(row: &Row<'_>, index: usize) -> rusqlite::Result<String> {
    Ok(String::from_utf8_lossy(row.get_ref(index)?.as_bytes()?).into_owned())
}

/// The records of a table's versions, in natural order.
pub(super) fn records(connection: &Connection, key: &TableKey) -> rusqlite::Result<Vec<StoredRecord>> {
    let sql = "SELECT place, status, record FROM versions WHERE tenant = ?1 AND name = ?2 ORDER BY place";
    connection.prepare(sql)?.query_map(params![key.tenant, key.table], StoredRecord::from_row)?.collect()
}

/// The versions of a table, from the index alone: a long record is not on the way to what is read.
pub(super) fn list(connection: &Connection, key: &TableKey) -> rusqlite::Result<ListedVersions> {
    let sql = "SELECT place, status, digest FROM versions WHERE tenant = ?1 AND name = ?2";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query(params![key.tenant, key.table])?;
    let mut listed = ListedVersions::default();
    while let Some(row) = rows.next()? {
        listed.add(lossy_text(row, 0)?, &lossy_text(row, 1)?, row.get(2)?);
    }
    Ok(listed)
}

/// The record at a position in natural order.
pub(super) fn record(connection: &Connection, key: &TableKey, place: &str) -> rusqlite::Result<Option<StoredRecord>> {
    let sql = "SELECT place, status, record FROM versions WHERE tenant = ?1 AND name = ?2 AND place = ?3";
    connection.query_row(sql, params![key.tenant, key.table, place], StoredRecord::from_row).optional()
}

pub(super) fn with_status(
    connection: &Connection,
    key: &TableKey,
    status: Status,
    range: Range<'_>,
) -> rusqlite::Result<Vec<StoredRecord>> {
    let (rest, bound) = match range {
        Range::All => ("place > ?4 ORDER BY place", String::new()),
        Range::Oldest => ("place > ?4 ORDER BY place LIMIT 1", String::new()),
        Range::Newest => ("place > ?4 ORDER BY place DESC LIMIT 1", String::new()),
        Range::NewestBefore(version) => ("place < ?4 ORDER BY place DESC LIMIT 1", natural_sort_key(version)),
        Range::After(version) => ("place > ?4 ORDER BY place", natural_sort_key(version)),
    };
    let sql = format!(
        "SELECT place, status, record FROM versions WHERE tenant = ?1 AND name = ?2 AND status = ?3 AND {rest}"
    );
    connection
        .prepare_cached(&sql)?
        .query_map(params![key.tenant, key.table, status.name(), bound], StoredRecord::from_row)?
        .collect()
}

/// Adds a version, and its table, unless they exist. Returns whether the version is new.
pub(super) fn insert(transaction: &Transaction<'_>, version: &Version) -> rusqlite::Result<bool> {
    let (key, place, status) = (&version.key, natural_sort_key(&version.version), version.status.name());
    // A recovered registry may have lost a table that consumers know.
    let sql = "INSERT INTO tables (tenant, name, resync)
               VALUES (?1, ?2, EXISTS (SELECT 1 FROM settings WHERE name = 'recovered')) ON CONFLICT DO NOTHING";
    transaction.execute(sql, params![key.tenant, key.table])?;
    let sql = "INSERT INTO versions VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
    let values = params![key.tenant, key.table, place, status, to_json(version), version.digest()];
    Ok(transaction.execute(sql, values)? > 0)
}

/// Overwrites a record if it is as expected. Returns whether it was.
pub(super) fn replace(transaction: &Transaction<'_>, write: VersionWrite<'_>) -> rusqlite::Result<bool> {
    let VersionWrite { version, from, attempt, plan, .. } = write;
    let sql = "UPDATE versions SET status = ?4, record = ?5, digest = ?9
               WHERE tenant = ?1 AND name = ?2 AND place = ?3 AND status = ?6 AND record ->> 'attempt' = ?7
                 AND (?8 IS NULL OR record -> 'plan' ->> 'hash' = ?8)";
    let (key, place, status) = (&version.key, natural_sort_key(&version.version), version.status.name());
    let (record, digest) = (to_json(version), version.digest());
    let values = params![key.tenant, key.table, place, status, record, from.name(), attempt, plan, digest];
    Ok(transaction.execute(sql, values)? == 1)
}

pub(super) fn delete_deliveries(transaction: &Transaction<'_>, version: &Version) -> rusqlite::Result<()> {
    let sql = "DELETE FROM deliveries WHERE tenant = ?1 AND name = ?2 AND place = ?3";
    let key = &version.key;
    transaction.execute(sql, params![key.tenant, key.table, natural_sort_key(&version.version)]).map(|_| ())
}

pub(super) fn add_pending(transaction: &Transaction<'_>, key: &TableKey) -> rusqlite::Result<()> {
    let sql = "UPDATE tables SET pending = pending + 1 WHERE tenant = ?1 AND name = ?2";
    transaction.execute(sql, params![key.tenant, key.table]).map(|_| ())
}

pub(super) fn holds_lease(transaction: &Transaction<'_>, lease: &Lease) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM tables WHERE tenant = ?1 AND name = ?2 AND fence = ?3 AND owner = ?4";
    let key = &lease.key;
    let values = params![key.tenant, key.table, lease.fence as i64, lease.owner];
    transaction.query_row(sql, values, |row| row.get::<_, i64>(0)).map(|count| count == 1)
}

/// Adds an entry to the journal.
pub(super) fn append(connection: &Connection, entry: &JournalEntry) -> rusqlite::Result<()> {
    let sql = "INSERT INTO journal (tenant, name, entry) VALUES (?1, ?2, ?3)";
    connection.execute(sql, params![entry.key.tenant, entry.key.table, to_json(entry)]).map(|_| ())
}

/// The entries of a table's journal, as they are stored.
pub(super) fn journal(connection: &Connection, key: &TableKey) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT entry FROM journal WHERE tenant = ?1 AND name = ?2 ORDER BY number";
    connection.prepare(sql)?.query_map(params![key.tenant, key.table], |row| lossy_text(row, 0))?.collect()
}

pub(super) fn to_json(record: &impl Serialize) -> String {
    serde_json::to_string(record).expect("a record has string keys only")
}
