//! The registry on one machine: an SQLite file that several processes may use at once.
//!
//! As on DynamoDB, every step is one conditional write: it names the status that it starts from and the fence that it
//! is made under, and changes nothing if either has changed.

mod connection;
mod layout;
mod reader;
mod statements;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::backend::{
    BeginOutcome, BeginPublishing, Range, RegistryBackend, STRAYS, Setting, VersionWrite, WriteOutcome,
};
use super::journal::JournalEntry;
use super::lease::{Lease, lease_duration};
use super::listed::ListedVersions;
use super::outline::Outline;
use super::record::{Extent, Record, TableState, Version};
use super::status::Status;
use crate::clock;
use crate::error::{Error, IoContext as _, Result};
use crate::name::{TableKey, natural_sort_key};
use connection::{check_files, connect, failed, needs_recovery};
use reader::Reader;
use statements::{StoredRecord, add_pending, append, delete_deliveries, holds_lease, replace, sequence_of};

/// An open registry. It is opened for writing by the first write, so that whoever only reads does nothing else.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    id: String,
    reader: Mutex<Reader>,
    writer: Mutex<Option<Connection>>,
}

impl Sqlite {
    /// Opens the registry, and creates it if it does not exist.
    pub fn open(path: &Path) -> Result<Self> {
        if let Some(registry) = Self::open_existing(path)? {
            return Ok(registry);
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).at("cannot create", folder)?;
        }
        // SQLite would restrict its permissions beyond the umask, and a group could not share it.
        match File::create_new(path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error).at("cannot create", path)?,
            _ => {}
        }
        let writer = connect(path).map_err(|error| failed(path, error))?;
        Self::new(path, Some(writer)).checked()
    }

    /// Opens the registry if it exists. One that another process is about to create does not exist yet.
    pub fn open_existing(path: &Path) -> Result<Option<Self>> {
        if !path.try_exists().at("cannot find", path)? {
            return Ok(None);
        }
        check_files(path)?;
        let registry = Self::new(path, None);
        match registry.read(layout::version)? {
            0 => return Ok(None),
            version if version < layout::LAYOUT => registry.run(|_| Ok(()))?,
            _ => {}
        }
        registry.checked().map(Some)
    }

    fn new(path: &Path, writer: Option<Connection>) -> Self {
        let (reader, writer) = (Mutex::new(Reader::new(path)), Mutex::new(writer));
        Self { path: path.to_path_buf(), id: String::new(), reader, writer }
    }

    /// Refuses a file with another layout, and one that lacks something of its layout.
    fn checked(mut self) -> Result<Self> {
        let version = self.read(layout::version)?;
        if version == layout::LAYOUT {
            let lacks = |what: &str| Error::damaged_registry(&self.path, format!("it is damaged: {what} is missing"));
            if let Some(table) = self.read(layout::missing_table)? {
                return Err(lacks(&format!("its table `{table}`")));
            }
            let id = self.read(|connection| statements::setting(connection, "id"))?;
            self.id = id.ok_or_else(|| lacks("its identity"))?;
            return Ok(self);
        }
        let problem = format!("it has layout {version}, but this program reads layout {}", layout::LAYOUT);
        Err(Error::registry(&self.path, problem).help("use the program that wrote it, or another --state"))
    }

    /// Runs something that writes. The first write opens the file for writing.
    fn write_with<T>(&self, write: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T> {
        let mut writer = lock(&self.writer);
        let connection = match &mut *writer {
            Some(connection) => connection,
            none => {
                // As long as a reader has it open, the last writer cannot tidy up.
                lock(&self.reader).close();
                none.insert(connect(&self.path).map_err(|error| failed(&self.path, error))?)
            }
        };
        write(connection).map_err(|error| failed(&self.path, error))
    }

    /// Runs a query. If a killed writer left work half done, it is undone first, which needs the right to write.
    fn read<T>(&self, query: impl Fn(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let result = match &*lock(&self.writer) {
            Some(writer) => query(writer),
            None => lock(&self.reader).read(&query),
        };
        match result {
            Err(error) if needs_recovery(&error) => {
                self.write_with(|connection| query(connection)).map_err(|_| failed(&self.path, error))
            }
            result => result.map_err(|error| failed(&self.path, error)),
        }
    }

    /// Runs one statement that writes, which is atomic by itself.
    fn run<T>(&self, run: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        self.write_with(|connection| run(connection))
    }

    fn parse<T: Record>(&self, key: &TableKey, record: &StoredRecord) -> Result<Version> {
        let version = Version::parse::<T>(key, &record.place, &record.text);
        let version = version.and_then(|version| version.stored_under(&record.status));
        version.map_err(|problem| Error::damaged_record(&self.path, &problem))
    }

    /// Runs `change` in its own transaction; a failure rolls it back.
    fn transact<T>(&self, change: impl FnOnce(Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        self.write_with(|connection| change(connection.transaction_with_behavior(TransactionBehavior::Immediate)?))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RegistryBackend for Sqlite {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> Result<u64> {
        self.read(statements::created)
    }

    fn setting(&self, setting: Setting) -> Result<Option<String>> {
        self.read(|connection| statements::setting(connection, setting.name()))
    }

    fn remember(&self, setting: Setting, value: &str) -> Result<()> {
        self.run(|connection| statements::remember(connection, setting.name(), value))
    }

    fn known_strays(&self) -> Result<BTreeMap<String, String>> {
        self.read(|connection| {
            let sql = "SELECT substr(name, length(?1) + 1), value FROM settings WHERE substr(name, 1, length(?1)) = ?1";
            connection.prepare(sql)?.query_map([STRAYS], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
    }

    fn remember_strays(&self, folder: &str, record: &str) -> Result<()> {
        self.run(|connection| statements::remember(connection, &format!("{STRAYS}{folder}"), record))
    }

    fn state(&self, key: &TableKey) -> Result<TableState> {
        self.read(|connection| Ok(statements::state(connection, key)?.unwrap_or_default()))
    }

    fn tables(&self) -> Result<Vec<TableKey>> {
        self.read(|connection| {
            // Each was added together with its first version.
            let mut statement = connection.prepare("SELECT tenant, name FROM tables ORDER BY tenant, name")?;
            statement.query_map([], |row| Ok(TableKey { tenant: row.get(0)?, table: row.get(1)? }))?.collect()
        })
    }

    fn versions(&self, key: &TableKey) -> Result<Vec<Version>> {
        let records = self.read(|connection| statements::records(connection, key))?;
        records.iter().map(|record| self.parse::<Version>(key, record)).collect()
    }

    fn outlines(&self, key: &TableKey) -> Result<Vec<Version>> {
        let records = self.read(|connection| statements::records(connection, key))?;
        records.iter().map(|record| self.parse::<Outline>(key, record)).collect()
    }

    fn list(&self, key: &TableKey) -> Result<ListedVersions> {
        self.read(|connection| statements::list(connection, key))
    }

    fn with_status(&self, key: &TableKey, status: Status, range: Range<'_>) -> Result<Vec<Version>> {
        let records = self.read(|connection| statements::with_status(connection, key, status, range))?;
        records.iter().map(|record| self.parse::<Version>(key, record)).collect()
    }

    fn version(&self, key: &TableKey, version: &str) -> Result<Option<Version>> {
        let record = self.read(|connection| statements::record(connection, key, &natural_sort_key(version)))?;
        record.map(|record| self.parse::<Version>(key, &record)).transpose()
    }

    fn insert(&self, version: &Version) -> Result<bool> {
        self.transact(|transaction| {
            let is_new = statements::insert(&transaction, version)?;
            if is_new && version.status.is_runnable() {
                add_pending(&transaction, &version.key)?;
            }
            transaction.commit()?;
            Ok(is_new)
        })
    }

    fn write(&self, write: VersionWrite<'_>) -> Result<WriteOutcome> {
        self.transact(|transaction| {
            if let Some(lease) = write.lease
                && !holds_lease(&transaction, lease)?
            {
                return Ok(WriteOutcome::LeaseLost);
            }
            if !replace(&transaction, write)? {
                return Ok(WriteOutcome::Changed);
            }
            if write.makes_runnable {
                add_pending(&transaction, &write.version.key)?;
            }
            write.entry.map_or(Ok(()), |entry| append(&transaction, entry))?;
            if write.version.status == Status::Succeeded {
                delete_deliveries(&transaction, write.version)?;
            }
            transaction.commit()?;
            Ok(WriteOutcome::Done)
        })
    }

    fn begin_publishing(&self, lease: &Lease, begin: BeginPublishing<'_>) -> Result<BeginOutcome> {
        let BeginPublishing { version, from, is_reset } = begin;
        let key = &lease.key;
        self.transact(|transaction| {
            if !holds_lease(&transaction, lease)? {
                return Ok(BeginOutcome::LeaseLost);
            }
            let sequence: Option<i64> = transaction
                .query_row(
                    // A reset needs the request, and clears it.
                    "UPDATE tables SET sequence = max(sequence, ?4) + 1, resync = resync AND NOT ?3
                     WHERE tenant = ?1 AND name = ?2 AND resync >= ?3 RETURNING sequence",
                    params![key.tenant, key.table, is_reset, statements::created(&transaction)? as i64],
                    |row| row.get(0),
                )
                .optional()?;
            let Some(sequence) = sequence else { return Ok(BeginOutcome::NoReset) };
            let version = &Version { sequence: Some(sequence as u64), ..version.clone() };
            let attempt = version.attempt;
            let write =
                VersionWrite { version, from, attempt, plan: None, lease: None, makes_runnable: false, entry: None };
            if !replace(&transaction, write)? {
                // The sequence is rolled back as well.
                return Ok(BeginOutcome::Changed);
            }
            transaction.commit()?;
            Ok(BeginOutcome::Sequence(sequence as u64))
        })
    }

    fn set_resync(&self, requested: bool, entry: &JournalEntry) -> Result<()> {
        let key = &entry.key;
        self.transact(|transaction| {
            let sql = "UPDATE tables SET resync = ?3 WHERE tenant = ?1 AND name = ?2";
            if transaction.execute(sql, params![key.tenant, key.table, requested])? == 0 {
                return Ok(());
            }
            add_pending(&transaction, key)?;
            append(&transaction, entry)?;
            transaction.commit()
        })
    }

    fn append(&self, entry: &JournalEntry) -> Result<()> {
        self.run(|connection| append(connection, entry))
    }

    fn journal(&self, key: &TableKey) -> Result<Vec<JournalEntry>> {
        let entries = self.read(|connection| statements::journal(connection, key))?;
        let parsed: Result<_, String> = entries.iter().map(|entry| JournalEntry::parse(key, entry)).collect();
        parsed.map_err(|problem| Error::damaged_record(&self.path, &problem))
    }

    fn adopt(&self, lease: &Lease, sequence: u64, entry: &JournalEntry) -> Result<bool> {
        let key = &lease.key;
        self.transact(|transaction| {
            if !holds_lease(&transaction, lease)? {
                return Ok(false);
            }
            let sql = "UPDATE tables SET sequence = max(sequence, ?3), resync = true WHERE tenant = ?1 AND name = ?2";
            transaction.execute(sql, params![key.tenant, key.table, sequence as i64])?;
            add_pending(&transaction, key)?;
            append(&transaction, entry)?;
            transaction.commit()?;
            Ok(true)
        })
    }

    fn raise(&self, floor: u64) -> Result<()> {
        self.transact(|transaction| {
            let created = statements::created(&transaction)?.max(floor);
            let sql = "INSERT INTO settings VALUES ('created', ?1) ON CONFLICT DO UPDATE SET value = ?1";
            transaction.execute(sql, [created.to_string()])?;
            transaction.execute("INSERT INTO settings VALUES ('recovered', 'true') ON CONFLICT DO NOTHING", [])?;
            transaction.commit()
        })
    }

    fn raise_table(&self, floor: u64, entry: &JournalEntry) -> Result<()> {
        let key = &entry.key;
        self.transact(|transaction| {
            let sql = "UPDATE tables SET fence = max(fence, ?3), owner = NULL, expires_at = NULL, resync = true
                       WHERE tenant = ?1 AND name = ?2";
            transaction.execute(sql, params![key.tenant, key.table, floor as i64])?;
            add_pending(&transaction, key)?;
            append(&transaction, entry)?;
            transaction.commit()
        })
    }

    fn acquire(&self, key: &TableKey, owner: &str, gone: Option<&str>) -> Result<Option<Lease>> {
        let now = clock::now_ms();
        self.run(|connection| {
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
        self.run(|connection| {
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
            let is_released = released == 1 || !holds_lease(&transaction, lease)?;
            transaction.commit()?;
            Ok(is_released)
        })
    }

    fn delivered(&self, version: &Version, sink: &str) -> Result<BTreeMap<u32, Extent>> {
        let (key, place) = (&version.key, natural_sort_key(&version.version));
        self.read(|connection| {
            let sql = "SELECT part, lines FROM deliveries
                       WHERE tenant = ?1 AND name = ?2 AND place = ?3 AND sequence = ?4 AND sink = ?5";
            let values = params![key.tenant, key.table, place, sequence_of(version), sink];
            let extent = |lines: Option<i64>| lines.map_or(Extent::Whole, |lines| Extent::Lines(lines as u64));
            connection.prepare(sql)?.query_map(values, |row| Ok((row.get(0)?, extent(row.get(1)?))))?.collect()
        })
    }

    fn record_delivery(&self, lease: &Lease, version: &Version, sink: &str, part: u32, extent: Extent) -> Result<bool> {
        let (key, place) = (&version.key, natural_sort_key(&version.version));
        let lines = match extent {
            Extent::Lines(lines) => Some(lines as i64),
            Extent::Whole => None,
        };
        self.transact(|transaction| {
            if !holds_lease(&transaction, lease)? {
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
