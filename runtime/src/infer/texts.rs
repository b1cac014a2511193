//! Texts in a schema.

pub(super) use generator::schema_text::{list, quoted};

use crate::table::Type;

pub(super) fn type_name(ty: Type) -> String {
    match ty {
        Type::Decimal { precision, scale } => format!("\"decimal({precision},{scale})\""),
        ty => ty.to_string(),
    }
}
