//! Rows that cannot be read: the first of them with their places, all of them counted.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::natural_cmp;
use crate::table::Column;

/// How many offenders are shown one by one; the rest is in the totals.
pub const SHOWN: usize = 20;

/// Longest piece of a value that an offender shows, in characters.
const SHOWN_TEXT: usize = 60;

/// Why a row is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// More or fewer fields than there are columns.
    FieldCount,
    /// Text after a closing quote, a quote inside an unquoted field, a quote that is not closed.
    BadQuoting,
    /// A carriage return without a line feed, or NUL.
    BadCharacter,
    /// Bytes that are not UTF-8 (or, where Athena reads the table too, U+FFFD, which stands for such bytes there).
    NotUtf8,
    /// NULL in a key column.
    NullKey,
    /// NULL in another column that is not nullable.
    NullValue,
    /// Text that is no value of the column's type.
    UnreadableValue,
    /// A key that appears again with another row.
    ConflictingDuplicate,
}

/// One row that is refused, or one field of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offender {
    /// The part's file name.
    pub part: String,
    /// The line the row begins on, from 1, the header included.
    pub line: u64,
    /// The column, where one field is at fault.
    pub column: Option<String>,
    /// Why.
    pub reason: Reason,
    /// The same for people, with the text that was found unless its column is marked `pii`.
    pub message: String,
}

/// What was refused of one export.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejects {
    /// The first [`SHOWN`] offenders, in the order of their places.
    pub offenders: Vec<Offender>,
    /// How many offenders there are in all, by reason.
    pub totals: BTreeMap<Reason, u64>,
}

impl Rejects {
    /// Whether nothing was refused.
    pub fn is_empty(&self) -> bool {
        self.totals.is_empty()
    }

    /// How many offenders there are in all.
    pub fn total(&self) -> u64 {
        self.totals.values().sum()
    }

    /// Takes in what another look at the same export refused, in the order of places.
    pub fn merge(&mut self, other: Rejects) {
        for (reason, count) in other.totals {
            *self.totals.entry(reason).or_default() += count;
        }
        self.offenders.extend(other.offenders);
        self.offenders.sort_by(|a, b| natural_cmp(&a.part, &b.part).then(a.line.cmp(&b.line)));
        self.offenders.truncate(SHOWN);
    }

    /// Counts an offender, and keeps it if it is among the first. `offender` is only made when it is kept.
    pub fn add(&mut self, reason: Reason, offender: impl FnOnce() -> Offender) {
        *self.totals.entry(reason).or_default() += 1;
        if self.offenders.len() < SHOWN {
            self.offenders.push(offender());
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::FieldCount => "field-count",
            Reason::BadQuoting => "bad-quoting",
            Reason::BadCharacter => "bad-character",
            Reason::NotUtf8 => "not-utf8",
            Reason::NullKey => "null-key",
            Reason::NullValue => "null-value",
            Reason::UnreadableValue => "unreadable-value",
            Reason::ConflictingDuplicate => "conflicting-duplicate",
        })
    }
}

/// A field's text as it may be shown: escaped, cut, and not at all where the column is `pii`.
pub(crate) fn shown(text: &[u8], pii: bool) -> String {
    if pii {
        return "a masked value".into();
    }
    let text = String::from_utf8_lossy(text);
    let cut: String = text.chars().take(SHOWN_TEXT).flat_map(char::escape_debug).collect();
    let more = if text.chars().nth(SHOWN_TEXT).is_some() { "…" } else { "" };
    format!("`{cut}{more}`")
}

/// Why a text is no value of its column, for people.
pub(crate) fn explain(column: &Column, text: &[u8], reason: Reason) -> String {
    let article = column.ty.article();
    match reason {
        Reason::NullKey => "the key is NULL".into(),
        Reason::NullValue => "NULL, where the column is not nullable".into(),
        Reason::NotUtf8 => format!("{} is not UTF-8", shown(text, column.pii)),
        _ => match column.format {
            Some(format) => format!("{} is not {article} {} like `{format}`", shown(text, column.pii), column.ty),
            None => format!("{} is not {article} {}", shown(text, column.pii), column.ty),
        },
    }
}
