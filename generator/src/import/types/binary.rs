//! Bytes, each database in its own text.

use crate::import::dialect::Dialect;
use crate::import::mapped::Mapped;
use crate::import::type_text::TypeText;

const NAMES: &[&str] = &[
    "binary",
    "varbinary",
    "binary varying",
    "image",
    "rowversion",
    "timestamp",
    "blob",
    "tinyblob",
    "mediumblob",
    "longblob",
    "raw",
    "long raw",
    "binary large object",
    "bytea",
];

pub(super) fn map(text: &TypeText, dialect: Dialect) -> Option<Mapped> {
    NAMES.contains(&text.name.as_str()).then(|| {
        let hex = Mapped::new("binary").option("encoding", "hex");
        match dialect {
            Dialect::Postgres => hex.option("prefix", r#""\\x""#),
            Dialect::SqlServer => hex.option("prefix", "0x").choice("SSMS writes `0x`, bcp does not"),
            Dialect::Oracle => hex.choice("written as hex digits, if RAWTOHEX or SQL*Plus wrote it"),
            Dialect::Mysql => hex.choice("MySQL writes raw bytes; export `HEX(column)`"),
            Dialect::Hive => Mapped::new("binary"),
            Dialect::Generic => Mapped::new("binary").choice("taken for base64; `encoding: hex` is the other text"),
        }
    })
}
