//! Maps the columns of an export to the fields of a part.

use std::path::Path;

use crate::canonical::row::{Layout, is_spelled};
use crate::canonical::value::trim;
use crate::error::{Error, Result};
use crate::name::{fold_case, is_column_name, nearest};
use crate::reject::excerpt;
use crate::snapshot::csv::{BOM, Record};
use crate::table::Column;

/// The maximum length of a name that is proposed as an option.
const MAX_SHOWN: usize = 60;

/// For each column of the export, the position of its field.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::engine::native) struct FieldMap {
    positions: Vec<usize>,
    /// The number of fields in a row.
    width: usize,
    /// For each field, whether its text is trimmed.
    trims: Vec<bool>,
    /// The column of the first field; `None` if it is skipped.
    first: Option<&'static Column>,
    /// `None` without a header.
    header: Option<Header>,
}

/// The header of a part.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    bytes: Box<[u8]>,
    /// The names as the schema spells them.
    names: Vec<String>,
    any_case: bool,
    /// Whether a name in the part can begin with a byte.
    beginnings: [bool; 256],
}

impl FieldMap {
    /// Fields in the order of the columns.
    pub(super) fn in_order(layout: &Layout) -> Self {
        let width = layout.names.len();
        Self::new((0..width).collect(), width, layout, None)
    }

    /// Fields by their names in a header, which must name every column once, and nothing else unless the schema says
    /// that other columns are skipped.
    pub(super) fn by_name(header: &Record<'_>, path: &Path, layout: &Layout) -> Result<Self> {
        let names: Vec<String> =
            header.iter().map(|field| String::from_utf8_lossy(field.text()).into_owned()).collect();
        check_names(&names, layout).and_then(|()| check_characters(header, layout)).map_err(|(problem, help)| {
            let help = other_delimiter(header.bytes(), layout).unwrap_or(help);
            Error::export_line(path, header.line, problem).help(help)
        })?;
        let position = |column: &String| names.iter().position(|name| layout.is_spelled(name, column));
        let positions: Vec<usize> = layout.headers.iter().filter_map(position).collect();
        Ok(Self::new(positions, names.len(), layout, Some(Header::new(layout, &names))))
    }

    fn new(positions: Vec<usize>, width: usize, layout: &Layout, header: Option<Header>) -> Self {
        let mut trims = vec![false; width];
        for column in layout.trimmed_columns() {
            trims[positions[column]] = true;
        }
        let first = positions.iter().position(|at| *at == 0).and_then(|column| layout.column_at(column));
        Self { positions, width, trims, first, header }
    }

    /// The map with the bytes of the header that it is from.
    pub(super) fn with_header_bytes(mut self, bytes: &[u8]) -> Self {
        if let Some(header) = &mut self.header {
            header.bytes = bytes.into();
        }
        self
    }

    /// The bytes of the header; empty if there is none.
    pub(super) fn header_bytes(&self) -> &[u8] {
        self.header.as_ref().map(|header| &*header.bytes).unwrap_or_default()
    }

    /// Returns whether a row repeats the header, with its names in any order.
    #[inline]
    pub(in crate::engine::native) fn is_header(&self, record: &Record<'_>) -> bool {
        let Some(header) = &self.header else { return false };
        let can_begin = self.text(record, 0).first().is_none_or(|first| header.beginnings[usize::from(*first)]);
        // Columns that are skipped can have any name.
        (can_begin || self.width != header.names.len()) && self.repeats(header, record)
    }

    /// Returns whether a row begins with a byte order mark, as where files were joined.
    #[inline]
    pub(in crate::engine::native) fn has_mark(&self, record: &Record<'_>) -> bool {
        self.text(record, 0).starts_with(BOM) && self.first.is_some()
    }

    /// Returns whether a row is not one although its values can be read.
    #[inline]
    pub(in crate::engine::native) fn is_no_row(&self, record: &Record<'_>) -> bool {
        self.has_mark(record) || self.is_header(record)
    }

    /// The text of a field as its column reads it.
    #[inline]
    fn text<'r>(&self, record: &'r Record<'_>, at: usize) -> &'r [u8] {
        let text = record.field(at).text();
        if self.trims[at] { trim(text) } else { text }
    }

    #[cold]
    fn repeats(&self, header: &Header, record: &Record<'_>) -> bool {
        let fields = || (0..self.width).map(|at| (String::from_utf8_lossy(self.text(record, at)), self.trims[at]));
        let is_same = |name: &str, text: &str, trims: bool| {
            is_spelled(text, if trims { name.trim_matches([' ', '\t']) } else { name }, header.any_case)
        };
        let has = |name: &String| fields().any(|(text, trims)| is_same(name, &text, trims));
        record.len() == self.width && header.names.iter().all(has)
    }

