//! The tables of a folder of schemas, instead of tables that were compiled into the program.

use std::path::Path;

use generator::render::{Color, human};
use generator::source::SCHEMAS;

use crate::cli::args::Format;
use crate::cli::output;
use crate::error::{Error, Fault};
use crate::invocation::command;
use crate::name::printable_path;
use crate::schemas::{self, Problem, Schemas};

/// Where the schemas come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum SchemaFolder<'a> {
    /// From `--schemas`.
    Typed(&'a Path),
    /// From the folder [`SCHEMAS`] where the program runs, because it was compiled without tables.
    Default,
    /// From nowhere: the program has tables, or the command needs none.
    Unused,
}

impl<'a> SchemaFolder<'a> {
    /// The folder for a program without tables. `needs_tables` is that of the command, as in `Cli`.
    pub(super) fn default_for(needs_tables: Option<bool>) -> Self {
        let is_read = needs_tables.unwrap_or_else(|| Path::new(SCHEMAS).is_dir());
        if is_read { SchemaFolder::Default } else { SchemaFolder::Unused }
    }

    /// The folder, if there is one.
    pub(super) fn path(self) -> Option<&'a Path> {
        match self {
            SchemaFolder::Typed(folder) => Some(folder),
            SchemaFolder::Default => Some(SCHEMAS.as_ref()),
            SchemaFolder::Unused => None,
        }
    }
}

/// The tables of the folder, if there is one. Problems and warnings are reported here, since they are shown with their
/// lines.
pub(super) fn tables(folder: SchemaFolder<'_>, format: Format) -> Result<Option<Schemas>, Fault> {
    let Some(path) = folder.path() else { return Ok(None) };
    let schemas = match folder {
        SchemaFolder::Default if !path.exists() => Err(no_folder()),
        _ => schemas::read(path).map_err(|problem| self::problem(path, &problem)),
    };
    let schemas = schemas.map_err(|error| {
        output::error(&error, format);
        error.fault()
    })?;
    let (files, warnings) = schemas.warnings;
    if !warnings.is_empty() {
        output::to_stderr(human(warnings, files, Color::Always).trim_end());
    }
    Ok(Some(schemas))
}

/// There are no tables.
pub(super) fn no_folder() -> Error {
    Error::usage(SCHEMAS, "there is no such folder here, and this program has no tables of its own").help(format!(
        "run it in the folder of your project, name the folder of its schemas with --schemas, or make a project: {}",
        command(&[&"init", &"DIR"])
    ))
}

/// Why a folder has no tables, as an error. Mistakes are shown with their lines.
pub(super) fn problem(folder: &Path, problem: &Problem) -> Error {
    let folder = printable_path(folder);
    match problem {
        Problem::Unreadable(error) => Error::usage("", error.to_string()).help("check the folder after --schemas"),
        Problem::Empty => {
            Error::usage(folder, "the folder has no schemas").help("describe a table in TABLE.yaml there")
        }
        Problem::Mistakes(files, mistakes) => {
            output::to_stderr(human(mistakes, files, Color::Always).trim_end());
            Error::refused(folder, "the schemas have mistakes").help("fix them, then run the same command again")
        }
    }
}
