//! Rows that cannot be used: the first ones with their places, and how many there are.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

#[cfg(feature = "pipeline")]
use crate::advice;
use crate::name::{natural_cmp, printable};
use crate::table::Column;
#[cfg(feature = "pipeline")]
use crate::table::Table;

/// The maximum number of offenders that are listed; the totals count all of them.
pub const SHOWN: usize = 20;

/// The maximum length of a value's excerpt, in characters.
const MAX_EXCERPT: usize = 60;

/// What is before a byte that is not a character, in a text that was decoded. Twice, it replaces one that cannot be
/// shown.
pub(crate) const INVALID: u8 = 0xFF;

/// The reason why a row is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The row has more or fewer fields than there are columns.
    FieldCount,
    /// Text after a closing quote, a quote inside an unquoted field, or an unclosed quote.
    BadQuoting,
    /// A carriage return without a line feed, or a NUL byte.
    BadCharacter,
    /// More bytes than a record may have, as with a quote that is never closed.
    RecordTooLarge,
    /// A row that repeats the header, as in files that were joined.
    RepeatedHeader,
    /// Bytes that are not UTF-8; and U+FFFD if Athena can read the table, because Athena replaces such bytes by it.
    NotUtf8,
    /// NULL in a key column.
    NullKey,
    /// NULL in another column that is not nullable.
    NullValue,
    /// Text that is not a value of the column's type.
    UnreadableValue,
    /// A key that appears again with a different row.
    ConflictingDuplicate,
    /// A row that appears again, in a table that refuses that.
    RepeatedRow,
}

/// A row that is refused, or one of its fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offender {
    /// The part's file name.
    pub part: String,
    /// The line the row begins on, from 1, the header included.
    pub line: u64,
    /// The column, if one field is at fault.
    pub column: Option<String>,
    /// The reason.
    pub reason: Reason,
    /// The same for people, with an excerpt of the text unless its column is masked.
    pub message: String,
}

/// The refused rows of one export.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejects {
    /// The first [`SHOWN`] offenders, in the order of parts and lines.
    pub offenders: Vec<Offender>,
    /// The number of offenders for each reason.
    pub totals: BTreeMap<Reason, u64>,
}

impl Rejects {
    /// Returns whether nothing was refused.
    pub fn is_empty(&self) -> bool {
        self.totals.is_empty()
    }

    /// The number of offenders.
    pub fn total(&self) -> u64 {
        self.totals.values().sum()
    }

    /// Adds the offenders of another pass over the same export, in the order of parts and lines.
    pub(crate) fn merge(&mut self, other: Rejects) {
        for (reason, count) in other.totals {
            *self.totals.entry(reason).or_default() += count;
        }
        self.offenders.extend(other.offenders);
        self.offenders.sort_by(|a, b| natural_cmp(&a.part, &b.part).then(a.line.cmp(&b.line)));
        self.offenders.truncate(SHOWN);
    }

    /// Counts an offender, and keeps it if it is one of the first. `offender` is only called if it is kept.
    pub(crate) fn add(&mut self, reason: Reason, offender: impl FnOnce() -> Offender) {
        *self.totals.entry(reason).or_default() += 1;
        if self.offenders.len() < SHOWN {
            self.offenders.push(offender());
        }
    }
}

impl Reason {
    /// Every reason.
    const ALL: [Self; 11] = [
        Self::FieldCount,
        Self::BadQuoting,
        Self::BadCharacter,
        Self::RecordTooLarge,
        Self::RepeatedHeader,
        Self::NotUtf8,
        Self::NullKey,
        Self::NullValue,
        Self::UnreadableValue,
        Self::ConflictingDuplicate,
        Self::RepeatedRow,
    ];

    /// The reason in JSON, in messages and in the queries on Athena, such as `null-key`.
    pub fn code(self) -> &'static str {
        match self {
            Self::FieldCount => "field-count",
            Self::BadQuoting => "bad-quoting",
            Self::BadCharacter => "bad-character",
            Self::RecordTooLarge => "record-too-large",
            Self::RepeatedHeader => "repeated-header",
            Self::NotUtf8 => "not-utf8",
            Self::NullKey => "null-key",
            Self::NullValue => "null-value",
            Self::UnreadableValue => "unreadable-value",
            Self::ConflictingDuplicate => "conflicting-duplicate",
            Self::RepeatedRow => "repeated-row",
        }
    }

    /// The reason with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An excerpt of a field for messages: as it is in the file, except that what is not visible is escaped; truncated, and
