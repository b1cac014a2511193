//! The files of a report.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, IoContext as _, Result};
use crate::fs::folder_names;
use crate::name::{TableKey, is_name, printable_path};

/// Marks a folder as a report, so that another report may replace it.
const MARKER: &str = ".tidemark-report";

/// The folders of a report, which the next one removes.
const FOLDERS: [&str; 4] = ["assets", "search", "tables", "versions"];

/// The folder of a report.
#[derive(Debug)]
pub(super) struct Site {
    folder: PathBuf,
}

impl Site {
    /// Makes the folder, or empties it if it has an earlier report. Any other folder with something in it is refused.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        let names = match folder_names(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            names => names.at("cannot list", folder)?,
        };
        if !names.is_empty() && !names.iter().any(|name| name == MARKER) {
            let problem = "the folder has files that are not a report's";
            return Err(Error::usage(printable_path(folder), problem).help("name a new folder, or an earlier report"));
        }
        let site = Self { folder: folder.into() };
        for name in FOLDERS.iter().filter(|name| names.iter().any(|found| found == *name)) {
            let old = folder.join(name);
            fs::remove_dir_all(&old).at("cannot remove", &old)?;
        }
        site.write(MARKER, "A report of Tidemark. The next one replaces it.\n")?;
        site.write("assets/report.css", include_str!("../../templates/report/report.css"))?;
        site.write("assets/report.js", include_str!("../../templates/report/report.js"))?;
        Ok(site)
    }

    /// Writes a file, and the folders above it.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join(name);
        let folder = path.parent().expect("it is in the folder of the report");
        fs::create_dir_all(folder).at("cannot create", folder)?;
        fs::write(&path, text).at("cannot write", &path)
    }
}

/// The page of a tenant's table.
pub(super) fn table_page(key: &TableKey) -> String {
    format!("tables/{}/{}.html", file_name(&key.tenant), file_name(&key.table))
}

/// The page of a version.
pub(super) fn version_page(key: &TableKey, version: &str) -> String {
    format!("versions/{}/{}/{}.html", file_name(&key.tenant), file_name(&key.table), file_name(version))
}

/// A name from the registry as that of a file. What cannot be a name, in a registry that was changed by hand, becomes a
/// number.
fn file_name(name: &str) -> String {
    if is_name(name) { name.into() } else { format!("_{:016x}", xxhash_rust::xxh3::xxh3_64(name.as_bytes())) }
}
