//! The command line: every generated table, linked with the runtime.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::cli::main(generated::TABLES)
}