/// masked if the column is `pii`.
pub(crate) fn excerpt(text: &[u8], pii: bool) -> String {
    if pii {
        return "a masked value".into();
    }
    let (mut excerpt, mut left) = (String::new(), MAX_EXCERPT);
    for chunk in text.utf8_chunks() {
        let valid: String = chunk.valid().chars().take(left).collect();
        left -= valid.chars().count();
        excerpt += &printable(&valid);
        let invalid = chunk.invalid().iter().take(left);
        left -= invalid.len();
        invalid.for_each(|byte| excerpt += &format!("\\x{byte:02x}"));
        if valid.len() < chunk.valid().len() || left == 0 {
            break;
        }
    }
    let is_cut = String::from_utf8_lossy(text).chars().nth(MAX_EXCERPT).is_some();
    format!("`{excerpt}{}`", if is_cut { "…" } else { "" })
}

/// Says to people why a text, as it is in the file, is not a value of its column: `` `12,50` is not a decimal(12,2)``.
#[cfg(feature = "pipeline")]
pub(crate) fn explain(table: &Table, column: &Column, text: &[u8], reason: Reason) -> String {
    let mismatch = mismatch(column, reason);
    let problem = match reason {
        Reason::NullKey | Reason::NullValue if text.is_empty() => mismatch,
        Reason::NullKey | Reason::NullValue => format!("{mismatch}: {}", excerpt(text, column.is_masked())),
        _ => format!("{} {mismatch}", excerpt(text, column.is_masked())),
    };
    let advice = match reason {
        Reason::NullKey | Reason::NullValue => advice::for_null(column, text),
        Reason::UnreadableValue => advice::for_unreadable(table, column, text),
        _ => None,
    };
    match advice {
        Some(advice) => format!("{problem}; {advice}"),
        None => problem,
    }
}

/// The same for a text that was decoded from this encoding; `None` is UTF-8.
#[cfg(feature = "pipeline")]
pub(crate) fn explain_text(
    table: &Table,
    column: &Column,
    text: &[u8],
    reason: Reason,
    encoding: Option<&str>,
) -> String {
    let explained = explain(table, column, text, reason);
    match (reason, encoding) {
        (Reason::NotUtf8, None) => format!("{explained}; is it written in another `source.encoding`?"),
        (Reason::NotUtf8, Some(encoding)) => {
            let shown = excerpt(&undecoded(text), column.is_masked());
            format!("{shown} has a byte that is not a character of `encoding: {encoding}`")
        }
        _ => explained,
    }
}

/// A text with the bytes that are not characters as they are in the file.
fn undecoded(text: &[u8]) -> Vec<u8> {
    let mut shown = Vec::new();
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            INVALID => match bytes.next() {
                None | Some(INVALID) => shown.extend_from_slice("\u{FFFD}".as_bytes()),
                Some(bad) => shown.push(bad),
            },
            byte => shown.push(byte),
        }
    }
    shown
}

/// Says to people that a key, as it is shown, is there more than once.
pub(crate) fn repetition(key: &str, reason: Reason) -> String {
    match reason {
        Reason::RepeatedRow => format!("key {key} appears again with the same row"),
        _ => format!("key {key} appears again with another row"),
    }
}

/// Says why a text is not a value without the text: `is not a decimal(12,2)`.
pub(crate) fn mismatch(column: &Column, reason: Reason) -> String {
    let ty = column.source_type();
    let article = ty.article();
    match reason {
        Reason::NullKey => "the key is NULL".into(),
        Reason::NullValue => "NULL in a column that is not nullable".into(),
        Reason::NotUtf8 => "is not UTF-8".into(),
        _ => match (column.format, column.prefix) {
            (Some(format), _) => format!("is not {article} {ty} like `{format}`"),
            (None, Some(prefix)) => format!("is not {article} {ty} after `{prefix}`"),
            (None, None) => format!("is not {article} {ty}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_the_text_of_the_file() {
        for (text, expected) in [
            (&br#"it's a \N "x" "#[..], r#"`it's a \N "x" `"#),
            ("a\tb\u{202e}".as_bytes(), "`a\\tb\\u{202e}`"),
            (b"a\xff\xfeb", "`a\\xff\\xfeb`"),
            (b"", "``"),
            ("€".repeat(60).as_bytes(), &format!("`{}`", "€".repeat(60))),
            ("€".repeat(61).as_bytes(), &format!("`{}…`", "€".repeat(60))),
            (&[0xff; 61], &format!("`{}…`", r"\xff".repeat(60))),
        ] {
            assert_eq!(excerpt(text, false), expected);
        }
        assert_eq!(excerpt(b"secret", true), "a masked value");
    }
}
