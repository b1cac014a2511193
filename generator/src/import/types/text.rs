//! Texts, and what is compared as text.

use crate::import::dialect::Dialect;
use crate::import::mapped::Mapped;
use crate::import::type_text::TypeText;

/// The longest `char` and `varchar`.
const MAX_CHAR: i64 = 255;
const MAX_VARCHAR: i64 = 65_535;

pub(super) fn map(text: &TypeText, dialect: Dialect) -> Option<Mapped> {
    characters(text, dialect).or_else(|| compared_as_text(text, dialect))
}

/// Texts of any length.
fn characters(text: &TypeText, dialect: Dialect) -> Option<Mapped> {
    Some(match text.name.as_str() {
        "bpchar" if text.parameters.is_empty() => Mapped::new("string"),
        "char" | "character" | "nchar" | "national char" | "national character" | "bpchar" => {
            with_length(text.number(0).unwrap_or(1), true)
        }
        "varchar"
        | "varchar2"
        | "nvarchar"
        | "nvarchar2"
        | "character varying"
        | "char varying"
        | "nchar varying"
        | "national varchar"
        | "national character varying"
        | "national char varying" => match text.number(0) {
            Some(length) => with_length(length, false),
            // In a column of SQL Server, the length is 1 if it is left out, and `max` is no number.
            None if dialect == Dialect::SqlServer && text.parameters.is_empty() => Mapped::new("varchar(1)"),
            None => Mapped::new("string"),
        },
        "text"
        | "tinytext"
        | "mediumtext"
        | "longtext"
        | "ntext"
        | "clob"
        | "nclob"
        | "long"
        | "long varchar"
        | "string"
        | "character large object"
        | "char large object"
        | "national character large object" => Mapped::new("string"),
        _ => return None,
    })
}

/// What has a grammar of its own in the database.
fn compared_as_text(text: &TypeText, dialect: Dialect) -> Option<Mapped> {
    Some(match text.name.as_str() {
        "sysname" => Mapped::new("varchar(128)"),
        "name" if dialect == Dialect::Postgres => Mapped::new("varchar(63)"),
        "uuid" | "uniqueidentifier" => Mapped::new("char(36)"),
        "citext" => Mapped::text("the database compares without case; here `A` and `a` differ"),
        "enum" | "set" => Mapped::text(format!("no type equals {}; its words are not checked", text.name)),
        "json" | "jsonb" | "xml" | "xmltype" => {
            Mapped::text(format!("{} is compared as text, its blanks and order included", text.name))
        }
        _ => return None,
    })
}

fn with_length(length: i64, is_fixed: bool) -> Mapped {
    match length {
        1..=MAX_CHAR if is_fixed => Mapped::new(format!("char({length})")),
        1..=MAX_VARCHAR => Mapped::new(format!("varchar({length})")),
        _ => Mapped::new("string"),
    }
}
