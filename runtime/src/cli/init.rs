//! `tidemark init`: a project of one's own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::cli::args::{Format, FormatArgs};
use crate::cli::lookup::checked_name;
use crate::cli::output::{self, plural};
use crate::error::{Error, Fault, IoContext as _, Result};
use crate::infer::{self, Draft, Request};
use crate::invocation::{command, is_run_by_cargo, program, quoted};
use crate::name::{printable_path, serialize_path};
use crate::project::{self, CHECK, Crates, EXPORTS, Project};
use crate::table::Table;
use crate::telemetry;

/// The version of a first export.
const VERSION: &str = "V1";

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark init shop                               schemas are yours to write
  cargo tidemark init shop customers.csv orders.csv.gz   with the schemas of two tables, and their first exports
  cargo tidemark init shop customers.csv --workspace ~/tidemark   with typed Rust for its tables

A file is copied to DIR/exports/TENANT/TABLE/V1, where TABLE is named after the file.")]
pub(super) struct InitArgs {
    /// Folder of the project: a new one, or an empty one.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Exports, each of them all of one table in one file. From each, a schema is inferred.
    #[arg(value_name = "FILE")]
    exports: Vec<PathBuf>,
    /// Tenant whose exports these are.
    #[arg(long, value_name = "NAME", default_value = "main")]
    tenant: String,
    /// Also make a Cargo workspace: typed Rust, SQL and CloudFormation for every table. SOURCE is a clone of Tidemark,
    /// or the address of its git repository.
    #[arg(long, value_name = "SOURCE")]
    workspace: Option<String>,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

/// What was made.
#[derive(Debug, Serialize)]
struct Made {
    #[serde(serialize_with = "serialize_path")]
    folder: PathBuf,
    files: Vec<String>,
    tables: Vec<NewTable>,
    /// The commands that come next.
    next: Vec<String>,
}

#[derive(Debug, Serialize)]
struct NewTable {
    table: String,
    rows: u64,
    /// How much in the schema the file could not tell.
    choices: u64,
    /// The first export, below the folder.
    export: String,
}

pub(super) fn init(args: &InitArgs, tables: &[&Table]) -> Result<Option<Fault>> {
    let tenant = checked_name("tenant", &args.tenant)?;
    check_empty(&args.folder)?;
    let workspace = args.workspace.as_deref().map(crates).transpose()?;
    telemetry::listen_for_ctrl_c();
    // Before anything is written: a file may have no schema.
    let drafts = args.exports.iter().map(|path| draft(path)).collect::<Result<Vec<Draft>>>()?;
    check_different(args, &drafts)?;
    let project = Project {
        name: name(&args.folder),
        tenant,
        tables: drafts.iter().map(|draft| (draft.table.clone(), draft.yaml.clone())).collect(),
        workspace,
    };
    let mut written = write(&args.folder, &project)?;
    let mut made = Vec::new();
    for (path, draft) in args.exports.iter().zip(&drafts) {
        let table = deliver(path, draft, &args.folder, &project.tenant)?;
        written.push(table.export.clone());
        made.push(table);
    }
    let next = next(args, !tables.is_empty());
    let made = Made { folder: args.folder.clone(), files: written, tables: made, next };
    let printed = match args.format.format {
        Format::Json => output::print_json(&made),
        Format::Text => output::print(&summary(&made)),
    };
    output::done(printed).map(|()| None)
}

/// Refuses a folder in which something is.
fn check_empty(folder: &Path) -> Result<()> {
    let is_empty = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        entries => entries.at("cannot list", folder)?.next().is_none(),
    };
    if is_empty {
        return Ok(());
    }
    Err(Error::refused(printable_path(folder), "the folder is not empty, and nothing was written")
        .help("name a folder that does not exist, or an empty one"))
}

/// The source of the crates: a clone, or the address of a repository.
fn crates(source: &str) -> Result<Crates> {
    let path = Path::new(source);
    let has = |name: &str| path.join(name).join("Cargo.toml").is_file();
    if has("generator") && has("runtime") {
        let absolute = path.canonicalize().at("cannot find", path)?;
        let text = absolute.to_str().ok_or_else(|| Error::usage(printable_path(path), "the path is not UTF-8"))?;
        return Ok(Crates::Clone(text.into(), fs::read_to_string(path.join("Cargo.lock")).ok()));
    }
    if source.contains("://") || source.starts_with("git@") {
        return Ok(Crates::Git(source.into()));
    }
    Err(Error::usage(printable_path(path), "this is not a clone of Tidemark")
        .help("name the folder that contains generator/ and runtime/, or the address of a git repository"))
}

