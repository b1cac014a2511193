//! What is in a registry, and what happens to it: it is copied, restored from the copy, lost, or another one takes its
//! place.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rusqlite::Connection;
use serde_json::Value;

use super::model::{CaseResult, History};
use super::rows::{Columns, Rows};

/// The interesting fields of a version in the registry.
pub(super) struct RegisteredVersion {
    pub(super) number: u32,
    pub(super) status: String,
    pub(super) sequence: Option<u64>,
    pub(super) hash: Option<String>,
    pub(super) schema: Option<String>,
}

const REGISTRY: &str = ".tidemark/registry.sqlite";

/// A copy of the registry, and what the model knew when it was made.
pub(super) struct Backup {
    published: BTreeMap<u32, (Rows, Columns)>,
    approved: BTreeSet<u32>,
}

/// How a registry ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Loss {
    /// Its file is gone, its change sets are still there.
    Deleted,
    /// Everything of it is gone.
    Forgotten,
    /// It is restored from the copy.
    Restored,
}

impl History {
    /// All registered versions, in order.
    pub(super) fn versions(&self) -> Vec<RegisteredVersion> {
        self.versions_in(".tidemark")
    }

    /// All versions in the registry of a folder, in order.
    pub(super) fn versions_in(&self, state: &str) -> Vec<RegisteredVersion> {
        let path = self.workspace.path(&format!("{state}/registry.sqlite"));
        if !path.exists() {
            return Vec::new();
        }
        let registry = rusqlite::Connection::open(path).unwrap();
        let Ok(mut statement) = registry.prepare("SELECT record FROM versions ORDER BY place") else {
            return Vec::new();
        };
        let records = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        records.map(|record| RegisteredVersion::from_json(&serde_json::from_str(&record.unwrap()).unwrap())).collect()
    }

    /// Copies the registry as an operator would, while it may be in use.
    pub(super) fn back_up(&mut self) {
        let (registry, copy) = (self.workspace.path(REGISTRY), self.workspace.path("backup"));
        // What a restored registry was publishing starts over, with what is delivered by then. The model takes it that
        // a publication ends as it began.
        let is_publishing = self.versions().iter().any(|version| version.status == "PUBLISHING");
        if registry.exists() && !is_publishing {
            let _ = fs::remove_file(&copy);
            let copied = Connection::open(&registry).unwrap().execute("VACUUM INTO ?1", [copy.to_str().unwrap()]);
            // A kill may have left a file without tables.
            let backup = Backup { published: self.published.clone(), approved: self.approved.clone() };
            self.backup = copied.is_ok().then_some(backup);
        }
    }

    /// Takes the registry away. From now on, runs adopt the output.
    pub(super) fn lose(&mut self, loss: Loss) -> CaseResult {
        let backup = match (loss, self.backup.take()) {
            (Loss::Restored, None) => return Ok(()),
            (Loss::Restored, backup) => backup,
            _ => None,
        };
        // Whoever was at work ends with the machine.
        self.stalled.take().into_iter().for_each(|stalled| stalled.kill());
        // Everything that is published comes to the consumer, even if the registry does not know that it is complete.
        self.run()?;
        self.observe()?;
        self.floor = self.highest_sequence();
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(self.workspace.path(&format!("{REGISTRY}{suffix}")));
        }
        if matches!(loss, Loss::Forgotten) {
            let _ = fs::remove_dir_all(self.workspace.path(".tidemark"));
        }
        match backup {
            Some(Backup { published, approved }) => {
                fs::rename(self.workspace.path("backup"), self.workspace.path(REGISTRY)).unwrap();
                (self.published, self.approved) = (published, approved);
            }
            None => (self.published, self.approved) = (BTreeMap::new(), BTreeSet::new()),
        }
        self.adopts = true;
        Ok(())
    }

    /// The highest sequence that consumers may have seen.
    fn highest_sequence(&self) -> u64 {
        let sequences = self.versions().into_iter().filter_map(|version| version.sequence);
        sequences.max().unwrap_or_default().max(self.floor)
    }
}

impl RegisteredVersion {
    pub(super) fn from_json(record: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Self {
            number: record["version"].as_str().unwrap()[1..].parse().unwrap(),
            status: text(&record["status"]).unwrap(),
            sequence: record["sequence"].as_u64(),
            hash: text(&record["plan"]["hash"]),
            schema: text(&record["plan"]["schema"]),
        }
    }

    pub(super) fn path(&self) -> String {
        format!("acme/t/V{}", self.number)
    }
}
