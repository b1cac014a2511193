//! The table `_tidemark_versions`: the versions that the histories of tables know, with their times.

use super::cell::Cell;
use super::engine::Engine;
use super::shape::literal;
use super::tenants::condition;
use crate::canonical::value::{DateTime, TimeLayout};
use crate::clock;
use crate::error::Result;
use crate::name::TableKey;
use crate::table::{Table, Type};

/// Its name.
pub(super) const TABLE: &str = "_tidemark_versions";

/// The statement that creates it, in every database.
pub(super) const STATEMENT: &str = r#"CREATE TABLE "_tidemark_versions" (
  tenant TEXT NOT NULL,
  table_name TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  version TEXT NOT NULL,
  instant TEXT NOT NULL, -- Its time, in UTC.
  PRIMARY KEY (tenant, table_name, sequence)
);
"#;

/// A version in a history.
#[derive(Debug)]
pub(super) struct Moment {
    pub(super) version: String,
    pub(super) sequence: u64,
    /// `2026-01-02T00:00:00.000000Z`
    pub(super) instant: String,
}

/// The highest sequence that the history of a tenant's table knows; `None` if there is none.
pub(super) fn newest<E: Engine>(engine: &mut E, key: &TableKey) -> Result<Option<u64>> {
    let sql = format!(
        "SELECT CAST(max(sequence) AS TEXT) FROM \"{TABLE}\" WHERE tenant = {} AND table_name = {}",
        literal(&key.tenant),
        literal(&key.table)
    );
    let mut newest = None;
    engine.query(&sql, &mut |cells| {
        newest = if let [Cell::Text(digits)] = cells { digits.parse().ok() } else { None };
        Ok(())
    })?;
    Ok(newest)
}

/// Adds a version.
pub(super) fn add<E: Engine>(engine: &mut E, key: &TableKey, moment: &Moment) -> Result<()> {
    let Moment { version, sequence, instant } = moment;
    let texts = [&key.tenant, &key.table, version, instant].map(|text| literal(text));
    let sql = format!(
        "INSERT INTO \"{TABLE}\" (tenant, table_name, version, instant, sequence) VALUES ({}, {sequence})",
        texts.join(", ")
    );
    engine.run(&sql).map(|_| ())
}

/// The statement that forgets the versions of a table, whose history is created anew.
pub(super) fn forget(table: &Table) -> String {
    format!("DELETE FROM \"{TABLE}\" WHERE {};\n", condition(table))
}

/// The time of a version: that of its name, if the name says it in this format; otherwise the one in milliseconds since
/// 1970.
pub(super) fn instant(format: Option<&str>, version: &str, otherwise: i64) -> String {
    format.and_then(|format| time_of_name(format, version)).map_or_else(
        || clock::iso_time(otherwise).replace('Z', "000Z"),
        |time| time.civil().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
    )
}

/// Reads the longest beginning of a name that is a time; all of it, unless `*` stands for the rest.
fn time_of_name(format: &str, version: &str) -> Option<DateTime> {
    let (format, ends) = match format.strip_suffix('*') {
        Some(format) => (format, 0..=version.len()),
        None => (format, version.len()..=version.len()),
    };
    let layout = TimeLayout::new(Type::Timestamp, Some(format));
    let bytes = version.as_bytes();
    ends.rev().find_map(|end| layout.read(&bytes[..end]).ok()?.to_utc().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_the_time_of_its_name() {
        for (format, version, expected) in [
            ("%Y%m%d_V*", "20260102_V0001", "2026-01-02T00:00:00.000000Z"),
            ("%Y%m%d_V*", "20260102_V", "2026-01-02T00:00:00.000000Z"),
            ("%Y%m%d_V*", "20260102_R1", "1970-01-01T00:00:00.007000Z"),
            ("%Y%m%d_V*", "20260230_V0001", "1970-01-01T00:00:00.007000Z"),
            ("%Y%m%d", "20260102_V0001", "1970-01-01T00:00:00.007000Z"),
            ("%Y-%-m-%-d*", "2026-1-12", "2026-01-12T00:00:00.000000Z"),
            ("%Y-%m-%dT%H%M%S%z*", "2026-01-02T010203+01-full", "2026-01-02T00:02:03.000000Z"),
            ("V%Y%m%d%H%M", "V202601020304", "2026-01-02T03:04:00.000000Z"),
            ("epoch_seconds", "1767312000", "2026-01-02T00:00:00.000000Z"),
            ("%d %b %Y %Z", "02 Jan 2026 CET", "2026-01-01T23:00:00.000000Z"),
        ] {
            assert_eq!(instant(Some(format), version, 7), expected, "{format} {version}");
        }
        assert_eq!(instant(None, "20260102", 7), "1970-01-01T00:00:00.007000Z");
    }
}