    /// The column of the first field; `None` if it is skipped.
    pub(super) fn first_column(&self) -> Option<&'static Column> {
        self.first
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

impl Header {
    /// `in_file` are all names in the part, with those that the schema does not name.
    fn new(layout: &Layout, in_file: &[String]) -> Self {
        let any_case = layout.format.any_header_case;
        let folded = |first: char| fold_case(&first.to_string()).chars().next();
        let mut beginnings = [false; 256];
        for first in layout.headers.iter().chain(in_file).filter_map(|name| name.chars().next()) {
            let mut bytes = [0; 4];
            beginnings[usize::from(first.encode_utf8(&mut bytes).as_bytes()[0])] = true;
            if any_case {
                // A few characters beyond ASCII are another case of one in it.
                for byte in 0..=u8::MAX {
                    let is_same = folded(char::from(byte)) == folded(first);
                    beginnings[usize::from(byte)] |= !byte.is_ascii() || is_same;
                }
            }
        }
        Self { bytes: Box::default(), names: layout.headers.clone(), any_case, beginnings }
    }
}

/// Checks that the names are those of the columns. Fails with the problem, and what to do.
fn check_names(names: &[String], layout: &Layout) -> Result<(), (String, String)> {
    let columns = &layout.headers;
    let is_column = |name: &String| columns.iter().any(|column| layout.is_spelled(name, column));
    if layout.table.columns.iter().any(Column::is_masked) && !names.iter().any(is_column) {
        // It is probably a row, so its values must not appear in the message.
        let help = "add a header; or declare `skip_first` if this line is a title, `header: false` if it is a row";
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

/// The longest name of a header that is proposed, in bytes.
const MAX_PROPOSED: usize = 200;

/// Checks that columns that are skipped have names of characters, too: otherwise the file is in another encoding.
fn check_characters(header: &Record<'_>, layout: &Layout) -> Result<(), (String, String)> {
    match header.iter().find(|field| std::str::from_utf8(field.text()).is_err()) {
        Some(field) if layout.format.skip_unlisted => {
            let problem = format!("the header has a name that is not UTF-8: {}", excerpt(field.text(), false));
            Err((problem, "if it is written in another encoding, declare `encoding` under `source`".into()))
        }
        _ => Ok(()),
    }
}

/// What to declare if a header has the names of all columns, but other texts between them.
pub(super) fn other_delimiter(header: &[u8], layout: &Layout) -> Option<String> {
    let quote = layout.format.quote.map(char::from);
    let text: String = String::from_utf8_lossy(header).chars().filter(|c| Some(*c) != quote && *c != '"').collect();
    let text = text.trim_end_matches(['\r', '\n']);
    if text.get(..4).is_some_and(|beginning| beginning.eq_ignore_ascii_case("sep=")) {
        return Some("declare `skip_first: 1` under `source`: this line names the delimiter".into());
    }
    let columns = || layout.headers.iter().map(String::as_str).filter(|name| !name.is_empty());
    let first = columns().filter(|name| text.starts_with(name)).max_by_key(|name| name.len())?;
    let rest = &text[first.len()..];
    let ends = columns().filter_map(|name| rest.match_indices(name).map(|(at, _)| at).find(|at| *at > 0));
    let delimiter = &rest[..ends.min()?];
    let names: Vec<&str> = text.strip_suffix(delimiter).unwrap_or(text).split(delimiter).collect();
    let is_whole = names.len() == layout.headers.len() && columns().all(|column| names.contains(&column));
    let is_separator = !delimiter.chars().all(|c| c.is_alphanumeric() || matches!(c, '+' | '-' | '.' | '_'));
    let is_trailing = text.ends_with(delimiter);
    let option = match (delimiter == layout.format.delimiter(), is_trailing) {
        (true, true) => "`trailing_delimiter: true`".into(),
        (true, false) => return None,
        (false, true) => format!("`delimiter: {delimiter:?}` and `trailing_delimiter: true`"),
        (false, false) => format!("`delimiter: {delimiter:?}`"),
    };
    (is_whole && is_separator).then(|| format!("declare {option} under `source`"))
}

/// The option for a name in a header, if it is short enough to be one.
fn option(name: &str) -> String {
    if name.chars().nth(MAX_SHOWN).is_some() { "`header`".into() } else { format!("`header: {name:?}`") }
}

const SKIP: &str = "declare `unlisted: ignore` under `source`";
const ROW: &str = "if this line is a row, declare `header: false`";

/// What to do about a line that is probably not a header, or a name that is empty.
fn help_with_line(name: &str, layout: &Layout, header: &[String]) -> Option<String> {
    if name.is_empty() {
        return Some(format!(
            "name every column in the header; declare `header: \"\"` for a column without a name, or \
             `trailing_delimiter: true` if each line ends with a delimiter; or {SKIP}; or, {ROW}"
        ));
    }
    let is_title = header.len() == 1 && layout.headers.len() > 1;
    is_title.then(|| {
        format!(
            "if this line is a title, declare `skip_first`; if fields are separated otherwise, `delimiter`; or, {ROW}"
        )
    })
}

/// What to do about a name in a header that is not a column. Never proposes a name that the schema or the header would
/// refuse.
fn help_with_unknown(name: &str, layout: &Layout, header: &[String]) -> String {
    let columns = || layout.headers.iter().map(String::as_str);
    let missing = || columns().filter(|column| !header.iter().any(|other| layout.is_spelled(other, column)));
    let without_blanks = name.trim();
    if let Some(column) = missing().find(|column| layout.is_spelled(without_blanks, column)) {
        return format!(
            "remove the blanks around `{column}` in the header, or declare the column's `header: {name:?}`"
        );
    }
    if let Some(help) = help_with_line(name, layout, header) {
        return help;
    }
    if name.len() > MAX_PROPOSED {
        return format!("if it is a column that is not needed, {SKIP}; or, {ROW}");
    }
    if name.contains('\u{FFFD}') {
        return format!("if it is written in another encoding, declare `encoding`; or, {ROW}");
    }
    let is_same = |column: &&str| fold_case(column) == fold_case(without_blanks);
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
        Some(near) => format!("the schema has `{near}`; declare the column's {}", option(name)),
        None if is_column_name(name) => {
            let line = format!("- {{ name: {name}, type: string, nullable: true }}");
            format!("add it to the schema, `{line}`; or {SKIP}; or, {ROW}")
        }
        None => format!("declare {} for its column; or {SKIP}; or, {ROW}", option(name)),
    }
}
