//! `generated/src/athena.rs`: the Athena statements of every table that may run there.

use super::artifact::{Files, Origin};
use super::{ddl, delta};
use crate::model::Table;

pub(super) fn emit(tables: &[Table], origin: Origin<'_>, files: &mut Files) {
    let entries: String = tables.iter().filter(|table| table.athena).map(entry).collect();
    let text = format!(
        "// {}\n\
         \n\
         //! The Athena statements of every table that may run there.\n\
         \n\
         use runtime::engine::athena::Statements;\n\
         \n\
         /// The statements, sorted by table.\n\
         pub static STATEMENTS: &[Statements] = &[\n{entries}];\n",
        origin.header()
    );
    files.insert("generated/src/athena.rs".to_owned(), text);
}

fn entry(table: &Table) -> String {
    let name = &table.name;
    // `include_str!` takes a path relative to the generated file.
    let [sql, ddl] = [delta::FOLDER, ddl::FOLDER].map(|folder| folder.replace("generated/", "../"));
    format!(
        "    Statements {{\n        \
         table: \"{name}\",\n        \
         first_import: include_str!(\"{sql}/{name}.first_import.sql\"),\n        \
         delta: include_str!(\"{sql}/{name}.delta.sql\"),\n        \
         glue: include_str!(\"{ddl}/{name}.json\"),\n        \
         max_scan: {:?},\n    \
         }},\n",
        table.max_scan
    )
}
