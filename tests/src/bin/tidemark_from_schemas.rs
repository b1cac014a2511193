//! The command line with the tables of `./schemas`, which it reads at start: for tests that change a schema between
//! runs.

use std::fs;
use std::process::ExitCode;

use generator::model::Table;

fn main() -> ExitCode {
    let models = models();
    let statements = models.iter().filter(|model| model.athena).map(tests::table::statements);
    runtime::cli::main(
        models.iter().map(tests::table::table).collect::<Vec<_>>().leak(),
        statements.collect::<Vec<_>>().leak(),
    )
}

fn models() -> Vec<Table> {
    let mut paths: Vec<_> = fs::read_dir("schemas")
        .expect("the folder `schemas` exists")
        .map(|entry| entry.expect("the folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    paths.sort();
    let read = |path| fs::read_to_string(path).expect("the schema can be read");
    let model = |path| tests::table::model(&read(path)).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
    paths.iter().map(model).collect()
}
