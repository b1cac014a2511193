//! The mark of a tenant's table: OUT/.writing/TENANT/TABLE/mark.json.
//!
//! It is written in a publisher's own folder and renamed into place, so that a publisher which has been shut out cannot
//! write it any more.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;

use crate::error::{IoContext as _, Result};
use crate::fs::{file_type, open_regular, sync_folder};
use crate::name::printable_path;
use crate::sink::file::lock::Lock;
use crate::sink::{Mark, Publisher, damaged_mark, foreign_mark};
use crate::store::Version;

const NAME: &str = "mark.json";

/// Reads the mark in a table's private folder.
pub(super) fn read(of_table: &Path) -> Result<Option<Mark>> {
    let path = of_table.join(NAME);
    let damaged = |problem: &str| damaged_mark(&printable_path(&path), problem);
    if file_type(&path)?.is_some_and(|kind| !kind.is_file()) {
        return Err(damaged("it is not a file"));
    }
    let mut json = Vec::new();
    match open_regular(&path).and_then(|mut file| file.read_to_end(&mut json)) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        read => read.at("cannot read", &path)?,
    };
    Mark::parse(&json).map(Some).map_err(|problem| damaged(&problem))
}

/// Raises the mark to a version's sequence. `own` is the publisher's own folder, `output` what is published of the
/// table.
pub(super) fn raise(own: &Path, output: &Path, publisher: Publisher<'_>, version: &Version) -> Result<()> {
    let of_table = own.parent().expect("a publisher's folder is in its table's");
    let _lock = Lock::acquire(of_table)?;
    let known = read(of_table)?;
    let raised = Mark::raised(known.as_ref(), publisher, version);
    let mark = raised.map_err(|other| foreign_mark(&printable_path(output), &other))?;
    if known.as_ref() == Some(&mark) {
        return Ok(());
    }
    write(own, &mark)?;
    // The folders may be new as well: those of the table, of the tenant, and OUT/.writing.
    let new = if known.is_none() { 4 } else { 1 };
    of_table.ancestors().take(new).try_for_each(sync_folder)
}

/// Replaces the mark, whatever it was.
pub(super) fn replace(own: &Path, mark: &Mark) -> Result<()> {
    write(own, mark)?;
    own.ancestors().skip(1).take(4).try_for_each(sync_folder)
}

/// Replaces the mark. The caller makes its name durable.
fn write(own: &Path, mark: &Mark) -> Result<()> {
    let of_table = own.parent().expect("a publisher's folder is in its table's");
    let (staged, path) = (own.join(NAME), of_table.join(NAME));
    let mut json = serde_json::to_vec(mark).expect("a mark has string keys only");
    json.push(b'\n');
    let write = |mut file: File| file.write_all(&json).and_then(|()| file.sync_all());
    File::create(&staged).and_then(write).at("cannot write", &staged)?;
    fs::rename(&staged, &path).at("cannot rename into", &path)
}
