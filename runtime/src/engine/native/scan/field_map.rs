//! Maps the columns of an export to the fields of a part.

use std::path::Path;

use crate::canonical::row::Layout;
use crate::error::{Error, Result};
use crate::name::{COLUMN_RULE, is_column_name, nearest};
use crate::reject::excerpt;
use crate::snapshot::csv::Record;
use crate::table::Column;

/// For each column of the export, the position of its field.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::engine::native) struct FieldMap {
    positions: Vec<usize>,
    /// The number of fields in a row.
    width: usize,
}

impl FieldMap {
    /// Fields in the order of the columns.
    pub(super) fn in_order(layout: &Layout) -> Self {
        let width = layout.names.len();
        Self { positions: (0..width).collect(), width }
    }

    /// Fields by their names in a header, which must name every column once, and nothing else unless the schema says
    /// that other columns are skipped.
    pub(super) fn by_name(header: &Record<'_>, path: &Path, layout: &Layout) -> Result<Self> {
        let columns = &layout.names;
        let names: Vec<String> =
            header.iter().map(|field| String::from_utf8_lossy(field.text()).into_owned()).collect();
        let refuse = |problem: String, help: String| Err(Error::export_line(path, header.line, problem).help(help));
        let is_column = |name: &String| columns.contains(name);
        if layout.table.columns.iter().any(Column::is_masked) && !names.iter().any(is_column) {
            // It is probably a row, so its values must not appear in the message.
            let help = "add a header, or, if the parts have none, declare `header: false` in the schema";
            return refuse("the first line names none of the columns".into(), help.into());
        }
        for (index, name) in names.iter().enumerate() {
            if !is_column(name) {
                if layout.format.skip_unlisted {
                    continue;
                }
                let help = help_with_unknown(name, columns, &names);
                return refuse(format!("the header names an unknown column {}", excerpt(name.as_bytes(), false)), help);
            }
            if names[..index].contains(name) {
                return refuse(format!("the header names `{name}` twice"), "deliver it again with one of them".into());
            }
        }
        let position = |name: &str| names.iter().position(|other| other == name);
        let missing: Vec<&str> = columns.iter().map(String::as_str).filter(|name| position(name).is_none()).collect();
        if !missing.is_empty() {
            let list = missing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            return refuse(
                format!("the header lacks {list}"),
                "deliver it again with every column, or remove the column from the schema".into(),
            );
        }
        Ok(Self { positions: columns.iter().filter_map(|name| position(name)).collect(), width: names.len() })
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

/// What to do about a name in a header that is not a column. Never proposes a name that the schema or the header would
/// refuse.
fn help_with_unknown(name: &str, columns: &[String], header: &[String]) -> String {
    const ROW: &str = "if this line is a row, declare `header: false`";
    const SKIP: &str = "declare `unlisted: ignore` under `source`";
    let missing = || columns.iter().map(String::as_str).filter(|column| !header.iter().any(|other| other == column));
    let without_blanks = name.trim();
    if let Some(column) = missing().find(|column| *column == without_blanks) {
        return format!("remove the blanks around `{column}` in the header");
    }
    if name.is_empty() {
        return format!(
            "name every column in the header, and deliver it without a delimiter at its end; or {SKIP}; or, {ROW}"
        );
    }
    if columns.iter().any(|column| column.eq_ignore_ascii_case(without_blanks)) && is_column_name(without_blanks) {
        let near = missing().find(|column| column.eq_ignore_ascii_case(without_blanks));
        return match near {
            Some(near) => format!("the schema has `{near}`; write it in the same case"),
            None => "deliver it again without this column; the schema has it under another spelling".into(),
        };
    }
    match nearest(name, missing()) {
        Some(near) if is_column_name(name) => format!("the schema has `{near}`; rename one of them"),
        Some(near) => format!("the schema has `{near}`; rename it in the header"),
        None if is_column_name(name) => {
            let line = format!("- {{ name: {name}, type: string, nullable: true }}");
            format!("add it to the schema, `{line}`; or {SKIP}; or, {ROW}")
        }
        None => {
            format!("no column can have this name; rename it in the header to {COLUMN_RULE}; or {SKIP}; or, {ROW}")
        }
    }
}
