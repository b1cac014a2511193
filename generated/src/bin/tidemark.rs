//! The command line: every generated table, linked with the runtime.

use std::process::ExitCode;

use generated::TABLES;
use generated::athena::STATEMENTS;

fn main() -> ExitCode {
    runtime::cli::main(TABLES, STATEMENTS)
}
