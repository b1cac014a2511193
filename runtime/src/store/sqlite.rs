//! The registry on one machine: an SQLite file that several processes may use at once.
//!
//! Every change of a status is one conditional write, as DynamoDB would have it: it names the status it comes from and
//! the fence it is made under, and changes nothing when either is not so any more.

mod registering;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::{Lease, Status, TableKey, Version, lease_duration, lost, owner};
use crate::clock;
use crate::error::{Error, IoContext as _, Result};
use crate::name::natural_place;

/// How long a write waits for another process's write.
const BUSY: Duration = Duration::from_secs(30);

/// The layout of the file. A file of another layout is refused, not guessed at.
const LAYOUT: i64 = 2;

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
        if layout(&transaction)? == 0 {
            transaction.execute_batch(CREATE)?;
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

    /// Keeps the root of the exports, for the commands that are not told it.
    pub fn remember_root(&self, root: &str) -> Result<()> {
        self.write(|transaction| {
            transaction
                .execute("INSERT INTO settings VALUES ('exports', ?1) ON CONFLICT DO UPDATE SET value = ?1", [root])?;
            Ok(())
        })
    }

    /// The root of the exports that was last remembered.
    pub fn root(&self) -> Result<Option<String>> {
        self.read(|connection| setting(connection, "exports"))
    }

    /// What tells this registry from every other: a fence means nothing beside another registry's.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether the table's oldest runnable version is to be published whole.
    pub fn resync(&self, key: &TableKey) -> Result<bool> {
        self.read(|connection| {
            let sql = "SELECT resync FROM tables WHERE tenant = ?1 AND name = ?2";
            let flag: Option<bool> =
                connection.query_row(sql, params![key.tenant, key.table], |row| row.get(0)).optional()?;
            Ok(flag.unwrap_or_default())
        })
    }

    /// Asks that the table's oldest runnable version be published whole, or takes that back.
    pub fn set_resync(&self, key: &TableKey, wanted: bool) -> Result<()> {
        self.write(|transaction| {
            let sql = "UPDATE tables SET resync = ?3 WHERE tenant = ?1 AND name = ?2";
            transaction.execute(sql, params![key.tenant, key.table, wanted])?;
            // What was planned before is to be planned again.
            add_pending(transaction, key)
        })
    }

    /// Every tenant and table that has a version.
    pub fn tables(&self) -> Result<Vec<TableKey>> {
        self.read(|connection| {
            let mut statement =
                connection.prepare("SELECT DISTINCT tenant, name FROM versions ORDER BY tenant, name")?;
            statement.query_map([], |row| Ok(TableKey { tenant: row.get(0)?, table: row.get(1)? }))?.collect()
        })
    }

    /// The versions of a tenant's table, in natural order.
    pub fn versions(&self, key: &TableKey) -> Result<Vec<Version>> {
        self.read(|connection| all_versions(connection, key))
    }

    /// The version at a place in natural order, in whatever spelling.
    fn version_at(&self, key: &TableKey, place: &str) -> Result<Option<Version>> {
        self.read(|connection| {
            let sql = "SELECT record FROM versions WHERE tenant = ?1 AND name = ?2 AND place = ?3";
            let record: Option<String> =
                connection.query_row(sql, params![key.tenant, key.table, place], |row| row.get(0)).optional()?;
            record.map(|record| from_json(&record)).transpose()
        })
    }

    /// Who holds the table's lease, unless it is free or expired.
    pub fn holder(&self, key: &TableKey) -> Result<Option<String>> {
        let holder = self.read(|connection| holder(connection, key))?;
        Ok(holder.filter(|holder| !owner::is_gone(holder)).map(|holder| owner::shown(&holder)))
    }

    /// Makes a FAILED version runnable again. Whether it was FAILED is what is returned.
    pub fn retry(&self, version: &Version) -> Result<bool> {
        let again = Version {
            status: Status::Registered,
            reason: None,
            attempt: version.attempt + 1,
            updated_at: clock::now_ms(),
            ..version.clone()
        };
        self.write(|transaction| {
            let done = replace(transaction, &again, Status::Failed, version.attempt)?;
            if done {
                add_pending(transaction, &version.key)?;
            }
            Ok(done)
        })
    }

    /// Lets a HELD version be published as it is planned. False when it is no longer as `version` says.
    pub fn approve(&self, version: &Version) -> Result<bool> {
        let approved = Version {
            approved: version.plan.as_ref().map(|plan| plan.hash.clone()),
            updated_at: clock::now_ms(),
            ..version.clone()
        };
        self.write(|transaction| {
            let done = replace_held(transaction, &approved)?;
            if done {
                add_pending(transaction, &version.key)?;
            }
            Ok(done)
        })
    }

    /// Ends a HELD version. False when it is no longer as `version` says.
    pub fn reject(&self, version: &Version) -> Result<bool> {
        let rejected =
            Version { status: Status::Rejected, approved: None, updated_at: clock::now_ms(), ..version.clone() };
        self.write(|transaction| replace_held(transaction, &rejected))
    }

    /// Takes the table's lease for this process, if it is free or expired, or if its holder has ended without giving it
    /// back.
    pub fn acquire(&self, key: &TableKey) -> Result<Option<Lease>> {
        let now = clock::now_ms();
        let owner = owner::current();
        self.write(|transaction| {
            let holder = holder(transaction, key)?;
            let gone = holder.filter(|holder| owner::is_gone(holder));
            let fence: Option<i64> = transaction
                .query_row(
                    "UPDATE tables SET owner = ?3, expires_at = ?4, fence = fence + 1
                     WHERE tenant = ?1 AND name = ?2 AND (owner IS NULL OR expires_at <= ?5 OR owner = ?6) RETURNING fence",
                    params![key.tenant, key.table, owner, now + lease_duration().as_millis() as i64, now, gone],
                    |row| row.get(0),
                )
                .optional()?;
            Ok(fence.map(|fence| Lease { key: key.clone(), owner, fence: fence as u64 }))
        })
    }

    /// Makes the lease last for another [`LEASE`](super::LEASE). False when somebody else has it now.
    pub fn renew(&self, lease: &Lease) -> Result<bool> {
        let expires_at = clock::now_ms() + lease_duration().as_millis() as i64;
        self.write(|transaction| {
            let sql = "UPDATE tables SET expires_at = ?3 WHERE tenant = ?1 AND name = ?2 AND fence = ?4 AND owner = ?5";
            let key = &lease.key;
            Ok(transaction.execute(sql, params![key.tenant, key.table, expires_at, lease.fence as i64, lease.owner])?
                == 1)
        })
    }

    /// How many writes have made a version of the table runnable. It only grows.
    pub fn pending(&self, key: &TableKey) -> Result<u64> {
        self.read(|connection| {
            let sql = "SELECT pending FROM tables WHERE tenant = ?1 AND name = ?2";
            connection.query_row(sql, params![key.tenant, key.table], |row| row.get::<_, i64>(0)).map(|n| n as u64)
        })
    }

    /// Gives the lease back. False when `pending` has grown: there is more to do.
    pub fn release(&self, lease: &Lease, pending: Option<u64>) -> Result<bool> {
        let key = &lease.key;
        self.write(|transaction| {
            let released = transaction.execute(
                "UPDATE tables SET owner = NULL, expires_at = NULL
                 WHERE tenant = ?1 AND name = ?2 AND fence = ?3 AND owner = ?4 AND (?5 IS NULL OR pending = ?5)",
                params![key.tenant, key.table, lease.fence as i64, lease.owner, pending.map(|n| n as i64)],
            )?;
            // Somebody else's lease is not ours to give back, and what is pending is theirs to do.
            Ok(released == 1 || !holds(transaction, lease)?)
        })
    }

    /// Moves a version on: writes `version`, which must still stand at `from`, under the lease.
    pub fn advance(&self, lease: &Lease, from: Status, version: &Version) -> Result<()> {
        assert!(from.can_become(version.status), "{from} cannot become {}", version.status);
        self.write_under(lease, from, version)
    }

    /// Records how far a version's operations are out, under the lease.
    pub fn record_progress(&self, lease: &Lease, version: &Version) -> Result<()> {
        self.write_under(lease, version.status, version)
    }

    fn write_under(&self, lease: &Lease, from: Status, version: &Version) -> Result<()> {
        let version = Version { updated_at: clock::now_ms(), ..version.clone() };
        self.write(|transaction| {
            if !holds(transaction, lease)? {
                return Ok(Err(lost(lease, &version)));
            }
            let done = replace(transaction, &version, from, version.attempt)?;
            Ok(if done { Ok(()) } else { Err(changed_meanwhile(&version)) })
        })?
    }

    /// Moves a PLANNED or an approved HELD version to PUBLISHING, and assigns it the table's next sequence.
    pub fn begin_publishing(&self, lease: &Lease, version: &Version) -> Result<Version> {
        let key = &lease.key;
        let mut connection = self.connection();
        let begin = |connection: &mut Connection| -> rusqlite::Result<Result<Version>> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if !holds(&transaction, lease)? {
                return Ok(Err(lost(lease, version)));
            }
            let is_reset = version.plan.as_ref().is_some_and(|plan| plan.reset.is_some());
            let sequence: Option<i64> = transaction
                .query_row(
                    // A reset is what was asked for, and then no longer.
                    "UPDATE tables SET sequence = sequence + 1, resync = resync AND NOT ?3
                     WHERE tenant = ?1 AND name = ?2 AND resync >= ?3 RETURNING sequence",
                    params![key.tenant, key.table, is_reset],
                    |row| row.get(0),
                )
                .optional()?;
            let Some(sequence) = sequence else { return Ok(Err(resync_taken_back(version))) };
            let begun = Version {
                status: Status::Publishing,
                sequence: Some(sequence as u64),
                updated_at: clock::now_ms(),
                ..version.clone()
            };
            if !replace(&transaction, &begun, version.status, version.attempt)? {
                // Rolled back, the sequence with it.
                return Ok(Err(changed_meanwhile(version)));
            }
            transaction.commit()?;
            Ok(Ok(begun))
        };
        begin(&mut connection).map_err(|error| failed(&self.path, error))?
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        read(&self.connection()).map_err(|error| failed(&self.path, error))
    }

    /// Runs `write` in a transaction of its own; a failure rolls it back.
    fn write<T>(&self, write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        let mut connection = self.connection();
        let run = |connection: &mut Connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let written = write(&transaction)?;
            transaction.commit()?;
            Ok(written)
        };
        run(&mut connection).map_err(|error| failed(&self.path, error))
    }
}

