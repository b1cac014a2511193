//! The command line as clap describes it, and what is printed about it: its help, and what is wrong with a call.

use std::ffi::OsString;

use clap::Command;

use crate::cli::output;
use crate::error::{Fault, Result};
use crate::invocation::is_run_by_cargo;

/// The command line as this process was called.
pub(super) fn as_called(command: Command) -> Command {
    if is_run_by_cargo() { command } else { as_installed(command) }
}

/// The command line of a program that is not run by cargo: in its examples, it has its own name.
pub(super) fn as_installed(command: Command) -> Command {
    let examples = command.get_after_help().map(|help| help.to_string().split('\n').map(shorten).collect::<Vec<_>>());
    let examples = examples.map(|lines| lines.join("\n"));
    let command = if let Some(examples) = examples { command.after_help(examples) } else { command };
    command.mut_subcommands(as_installed)
}

/// A line of examples with the program's own name. What follows a longer name stays in its column.
fn shorten(line: &str) -> String {
    match line.split_once("cargo tidemark-aws") {
        None => line.replace("cargo tidemark", "tidemark"),
        Some((before, after)) => {
            let (arguments, remark) = after.split_at(after.find("  ").unwrap_or(after.len()));
            let padding = if remark.is_empty() { "" } else { "    " };
            format!("{before}tidemark{arguments}{padding}{remark}")
        }
    }
}

/// Prints the help that was asked for, or what is wrong with the command line; as JSON as well, if that was asked for.
pub(super) fn explain(error: &clap::Error) -> Result<Option<Fault>> {
    if !error.use_stderr() {
        return output::print(&error.render().ansi().to_string()).map(|()| None);
    }
    // The exit status says the same as an output that is closed or full.
    let _ = error.print();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let is_json = |pair: &[OsString]| pair[0] == "--format" && pair[1] == "json";
    if arguments.windows(2).any(is_json) || arguments.iter().any(|argument| argument == "--format=json") {
        let message = error.render().to_string();
        let json = serde_json::json!({ "error": {
            "message": message.trim(), "help": "add --help to the command", "fault": Fault::Usage, "rejects": null,
        }});
        let _ = output::print_json(&json);
    }
    Ok(Some(Fault::Usage))
}
