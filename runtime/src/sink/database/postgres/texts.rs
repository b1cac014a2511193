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
