//! Texts in a schema.

use crate::table::Type;

pub(super) fn list(texts: &[impl AsRef<str>]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", texts.join(", "))
}

/// A text in double quotes. YAML reads every escape of JSON.
pub(super) fn quoted(text: &str) -> String {
    let escape = |c: char| c.is_control() || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}');
    let json = serde_json::to_string(text).expect("a text is valid JSON");
    json.chars().map(|c| if escape(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() }).collect()
}

pub(super) fn type_name(ty: Type) -> String {
    match ty {
        Type::Decimal { precision, scale } => format!("\"decimal({precision},{scale})\""),
        ty => ty.to_string(),
    }
}
