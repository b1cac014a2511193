//! `--schemas DIR`: the tables of a folder of schemas, instead of those that were compiled into the program.

use std::path::Path;

use generator::render::{Color, human};

use crate::cli::args::Format;
use crate::cli::output;
use crate::error::{Error, Fault};
use crate::name::printable_path;
use crate::schemas::{self, Problem, Schemas};

/// The tables of the folder, if one was named. Problems and warnings are reported here, since they are
/// shown with their lines.
pub(super) fn tables(folder: Option<&Path>, format: Format) -> Result<Option<Schemas>, Fault> {
    let Some(folder) = folder else { return Ok(None) };
    let schemas = schemas::read(folder).map_err(|problem| {
        let error = explain(folder, &problem);
        output::error(&error, format);
        error.fault()
    })?;
    let (files, warnings) = schemas.warnings;
    if !warnings.is_empty() {
        output::to_stderr(human(warnings, files, Color::Always).trim_end());
    }
    Ok(Some(schemas))
}

fn explain(folder: &Path, problem: &Problem) -> Error {
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
