//! Errors as data: a kind that decides what happens, and texts for the person who has to act.
//!
//! Code decides by [`Error::kind`], never by a message.

use std::fmt;
use std::io;
use std::path::Path;

use serde::Serialize;

use crate::name::{printable, printable_path};
use crate::reject::Rejects;
use crate::wording::plural;

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whose fault an error is. It decides the exit status, and whether a version becomes FAILED.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// The input: an export, a name, a schema. Running again changes nothing.
    Input,
    /// The machine or the tool: the next run may succeed.
    Machine,
    /// The command line: the same command fails again.
    Usage,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Rows of an export cannot be read; [`Error::rejects`] lists them.
    Rejected,
    /// An export, or a part of it, cannot be used.
    Export,
    /// The baseline's parts differ from what the registry recorded.
    BaselineChanged,
    /// The request names something that does not exist, or is not possible in the current state.
    Refused,
    /// The command line itself is wrong: an unknown name, a path that does not exist.
    Usage,
    /// The work is based on something that has changed since, and has to be done again.
    Overtaken,
    /// There are no exports where there were some before.
    MissingExports,
    /// Reading or writing failed.
    Io,
    /// The registry failed.
    Registry,
    /// A database that operations are applied to failed.
    Database,
    /// A table in a database is not what was published into it, or refuses it.
    Diverged,
    /// Another process took over the lease; nothing was written after that.
    LeaseLost,
    /// An AWS service returned an error.
    Aws,
    /// A service accepts no more work for now.
    Busy,
    /// The work takes longer than a Lambda function may run.
    OutOfTime,
    /// The user interrupted the work.
    Interrupted,
    /// The operations do not lead from the baseline to the snapshot, which is a bug or broken memory.
    NotConserved,
}

/// An error. `Display` writes one line that says what was being done to what; [`Error::next_step`] says what to do
/// next.
#[derive(Debug)]
pub struct Error(Box<Details>);

/// An error's contents, boxed so that a `Result` stays small.
#[derive(Debug)]
struct Details {
    kind: ErrorKind,
    /// A path, an export, a table; can be empty.
    subject: String,
    message: String,
    /// What to do next; can be empty.
    help: String,
    rejects: Option<Rejects>,
    /// The statements that a database needs.
    statements: Vec<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Subject and message can contain text from outside: a path, a name, a library's message about a file.
    fn new(kind: ErrorKind, subject: &str, message: &str) -> Self {
        let (subject, message) = (printable(subject), printable(message));
        let (help, statements) = (String::new(), Vec::new());
        Self(Box::new(Details { kind, subject, message, help, rejects: None, statements, source: None }))
    }

    /// Rows of an export that cannot be read. `export` is its label, such as `acme/orders 20260104_V0001` or a path.
    pub(crate) fn rejected(export: &str, rejects: Rejects) -> Self {
        let total = rejects.total();
        let message = format!("{} cannot be read; nothing was published", plural(total, "place"));
        let mut error = Self::new(ErrorKind::Rejected, export, &message)
            .help("deliver the export again without these rows, or fix the schema");
        error.0.rejects = Some(rejects);
        error
    }

