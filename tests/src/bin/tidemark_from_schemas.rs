//! The command line over the schemas in `./schemas`, read when it starts: for tests whose schema changes on the way.

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
        .expect("there is a folder of schemas")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    paths.sort();
    let read = |path| fs::read_to_string(path).expect("a schema can be read");
    paths.iter().map(|path| tests::table::model(&read(path)).unwrap_or_else(|mistakes| panic!("{mistakes}"))).collect()
}
