//! `guards`: what holds a version.

use super::fields::Fields;
use super::spanned::{Limit, Optional};
use crate::diagnostic::Diagnostic;
use crate::yaml::Node;

/// `guards`.
#[derive(Debug, Default)]
pub(crate) struct GuardsSpec {
    pub(crate) max_delete_ratio: Optional<Limit>,
    pub(crate) max_update_ratio: Optional<Limit>,
    pub(crate) max_insert_ratio: Optional<Limit>,
    pub(crate) max_deletes: Optional<Limit>,
    pub(crate) max_updates: Optional<Limit>,
    pub(crate) max_inserts: Optional<Limit>,
    pub(crate) min_rows: Optional<f64>,
    pub(crate) min_baseline_rows: Optional<f64>,
    pub(crate) max_version_jump_days: Optional<Limit>,
}

impl GuardsSpec {
    /// The known fields.
    pub(crate) const FIELDS: &[&str] = &[
        "max_delete_ratio",
        "max_update_ratio",
        "max_insert_ratio",
        "max_deletes",
        "max_updates",
        "max_inserts",
        "min_rows",
        "min_baseline_rows",
        "max_version_jump_days",
    ];

    pub(super) fn read(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Self {
        let Some(mut fields) = Fields::new(node, "`guards`", Self::FIELDS, diagnostics) else {
            return Self::default();
        };
        Self {
            max_delete_ratio: fields.limit("max_delete_ratio"),
            max_update_ratio: fields.limit("max_update_ratio"),
            max_insert_ratio: fields.limit("max_insert_ratio"),
            max_deletes: fields.limit("max_deletes"),
            max_updates: fields.limit("max_updates"),
            max_inserts: fields.limit("max_inserts"),
            min_rows: fields.number("min_rows"),
            min_baseline_rows: fields.number("min_baseline_rows"),
            max_version_jump_days: fields.limit("max_version_jump_days"),
        }
    }
}
