//! The table `_tidemark`: for each tenant's table, who publishes it into the database, and which version its rows are.
//!
//! A row of it is written in the transaction of the version that it describes.

use super::cell::Cell;
use super::engine::Engine;
use super::shape::literal;
use super::tenants::condition;
use crate::clock;
use crate::error::{Error, Result};
use crate::name::TableKey;
use crate::sink::{Mark, adopted_meanwhile};
use crate::table::Table;

/// Its name.
pub(super) const TABLE: &str = "_tidemark";

/// The statement that creates it, in every database.
pub(super) const STATEMENT: &str = r#"CREATE TABLE "_tidemark" (
  tenant TEXT NOT NULL,
  table_name TEXT NOT NULL,
  version TEXT, -- The version whose rows the table holds; NULL if it holds none.
  version_sequence BIGINT, -- Its sequence.
  schema_hash TEXT, -- The schema that the rows were read with.
  fingerprint TEXT, -- The sum of the rows' hashes.
  row_count BIGINT,
  applied_at TEXT, -- When it was applied.
  registry TEXT NOT NULL, -- The registry that publishes here.
  sequence BIGINT NOT NULL, -- The highest sequence that it has used here.
  fence BIGINT NOT NULL, -- The fence of its last publisher.
  plan TEXT, -- The plan that was published under the sequence.
  PRIMARY KEY (tenant, table_name)
);
"#;

/// What a database remembers about a tenant's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// Who publishes there.
    pub(super) mark: Mark,
    /// The rows; `None` if there are none yet.
    pub(super) rows: Option<Rows>,
    /// The schema of the rows' hashes, also while the rows are not those of a version.
    pub(super) schema: Option<String>,
}

/// The rows of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) version: String,
    pub(super) sequence: u64,
    /// The hash of the schema that the version was read with.
    pub(super) schema: String,
    /// The sum of their row hashes.
    pub(super) fingerprint: i128,
    pub(super) count: u64,
    /// When they were applied, in milliseconds since 1970.
    pub(super) applied_at: i64,
}

/// Reads the record of a tenant's table; `None` if there is none.
pub(super) fn read<E: Engine>(engine: &mut E, key: &TableKey) -> Result<Option<Record>> {
    let sql = format!(
        "SELECT registry, sequence, fence, plan, version, version_sequence, schema_hash, fingerprint, row_count, \
         applied_at FROM \"{TABLE}\" WHERE tenant = {} AND table_name = {}",
        literal(&key.tenant),
        literal(&key.table)
    );
    let mut found = None;
    engine.query(&sql, &mut |cells| {
        let record = parse(cells).ok_or_else(|| {
            Error::diverged(key.to_string(), format!("its row in `{TABLE}` cannot be read"))
                .help("delete it, and the tenant's rows; the next run fills the table again")
        });
        found = Some(record?);
        Ok(())
    })?;
    Ok(found)
}

/// Writes the record of a tenant's table.
pub(super) fn write<E: Engine>(engine: &mut E, key: &TableKey, record: &Record) -> Result<()> {
    let Record { mark, rows, schema } = record;
    let text = |text: Option<&str>| text.map_or_else(|| "NULL".to_owned(), literal);
    let number = |number: Option<u64>| number.map_or_else(|| "NULL".to_owned(), |number| number.to_string());
    let rows = rows.as_ref();
    let values = [
        ("tenant", literal(&key.tenant)),
        ("table_name", literal(&key.table)),
        ("registry", literal(&mark.registry)),
        ("sequence", mark.sequence.to_string()),
        ("fence", mark.fence.to_string()),
        ("plan", text(mark.plan.as_deref())),
        ("version", text(rows.map(|rows| rows.version.as_str()))),
        ("version_sequence", number(rows.map(|rows| rows.sequence))),
        ("schema_hash", text(rows.map(|rows| &rows.schema).or(schema.as_ref()).map(String::as_str))),
        ("fingerprint", text(rows.map(|rows| rows.fingerprint.to_string()).as_deref())),
        ("row_count", number(rows.map(|rows| rows.count))),
        ("applied_at", literal(&clock::iso_time(rows.map_or_else(clock::now_ms, |rows| rows.applied_at)))),
    ];
    let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
    let updates: Vec<String> = names.iter().skip(2).map(|name| format!("{name} = excluded.{name}")).collect();
    let values: Vec<&str> = values.iter().map(|(_, value)| value.as_str()).collect();
    let sql = format!(
        "INSERT INTO \"{TABLE}\" ({}) VALUES ({}) ON CONFLICT (tenant, table_name) DO UPDATE SET {}",
        names.join(", "),
        values.join(", "),
        updates.join(", ")
    );
    engine.run(&sql).map(|_| ())
}