fn draft(path: &Path) -> Result<Draft> {
    if path.is_dir() {
        let problem = "it is a folder, and here an export is one file";
        let help = format!("make the project without it, then: {}", command(&[&"infer", &path, &"-o", &"FILE"]));
        return Err(Error::usage(printable_path(path), problem).help(help));
    }
    if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(['_', '.'])) {
        let problem = "a file whose name starts with `_` or `.` is never part of an export";
        return Err(Error::usage(printable_path(path), problem).help("give it another name"));
    }
    infer::infer(&Request { paths: vec![path.into()], progress: true, ..Request::default() })
}

/// Refuses two files of the same table.
fn check_different(args: &InitArgs, drafts: &[Draft]) -> Result<()> {
    let names: Vec<&str> = drafts.iter().map(|draft| draft.table.as_str()).collect();
    let Some(twice) = (1..names.len()).find(|index| names[..*index].contains(&names[*index])) else { return Ok(()) };
    let problem = format!("another file is of the table `{}`, too", names[twice]);
    Err(Error::usage(printable_path(&args.exports[twice]), problem)
        .help("name each file after its table, or describe one table by several files with `tidemark infer`"))
}

/// The name of the folder, for people.
fn name(folder: &Path) -> String {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.into());
    absolute.file_name().map_or_else(|| "Tidemark".into(), |name| printable_path(Path::new(name)))
}

/// Writes the files of a project. Returns their paths.
fn write(folder: &Path, project: &Project) -> Result<Vec<String>> {
    let files = project::files(project)?;
    for (path, text) in &files {
        let path = folder.join(path);
        let parent = path.parent().expect("it is below the folder");
        fs::create_dir_all(parent).at("cannot create", parent)?;
        fs::write(&path, text).at("cannot write", &path)?;
    }
    let check = folder.join(CHECK);
    let mode = fs::metadata(&check).at("cannot inspect", &check)?.permissions().mode();
    // Whoever may read it may also run it.
    let executable = fs::Permissions::from_mode(mode | (mode & 0o444) >> 2);
    fs::set_permissions(&check, executable).at("cannot make executable", &check)?;
    Ok(files.into_keys().collect())
}

/// Copies a file to where its table's first version is.
fn deliver(file: &Path, draft: &Draft, folder: &Path, tenant: &str) -> Result<NewTable> {
    let version = format!("{EXPORTS}/{tenant}/{}/{VERSION}", draft.table);
    let name = file.file_name().expect("a file that was read has a name");
    let (to, export) = (folder.join(&version), format!("{version}/{}", printable_path(Path::new(name))));
    fs::create_dir_all(&to).at("cannot create", &to)?;
    fs::copy(file, to.join(name)).at("cannot copy", file)?;
    let choices = draft.yaml.matches("# choice:").count() as u64;
    Ok(NewTable { table: draft.table.clone(), rows: draft.rows, choices, export })
}

/// The commands that come next. A program with tables of its own has to be given the project's.
fn next(args: &InitArgs, has_tables: bool) -> Vec<String> {
    let mut next = Vec::new();
    if is_run_by_cargo() {
        next.push("cargo install --path tidemark --features install".to_owned());
    }
    if args.folder != Path::new(".") {
        next.push(format!("cd {}", quoted(args.folder.as_os_str())));
    }
    let program = if is_run_by_cargo() { "tidemark".to_owned() } else { program() };
    let schemas = if has_tables && !is_run_by_cargo() { " --schemas schemas" } else { "" };
    next.push(match args.exports.is_empty() {
        true => format!("{program} infer FILE -o schemas/TABLE.yaml"),
        false => format!("{program} run {EXPORTS}{schemas}"),
    });
    next
}

fn summary(made: &Made) -> String {
    let folder = printable_path(&made.folder);
    let mut text: String = made.files.iter().map(|file| format!("{folder}/{file}\n")).collect();
    text.push('\n');
    for NewTable { table, rows, choices, .. } in &made.tables {
        let rows = plural(*rows, "row");
        let review = plural(*choices, "choice");
        text.push_str(&format!("{table}: {rows} read, {review} to review in {folder}/schemas/{table}.yaml\n"));
    }
    text.push_str(&format!("{} written. Next:\n", plural(made.files.len() as u64, "file")));
    made.next.iter().for_each(|command| text.push_str(&format!("  {command}\n")));
    text
}
