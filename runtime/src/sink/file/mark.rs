//! The mark of a tenant's table: OUT/.writing/TENANT/TABLE/mark.json.
//!
//! It is written in a publisher's own folder and renamed into place, so that a publisher which has been shut out cannot
//! write it any more.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use crate::error::{Error, IoContext as _, Result};
use crate::fs::sync_folder;
use crate::name::printable_path;
use crate::sink::{Mark, Publisher, foreign_mark};
use crate::store::Version;

const NAME: &str = "mark.json";

/// Reads the mark in a table's private folder.
pub(super) fn read(of_table: &Path) -> Result<Option<Mark>> {
    let path = of_table.join(NAME);
    let json = match fs::read(&path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        json => json.at("cannot read", &path)?,
    };
    match Mark::parse(&json) {
        Ok(mark) => Ok(Some(mark)),
        Err(error) => Err(Error::refused(printable_path(&path), format!("the mark cannot be read: {error}"))
            .help("remove it and run again; what was published is then compared with the registry")),
    }
}

/// Raises the mark to a version's sequence. `own` is the publisher's own folder.
pub(super) fn raise(own: &Path, publisher: Publisher<'_>, version: &Version) -> Result<()> {
    let of_table = own.parent().expect("a publisher's folder is in its table's");
    let known = read(of_table)?;
    let raised = Mark::raised(known.as_ref(), publisher, version);
    let mark = raised.map_err(|other| foreign_mark(&printable_path(of_table), &other))?;
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
