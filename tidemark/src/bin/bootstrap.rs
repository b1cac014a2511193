//! The Lambda functions, for the tables whose schemas are next to this program. Which function this is, its handler
//! says.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::lambda::main()
}
