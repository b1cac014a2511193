//! `target`: the table in a database.

use super::fields::Fields;
use super::spanned::Optional;
use crate::diagnostic::Diagnostic;
use crate::yaml::Node;

/// `target`.
#[derive(Debug, Default)]
pub(crate) struct TargetSpec {
    pub(crate) name: Optional<String>,
    pub(crate) history: Optional<bool>,
    pub(crate) version_time: Optional<String>,
    pub(crate) tenants: Optional<String>,
}

impl TargetSpec {
    /// The known fields.
    pub(crate) const FIELDS: &[&str] = &["name", "history", "version_time", "tenants"];

    pub(super) fn read(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Self {
        let Some(mut fields) = Fields::new(node, "`target`", Self::FIELDS, diagnostics) else {
            return Self::default();
        };
        Self {
            name: fields.text("name"),
            history: fields.flag("history"),
            version_time: fields.text("version_time"),
            tenants: fields.text("tenants"),
        }
    }
}
