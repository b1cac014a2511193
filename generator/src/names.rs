//! Which names a schema may use, and what they become in generated code.

use proc_macro2::{Ident, Span};

/// The longest name of a table or column.
pub(crate) const LONGEST: usize = 128;

/// The words that Rust keeps for itself in every edition, and that can be written as `r#word`.
const RAW_KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn", "else", "enum",
    "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move",
    "mut", "override", "priv", "pub", "ref", "return", "static", "struct", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Keywords that cannot be written as `r#word`.
const PATH_KEYWORDS: &[&str] = &["self", "super", "crate"];

/// Modules that a table cannot be: they have a meaning as a file of a crate.
const FILE_NAMES: &[&str] = &["lib", "main", "bin", "mod", "athena"];

/// The words that Trino keeps for itself, so that a column of that name stands in quotes.
/// Source: <https://trino.io/docs/current/language/reserved.html>
const SQL_KEYWORDS: &[&str] = &[
    "alter",
    "and",
    "as",
    "between",
    "by",
    "case",
    "cast",
    "constraint",
    "create",
    "cross",
    "cube",
    "current_catalog",
    "current_date",
    "current_path",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "deallocate",
    "delete",
    "describe",
    "distinct",
    "drop",
    "else",
    "end",
    "escape",
    "except",
    "execute",
    "exists",
    "extract",
    "false",
    "for",
    "from",
    "full",
    "group",
    "grouping",
    "having",
    "in",
    "inner",
    "insert",
    "intersect",
    "into",
    "is",
    "join",
    "json_array",
    "json_exists",
    "json_object",
    "json_query",
    "json_table",
    "json_value",
    "left",
    "like",
    "listagg",
    "localtime",
    "localtimestamp",
    "natural",
    "normalize",
    "not",
    "null",
    "on",
    "or",
    "order",
    "outer",
    "prepare",
    "recursive",
    "right",
    "rollup",
    "select",
    "skip",
    "table",
    "then",
    "trim",
    "true",
    "uescape",
    "union",
    "unnest",
    "using",
    "values",
    "when",
    "where",
    "with",
];

/// A table or a column as Athena's SQL names it: in lower case, in quotes where it is a keyword.
pub(crate) fn sql(name: &str) -> String {
    let name = name.to_lowercase();
    if SQL_KEYWORDS.contains(&name.as_str()) { format!("\"{name}\"") } else { name }
}

/// Whether a table can have this name: `[a-z][a-z0-9_]*`, up to 128 characters.
pub(crate) fn is_table_name(name: &str) -> bool {
    name.len() <= LONGEST
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Whether a column can have this name: `[A-Za-z][A-Za-z0-9_]*`, up to 128 characters.
pub(crate) fn is_column_name(name: &str) -> bool {
    name.len() <= LONGEST
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether a table of this name could not be a module of the generated crate.
pub(crate) fn is_taken_module(name: &str) -> bool {
    PATH_KEYWORDS.contains(&name) || FILE_NAMES.contains(&name)
}

/// The module of a table: its name, in the snake case that the compiler asks for.
pub(crate) fn module(table: &str) -> String {
    snake_case(table)
}

/// The struct field of a column: its name in snake case; `self`, `super` and `crate` get an underscore at the end.
pub(crate) fn field(column: &str) -> String {
    let snake = snake_case(column);
    if PATH_KEYWORDS.contains(&snake.as_str()) { snake + "_" } else { snake }
}

/// A name as a Rust identifier, `r#type` where it is a keyword.
pub(crate) fn identifier(name: &str) -> Ident {
    if RAW_KEYWORDS.contains(&name) {
        Ident::new_raw(name, Span::call_site())
    } else {
        Ident::new(name, Span::call_site())
    }
}

/// `COL_1` to `col_1`, `orderId` to `order_id`, `HTTPStatus` to `http_status`. Underscores never stand side by side,
/// which the compiler takes for another case.
fn snake_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut snake = String::with_capacity(name.len() + 4);
    for (index, current) in chars.iter().copied().enumerate() {
        let before = index.checked_sub(1).map(|index| chars[index]);
        let after_is_lower = chars.get(index + 1).is_some_and(char::is_ascii_lowercase);
        let starts_word = current.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase() || before.is_ascii_digit() || before.is_ascii_uppercase() && after_is_lower
            });
        if (starts_word || current == '_') && !snake.ends_with('_') {
            snake.push('_');
        }
        if current != '_' {
            snake.push(current.to_ascii_lowercase());
        }
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_become_fields() {
        let cases = [
            ("order_id", "order_id"),
            ("COL_1", "col_1"),
            ("orderId", "order_id"),
            ("HTTPStatus", "http_status"),
            ("ID", "id"),
            ("addr2Line", "addr2_line"),
            ("a__b", "a_b"),
            ("A_", "a_"),
            ("Self", "self_"),
            ("type", "type"),
        ];
        for (column, expected) in cases {
            assert_eq!(field(column), expected, "{column}");
        }
    }

    #[test]
    fn keywords_become_raw_identifiers() {
        assert_eq!(identifier("type").to_string(), "r#type");
        assert_eq!(identifier("types").to_string(), "types");
    }

    #[test]
    fn names_follow_their_pattern() {
        assert!(is_table_name("orders_2"));
        assert!(["", "Orders", "2nd", "_x", "a-b", "é"].iter().all(|name| !is_table_name(name)));
        assert!(is_column_name("COL_1"));
        assert!(["", "1a", "_a", "a b", "ä"].iter().all(|name| !is_column_name(name)));
        assert!(!is_column_name(&"a".repeat(LONGEST + 1)));
    }
}
