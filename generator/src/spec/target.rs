//! `target`: the table in a database.

use super::fields::Fields;
use super::spanned::Optional;
use crate::diagnostic::Diagnostic;
use crate::yaml::Node;

/// `target`.
#[derive(Debug, Default)]
pub(crate) struct TargetSpec {
    pub(crate) name: Optional<String>,
}

impl TargetSpec {
    /// The known fields.
    pub(crate) const FIELDS: &[&str] = &["name"];

    pub(super) fn read(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Self {
        let Some(mut fields) = Fields::new(node, "`target`", Self::FIELDS, diagnostics) else {
            return Self::default();
        };
        Self { name: fields.text("name") }
    }
}
