//! The type of a schema for a type of a database: one that loses nothing, or text with a comment.

mod binary;
mod number;
mod text;
mod time;

use super::dialect::Dialect;
use super::mapped::Mapped;
use super::type_text::TypeText;

/// The type for a type of a database.
pub(super) fn map(spelling: &str, dialect: Dialect) -> Mapped {
    let text = TypeText::parse(spelling);
    if text.is_nested {
        return Mapped::text(format!("no type equals `{spelling}`; its values are compared as text"));
    }
    let families = [number::map, time::map, text::map, binary::map];
    families
        .iter()
        .find_map(|family| family(&text, dialect))
        .unwrap_or_else(|| Mapped::text(format!("`{spelling}` is not known; its values are compared as text")))
}
