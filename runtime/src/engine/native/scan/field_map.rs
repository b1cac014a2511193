//! Maps the columns of an export to the fields of a part.

use std::path::Path;

use crate::canonical::row::{Layout, Row};
use crate::error::{Error, Result};
use crate::name::{is_column_name, nearest};
use crate::reject::excerpt;
use crate::snapshot::csv::Record;
use crate::table::Column;

/// For each column of the export, the position of its field.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::engine::native) struct FieldMap {
    positions: Vec<usize>,
    /// The number of fields in a row.
    width: usize,
    /// The names in the header, if they could be read as a row. Otherwise a row that repeats them is refused anyway.
    header_row: Option<Vec<Box<[u8]>>>,
    /// The bytes of the header.
    header_bytes: Box<[u8]>,
}

impl FieldMap {
    /// Fields in the order of the columns.
    pub(super) fn in_order(layout: &Layout) -> Self {
        let width = layout.names.len();
        Self { positions: (0..width).collect(), width, header_row: None, header_bytes: Box::default() }
    }

    /// Fields by their names in a header, which must name every column once, and nothing else unless the schema says
    /// that other columns are skipped.
    pub(super) fn by_name(header: &Record<'_>, path: &Path, layout: &Layout) -> Result<Self> {
        let names: Vec<String> =
            header.iter().map(|field| String::from_utf8_lossy(field.text()).into_owned()).collect();
        check_names(&names, layout)
            .map_err(|(problem, help)| Error::export_line(path, header.line, problem).help(help))?;
        let position = |column: &String| names.iter().position(|name| layout.is_spelled(name, column));
        let positions: Vec<usize> = layout.headers.iter().filter_map(position).collect();
        let is_row = layout.read(|column| header.field(positions[column]), &mut Row::default(), |_, _, _| {});
        let texts = || header.iter().map(|field| field.text().into()).collect();
        Ok(Self { header_row: is_row.then(texts), positions, width: names.len(), header_bytes: Box::default() })
    }

    /// The map with the bytes of the header that it is from.
    pub(super) fn with_header_bytes(self, bytes: &[u8]) -> Self {
        Self { header_bytes: bytes.into(), ..self }
    }

    /// The bytes of the header; empty if there is none.
    pub(super) fn header_bytes(&self) -> &[u8] {
        &self.header_bytes
    }

    /// Returns whether a row that can be read repeats the header.
    #[inline]
    pub(in crate::engine::native) fn is_header(&self, record: &Record<'_>) -> bool {
        let Some(names) = &self.header_row else { return false };
        names.len() == record.len() && names.iter().zip(record.iter()).all(|(name, field)| **name == *field.text())
    }

    /// The position of a column's field.
    pub(in crate::engine::native) fn field(&self, column: usize) -> usize {
        self.positions[column]
    }

    /// The number of fields in a row.
    pub(in crate::engine::native) fn width(&self) -> usize {
        self.width
    }
}

/// Checks that the names are those of the columns. Fails with the problem, and what to do.
fn check_names(names: &[String], layout: &Layout) -> Result<(), (String, String)> {
    let columns = &layout.headers;
    let is_column = |name: &String| columns.iter().any(|column| layout.is_spelled(name, column));
    if layout.table.columns.iter().any(Column::is_masked) && !names.iter().any(is_column) {
        // It is probably a row, so its values must not appear in the message.
        let help = "add a header, or, if the parts have none, declare `header: false` in the schema";
        return Err(("the first line names none of the columns".into(), help.into()));
    }
    for (index, name) in names.iter().enumerate() {
        if !is_column(name) {
            if layout.format.skip_unlisted {
                continue;
            }
            let problem = format!("the header names an unknown column {}", excerpt(name.as_bytes(), false));
            return Err((problem, help_with_unknown(name, layout, names)));
        }
        if names[..index].iter().any(|other| layout.is_spelled(other, name)) {
            return Err((format!("the header names `{name}` twice"), "deliver it again with one of them".into()));
        }
    }
    let is_missing = |column: &&String| !names.iter().any(|name| layout.is_spelled(name, column));
    let missing: Vec<String> = columns.iter().filter(is_missing).map(|column| format!("`{column}`")).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let help = "deliver it again with every column, or remove the column from the schema";
    Err((format!("the header lacks {}", missing.join(", ")), help.into()))
}

/// What to do about a name in a header that is not a column. Never proposes a name that the schema or the header would
/// refuse.
fn help_with_unknown(name: &str, layout: &Layout, header: &[String]) -> String {
    const ROW: &str = "if this line is a row, declare `header: false`";
    const SKIP: &str = "declare `unlisted: ignore` under `source`";
    let columns = || layout.headers.iter().map(String::as_str);
    let missing = || columns().filter(|column| !header.iter().any(|other| layout.is_spelled(other, column)));
    let without_blanks = name.trim();
    if let Some(column) = missing().find(|column| layout.is_spelled(without_blanks, column)) {
        return format!(
            "remove the blanks around `{column}` in the header, or declare the column's `header: {name:?}`"
        );
    }
    if name.is_empty() {
        return format!(
            "name every column in the header, and deliver it without a delimiter at its end; or {SKIP}; or, {ROW}"
        );
    }
    if name.contains('\u{FFFD}') {
        return format!("if it is written in another encoding, declare `encoding`; or, {ROW}");
    }
    let is_same = |column: &&str| column.to_lowercase() == without_blanks.to_lowercase();
    if columns().any(|column| is_same(&column)) {
        return match missing().find(is_same) {
            Some(near) => {
                format!("the schema has `{near}`; declare `header_case: ignore`, or write it in the same case")
            }
            None => "deliver it again without this column; the schema has it under another spelling".into(),
        };
    }
    match nearest(name, missing()) {
        Some(near) if is_column_name(name) => format!("the schema has `{near}`; rename one of them"),
        Some(near) => format!("the schema has `{near}`; declare the column's `header: {name:?}`"),
        None if is_column_name(name) => {
            let line = format!("- {{ name: {name}, type: string, nullable: true }}");
            format!("add it to the schema, `{line}`; or {SKIP}; or, {ROW}")
        }
        None => format!("declare `header: {name:?}` for its column; or {SKIP}; or, {ROW}"),
    }
}
