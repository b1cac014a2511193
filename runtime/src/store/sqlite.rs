//! The registry on one machine: an SQLite file that several processes may use at once.
//!
//! Every change of a status is one conditional write, as DynamoDB would have it: it names the status it comes from and
//! the fence it is made under, and changes nothing when either is not so any more.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::{
    Begin, Begun, Extent, Lease, Setting, Status, Store, TableState, Version, Write, WriteOutcome, lease_duration,
};
use crate::clock;
use crate::error::{Error, IoContext as _, Result};
use crate::name::TableKey;
use crate::name::natural_place;

/// How long a write waits for another process's write.
const BUSY: Duration = Duration::from_secs(60);

/// The layout of the file. A file of another layout is refused, not guessed at.
const LAYOUT: i64 = 3;

/// The layout that lacks nothing but [`DELIVERIES`], which it is given.
const LAYOUT_WITHOUT_DELIVERIES: i64 = 2;

const CREATE: &str = "
    CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE tables (
        tenant TEXT NOT NULL, name TEXT NOT NULL,
        -- How many writes made a version runnable; the holder drains until it is unchanged.
        pending INTEGER NOT NULL DEFAULT 0,
        -- The last sequence that was assigned.
        sequence INTEGER NOT NULL DEFAULT 0,
        -- Whether the oldest runnable version is to be published whole.
        resync INTEGER NOT NULL DEFAULT 0,
        fence INTEGER NOT NULL DEFAULT 0, owner TEXT, expires_at INTEGER,
        PRIMARY KEY (tenant, name)
    ) STRICT;
    CREATE TABLE versions (
        tenant TEXT NOT NULL, name TEXT NOT NULL,
        -- The version's place in natural order: two spellings of one place are one row.
        place TEXT NOT NULL,
        status TEXT NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (tenant, name, place)
    ) STRICT;
    INSERT INTO settings VALUES ('id', lower(hex(randomblob(8))));
";

const DELIVERIES: &str = "
    -- How far the parts of versions that are PUBLISHING are out; `lines` is NULL where all of a part is.
    CREATE TABLE deliveries (
        tenant TEXT NOT NULL, name TEXT NOT NULL, place TEXT NOT NULL, sequence INTEGER NOT NULL, sink TEXT NOT NULL,
        part INTEGER NOT NULL, lines INTEGER,
        PRIMARY KEY (tenant, name, place, sequence, sink, part)
    ) STRICT;
";

/// An open registry.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    id: String,
    connection: Mutex<Connection>,
}

impl Sqlite {
    /// Opens the registry, and makes it where there is none.
    pub fn open(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).at("cannot create", folder)?;
        }
        // SQLite would make it narrower than the umask asks for, and a group could not share it.
        match File::create_new(path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error).at("cannot create", path)?,
            _ => {}
        }
        Self::connect(path).map_err(|error| failed(path, error))?.checked()
    }

    /// Opens the registry if there is one.
    pub fn open_existing(path: &Path) -> Result<Option<Self>> {
        if path.try_exists().at("cannot look for", path)? { Self::open(path).map(Some) } else { Ok(None) }
    }

    fn connect(path: &Path) -> rusqlite::Result<Self> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found = layout(&transaction)?;
        if found == 0 {
            transaction.execute_batch(CREATE)?;
        }
        if found == 0 || found == LAYOUT_WITHOUT_DELIVERIES {
            transaction.execute_batch(DELIVERIES)?;
            transaction.pragma_update(None, "user_version", LAYOUT)?;
        }
        let id = setting(&transaction, "id")?.unwrap_or_default();
        transaction.commit()?;
        Ok(Self { path: path.to_path_buf(), id, connection: Mutex::new(connection) })
    }

    fn checked(self) -> Result<Self> {
        let found = self.read(layout)?;
        if found == LAYOUT {
            return Ok(self);
        }
        let problem = format!("has layout {found}, and this program reads {LAYOUT}");
        Err(Error::registry(&self.path, problem).help("use the program that wrote it, or another --state"))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        read(&self.connection()).map_err(|error| failed(&self.path, error))
    }

    /// Runs `change` in a transaction of its own; a failure rolls it back.
    fn transact<T>(&self, change: impl FnOnce(Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        let mut connection = self.connection();
        let run =
            |connection: &mut Connection| change(connection.transaction_with_behavior(TransactionBehavior::Immediate)?);
        run(&mut connection).map_err(|error| failed(&self.path, error))
    }
}

