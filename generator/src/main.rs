//! The generator of this repository.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Parsing and printing Rust is mostly allocation: with the C library's allocator, a thousand tables take half as long
/// again.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    generator::cli::main(generator::COMMAND)
}
