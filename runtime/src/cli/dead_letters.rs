//! The file of `apply --dead-letters`: the records of a stream that cannot be applied, a line of JSON each.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;

use crate::cli::output::{self, plural};
use crate::error::{Error, IoContext as _, Result};
use crate::name::printable_path;
use crate::sink::any_order::{Delivered, RefuseRejects, Rejects};

/// Appends records to a file, or ends with the first one if there is none.
pub(super) struct DeadLetters<'a> {
    path: Option<&'a Path>,
    file: Option<File>,
    number: u64,
}

/// A record that was not applied.
#[derive(Serialize)]
struct DeadLetter<'a> {
    /// Where in the stream it is.
    place: &'a str,
    problem: String,
    /// The record; in base64 if it is not a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_base64: Option<String>,
}

impl<'a> DeadLetters<'a> {
    pub(super) fn new(path: Option<&'a Path>) -> Self {
        Self { path, file: None, number: 0 }
    }

    /// Says how many records are in the file. Returns whether there are any.
    pub(super) fn report(&self) -> bool {
        let Some(path) = self.path.filter(|_| self.number > 0) else { return false };
        let records = plural(self.number, "record");
        output::note(&format!("{records} could not be applied, and can be found in {}", printable_path(path)));
        true
    }

    /// The file, which only its owner may read: it holds values of rows.
    fn file(&mut self, path: &Path) -> Result<&mut File> {
        if self.file.is_none() {
            let opened = File::options().append(true).create(true).mode(0o600).open(path);
            self.file = Some(opened.at("cannot write to", path)?);
        }
        Ok(self.file.as_mut().expect("it was opened"))
    }
}

impl Rejects for DeadLetters<'_> {
    fn reject(&mut self, record: &Delivered, error: Error) -> Result<()> {
        let Some(path) = self.path else { return RefuseRejects.reject(record, error) };
        let bytes = record.line.trim_ascii_end();
        let text = std::str::from_utf8(bytes).ok();
        let letter = DeadLetter {
            place: &record.origin,
            problem: error.to_string(),
            record: text,
            record_base64: text.is_none().then(|| BASE64_STANDARD.encode(bytes)),
        };
        let mut line = serde_json::to_vec(&letter).expect("texts are valid JSON");
        line.push(b'\n');
        self.file(path)?.write_all(&line).at("cannot write to", path)?;
        self.number += 1;
        Ok(())
    }

    fn keep(&mut self) -> Result<()> {
        match (&self.file, self.path) {
            (Some(file), Some(path)) => file.sync_all().at("cannot write to", path),
            _ => Ok(()),
        }
    }
}
