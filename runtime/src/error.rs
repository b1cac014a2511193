//! What can go wrong, told so that the reader knows what to do next.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::name::{shown, shown_path};
use crate::reject::Rejects;

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whose fault it is. It decides the exit status, and whether a version becomes FAILED.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// What was given: an export, a name, a schema. Running again changes nothing.
    Input,
    /// The machine or the tool: the next run may go on.
    Machine,
}

/// An error. Its `Display` is one line that says what was being done to what; [`Error::next_step`] says what to do.
#[derive(Debug)]
pub enum Error {
    /// Rows of an export cannot be read.
    Rejected(Box<Rejected>),
    /// An export, or a part of it, cannot be used.
    Export(Box<Problem>),
    /// The baseline's parts are not what the registry recorded.
    BaselineChanged(Box<Problem>),
    /// Something was asked for that is not there, or cannot be done as things stand.
    Refused(Box<Problem>),
    /// What it was made from changed meanwhile: it is to be looked at anew.
    Overtaken(Box<Problem>),
    /// Reading or writing failed.
    Io(Box<IoError>),
    /// The registry failed.
    Registry(Box<Problem>),
    /// Another process took the lease over; nothing more was written.
    LeaseLost(Box<Problem>),
    /// A service of AWS did not do what it was asked.
    Aws(Box<Problem>),
    /// It takes longer than a function may run.
    OutOfTime(Box<Problem>),
    /// The user asked to stop.
    Interrupted,
    /// The operations do not lead from the baseline to the snapshot. It is never the user's fault.
    NotConserved(Box<Problem>),
}

/// Rows that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// What was read, such as `acme/orders 20260104_V0001` or a path.
    pub export: String,
    /// The rows.
    pub rejects: Rejects,
}

/// A problem with something that has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What it is about: a path, an export, a table; may be empty.
    pub subject: String,
    /// What is wrong.
    pub problem: String,
    /// What to do next; may be empty.
    pub help: String,
}

/// An error of the operating system.
#[derive(Debug)]
pub struct IoError {
    /// What was being done, such as `cannot open`.
    pub doing: String,
    /// To what.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

impl Error {
    /// An export, or one of its files, that cannot be used.
    pub fn export(path: &Path, problem: impl Into<String>) -> Self {
        Self::Export(Box::new(Problem::new(shown_path(path), problem)))
    }

    /// A line of a file that makes the whole file unusable.
    pub fn export_line(path: &Path, line: u64, problem: impl Into<String>) -> Self {
        Self::Export(Box::new(Problem::new(format!("{}:{line}", shown_path(path)), problem)))
    }

    /// A path that somebody named and that leads nowhere is a mistake of theirs; anything else is the machine's.
    pub fn of_named_path(error: io::Error, doing: &str, path: &Path) -> Self {
        let problem = match error.kind() {
            io::ErrorKind::NotFound => "there is no such file or folder",
            io::ErrorKind::NotADirectory => "it is not a folder",
            io::ErrorKind::InvalidFilename => "the path is too long",
            _ => return Self::Io(Box::new(IoError { doing: doing.into(), path: path.into(), source: error })),
        };
        Self::refused(shown_path(path), problem).help("check the path")
    }

    /// A failure to read a file: of the operating system, or of a service behind it, which said it in words of its own.
    pub fn of_reading(error: io::Error, path: &Path) -> Self {
        match error.downcast::<Self>() {
            Ok(error) => error,
            Err(source) => Self::Io(Box::new(IoError { doing: "cannot read".into(), path: path.into(), source })),
        }
    }

    /// Something that cannot be done as things stand.
    pub fn refused(subject: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Refused(Box::new(Problem::new(subject, problem)))
    }

    /// Something that was made from what is no longer so.
    pub fn overtaken(subject: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Overtaken(Box::new(Problem::new(subject, problem)))
    }

    /// A failure of the registry.
    pub fn registry(path: &Path, problem: impl fmt::Display) -> Self {
        Self::Registry(Box::new(Problem::new(shown_path(path), problem.to_string())))
    }

    /// A service of AWS that did not do what it was asked.
    pub fn aws(subject: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self::Aws(Box::new(Problem::new(subject, problem.to_string())))
    }

    /// Something that takes longer than a function may run.
    pub fn out_of_time(subject: impl Into<String>) -> Self {
        Self::OutOfTime(Box::new(Problem::new(subject, "takes longer than a function may run")))
    }

