//! Turns a spec into a valid model, or reports every mistake in it.
//!
//! There is one function per mistake, named after it. Each checks as much as it can: the name of a column is checked
//! even if its type is missing. A model is built only if there are no mistakes.

mod athena;
mod column;
mod dialect;
mod encoding;
mod expect;
mod format;
mod formerly;
mod guards;
mod header;
mod key;
mod lines;
mod moment;
mod nulls;
mod numbers;
mod parts;
mod publish;
mod readable;
mod rows;
mod source;
mod table;
mod tables;
mod target;
mod tenants;
mod text;
mod words;

use crate::diagnostic::Diagnostic;
use crate::model::Table;
use crate::spec::Spec;
use crate::tenants::TenantSpec;
pub(crate) use athena::too_long_for_athena;
pub(crate) use moment::is_moment;
pub(crate) use nulls::unescaped_nulls;
pub(crate) use numbers::{is_dash, ordinary as ordinary_number};
pub(crate) use publish::private_in_clear;
pub(crate) use tables::all_tables;

/// Builds the model of one schema; `None` if there is any mistake, including those reported before.
pub(crate) fn table(spec: &Spec, tenants: &[TenantSpec], diagnostics: &mut Vec<Diagnostic>) -> Option<Table> {
    let table = table::table(spec, diagnostics);
    let tenants = tenants::tenants(spec, tenants, diagnostics);
    table.filter(|_| diagnostics.is_empty()).map(|table| Table { tenants, ..table })
}
