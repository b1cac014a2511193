//! `generated/src/lib.rs`: all tables, for the programs that link them with the runtime.

use super::artifact::{Files, Origin};
use crate::model::Table;
use crate::names;

pub(super) fn emit(tables: &[Table], origin: Origin<'_>, files: &mut Files) {
    let modules: Vec<String> = tables.iter().map(|table| names::identifier(&table.module).to_string()).collect();
    let declarations: String = modules.iter().map(|module| format!("pub mod {module};\n")).collect();
    let references: String = modules.iter().map(|module| format!("    &{module}::TABLE,\n")).collect();
    // `::runtime` is the crate even if there is a table with that name.
    let text = format!(
        "// {}\n\
         \n\
         //! The types and the definition of every table that has a schema.\n\
         \n\
         #[cfg(feature = \"pipeline\")]\n\
         pub mod athena;\n{declarations}\n\
         /// All tables, sorted by name.\n\
         pub static TABLES: &[&::runtime::table::Table] = &[\n{references}];\n",
        origin.header()
    );
    files.insert("generated/src/lib.rs".to_owned(), text);
}
