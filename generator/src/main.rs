//! The generator of this repository.

use std::process::ExitCode;

fn main() -> ExitCode {
    generator::cli::main(generator::COMMAND)
}