/// Replaces the mark of a tenant's table, if it is still the one that was `seen`. `place` is where the database is.
pub(super) fn adopt<E: Engine>(
    engine: &mut E,
    key: &TableKey,
    seen: Option<&Mark>,
    mark: &Mark,
    place: &str,
) -> Result<()> {
    let known = read(engine, key)?;
    if known.as_ref().map(|known| &known.mark) != seen {
        return Err(adopted_meanwhile(&format!("{place} {key}")));
    }
    let (rows, schema) = known.map_or((None, None), |known| (known.rows, known.schema));
    write(engine, key, &Record { mark: mark.clone(), rows, schema })
}

/// Returns whether the rows of a tenant were read under another schema than today's.
pub(super) fn has_other_schema<E: Engine>(engine: &mut E, table: &'static Table) -> Result<bool> {
    let sql =
        format!("SELECT tenant, schema_hash FROM \"{TABLE}\" WHERE {} AND schema_hash IS NOT NULL", condition(table));
    let mut found = false;
    engine.query(&sql, &mut |cells| {
        found |= match cells {
            [Cell::Text(tenant), Cell::Text(schema)] => table.for_tenant(tenant).schema != &**schema,
            _ => true,
        };
        Ok(())
    })?;
    Ok(found)
}

/// Records that a table, which was created anew, holds no rows of any tenant.
pub(super) fn forget_rows<E: Engine>(engine: &mut E, table: &Table) -> Result<()> {
    let sql = format!(
        "UPDATE \"{TABLE}\" SET version = NULL, version_sequence = NULL, schema_hash = NULL, fingerprint = NULL, \
         row_count = NULL WHERE {}",
        condition(table)
    );
    engine.run(&sql).map(|_| ())
}

/// Records that the rows of a table have to be read again, as if they had been read under another schema.
pub(super) fn forget_schema<E: Engine>(engine: &mut E, table: &Table) -> Result<()> {
    let sql = format!("UPDATE \"{TABLE}\" SET schema_hash = '' WHERE {} AND schema_hash IS NOT NULL", condition(table));
    engine.run(&sql).map(|_| ())
}

fn parse(cells: &[Cell<'_>]) -> Option<Record> {
    let [registry, sequence, fence, plan, version, version_sequence, schema, fingerprint, count, applied_at] = cells
    else {
        return None;
    };
    let mark = Mark {
        registry: text(registry)?,
        sequence: number(sequence)?,
        fence: number(fence)?,
        plan: text(plan),
        adoption: None,
    };
    let hashed = text(schema);
    let rows = match text(version) {
        None => None,
        Some(version) => Some(Rows {
            version,
            sequence: number(version_sequence)?,
            schema: text(schema)?,
            fingerprint: text(fingerprint)?.parse().ok()?,
            count: number(count)?,
            applied_at: text(applied_at).and_then(|time| clock::from_iso(&time)).unwrap_or_default(),
        }),
    };
    Some(Record { mark, rows, schema: hashed })
}

/// The text of a cell; `None` if it is NULL.
pub(super) fn text(cell: &Cell<'_>) -> Option<String> {
    if let Cell::Text(text) = cell { Some(text.to_string()) } else { None }
}

/// The number of a cell; `None` if it is NULL.
pub(super) fn number(cell: &Cell<'_>) -> Option<u64> {
    match cell {
        Cell::Integer(number) => u64::try_from(*number).ok(),
        Cell::Text(digits) => digits.parse().ok(),
        _ => None,
    }
}
