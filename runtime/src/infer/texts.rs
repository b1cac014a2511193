//! Texts in a schema.

pub(super) use generator::schema_text::{list, quoted};

use crate::epoch::NumberFormat;
use crate::table::{Sign, Type};

pub(super) fn type_name(ty: Type) -> String {
    match ty {
        Type::Decimal { precision, scale } => format!("\"decimal({precision},{scale})\""),
        ty => ty.to_string(),
    }
}

/// The options of a number that is written like this, and their values.
pub(super) fn number_options(ty: Type, format: &NumberFormat) -> Vec<(&'static str, String)> {
    let mark = |mark: char| quoted(&mark.to_string());
    let has_fraction = matches!(ty, Type::Decimal { .. } | Type::Double);
    let sign = match format.sign {
        Sign::Leading => None,
        Sign::Trailing => Some("trailing"),
        Sign::Parentheses => Some("parentheses"),
    };
    let options = [
        ("decimal_mark", Some(format.decimal_mark).filter(|mark| has_fraction && *mark != '.').map(mark)),
        ("group_mark", format.group_mark.map(mark)),
        ("sign", sign.map(Into::into)),
    ];
    options.into_iter().filter_map(|(option, value)| Some((option, value?))).collect()
}