impl Store for Sqlite {
    fn id(&self) -> &str {
        &self.id
    }

    fn setting(&self, wanted: Setting) -> Result<Option<String>> {
        self.read(|connection| setting(connection, wanted.name()))
    }

    fn remember(&self, setting: Setting, value: &str) -> Result<()> {
        self.read(|connection| {
            let sql = "INSERT INTO settings VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2";
            connection.execute(sql, [setting.name(), value]).map(|_| ())
        })
    }

    fn state(&self, key: &TableKey) -> Result<TableState> {
        self.read(|connection| {
            let sql = "SELECT pending, resync, CASE WHEN expires_at > ?3 THEN owner END FROM tables
                       WHERE tenant = ?1 AND name = ?2";
            let state = connection.query_row(sql, params![key.tenant, key.table, clock::now_ms()], |row| {
                Ok(TableState { pending: row.get::<_, i64>(0)? as u64, resync: row.get(1)?, owner: row.get(2)? })
            });
            Ok(state.optional()?.unwrap_or_default())
        })
    }

    fn tables(&self) -> Result<Vec<TableKey>> {
        self.read(|connection| {
            let mut statement =
                connection.prepare("SELECT DISTINCT tenant, name FROM versions ORDER BY tenant, name")?;
            statement.query_map([], |row| Ok(TableKey { tenant: row.get(0)?, table: row.get(1)? }))?.collect()
        })
    }

    fn versions(&self, key: &TableKey) -> Result<Vec<Version>> {
        self.read(|connection| all_versions(connection, key))
    }

    fn version(&self, key: &TableKey, version: &str) -> Result<Option<Version>> {
        self.read(|connection| {
            let sql = "SELECT record FROM versions WHERE tenant = ?1 AND name = ?2 AND place = ?3";
            let values = params![key.tenant, key.table, natural_place(version)];
            let record: Option<String> = connection.query_row(sql, values, |row| row.get(0)).optional()?;
            record.map(|record| from_json(&record)).transpose()
        })
    }

    fn insert(&self, version: &Version) -> Result<bool> {
        let (key, status) = (&version.key, version.status);
        self.transact(|transaction| {
            transaction.execute(
                "INSERT INTO tables (tenant, name) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                params![key.tenant, key.table],
            )?;
            let inserted = transaction.execute(
                "INSERT INTO versions VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
                params![key.tenant, key.table, natural_place(&version.version), status.name(), to_json(version)],
            )?;
            if inserted > 0 && status.is_runnable() {
                add_pending(&transaction, key)?;
            }
            transaction.commit()?;
            Ok(inserted > 0)
        })
    }

    fn write(&self, write: Write<'_>) -> Result<WriteOutcome> {
        self.transact(|transaction| {
            if let Some(lease) = write.lease
                && !holds(&transaction, lease)?
            {
                return Ok(WriteOutcome::LeaseLost);
            }
            if !replace(&transaction, write)? {
                return Ok(WriteOutcome::Changed);
            }
            if write.is_wake {
                add_pending(&transaction, &write.version.key)?;
            }
            if write.version.status == Status::Succeeded {
                forget_deliveries(&transaction, write.version)?;
            }
            transaction.commit()?;
            Ok(WriteOutcome::Done)
        })
    }

