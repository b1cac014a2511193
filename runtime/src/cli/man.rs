//! `tidemark man`: the manual pages, made of what `--help` says.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Command};

use crate::cli::output::{self, plural};
use crate::error::{Fault, IoContext as _, Result};
use crate::fs::folder_names;
use crate::invocation;
use crate::name::printable_path;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cargo tidemark man ~/.local/share/man/man1     then: man tidemark-run")]
pub(super) struct ManArgs {
    /// Folder for the pages, such as one called man1; it is created if needed.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(super) fn man(args: &ManArgs, command: Command) -> Result<Option<Fault>> {
    let folder = &args.folder;
    fs::create_dir_all(folder).at("cannot create", folder)?;
    clap_mangen::generate_to(command.version(invocation::version()), folder).at("cannot write pages to", folder)?;
    let names = folder_names(folder).at("cannot list", folder)?;
    let pages = names.iter().filter(|name| name.starts_with("tidemark") && name.ends_with(".1")).count();
    let written = format!("{}: {} written\n", printable_path(folder), plural(pages as u64, "page"));
    output::done(output::print(&written)).map(|()| None)
}
