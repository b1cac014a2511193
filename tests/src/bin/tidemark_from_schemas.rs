//! The command line with the tables of `./schemas`: for tests that change a schema between runs.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let schemas = runtime::schemas::read(Path::new("schemas")).expect("the schemas of the test are valid");
    runtime::cli::main(schemas.tables, schemas.statements)
}
