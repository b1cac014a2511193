//! Where operations come from and go to, by what is typed: folders, streams, databases.

use std::num::NonZero;
use std::path::Path;

use crate::apply::stream::LineStream;
use crate::cli::remote;
use crate::engine::Limits;
use crate::error::{Error, Result};
use crate::sink::any_order::{OperationStream, TakesAnyOrder};
#[cfg(feature = "postgres")]
use crate::sink::database::postgres::{Postgres, PostgresAddress};
use crate::sink::database::sqlite::{Sqlite, SqliteAddress};
use crate::sink::database::{Database, DatabaseOptions};
use crate::sink::file::Files;
use crate::sink::{PublishedFiles, Sink};

/// Returns whether a path names something in S3 rather than on this machine.
pub(super) fn is_remote(path: &Path) -> bool {
    path.to_string_lossy().starts_with("s3://")
}

/// Opens a folder for operations, on this machine or in S3.
pub(super) fn files(folder: &Path, limits: Limits) -> Result<Box<dyn Sink>> {
    published_files(folder, limits.threads).map(|files| files as _)
}

/// Opens a folder of operations, on this machine or in S3, which are written by this many threads.
pub(in crate::cli) fn published_files(folder: &Path, threads: NonZero<usize>) -> Result<Box<dyn PublishedFiles>> {
    if is_remote(folder) {
        return remote::files(&folder.to_string_lossy(), threads);
    }
    Ok(Box::new(Files::new(folder, threads)))
}

/// The name of standard input.
const STANDARD_INPUT: &str = "-";

/// Returns whether operations come from a stream, by its name, rather than from files.
pub(in crate::cli) fn is_stream(name: &str) -> bool {
    name == STANDARD_INPUT || name.starts_with("kinesis:")
}

/// Opens a stream of operations.
pub(in crate::cli) fn stream(name: &str) -> Result<Box<dyn OperationStream>> {
    if name == STANDARD_INPUT {
        return Ok(Box::new(LineStream::new(std::io::stdin().lock())));
    }
    remote::stream(name)
}

/// The prefix of a database in a file.
pub(super) const SQLITE: &str = "sqlite:";

pub(super) fn is_database(sink: &str) -> bool {
    sink.starts_with(SQLITE) || is_postgres(sink)
}

pub(super) fn is_postgres(sink: &str) -> bool {
    ["postgres://", "postgresql://"].iter().any(|prefix| sink.starts_with(prefix))
}

/// Opens a database that holds rows.
pub(in crate::cli) fn database(sink: &str, options: DatabaseOptions) -> Result<Box<dyn TakesAnyOrder>> {
    if !is_database(sink) {
        return Err(Error::usage(sink, "this is not a database")
            .help("write it as sqlite:FILE or postgres://USER@HOST/DATABASE"));
    }
    if is_postgres(sink) {
        return postgres(sink, options);
    }
    let file = sink.strip_prefix(SQLITE).filter(|file| !file.is_empty());
    let file = file.ok_or_else(|| Error::usage(sink, "no file is named").help("write it as sqlite:FILE"))?;
    Ok(Box::new(Database::<Sqlite>::new(SqliteAddress::new(relative(Path::new(file))), options)))
}

/// Returns whether a sink is a folder with operations, here or in S3, by its name.
pub(in crate::cli) fn is_folder(name: &str) -> bool {
    name.starts_with('/') || is_remote(Path::new(name))
}

#[cfg(feature = "postgres")]
fn postgres(sink: &str, options: DatabaseOptions) -> Result<Box<dyn TakesAnyOrder>> {
    Ok(Box::new(Database::<Postgres>::new(PostgresAddress::parse(sink)?, options)))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &str, _: DatabaseOptions) -> Result<Box<dyn TakesAnyOrder>> {
    Err(Error::without_postgres())
}

/// The path of a sink on this machine, by its name; any other text if it is elsewhere.
pub(in crate::cli) fn sink_path(name: &str) -> &Path {
    Path::new(name.strip_prefix(SQLITE).unwrap_or(name))
}

/// A remembered folder as people type it: relative, if it is below the current one.
pub(super) fn relative(path: &Path) -> &Path {
    let current = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(current).ok().filter(|path| !path.as_os_str().is_empty()).unwrap_or(path)
}