    fn begin_publishing(&self, lease: &Lease, begin: Begin<'_>) -> Result<Begun> {
        let Begin { version, from, is_reset } = begin;
        let key = &lease.key;
        self.transact(|transaction| {
            if !holds(&transaction, lease)? {
                return Ok(Begun::LeaseLost);
            }
            let sequence: Option<i64> = transaction
                .query_row(
                    // A reset is what was asked for, and then no longer.
                    "UPDATE tables SET sequence = sequence + 1, resync = resync AND NOT ?3
                     WHERE tenant = ?1 AND name = ?2 AND resync >= ?3 RETURNING sequence",
                    params![key.tenant, key.table, is_reset],
                    |row| row.get(0),
                )
                .optional()?;
            let Some(sequence) = sequence else { return Ok(Begun::NoReset) };
            let begun = Version { sequence: Some(sequence as u64), ..version.clone() };
            let write =
                Write { version: &begun, from, attempt: version.attempt, plan: None, lease: None, is_wake: false };
            if !replace(&transaction, write)? {
                // Rolled back, the sequence with it.
                return Ok(Begun::Changed);
            }
            transaction.commit()?;
            Ok(Begun::Sequence(sequence as u64))
        })
    }

    fn set_resync(&self, key: &TableKey, wanted: bool) -> Result<()> {
        self.transact(|transaction| {
            let sql = "UPDATE tables SET resync = ?3 WHERE tenant = ?1 AND name = ?2";
            transaction.execute(sql, params![key.tenant, key.table, wanted])?;
            add_pending(&transaction, key)?;
            transaction.commit()
        })
    }

    fn acquire(&self, key: &TableKey, owner: &str, gone: Option<&str>) -> Result<Option<Lease>> {
        let now = clock::now_ms();
        self.read(|connection| {
            let fence: Option<i64> = connection
                .query_row(
                    "UPDATE tables SET owner = ?3, expires_at = ?4, fence = fence + 1
                     WHERE tenant = ?1 AND name = ?2 AND (owner IS NULL OR expires_at <= ?5 OR owner = ?6) RETURNING fence",
                    params![key.tenant, key.table, owner, now + lease_duration().as_millis() as i64, now, gone],
                    |row| row.get(0),
                )
                .optional()?;
            Ok(fence.map(|fence| Lease { key: key.clone(), owner: owner.into(), fence: fence as u64 }))
        })
    }

    fn renew(&self, lease: &Lease) -> Result<bool> {
        let expires_at = clock::now_ms() + lease_duration().as_millis() as i64;
        self.read(|connection| {
            let sql = "UPDATE tables SET expires_at = ?3 WHERE tenant = ?1 AND name = ?2 AND fence = ?4 AND owner = ?5";
            let key = &lease.key;
            let values = params![key.tenant, key.table, expires_at, lease.fence as i64, lease.owner];
            Ok(connection.execute(sql, values)? == 1)
        })
    }

    fn release(&self, lease: &Lease, pending: Option<u64>) -> Result<bool> {
        let key = &lease.key;
        self.transact(|transaction| {
            let released = transaction.execute(
                "UPDATE tables SET owner = NULL, expires_at = NULL
                 WHERE tenant = ?1 AND name = ?2 AND fence = ?3 AND owner = ?4 AND (?5 IS NULL OR pending = ?5)",
                params![key.tenant, key.table, lease.fence as i64, lease.owner, pending.map(|n| n as i64)],
            )?;
            let is_over = released == 1 || !holds(&transaction, lease)?;
            transaction.commit()?;
            Ok(is_over)
        })
    }

    fn delivered(&self, version: &Version, sink: &str) -> Result<BTreeMap<u32, Extent>> {
        let (key, place) = (&version.key, natural_place(&version.version));
        self.read(|connection| {
            let sql = "SELECT part, lines FROM deliveries
                       WHERE tenant = ?1 AND name = ?2 AND place = ?3 AND sequence = ?4 AND sink = ?5";
            let values = params![key.tenant, key.table, place, sequence_of(version), sink];
            let extent = |lines: Option<i64>| lines.map_or(Extent::Whole, |lines| Extent::Lines(lines as u64));
            connection.prepare(sql)?.query_map(values, |row| Ok((row.get(0)?, extent(row.get(1)?))))?.collect()
        })
    }

