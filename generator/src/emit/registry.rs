//! `generated/src/lib.rs`: every table, for the programs that link them with the runtime.

use super::{Files, MARK};
use crate::model::Table;
use crate::names;
use crate::source::SCHEMAS;

pub(super) fn emit(tables: &[Table], files: &mut Files) {
    let modules: Vec<String> = tables.iter().map(|table| names::identifier(&table.module).to_string()).collect();
    let declarations: String = modules.iter().map(|module| format!("pub mod {module};\n")).collect();
    let references: String = modules.iter().map(|module| format!("    &{module}::TABLE,\n")).collect();
    // `::runtime` is the crate, even beside a table of that name.
    let text = format!(
        "// {MARK} from {SCHEMAS}/*.yaml. Changes belong there.\n\
         \n\
         //! Every table that has a schema: its types, and what the runtime knows about it.\n\
         \n\
         pub mod athena;\n{declarations}\n\
         /// All tables, sorted by name.\n\
         pub static TABLES: &[&::runtime::table::Table] = &[\n{references}];\n"
    );
    files.insert("generated/src/lib.rs".to_owned(), text);
}
