//! Reading versions with their parts, which are apart from the records of versions that are done.

use std::collections::HashMap;

use super::item::{self, Item};
use super::table::Dynamodb;
use crate::error::Result;
use crate::name::TableKey;
use crate::snapshot::Part;
use crate::store::record::Version;

/// How often a version is read that is being written.
const TRIES: u32 = 20;

impl Dynamodb {
    /// Reads the version with this sort key.
    pub(super) fn read_version(&self, key: &TableKey, sort_key: &str) -> Result<Option<Version>> {
        let place = sort_key.strip_prefix(item::VERSION).unwrap_or_default();
        for _ in 0..TRIES {
            let Some(record) = self.item(item::key(key.to_string(), sort_key))? else { return Ok(None) };
            if !item::is_true(&record, "apart") {
                return self.parse_record::<Version>(key, &record).map(Some);
            }
            let parts = self.item(item::key(key.to_string(), format!("{}{place}", item::PARTS)))?;
            if let Some(version) = self.join(key, &record, parts.as_ref())? {
                return Ok(Some(version));
            }
        }
        Err(self.damaged(&format!("the parts of {key} {} are not those of its record", crate::name::name_at(place))))
    }

    /// Reads all versions of a table, in natural order.
    pub(super) fn read_versions(&self, key: &TableKey) -> Result<Vec<Version>> {
        let apart = self.items(&key.to_string(), item::PARTS)?;
        let place = |item: &Item| Some(item::get_text(item, "sk")?.strip_prefix(item::PARTS)?.to_owned());
        let apart: HashMap<String, Item> = apart.into_iter().filter_map(|item| Some((place(&item)?, item))).collect();
        let mut versions = Vec::new();
        for record in self.items(&key.to_string(), item::VERSION)? {
            let sort_key = item::get_text(&record, "sk").unwrap_or_default();
            let parts = apart.get(sort_key.strip_prefix(item::VERSION).unwrap_or_default());
            let version = match item::is_true(&record, "apart") {
                true => self.join(key, &record, parts)?,
                false => Some(self.parse_record::<Version>(key, &record)?),
            };
            // One that was written meanwhile is read again.
            versions.extend(version.map_or_else(|| self.read_version(key, sort_key), |version| Ok(Some(version)))?);
        }
        Ok(versions)
    }

    /// A version of its record and its parts; `None` if they were not written together.
    fn join(&self, key: &TableKey, record: &Item, parts: Option<&Item>) -> Result<Option<Version>> {
        let written = |item: &Item| item::get_text(item, "token").map(str::to_owned);
        let Some(parts) = parts.filter(|parts| written(parts) == written(record)) else { return Ok(None) };
        let version = self.parse_record::<Version>(key, record)?;
        let parts: Vec<Part> = serde_json::from_str(item::get_text(parts, "parts").unwrap_or_default())
            .map_err(|error| self.damaged(&format!("the parts of {version} are damaged: {error}")))?;
        Ok(Some(Version { parts, ..version }))
    }
}
