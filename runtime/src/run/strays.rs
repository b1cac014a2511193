//! What is among the exports without being part of one. It is reported once, and remembered in the registry.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::runner::Runner;
use crate::error::Result;
use crate::snapshot::discover::{FolderStrays, LISTED, Stray, hash_of_name};

/// How many strays a report lists.
const SHOWN: usize = 20;

/// What was not reported before.
#[derive(Debug, Default)]
pub(super) struct NewStrays {
    /// How many there are.
    pub(super) count: u64,
    /// The first [`SHOWN`] of them.
    pub(super) listed: Vec<Stray>,
}

/// What the registry remembers about the strays of a folder: a few bytes, however many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct KnownStrays {
    count: u64,
    digest: u64,
    /// The hashes of their names; left out if there are too many to remember.
    names: Option<BTreeSet<u64>>,
}

impl KnownStrays {
    fn from_found(found: &FolderStrays) -> Self {
        let names =
            (found.count <= LISTED as u64).then(|| found.listed.keys().map(|name| hash_of_name(name)).collect());
        Self { count: found.count, digest: found.digest, names }
    }

    /// Adds what is new among the strays that a folder has now. Of folders with many strays, it is only known how many
    /// more there are.
    fn add_new(&self, found: FolderStrays, new: &mut NewStrays) {
        let is_first = *self == Self::default();
        match &self.names {
            Some(names) if found.count <= LISTED as u64 => {
                let is_new = |(name, _): &(String, Stray)| !names.contains(&hash_of_name(name));
                let strays: Vec<Stray> = found.listed.into_iter().filter(is_new).map(|(_, stray)| stray).collect();
                new.add(strays.len() as u64, strays);
            }
            _ if is_first => new.add(found.count, found.listed.into_values()),
            _ if found.count > self.count => {
                let more = found.count - self.count;
                let problem = format!("{more} more that cannot be exports, {} in all", found.count);
                new.add(more, [Stray { path: found.folder.into(), problem, help: None }]);
            }
            _ => {}
        }
    }
}

impl NewStrays {
    fn add(&mut self, count: u64, strays: impl IntoIterator<Item = Stray>) {
        self.count += count;
        self.listed.extend(strays.into_iter().take(SHOWN - self.listed.len()));
    }
}

impl Runner {
    /// Picks what was not reported before, and remembers it.
    pub(super) fn new_strays(&self, found: Vec<FolderStrays>) -> Result<NewStrays> {
        let mut new = NewStrays::default();
        if found.is_empty() {
            return Ok(new);
        }
        let known = self.registry.known_strays()?;
        for strays in found {
            let before = known.get(&strays.folder).and_then(|record| serde_json::from_str(record).ok());
            let before: KnownStrays = before.unwrap_or_default();
            let now = KnownStrays::from_found(&strays);
            if now != before {
                let record = serde_json::to_string(&now).expect("every map has string keys");
                self.registry.remember_strays(&strays.folder, &record)?;
                before.add_new(strays, &mut new);
            }
        }
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: impl IntoIterator<Item = String>) -> FolderStrays {
        let mut strays = FolderStrays::default();
        for name in names {
            let stray = || Stray { path: (&name).into(), problem: "a problem".into(), help: None };
            strays.add(&name, stray);
        }
        strays
    }

    fn new(before: &KnownStrays, now: FolderStrays) -> (u64, usize) {
        let mut new = NewStrays::default();
        before.add_new(now, &mut new);
        (new.count, new.listed.len())
    }

    #[test]
    fn only_new_names_count() {
        let before = KnownStrays::from_found(&folder(["a".into(), "b".into()]));
        assert_eq!(new(&before, folder(["b".into(), "c".into()])), (1, 1));
        assert_eq!(new(&before, folder(["b".into()])), (0, 0));
        assert_eq!(new(&KnownStrays::default(), folder(["b".into()])), (1, 1));
    }

    #[test]
    fn only_the_increase_of_many_strays_counts() {
        let many = |number: usize| folder((0..number).map(|n| format!("stray {n}")));
        assert_eq!(new(&KnownStrays::default(), many(100_000)), (100_000, SHOWN));
        let before = KnownStrays::from_found(&many(1000));
        assert_eq!((before.count, &before.names), (1000, &None));
        assert_eq!(new(&before, many(1007)), (7, 1));
        assert_eq!(new(&before, many(999)), (0, 0));
    }

    #[test]
    fn the_order_of_a_listing_does_not_matter() {
        let forwards = folder((0..1000).map(|n| n.to_string()));
        let backwards = folder((0..1000).rev().map(|n| n.to_string()));
        assert_eq!(KnownStrays::from_found(&forwards), KnownStrays::from_found(&backwards));
        assert_eq!(forwards.listed, backwards.listed);
    }
}
