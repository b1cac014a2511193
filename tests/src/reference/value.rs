//! A canonical value, and how the operations contain it.

use serde_json::Value as Json;

/// A canonical value. Two values are equal if their texts are.
#[derive(Debug, Clone)]
pub struct Value {
    /// The canonical text; `None` is NULL.
    pub text: Option<String>,
    /// The value in an operation.
    pub json: Json,
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Value {
    /// NULL.
    pub const NULL: Self = Self { text: None, json: Json::Null };

    /// A value that is not NULL.
    pub fn new(text: String, json: Json) -> Self {
        Self { text: Some(text), json }
    }
}
