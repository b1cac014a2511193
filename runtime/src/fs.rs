//! Durable files and folders.

use std::fs::{self, File, FileType};
use std::io::{self, BufWriter, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::error::{IoContext as _, Result};

/// Creates an empty folder, and removes what an earlier attempt left there.
pub(crate) fn recreate(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).at("cannot remove", folder)?;
    }
    create_folders(folder)
}

/// Creates a folder and those above it that are missing, and makes their names durable.
pub(crate) fn create_folders(folder: &Path) -> Result<()> {
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let missing: Vec<&Path> = folder.ancestors().take_while(is_missing).collect();
    // `gc` removes empty folders, perhaps a parent between two steps of this call. Then the second attempt succeeds.
    fs::create_dir_all(folder).or_else(|_| fs::create_dir_all(folder)).at("cannot create", folder)?;
    missing.iter().filter_map(|created| created.parent()).try_for_each(|parent| {
        let is_working_folder = parent.as_os_str().is_empty();
        sync_folder(if is_working_folder { Path::new(".") } else { parent })
    })
}

/// What is at a path; `None` if nothing is. What cannot be inspected is an error: it may be there.
pub(crate) fn file_type(path: &Path) -> Result<Option<FileType>> {
    match fs::metadata(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        metadata => metadata.at("cannot inspect", path).map(|metadata| Some(metadata.file_type())),
    }
}

/// Opens a regular file, whatever has replaced it since it was listed: a link is not followed, and opening a fifo does
/// not wait for a writer.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let file = File::options().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
}

/// The names in a folder, sorted: the order in which a file system lists them must decide nothing.
pub(crate) fn folder_names(folder: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<String> = names.collect::<io::Result<_>>()?;
    names.sort_unstable();
    Ok(names)
}

/// Makes a file durable that was written.
pub(crate) fn sync_file(mut buffered: BufWriter<File>) -> io::Result<()> {
    buffered.flush()?;
    buffered.get_ref().sync_all()
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|file| file.sync_all()).at("cannot sync", folder)
}
