//! Sequences as tests compare them. A registry's sequences begin after its time of creation; in what tests see, its
//! first is 1.

#[cfg(feature = "aws")]
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use rusqlite::{Connection, OpenFlags};
#[cfg(feature = "aws")]
use serde_json::Value;

/// More versions than any test publishes.
const MAX_VERSIONS: u64 = 1_000_000;

/// The sequences of one registry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sequences {
    created: u64,
}

impl Sequences {
    /// The sequences of a registry on this machine, if it exists and can be read.
    pub(crate) fn read(registry: &Path) -> Option<Self> {
        let connection = Connection::open_with_flags(registry, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
        let sql = "SELECT value FROM settings WHERE name = 'created'";
        let created: String = connection.query_row(sql, [], |row| row.get(0)).ok()?;
        Some(Self { created: created.parse().unwrap() })
    }

    /// The sequence relative to the first; one of another registry stays as it is.
    pub(crate) fn relative(self, sequence: u64) -> u64 {
        let relative = sequence.checked_sub(self.created).filter(|relative| *relative < MAX_VERSIONS);
        relative.unwrap_or(sequence)
    }

    /// The name or path of a published part, with a relative sequence.
    pub(crate) fn in_names(self, text: &str) -> String {
        static NAME: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b(\d{13})-part-").unwrap());
        let name = |found: &Captures<'_>| format!("{:013}-part-", self.relative(found[1].parse().unwrap()));
        NAME.replace_all(text, name).into_owned()
    }

    /// Lines of JSON with relative sequences.
    pub(crate) fn in_json(self, text: &str) -> String {
        static FIELD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"("sequence": ?)(\d{13})\b"#).unwrap());
        let field = |found: &Captures<'_>| format!("{}{}", &found[1], self.relative(found[2].parse().unwrap()));
        FIELD.replace_all(text, field).into_owned()
    }

    /// What a command prints, with relative sequences. In text they keep their width, so that columns stay aligned.
    pub(crate) fn in_output(self, text: &str) -> String {
        static NUMBER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b[1-9]\d{12}\b").unwrap());
        let text = self.in_json(&self.in_names(text));
        if text.starts_with(['{', '[']) {
            return text;
        }
        let number = |found: &Captures<'_>| format!("{:>13}", self.relative(found[0].parse().unwrap()));
        NUMBER.replace_all(&text, number).into_owned()
    }
}

/// The lines of a table, with sequences relative to the first among them. For registries that are not on this machine.
#[cfg(feature = "aws")]
pub(crate) fn relative_to_the_first(lines: &BTreeSet<String>) -> BTreeSet<String> {
    let sequence = |line: &String| serde_json::from_str::<Value>(line).unwrap()["sequence"].as_u64().unwrap();
    let Some(first) = lines.iter().map(sequence).min() else { return BTreeSet::new() };
    let sequences = Sequences { created: first - 1 };
    lines.iter().map(|line| sequences.in_json(line)).collect()
}
