//! The command line without any table of its own: it reads the schemas of the folder where it runs.

use std::process::ExitCode;

/// The build script adds the commit.
const VERSION: &str = match option_env!("TIDEMARK_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

fn main() -> ExitCode {
    runtime::cli::main_without_tables(VERSION)
}
