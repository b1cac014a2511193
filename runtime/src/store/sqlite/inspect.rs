//! What can be said about a registry without opening it.

use std::path::Path;

use super::Sqlite;
use super::connection::check_files;
use super::layout;
use crate::error::{IoContext as _, Result};

impl Sqlite {
    /// The layout of a registry, if there is one, and the layout that this program opens. Opening an older one would
    /// change it.
    pub fn layout(path: &Path) -> Result<Option<(i64, i64)>> {
        if !path.try_exists().at("cannot find", path)? {
            return Ok(None);
        }
        check_files(path)?;
        let version = Self::new(path, None).read(layout::version)?;
        Ok((version > 0).then_some((version, layout::LAYOUT)))
    }
}
