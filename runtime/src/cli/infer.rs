//! `tidemark infer`: the schema of a table, from its exports.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::args::{Format, FormatArgs};
use crate::cli::output::{self, plural};
use crate::error::{Error, Fault, IoContext as _, Result};
use crate::infer::{self, Draft, Request};
use crate::name::{TABLE_RULE, is_table_name};
use crate::telemetry;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark infer customers.csv.gz                         one file
  cargo tidemark infer V1/ V2/ -o schemas/customers.yaml        two exports of several parts, to a file
  cargo tidemark infer exports --table orders --key order_id    every version of a table

Reads every row. Comments in the schema say what was seen; those that begin with `choice:` mark what the
files cannot tell.")]
pub(super) struct InferArgs {
    /// Exports: files, folders of parts, a folder of versions, or a folder of TENANT/TABLE/VERSION.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Name of the table, which also chooses one from TENANT/TABLE/VERSION [default: from the path, or from --output].
    #[arg(long)]
    table: Option<String>,
    /// Tenant to choose from TENANT/TABLE/VERSION [default: all].
    #[arg(long)]
    tenant: Option<String>,
    /// Columns of the primary key, separated by commas [default: the smallest unique ones].
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    key: Vec<String>,
    /// File for the schema [default: stdout].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists.
    #[arg(long, requires = "output")]
    force: bool,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

pub(super) fn infer(args: &InferArgs) -> Result<Option<Fault>> {
    if let Some(table) = args.table.as_ref().filter(|table| !is_table_name(table)) {
        return Err(Error::usage("", format!("`{}` cannot be the name of a table", table.escape_debug()))
            .help(format!("a name has {TABLE_RULE}")));
    }
    let output = args.output.as_deref();
    if let Some(path) = output.filter(|path| !args.force && path.exists()) {
        return Err(exists(path));
    }
    telemetry::listen_for_ctrl_c();
    let draft = infer::infer(&Request {
        paths: args.paths.clone(),
        table: args.table.clone(),
        file: args.output.clone(),
        tenant: args.tenant.clone(),
        key: args.key.clone(),
        progress: true,
    })?;
    if let Some(path) = output {
        write(&draft, path, args.force)?;
    }
    let printed = match (args.format.format, output) {
        (Format::Json, _) => output::print_json(&draft.to_json()),
        (Format::Text, Some(path)) => output::print(&summary(&draft, path)),
        (Format::Text, None) => output::print(&draft.yaml),
    };
    if output.is_some() { output::done(printed) } else { printed }?;
    Ok(None)
}

fn summary(draft: &Draft, path: &Path) -> String {
    let choices = draft.yaml.matches("# choice:").count() as u64;
    let rows = plural(draft.rows, "row");
    let again: String = draft.read_again.iter().map(|reason| format!("; read again, because {reason}")).collect();
    format!("{}: {rows} read, {} to review{again}\n", path.display(), plural(choices, "choice"))
}

fn exists(path: &Path) -> Error {
    Error::refused(path.display().to_string(), "the file exists, and nothing was written")
        .help("name another file, or add --force to replace it")
}

/// Writes a temporary file and gives it the name, so that there is never half a schema.
fn write(draft: &Draft, path: &Path, force: bool) -> Result<()> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let temporary = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let write = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).at("cannot create", folder)?;
        }
        let mut file = File::create_new(&temporary).at("cannot create", path)?;
        file.write_all(draft.yaml.as_bytes()).and_then(|()| file.sync_all()).at("cannot write", path)?;
        if force {
            return fs::rename(&temporary, path).at("cannot rename into", path);
        }
        // Unlike a rename, a link never replaces a file.
        fs::hard_link(&temporary, path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => exists(path),
            _ => Error::io(error, "cannot create", path),
        })
    };
    let written = write();
    // After a rename, there is nothing to remove.
    let _ = fs::remove_file(&temporary);
    written
}
