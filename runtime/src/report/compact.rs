//! The rows of a long table that a page does not show at once, small enough to be part of it.
//!
//! A column is a line of fields separated by tabs, because values that resemble each other compress best. The lines are
//! deflated, in base64; the script of the pages reads them. Of versions, the newest first, what can be computed is left
//! out: the name, if it is that of the newer one with the date of the day before; of `rows`, what the newer version
//! began with; of the minute in which it came, since 1970, that of the newer one.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use jiff::civil::Date;

use super::words::reason;
use crate::name::printable;
use crate::store::Version;

/// In milliseconds.
const MINUTE: i64 = 60 * 1000;

/// Packs a text.
pub(super) fn packed(text: &str) -> String {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).expect("memory can be written to");
    STANDARD.encode(encoder.finish().expect("memory can be written to"))
}

/// Packs rows as they are shown.
pub(super) fn packed_rows(rows: &[Vec<String>]) -> String {
    let width = rows.first().map_or(0, Vec::len);
    let columns = (0..width).map(|column| rows.iter().map(|row| row[column].clone()).collect());
    packed_columns(columns.collect())
}

/// Packs versions, of which the newest comes first.
pub(super) fn packed_versions<'a>(versions: impl Iterator<Item = &'a Version>) -> String {
    let mut columns: Vec<Vec<String>> = vec![Vec::new(); 8];
    let (mut expected_name, mut expected_rows, mut newer_came) = (None, 0, 0);
    for version in versions {
        let name = if expected_name.as_ref() == Some(&version.version) { "" } else { &version.version };
        expected_name = the_day_before(&version.version);
        let came = version.registered_at.div_euclid(MINUTE);
        let numbers = match version.plan.as_ref().map(|plan| &plan.counts) {
            None => Default::default(),
            Some(counts) => {
                let difference = i128::from(counts.rows) - expected_rows;
                expected_rows = i128::from(counts.rows) - i128::from(counts.inserted) + i128::from(counts.deleted);
                let [inserted, updated, deleted] =
                    [counts.inserted, counts.updated, counts.deleted].map(|number| number.to_string());
                [difference.to_string(), inserted, updated, deleted]
            }
        };
        let head = [name.to_owned(), version.status.name().to_owned()];
        let tail = [came.saturating_sub(newer_came).to_string(), reason(version)];
        newer_came = came;
        let fields = head.into_iter().chain(numbers).chain(tail);
        columns.iter_mut().zip(fields).for_each(|(column, field)| column.push(field));
    }
    packed_columns(columns)
}

/// The name of a version that begins with a date such as `20260102`, with the date of the day before.
fn the_day_before(name: &str) -> Option<String> {
    let (date, rest) = name.split_at_checked(8)?;
    let date = Date::strptime("%Y%m%d", date).ok()?.yesterday().ok()?;
    Some(format!("{}{rest}", date.strftime("%Y%m%d")))
}

/// `printable` escapes what separates fields.
fn packed_columns(columns: Vec<Vec<String>>) -> String {
    let line = |column: Vec<String>| column.iter().map(|field| printable(field)).collect::<Vec<_>>().join("\t");
    packed(&columns.into_iter().map(line).collect::<Vec<_>>().join("\n"))
}
