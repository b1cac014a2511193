//! Checks the header of a part, and says what would read a header that is refused.

use crate::canonical::row::Layout;
use crate::name::{fold_case, is_column_name, nearest};
use crate::reject::excerpt;
use crate::snapshot::csv::Record;
use crate::table::Column;

const SKIP: &str = "declare `unlisted: ignore` under `source`";
const ROW: &str = "if this line is a row, declare `header: false`";
const SPLIT: &str = "if only the first part has a header, declare `header: first_part` under `source`";

/// The maximum number of characters of a name that is proposed.
const MAX_PROPOSED: usize = 60;

/// A problem, and what to do about it.
type Problem = (String, String);

/// Checks that a header has the names of the columns. `is_later` says that other parts are before its own.
pub(super) fn check(header: &Record<'_>, names: &[String], layout: &Layout, is_later: bool) -> Result<(), Problem> {
    let is_column = |name: &String| layout.headers.iter().any(|column| layout.is_spelled(name, column));
    if is_later && !names.iter().any(is_column) && other_delimiter(header.bytes(), layout).is_none() {
        return Err(("the first line names none of the columns".into(), SPLIT.into()));
    }
    let checked = check_names(names, layout).and_then(|()| check_characters(header, layout));
    checked.map_err(|(problem, help)| (problem, other_delimiter(header.bytes(), layout).unwrap_or(help)))
}

fn check_names(names: &[String], layout: &Layout) -> Result<(), Problem> {
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

/// Checks that columns that are skipped have names of characters, too: otherwise the file is in another encoding.
fn check_characters(header: &Record<'_>, layout: &Layout) -> Result<(), Problem> {
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
    if name.chars().nth(MAX_PROPOSED).is_some() {
        return format!("declare `header` for its column; or {SKIP}; or, {ROW}");
    }
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
    let has_column = header.iter().any(|name| columns().any(|column| layout.is_spelled(name, column)));
    match nearest(name, missing()).filter(|_| has_column) {
        Some(near) if is_column_name(name) => format!("the schema has `{near}`; rename one of them"),
        Some(near) => format!("the schema has `{near}`; declare the column's `header: {name:?}`"),
        None if is_column_name(name) => {
            let line = format!("- {{ name: {name}, type: string, nullable: true }}");
            format!("add it to the schema, `{line}`; or {SKIP}; or, {ROW}")
        }
        None => format!("declare `header: {name:?}` for its column; or {SKIP}; or, {ROW}"),
    }
}
