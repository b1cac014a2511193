//! The tables of the SQLite file.

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::clock;
use crate::store::record::Version;

/// The version of the file's layout. A file with another layout is refused rather than guessed at.
pub(super) const LAYOUT: i64 = 6;

/// What each layout adds to the one before it. Opening a file of an older layout adds what it lacks. The first layout
/// was never released.
const ADDITIONS: [(i64, &str); 5] = [(2, TABLES), (3, DELIVERIES), (4, JOURNAL), (5, BY_STATUS), (LAYOUT, DIGESTS)];

const TABLES: &str = "
    CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE tables (
        tenant TEXT NOT NULL, name TEXT NOT NULL,
        -- How many writes have made a version runnable; the holder of the lease works until it stops growing.
        pending INTEGER NOT NULL DEFAULT 0,
        -- The last sequence that was assigned.
        sequence INTEGER NOT NULL DEFAULT 0,
        -- Whether the oldest runnable version is to be published in full.
        resync INTEGER NOT NULL DEFAULT 0,
        fence INTEGER NOT NULL DEFAULT 0, owner TEXT, expires_at INTEGER,
        PRIMARY KEY (tenant, name)
    ) STRICT;
    CREATE TABLE versions (
        tenant TEXT NOT NULL, name TEXT NOT NULL,
        -- The position in natural order: two spellings of one position are one row.
        place TEXT NOT NULL,
        status TEXT NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (tenant, name, place)
    ) STRICT;
    INSERT INTO settings VALUES ('id', lower(hex(randomblob(8))));
";

const DELIVERIES: &str = "
    -- How much of each part of a PUBLISHING version is delivered; `lines` is NULL if all of it is.
    CREATE TABLE deliveries (
        tenant TEXT NOT NULL, name TEXT NOT NULL, place TEXT NOT NULL, sequence INTEGER NOT NULL, sink TEXT NOT NULL,
        part INTEGER NOT NULL, lines INTEGER,
        PRIMARY KEY (tenant, name, place, sequence, sink, part)
    ) STRICT;
";

const JOURNAL: &str = "
    -- Who decided what about a table, and what runs found out. `number` is the order.
    CREATE TABLE journal (
        number INTEGER PRIMARY KEY, tenant TEXT NOT NULL, name TEXT NOT NULL, entry TEXT NOT NULL
    ) STRICT;
    CREATE INDEX journal_of_table ON journal (tenant, name);
    CREATE TRIGGER journal_entries_never_change BEFORE UPDATE ON journal
        BEGIN SELECT RAISE(ABORT, 'entries of the journal never change'); END;
    CREATE TRIGGER journal_entries_are_kept BEFORE DELETE ON journal
        BEGIN SELECT RAISE(ABORT, 'entries of the journal are kept'); END;
";

const BY_STATUS: &str = "
    -- What is next is found without reading the history.
    CREATE INDEX versions_by_status ON versions (tenant, name, status, place);
";

const DIGESTS: &str = "
    -- That the files of a version are still the registered ones is seen without reading its record.
    ALTER TABLE versions ADD COLUMN digest TEXT;
    DROP INDEX versions_by_status;
    CREATE INDEX versions_by_status ON versions (tenant, name, status, place, digest);
";

/// Creates the tables that are missing.
pub(super) fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    create_in(&transaction)?;
    transaction.commit()
}

fn create_in(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let version = version(transaction)?;
    if version != 0 && !ADDITIONS.iter().any(|(layout, _)| *layout == version) {
        return Ok(());
    }
    for (layout, addition) in ADDITIONS.iter().filter(|(layout, _)| *layout > version) {
        transaction.execute_batch(addition)?;
        transaction.pragma_update(None, "user_version", layout)?;
    }
    if 0 < version && version < LAYOUT {
        add_digests(transaction)?;
    }
    if version == 0 {
        let sql = "INSERT INTO settings VALUES ('created', ?1)";
        transaction.execute(sql, [clock::now_ms().max(0).to_string()])?;
    }
    Ok(())
}

/// Adds the digests of versions that an earlier release registered. A damaged record gets none, and is read as before.
fn add_digests(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut ids = transaction.prepare("SELECT rowid FROM versions WHERE digest IS NULL")?;
    let ids: Vec<i64> = ids.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let mut read = transaction.prepare("SELECT record FROM versions WHERE rowid = ?1")?;
    let mut write = transaction.prepare("UPDATE versions SET digest = ?2 WHERE rowid = ?1")?;
    for id in ids {
        let version = read.query_row([id], |row| Ok(serde_json::from_slice::<Version>(row.get_ref(0)?.as_bytes()?)))?;
        if let Ok(version) = version {
            write.execute(params![id, version.digest()])?;
        }
    }
    Ok(())
}

/// The version of the file's layout; 0 if it is new.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// A table of the layout that the file does not have.
pub(super) fn missing_table(connection: &Connection) -> rusqlite::Result<Option<&'static str>> {
    const TABLES: [&str; 5] = ["settings", "tables", "versions", "deliveries", "journal"];
    let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    for table in TABLES {
        if connection.query_row(sql, [table], |row| row.get::<_, i64>(0))? == 0 {
            return Ok(Some(table));
        }
    }
    Ok(None)
}
