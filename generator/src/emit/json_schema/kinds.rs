//! Kinds of values.

use serde_json::{Value, json};

pub(super) fn object(description: &str, properties: Value) -> Value {
    json!({ "description": description, "type": "object", "additionalProperties": false, "properties": properties })
}

pub(super) fn text(description: &str) -> Value {
    json!({ "description": description, "type": "string" })
}

pub(super) fn flag(description: &str, default: bool) -> Value {
    json!({ "description": description, "type": "boolean", "default": default })
}

pub(super) fn scalar() -> Value {
    json!({ "type": ["string", "number", "boolean"] })
}

pub(super) fn words(description: &str) -> Value {
    json!({ "description": description, "type": "array", "minItems": 1, "uniqueItems": true, "items": scalar() })
}

pub(super) fn lines(description: &str) -> Value {
    json!({ "description": description, "type": "integer", "minimum": 0, "maximum": 10_000, "default": 0 })
}

/// One of two words, of which the first is the default.
pub(super) fn choice(description: &str, words: [&str; 2]) -> Value {
    json!({ "description": description, "enum": words, "default": words[0] })
}