    /// An export, or one of its files, that cannot be used.
    pub(crate) fn export(path: &Path, message: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::Export, &printable_path(path), message.as_ref())
    }

    /// A line that makes its whole file unusable.
    pub(crate) fn export_line(path: &Path, line: u64, message: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::Export, &format!("{}:{line}", printable_path(path)), message.as_ref())
    }

    /// An error of the operating system. `action` reads like `cannot open`.
    pub(crate) fn io(source: io::Error, action: &str, path: &Path) -> Self {
        let help = match source.kind() {
            io::ErrorKind::PermissionDenied => "check the permissions, then run again",
            io::ErrorKind::StorageFull => "free some space, then run again; nothing is lost",
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "check the path",
            _ => "run again once the cause is gone; nothing is lost",
        };
        let mut error = Self::new(ErrorKind::Io, &format!("{action} {}", printable_path(path)), &source.to_string());
        error.0.source = Some(Box::new(source));
        error.help(help)
    }

    /// A failure to open a path that the user named. A path that does not exist is the user's fault; anything else is
    /// the machine's.
    pub(crate) fn named_path(source: io::Error, action: &str, path: &Path) -> Self {
        let message = match source.kind() {
            io::ErrorKind::NotFound => "no such file or folder",
            io::ErrorKind::NotADirectory => "not a folder",
            io::ErrorKind::InvalidFilename => "the path is too long",
            _ => return Self::io(source, action, path),
        };
        Self::usage(printable_path(path), message).help("check the path")
    }

    /// A command line that is wrong.
    pub(crate) fn usage(subject: impl AsRef<str>, message: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::Usage, subject.as_ref(), message.as_ref())
    }

    /// A failure to read a file. A reader of a remote file passes its own error inside the `io::Error`, which is
    /// unwrapped.
    pub(crate) fn read(source: io::Error, path: &Path) -> Self {
        match source.downcast::<Self>() {
            Ok(error) => error,
            Err(source) => Self::io(source, "cannot read", path),
        }
    }

    /// A request that names something that does not exist, or is not possible in the current state.
    pub(crate) fn refused(subject: impl AsRef<str>, message: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::Refused, subject.as_ref(), message.as_ref())
    }

    /// Work based on something that has changed since.
    pub(crate) fn overtaken(subject: impl AsRef<str>, message: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::Overtaken, subject.as_ref(), message.as_ref())
    }

    /// A folder without exports that had some before.
    pub(crate) fn missing_exports(subject: impl AsRef<str>, message: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::MissingExports, subject.as_ref(), message.as_ref())
    }

    /// A failure of the registry at `path`.
    pub(crate) fn registry(path: &Path, message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Registry, &format!("the registry {}", printable_path(path)), &message.to_string())
    }

    /// A failure of a database that operations are applied to.
    pub(crate) fn database(subject: impl AsRef<str>, message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Database, subject.as_ref(), &message.to_string())
    }

    /// A table in a database that is not what was published into it, or refuses it.
    pub(crate) fn diverged(subject: impl AsRef<str>, message: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::Diverged, subject.as_ref(), message.as_ref())
    }

    /// A record of the registry at `path` that cannot be read; `problem` says which.
    pub(crate) fn damaged_record(path: &Path, problem: &str) -> Self {
        Self::registry(path, problem).help("restore the registry from a backup; other tables are not affected")
    }

    /// A registry at `path` that is damaged as a whole.
    pub(crate) fn damaged_registry(path: &Path, problem: impl fmt::Display) -> Self {
        Self::registry(path, problem).help(
            "restore it from a backup. If there is none, move it away and run exports with --adopt: a new registry \
             continues above everything that was published (docs/operations.md, \"Backup and restore\")",
        )
    }

    /// An error that an AWS service returned.
    #[cfg(feature = "aws")]
    pub(crate) fn aws(subject: impl AsRef<str>, message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Aws, subject.as_ref(), &message.to_string())
    }

    /// A service that accepts no more work for now.
    #[cfg(feature = "aws")]
    pub(crate) fn busy(subject: impl AsRef<str>, message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Busy, subject.as_ref(), &message.to_string())
    }

    /// Work that takes longer than a Lambda function may run.
    pub(crate) fn out_of_time(subject: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::OutOfTime, subject.as_ref(), "takes longer than a Lambda function may run")
    }

    /// A request that needs a program built with AWS support.
    pub(crate) fn without_aws(what: &str) -> Self {
        Self::usage("", format!("this program was built without AWS support and cannot reach {what}"))
            .help("run `cargo tidemark-aws` instead of `cargo tidemark`, or install it with `--features install,aws`")
    }

    /// A request that needs a program built with PostgreSQL support.
    #[cfg(not(feature = "postgres"))]
    pub(crate) fn without_postgres() -> Self {
        Self::usage("", "this program was built without PostgreSQL support")
            .help("run `cargo tidemark-postgres` instead of `cargo tidemark`, or install it with `--features install,postgres`")
    }

    /// Operations that do not lead from the baseline to the snapshot.
    pub(crate) fn not_conserved(subject: impl AsRef<str>, message: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::NotConserved, subject.as_ref(), message.as_ref())
    }

    /// A baseline whose parts have changed.
    pub(crate) fn baseline_changed(subject: impl AsRef<str>, message: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::BaselineChanged, subject.as_ref(), message.as_ref())
    }

    /// A lease that another process holds now.
    pub(crate) fn lease_lost(subject: impl AsRef<str>, message: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::LeaseLost, subject.as_ref(), message.as_ref())
    }

    /// A stop that the user asked for.
    pub(crate) fn interrupted() -> Self {
        Self::new(ErrorKind::Interrupted, "", "interrupted")
            .help("run the same command again; it resumes where it stopped")
    }

    /// Adds what to do next.
    pub(crate) fn help(mut self, help: impl AsRef<str>) -> Self {
        self.0.help = printable(help.as_ref());
        self
    }

    /// Adds to what is wrong.
    pub(crate) fn add(mut self, text: &str) -> Self {
        self.0.message.push_str(&printable(text));
        self
    }

    /// Adds the statements that a database needs.
    pub(crate) fn statements(mut self, statements: Vec<String>) -> Self {
        self.0.statements = statements;
        self
    }

    /// Adds the error that caused this one.
    pub fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Box::new(source));
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whose fault the error is.
    pub fn fault(&self) -> Fault {
        match self.0.kind {
            ErrorKind::Rejected
            | ErrorKind::Export
            | ErrorKind::BaselineChanged
            | ErrorKind::Diverged
            | ErrorKind::Refused
            | ErrorKind::Overtaken => Fault::Input,
            ErrorKind::MissingExports
            | ErrorKind::Io
            | ErrorKind::Registry
            | ErrorKind::Database
            | ErrorKind::LeaseLost
            | ErrorKind::Aws
            | ErrorKind::Busy
            | ErrorKind::OutOfTime
            | ErrorKind::Interrupted
            | ErrorKind::NotConserved => Fault::Machine,
            ErrorKind::Usage => Fault::Usage,
        }
    }

    /// Returns whether the snapshot itself is at fault, so that its version becomes FAILED.
    pub fn fails_the_version(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Rejected | ErrorKind::Export)
    }

    /// What the error is about: a path, an export, a table; can be empty.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The rows that cannot be read, if the error is about rows.
    pub fn rejects(&self) -> Option<&Rejects> {
        self.0.rejects.as_ref()
    }

    /// The statements that a database needs, if the error is about that.
    pub fn needed_statements(&self) -> &[String] {
        &self.0.statements
    }

    /// The operating system's error, if it caused this one.
    pub fn io_error(&self) -> Option<&io::Error> {
        self.0.source.as_deref()?.downcast_ref()
    }

    /// What to do next, if anything.
    pub fn next_step(&self) -> Option<&str> {
        Some(self.0.help.as_str()).filter(|help| !help.is_empty())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details { subject, message, .. } = &*self.0;
        if subject.is_empty() { f.write_str(message) } else { write!(f, "{subject}: {message}") }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// Adds to an error of the operating system what was being done to what.
pub(crate) trait IoContext<T> {
    /// `action` reads like `cannot open`.
    fn at(self, action: &str, path: &Path) -> Result<T>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn at(self, action: &str, path: &Path) -> Result<T> {
        self.map_err(|source| Error::io(source, action, path))
    }
}
