//! The commands that make schemas of existing definitions, and contracts of schemas.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::terminal::{Exit, Format, print, to_stderr};
use crate::diagnostic::Diagnostic;
use crate::import::{Dialect, Selection};
use crate::output;
use crate::render::{self, Color};
use crate::source::{self, SCHEMAS, Source};
use crate::{Error, counted};

/// Write schemas for tables that are defined elsewhere
///
/// Reads CREATE TABLE (PostgreSQL, MySQL, SQL Server, Oracle, Hive; scripts and dumps, whose other statements are
/// skipped), tables of Glue's data catalog as JSON, and data contracts of the Open Data Contract Standard, version 3. A
/// type becomes the one that loses none of its values, or `string`. Comments that begin with `# choice:` mark what the
/// definition does not say: review them. How exports are written (delimiter, encoding, NULL) is hardly ever in a
/// definition, so compare the schema with what `tidemark infer` finds in an export. Either all tables are written or
/// none.
#[derive(Debug, Args)]
#[command(after_help = IMPORT_EXAMPLES)]
pub(crate) struct ImportArguments {
    /// Files to read; `-` is standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Import only this table, with or without its schema; can be repeated
    #[arg(long = "table", value_name = "NAME")]
    tables: Vec<String>,
    /// The database that wrote the SQL [default: the one whose words it uses]
    #[arg(long, value_enum, value_name = "DATABASE")]
    dialect: Option<Database>,
    #[command(flatten)]
    target: Target,
}

const IMPORT_EXAMPLES: &str = "\
Examples:
  pg_dump --schema-only shop | cargo run -p generator -- import -
  cargo run -p generator -- import shop.sql --table orders --table sales.customers
  aws glue get-table --database-name lake --name orders | cargo run -p generator -- import - --out -
  cargo run -p generator -- import orders.odcs.yaml --force

Exit status: 0 success, 1 a definition cannot be read or a schema exists, 2 a file could not be read or written.";

/// Write data contracts for tables
///
/// A contract has the table's names, types, keys and descriptions in the words of the Open Data Contract Standard, and
/// everything else in properties named `tidemark`, so that `import` makes the same schema of it.
#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// As contracts of the Open Data Contract Standard, version 3.1: <TABLE>.odcs.yaml
    #[arg(long, required = true)]
    odcs: bool,
    /// The tables [default: all]
    #[arg(value_name = "TABLE")]
    tables: Vec<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
struct Target {
    /// The folder to write to; `-` is standard output [default: schemas, or contracts for an export]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Database {
    Postgres,
    Mysql,
    Sqlserver,
    Oracle,
    Hive,
}

impl From<Database> for Dialect {
    fn from(database: Database) -> Self {
        match database {
            Database::Postgres => Self::Postgres,
            Database::Mysql => Self::Mysql,
            Database::Sqlserver => Self::SqlServer,
            Database::Oracle => Self::Oracle,
            Database::Hive => Self::Hive,
        }
    }
}

/// The folder of contracts, below the root of the workspace.
const CONTRACTS: &str = "contracts";

/// Runs `import`.
pub(crate) fn import(arguments: &ImportArguments, format: Format, root: &Path) -> Result<Exit, Error> {
    let read = |path: &PathBuf| if is_dash(path) { source::read_stdin() } else { source::read_file(path) };
    let sources = arguments.paths.iter().map(read).collect::<Result<Vec<Source>, Error>>()?;
    let selection = Selection { dialect: arguments.dialect.map(Into::into), tables: arguments.tables.clone() };
    let import = match crate::import(&sources, &selection) {
        Ok(import) => import,
        Err(mistakes) => return Ok(refuse(&mistakes, &sources, format)),
    };
    if !import.warnings.is_empty() || format == Format::Json {
        report(&import.warnings, &sources, format);
    }
    import.skipped.iter().for_each(|skipped| to_stderr(&format!("skipped {skipped}\n")));
    let files = import.schemas.into_iter().map(|schema| (format!("{}.yaml", schema.table), schema.yaml)).collect();
    write(&arguments.target, &root.join(SCHEMAS), files)
}

/// Runs `export`.
pub(crate) fn export(arguments: &ExportArguments, format: Format, root: &Path, command: &str) -> Result<Exit, Error> {
    let sources = source::read_all(root)?;
    if let Err(mistakes) = crate::read(&sources) {
        return Ok(refuse(&mistakes, &sources, format));
    }
    let known: BTreeSet<&str> = sources.iter().map(table).collect();
    if let Some(unknown) = arguments.tables.iter().find(|name| !known.contains(name.as_str())) {
        let known: Vec<&str> = known.into_iter().collect();
        to_stderr(&format!("error: there is no table `{unknown}`; expected one of {}\n", known.join(", ")));
        return Ok(Exit::InvalidInput);
    }
    let is_wanted =
        |source: &&Source| arguments.tables.is_empty() || arguments.tables.iter().any(|name| name == table(source));
    let mut files = Vec::new();
    for source in sources.iter().filter(is_wanted) {
        match crate::export_odcs_by(command, source) {
            Ok(contract) => files.push((format!("{}.odcs.yaml", table(source)), contract)),
            Err(mistakes) => return Ok(refuse(&mistakes, &sources, format)),
        }
    }
    write(&arguments.target, &root.join(CONTRACTS), files)
}

/// The table of a valid schema: that after which its file is named.
fn table(source: &Source) -> &str {
    source.file_name().strip_suffix(".yaml").unwrap_or_default()
}

fn refuse(mistakes: &[Diagnostic], sources: &[Source], format: Format) -> Exit {
    report(mistakes, sources, format);
    Exit::InvalidInput
}

fn report(diagnostics: &[Diagnostic], sources: &[Source], format: Format) {
    match format {
        Format::Human => to_stderr(&render::human_for(diagnostics, sources, Color::Always, "file")),
        Format::Json => print(&render::json(diagnostics, sources)),
    }
}

/// Writes all files, or none if one of them exists.
fn write(target: &Target, default: &Path, files: Vec<(String, String)>) -> Result<Exit, Error> {
    let folder = target.out.as_deref().unwrap_or(default);
    if is_dash(folder) {
        let texts: Vec<String> = files.into_iter().map(|(_, text)| text).collect();
        print(&texts.join("---\n"));
        return Ok(Exit::Success);
    }
    let files: Vec<(PathBuf, String)> = files.into_iter().map(|(name, text)| (folder.join(name), text)).collect();
    let existing: Vec<String> =
        files.iter().filter(|(path, _)| path.exists()).map(|(path, _)| path.display().to_string()).collect();
    if !existing.is_empty() && !target.force {
        let help = "add --force to replace, or name another folder with --out";
        to_stderr(&format!("error: nothing was written, since these exist: {}; {help}\n", existing.join(", ")));
        return Ok(Exit::InvalidInput);
    }
    for (path, text) in &files {
        output::write_file(path, text)?;
        to_stderr(&format!("wrote {}\n", path.display()));
    }
    to_stderr(&format!("{} written\n", counted(files.len(), "file")));
    Ok(Exit::Success)
}

fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}
