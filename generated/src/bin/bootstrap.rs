//! The Lambda functions: every generated table, linked with the runtime. Which of them this is, its handler says.

use std::process::ExitCode;

use generated::TABLES;
use generated::athena::STATEMENTS;

fn main() -> ExitCode {
    runtime::lambda::main(TABLES, STATEMENTS)
}
