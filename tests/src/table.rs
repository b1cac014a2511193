//! Tables from the text of a schema.

use generator::model;
use generator::render::{Color, human};
pub use runtime::schemas::{statements, table};
use runtime::table::Table;

/// The runtime's table for a schema.
///
/// # Errors
/// The schema's diagnostics, as text.
pub fn parse(yaml: &str) -> Result<&'static Table, String> {
    model(yaml).map(|model| table(&model))
}

/// The model of a schema.
///
/// # Errors
/// The schema's diagnostics, as text.
pub fn model(yaml: &str) -> Result<model::Table, String> {
    generator::parse(yaml).map_err(|diagnostics| {
        let source = generator::source::Source::new("schema.yaml", yaml);
        human(&diagnostics, &[source], Color::Never)
    })
}
