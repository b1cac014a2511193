//! `generated/src/athena.rs`: the statements of every table that may run on Athena, for the programs that link them.

use super::{Files, MARK, ddl, delta};
use crate::model::Table;
use crate::source::SCHEMAS;

pub(super) fn emit(tables: &[Table], files: &mut Files) {
    let entries: String = tables.iter().filter(|table| table.athena).map(entry).collect();
    let text = format!(
        "// {MARK} from {SCHEMAS}/*.yaml. Changes belong there.\n\
         \n\
         //! What Athena is told of every table that may run there.\n\
         \n\
         use runtime::engine::athena::Statements;\n\
         \n\
         /// Sorted by table.\n\
         pub static STATEMENTS: &[Statements] = &[\n{entries}];\n"
    );
    files.insert("generated/src/athena.rs".to_owned(), text);
}

fn entry(table: &Table) -> String {
    let name = &table.name;
    // Relative to the file that says it.
    let [sql, ddl] = [delta::FOLDER, ddl::FOLDER].map(|folder| folder.replace("generated/", "../"));
    format!(
        "    Statements {{\n        \
         table: \"{name}\",\n        \
         first_import: include_str!(\"{sql}/{name}.first_import.sql\"),\n        \
         delta: include_str!(\"{sql}/{name}.delta.sql\"),\n        \
         glue: include_str!(\"{ddl}/{name}.json\"),\n        \
         max_scan: {},\n    \
         }},\n",
        table.max_scan.map_or_else(|| "None".to_owned(), |bytes| format!("Some({})", grouped(bytes)))
    )
}

/// A number as clippy likes it: `50_000_000_000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned());
    groups.collect::<Vec<_>>().join("_")
}