    /// Something that takes a program built with AWS in it.
    pub fn without_aws(what: &str) -> Self {
        Self::refused("", format!("this program was built without AWS, and cannot reach {what}"))
            .help("run it as `cargo tidemark-aws` instead of `cargo tidemark`; the first build takes some minutes more")
    }

    /// Operations that do not lead from the baseline to the snapshot.
    pub fn not_conserved(subject: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::NotConserved(Box::new(Problem::new(subject, problem)))
    }

    /// A baseline whose parts are not what they were.
    pub fn baseline_changed(subject: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::BaselineChanged(Box::new(Problem::new(subject, problem)))
    }

    /// A lease that somebody else has now.
    pub fn lease_lost(subject: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::LeaseLost(Box::new(Problem::new(subject, problem)))
    }

    /// The same error, with what to do next.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        match &mut self {
            Self::Export(problem)
            | Self::BaselineChanged(problem)
            | Self::Refused(problem)
            | Self::Overtaken(problem)
            | Self::Registry(problem)
            | Self::LeaseLost(problem)
            | Self::Aws(problem)
            | Self::OutOfTime(problem)
            | Self::NotConserved(problem) => problem.help = shown(&help.into()),
            Self::Rejected(_) | Self::Io(_) | Self::Interrupted => {}
        }
        self
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Rejected(_) | Self::Export(_) | Self::BaselineChanged(_) | Self::Refused(_) | Self::Overtaken(_) => {
                Fault::Input
            }
            Self::Io(_)
            | Self::Registry(_)
            | Self::LeaseLost(_)
            | Self::Aws(_)
            | Self::OutOfTime(_)
            | Self::Interrupted
            | Self::NotConserved(_) => Fault::Machine,
        }
    }

    /// Whether the snapshot itself is at fault, so that its version becomes FAILED.
    pub fn fails_the_version(&self) -> bool {
        matches!(self, Self::Rejected(_) | Self::Export(_))
    }

    /// What to do next, where there is something to say.
    pub fn next_step(&self) -> Option<String> {
        let help = match self {
            Self::Rejected(_) => "deliver the export again without these rows, or mend the schema",
            Self::Export(problem)
            | Self::BaselineChanged(problem)
            | Self::Refused(problem)
            | Self::Overtaken(problem)
            | Self::Registry(problem)
            | Self::LeaseLost(problem)
            | Self::Aws(problem)
            | Self::OutOfTime(problem)
            | Self::NotConserved(problem) => &problem.help,
            Self::Io(error) => match error.source.kind() {
                io::ErrorKind::PermissionDenied => "check the permissions, then run again",
                io::ErrorKind::StorageFull => "free some space, then run again; nothing is lost",
                io::ErrorKind::NotFound => "check the path",
                _ => "run again once the cause is gone; nothing is lost",
            },
            Self::Interrupted => "run the same command again; it goes on where it stopped",
        };
        (!help.is_empty()).then(|| help.to_owned())
    }
}

impl Problem {
    /// Either text may hold something from outside: a path, a name, what a library said of a file.
    fn new(subject: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { subject: shown(&subject.into()), problem: shown(&problem.into()), help: String::new() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.subject.is_empty() {
            f.write_str(&self.problem)
        } else {
            write!(f, "{}: {}", self.subject, self.problem)
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejected) => {
                let total = rejected.rejects.total();
                let places = if total == 1 { "place" } else { "places" };
                write!(f, "{}: {total} {places} cannot be read; nothing was published", shown(&rejected.export))
            }
            Self::Export(problem)
            | Self::BaselineChanged(problem)
            | Self::Refused(problem)
            | Self::Overtaken(problem)
            | Self::LeaseLost(problem)
            | Self::Aws(problem)
            | Self::OutOfTime(problem)
            | Self::NotConserved(problem) => problem.fmt(f),
            Self::Registry(problem) => write!(f, "the registry {problem}"),
            Self::Io(error) => write!(f, "{} {}: {}", error.doing, shown_path(&error.path), error.source),
            Self::Interrupted => f.write_str("stopped as asked"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(&error.source),
            _ => None,
        }
    }
}

/// Says what was being done to what when the operating system refused.
pub trait IoContext<T> {
    /// `doing` reads like `cannot open`.
    fn at(self, doing: &str, path: &Path) -> Result<T>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn at(self, doing: &str, path: &Path) -> Result<T> {
        self.map_err(|source| Error::Io(Box::new(IoError { doing: doing.into(), path: path.into(), source })))
    }
}
