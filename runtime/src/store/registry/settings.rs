//! What the registry remembers for later commands.

use std::collections::BTreeMap;

use super::Registry;
use crate::error::Result;
use crate::store::backend::Setting;

impl Registry {
    /// Returns a remembered setting.
    pub fn setting(&self, setting: Setting) -> Result<Option<String>> {
        self.0.setting(setting)
    }

    /// Remembers a setting for later commands.
    pub fn remember(&self, setting: Setting, value: &str) -> Result<()> {
        self.0.remember(setting, value)
    }

    /// What is remembered about files and folders that are not exports, by folder.
    pub fn known_strays(&self) -> Result<BTreeMap<String, String>> {
        self.0.known_strays()
    }

    /// Remembers what is in a folder without being part of an export.
    pub fn remember_strays(&self, folder: &str, record: &str) -> Result<()> {
        self.0.remember_strays(folder, record)
    }

    /// The root of the exports that was last remembered.
    pub fn exports_root(&self) -> Result<Option<String>> {
        self.setting(Setting::Exports)
    }
}
