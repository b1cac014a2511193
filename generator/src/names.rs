//! The names that a schema may use, and the names they become in generated code and on AWS.

use heck::{ToSnakeCase as _, ToUpperCamelCase as _};
use proc_macro2::{Ident, Span};
use xxhash_rust::xxh3::xxh3_64;

/// The maximum length of the name of a table or column.
pub(crate) const MAX_NAME_LEN: usize = 128;

/// The maximum length of a table's part of its IAM role name. Together with the name of the stack (16 characters) and
/// `-table-` it stays within the 64 characters of
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>.
const MAX_ROLE_LEN: usize = 40;

/// The keywords of every edition of Rust that can be written as `r#word`.
const RAW_KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn", "else", "enum",
    "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move",
    "mut", "override", "priv", "pub", "ref", "return", "static", "struct", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Keywords that cannot be written as `r#word`.
const PATH_KEYWORDS: &[&str] = &["self", "super", "crate"];

/// Modules that a table cannot have, because the file has another meaning in the crate.
const FILE_NAMES: &[&str] = &["lib", "main", "bin", "mod", "athena"];

/// Trino's reserved words. A column with such a name has to be quoted. Source:
/// <https://trino.io/docs/current/language/reserved.html>
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

/// A table or column in Athena's SQL: in lower case, and quoted if it is a keyword.
pub(crate) fn sql(name: &str) -> String {
    let name = name.to_lowercase();
    if SQL_KEYWORDS.contains(&name.as_str()) { format!("\"{name}\"") } else { name }
}

/// A table or column in the SQL of a database. No name contains a quote.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// Returns whether a table can have this name: `[a-z][a-z0-9_]*`, up to 128 characters.
pub(crate) fn is_table_name(name: &str) -> bool {
    name.len() <= MAX_NAME_LEN
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Returns whether a tenant can have this name: letters, digits, `_`, `-` and `.`, up to 128 characters, of which the
/// first is a letter or a digit.
pub(crate) fn is_tenant_name(name: &str) -> bool {
    name.len() <= MAX_NAME_LEN
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// Returns whether a column can have this name: `[A-Za-z][A-Za-z0-9_]*`, up to 128 characters.
pub(crate) fn is_column_name(name: &str) -> bool {
    name.len() <= MAX_NAME_LEN
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Returns whether the generated crate cannot have a module with this name.
pub(crate) fn is_reserved_module(name: &str) -> bool {
    PATH_KEYWORDS.contains(&name) || FILE_NAMES.contains(&name)
}

/// The module of a table: its name in the snake case that the compiler asks for.
pub(crate) fn module(table: &str) -> String {
    snake_case(table)
}

/// The struct field of a column: its name in snake case. `self`, `super` and `crate` get a trailing underscore.
pub(crate) fn field(column: &str) -> String {
    let snake = snake_case(column);
    if PATH_KEYWORDS.contains(&snake.as_str()) { snake + "_" } else { snake }
}

/// A name as a Rust identifier; a keyword becomes raw, like `r#type`.
pub(crate) fn identifier(name: &str) -> Ident {
    if RAW_KEYWORDS.contains(&name) {
        Ident::new_raw(name, Span::call_site())
    } else {
        Ident::new(name, Span::call_site())
    }
}

/// `COL_1` becomes `col_1`, `orderId` becomes `order_id`, `HTTPStatus` becomes `http_status`. A trailing underscore is
/// kept, so that `type` and `type_` stay two names.
fn snake_case(name: &str) -> String {
    let snake = name.to_snake_case();
    if name.ends_with('_') { snake + "_" } else { snake }
}

/// The logical ID of a table's stack. CloudFormation allows letters and digits only: `web_events` becomes `WebEvents`,
/// followed by a hash that distinguishes tables such as `a_b` and `ab`.
pub(crate) fn logical_id(table: &str) -> String {
    format!("{}{:04x}", table.to_upper_camel_case(), xxh3_64(table.as_bytes()) & 0xffff)
}

/// The part of an IAM role's name that stands for a table: the table's name, shortened with a hash if it is too long.
pub(crate) fn role(table: &str) -> String {
    if table.len() <= MAX_ROLE_LEN {
        return table.to_owned();
    }
    let hash = format!("-{:08x}", xxh3_64(table.as_bytes()) as u32);
    table[..MAX_ROLE_LEN - hash.len()].to_owned() + &hash
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
            ("ADDR2LINE", "addr2line"),
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
        assert!(!is_column_name(&"a".repeat(MAX_NAME_LEN + 1)));
    }

    #[test]
    fn role_names_fit_and_distinguish_tables() {
        assert_eq!(role("orders"), "orders");
        let (one, other) = ("a".repeat(99) + "1", "a".repeat(99) + "2");
        assert_eq!(role(&one).len(), MAX_ROLE_LEN);
        assert_eq!(role(&"a".repeat(128)), "a".repeat(31) + "-adc3d36c");
        assert_ne!(role(&one), role(&other));
    }

    #[test]
    fn logical_ids_are_alphanumeric_and_distinguish_tables() {
        let ids = ["web_events", "webevents", "web__events"].map(logical_id);
        assert!(ids.iter().all(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric())));
        assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
    }
}
