//! Creates folders atomically: they appear complete or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Fills a temporary folder and replaces `target` with it, whatever was there.
pub(super) fn replace<T>(target: &Path, fill: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let (made, old) = (temporary(target, "making")?, temporary(target, "old")?);
    let result = fill_empty(&made, fill)?;
    remove(&old)?;
    if target.exists() {
        fs::rename(target, &old).map_err(failed("replace", target))?;
    }
    fs::rename(&made, target).map_err(failed("rename into place", target))?;
    remove(&old)?;
    Ok(result)
}

/// Fills a temporary folder and renames it to `target`, which must not exist, or be empty.
pub(super) fn create<T>(target: &Path, fill: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    if target.exists() && fs::read_dir(target).map_err(failed("list", target))?.next().is_some() {
        let message = format!("{} is not empty; remove it or name another folder", target.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    let made = temporary(target, "making")?;
    let result = fill_empty(&made, fill)?;
    // Renaming a folder over an empty one replaces it.
    fs::rename(&made, target).map_err(failed("rename into place", target))?;
    Ok(result)
}

/// For `map_err`: adds what was being done to which path.
pub(super) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("cannot {doing} {}: {error}", path.display()))
}

fn fill_empty<T>(folder: &Path, fill: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    remove(folder)?;
    fs::create_dir_all(folder).map_err(failed("create", folder))?;
    fill(folder)
}

fn temporary(target: &Path, purpose: &str) -> io::Result<PathBuf> {
    let Some(name) = target.file_name() else {
        let message = format!("{} does not end with the name of a folder", target.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    };
    Ok(target.with_file_name(format!(".{}.{purpose}", name.to_string_lossy())))
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", folder)(error)),
        _ => Ok(()),
    }
}
