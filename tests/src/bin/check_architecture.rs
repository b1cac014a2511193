//! Lists everything in the source tree that breaks a rule of the architecture.
//!
//! Usage: `check_architecture [ROOT]`, by default with the tree that it was compiled from.

use std::path::PathBuf;
use std::process::ExitCode;

use tests::architecture::{Repository, Rule};

fn main() -> std::io::Result<ExitCode> {
    let root = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")), PathBuf::from);
    let repository = Repository::read(&root)?;
    let mut total = 0;
    for rule in Rule::ALL {
        let violations = repository.check(rule);
        println!("{rule:?}: {}", violations.len());
        violations.iter().for_each(|violation| println!("  {violation}"));
        total += violations.len();
    }
    Ok(if total == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
