//! Values as texts, which a database writes as exports have them.

use crate::sink::database::shape::quoted;
use crate::table::{Column, Type};

/// A column as the text that exports have by default, under its own name.
pub(super) fn as_text(column: &Column) -> String {
    const ISO: &str = r#"'YYYY-MM-DD"T"HH24:MI:SS.US'"#;
    let name = quoted(&column.name.to_lowercase());
    let text = match column.ty {
        Type::Timestamp => format!("to_char({name}, {ISO})"),
        Type::Timestamptz => format!("to_char({name} AT TIME ZONE 'UTC', {ISO}) || 'Z'"),
        Type::Binary(_) => format!("encode({name}, 'hex')"),
        _ => format!("{name}::text"),
    };
    format!("{text} AS {name}")
}

/// What rows are sorted by to have the order of their values, which for texts is that of their bytes. Without `t`, the
/// name would mean the text that is selected under it: 10 would come before 9.
pub(super) fn in_order(column: &Column) -> String {
    let name = quoted(&column.name.to_lowercase());
    match column.ty {
        Type::String | Type::Char(_) | Type::Varchar(_) => format!(r#"t.{name} COLLATE "C""#),
        _ => format!("t.{name}"),
    }
}