fn setting(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    connection.query_row("SELECT value FROM settings WHERE name = ?1", [name], |row| row.get(0)).optional()
}

/// Who holds a table's lease, unless it has expired.
fn holder(connection: &Connection, key: &TableKey) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT owner FROM tables WHERE tenant = ?1 AND name = ?2 AND expires_at > ?3 AND owner IS NOT NULL";
    connection.query_row(sql, params![key.tenant, key.table, clock::now_ms()], |row| row.get(0)).optional()
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

/// Writes a version over one of the status and attempt that are expected. Whether it did is what is returned.
fn replace(transaction: &Transaction<'_>, version: &Version, from: Status, attempt: u32) -> rusqlite::Result<bool> {
    let sql = "UPDATE versions SET status = ?4, record = ?5
               WHERE tenant = ?1 AND name = ?2 AND place = ?3 AND status = ?6 AND record ->> 'attempt' = ?7";
    let key = &version.key;
    let place = natural_place(&version.version);
    let values = params![key.tenant, key.table, place, version.status.name(), to_json(version), from.name(), attempt];
    Ok(transaction.execute(sql, values)? == 1)
}

/// Writes a version over a HELD one of the same attempt and the same plan.
fn replace_held(transaction: &Transaction<'_>, version: &Version) -> rusqlite::Result<bool> {
    let sql = "SELECT record -> 'plan' ->> 'hash' FROM versions WHERE tenant = ?1 AND name = ?2 AND place = ?3";
    let values = params![version.key.tenant, version.key.table, natural_place(&version.version)];
    let planned: Option<String> = transaction.query_row(sql, values, |row| row.get(0)).optional()?.flatten();
    if planned != version.plan.as_ref().map(|plan| plan.hash.clone()) {
        return Ok(false);
    }
    replace(transaction, version, Status::Held, version.attempt)
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

fn changed_meanwhile(version: &Version) -> Error {
    Error::refused(version.to_string(), "its export was delivered again while it was compared")
        .help("run again; the new delivery is registered")
}

fn resync_taken_back(version: &Version) -> Error {
    Error::refused(version.to_string(), "its resync was taken back while it was planned").help("run again")
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
