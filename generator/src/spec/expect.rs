//! `expect`: when exports should arrive.

use super::fields::Fields;
use super::spanned::{Optional, Spanned};
use crate::diagnostic::Diagnostic;
use crate::yaml::Node;

/// `expect`.
#[derive(Debug, Default)]
pub(crate) struct ExpectSpec {
    pub(crate) every: Optional<String>,
    pub(crate) by: Optional<String>,
    pub(crate) zone: Optional<String>,
    pub(crate) window: Optional<String>,
    pub(crate) days: Optional<Vec<Spanned<String>>>,
    pub(crate) tenants: Optional<Vec<Spanned<String>>>,
}

impl ExpectSpec {
    /// The known fields.
    pub(crate) const FIELDS: &[&str] = &["every", "by", "zone", "window", "days", "tenants"];

    pub(super) fn read(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        let mut fields = Fields::new(node, "`expect`", Self::FIELDS, diagnostics)?;
        fields.require(&["by"]);
        Some(Self {
            every: fields.text("every"),
            by: fields.text("by"),
            zone: fields.text("zone"),
            window: fields.text("window"),
            days: fields.texts("days"),
            tenants: fields.texts("tenants"),
        })
    }
}
