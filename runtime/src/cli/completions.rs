//! `tidemark completions`: what a shell needs to complete commands and options.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::cli::output;
use crate::error::{Fault, Result};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark completions bash > ~/.local/share/bash-completion/completions/tidemark
  cargo tidemark completions zsh > ~/.zfunc/_tidemark          a folder of your fpath
  cargo tidemark completions fish > ~/.config/fish/completions/tidemark.fish")]
pub(super) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn completions(args: &CompletionsArgs, mut command: Command) -> Result<Option<Fault>> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    output::print(&String::from_utf8_lossy(&script)).map(|()| None)
}
