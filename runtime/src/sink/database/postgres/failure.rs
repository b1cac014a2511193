//! What PostgreSQL refuses, in words that contain no value of a row: those are in the details, the context and some
//! messages of its errors.

use std::error::Error as _;
use std::io;

use postgres::error::DbError;

use crate::error::{Error, Result};

/// The error of the database with this name.
pub(super) fn failed(name: &str, error: postgres::Error) -> Error {
    if let Some(refusal) = error.as_db_error() {
        return from_server(name, refusal);
    }
    let mut causes = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    Error::database(name, causes.join(": ")).help("check the address and the server, then run again; nothing is lost")
}

/// The error of a COPY, which comes inside an error of the operating system.
pub(super) fn while_copying(name: &str, error: io::Error) -> Error {
    match error.downcast::<postgres::Error>() {
        Ok(error) => failed(name, error),
        Err(error) => Error::database(name, &error).help("run again; nothing is lost"),
    }
}

/// The error of a value that a column cannot hold, because it has another type.
pub(super) fn wrong_type(name: &str) -> Error {
    Error::diverged(name, "the table refuses a row: a value is not of its column's type")
        .help("compare the table with the one that was generated, and the operations with their schema; then run again")
}

/// The classes are those of <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn from_server(name: &str, error: &DbError) -> Error {
    let code = error.code().code();
    let message = error.message();
    let help = match code.get(..2).unwrap_or_default() {
        "22" | "23" | "44" | "P0" => {
            return Error::diverged(name, format!("the table refuses a row: {}", refused_by(error)))
                .help("remove the constraint or trigger, or the rows that it is about, then run again");
        }
        "28" => "check the user and the password (PGPASSWORD, PGPASSFILE), and what the server allows",
        "3D" => "create the database, or name another one",
        "40" | "55" => "somebody else held a lock; run again: nothing is lost",
        "42" => "check what the role may do, and whether the table was altered; then run again",
        "53" => "free some space or connections, then run again; nothing is lost",
        "57" if code == "57014" => "raise statement_timeout for this role, or run again; nothing is lost",
        "57" | "08" | "58" => "the server stopped or was restarted; run again: nothing is lost",
        "25" => "name the primary server, or lift the restriction, then run again",
        _ => {
            return Error::database(name, format!("the server refused, with code {code}"))
                .help("run again; nothing is lost");
        }
    };
    Error::database(name, format!("{message} ({code})")).help(help)
}

/// What refused a row. A message may repeat a value.
fn refused_by(error: &DbError) -> String {
    let code = error.code().code();
    let quoted = |what: &str, name: Option<&str>| name.map(|name| format!("{what} `{name}`"));
    let parts =
        [quoted("constraint", error.constraint()), quoted("column", error.column()), quoted("of", error.table())];
    let named: Vec<String> = parts.into_iter().flatten().collect();
    match code {
        _ if !named.is_empty() => format!("{} ({code})", named.join(" ")),
        "P0001" => format!("a trigger raises an exception ({code})"),
        _ => format!("code {code}"),
    }
}

/// Fails with what is wrong with an address.
pub(super) fn bad_address<T>(name: &str, problem: &str, help: &str) -> Result<T> {
    Err(Error::usage(name, problem).help(help))
}