    fn deliver(&self, lease: &Lease, version: &Version, sink: &str, part: u32, extent: Extent) -> Result<bool> {
        let (key, place) = (&version.key, natural_place(&version.version));
        let lines = match extent {
            Extent::Lines(lines) => Some(lines as i64),
            Extent::Whole => None,
        };
        self.transact(|transaction| {
            if !holds(&transaction, lease)? {
                return Ok(false);
            }
            let sql = "INSERT INTO deliveries VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET lines = ?7";
            let sequence = sequence_of(version);
            transaction.execute(sql, params![key.tenant, key.table, place, sequence, sink, part, lines])?;
            transaction.commit()?;
            Ok(true)
        })
    }
}

fn sequence_of(version: &Version) -> i64 {
    version.sequence.unwrap_or_default() as i64
}

fn setting(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    connection.query_row("SELECT value FROM settings WHERE name = ?1", [name], |row| row.get(0)).optional()
}

fn layout(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn all_versions(connection: &Connection, key: &TableKey) -> rusqlite::Result<Vec<Version>> {
    let sql = "SELECT record FROM versions WHERE tenant = ?1 AND name = ?2 ORDER BY place";
    connection
        .prepare(sql)?
        .query_map(params![key.tenant, key.table], |row| from_json(&row.get::<_, String>(0)?))?
        .collect()
}

/// Writes a version over what is expected there. Whether it did is what is returned.
fn replace(transaction: &Transaction<'_>, write: Write<'_>) -> rusqlite::Result<bool> {
    let Write { version, from, attempt, plan, .. } = write;
    let sql = "UPDATE versions SET status = ?4, record = ?5
               WHERE tenant = ?1 AND name = ?2 AND place = ?3 AND status = ?6 AND record ->> 'attempt' = ?7
                 AND (?8 IS NULL OR record -> 'plan' ->> 'hash' = ?8)";
    let (key, place, status) = (&version.key, natural_place(&version.version), version.status.name());
    let values = params![key.tenant, key.table, place, status, to_json(version), from.name(), attempt, plan];
    Ok(transaction.execute(sql, values)? == 1)
}

fn forget_deliveries(transaction: &Transaction<'_>, version: &Version) -> rusqlite::Result<()> {
    let sql = "DELETE FROM deliveries WHERE tenant = ?1 AND name = ?2 AND place = ?3";
    let key = &version.key;
    transaction.execute(sql, params![key.tenant, key.table, natural_place(&version.version)]).map(|_| ())
}

fn add_pending(transaction: &Transaction<'_>, key: &TableKey) -> rusqlite::Result<()> {
    let sql = "UPDATE tables SET pending = pending + 1 WHERE tenant = ?1 AND name = ?2";
    transaction.execute(sql, params![key.tenant, key.table]).map(|_| ())
}

fn holds(transaction: &Transaction<'_>, lease: &Lease) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM tables WHERE tenant = ?1 AND name = ?2 AND fence = ?3 AND owner = ?4";
    let key = &lease.key;
    let values = params![key.tenant, key.table, lease.fence as i64, lease.owner];
    transaction.query_row(sql, values, |row| row.get::<_, i64>(0)).map(|count| count == 1)
}

fn to_json(version: &Version) -> String {
    serde_json::to_string(version).expect("a record has string keys only")
}

fn from_json(text: &str) -> rusqlite::Result<Version> {
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error)))
}

fn failed(path: &Path, error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseCorrupt, DiskFull, NotADatabase, PermissionDenied, ReadOnly,
    };
    let help = match error.sqlite_error_code() {
        Some(DatabaseBusy) => "another run is writing; try again",
        Some(DiskFull) => "free some space, then run again; nothing is lost",
        Some(CannotOpen | PermissionDenied | ReadOnly) => "check the permissions, or name another folder with --state",
        Some(DatabaseCorrupt | NotADatabase) => "restore it, or name another folder with --state and import anew",
        _ => "run again; nothing is lost",
    };
    Error::registry(path, error).help(help)
}
