//! How an export and its columns were written.

use serde::{Deserialize, Serialize};

use crate::table::{Column, Completeness, Compression, Escape, Numbers, Sign, Source, Type};

/// How the texts of one column are written, where that differs from the export as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnFormat {
    /// The texts that mean NULL in this column; `None` if they are those of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nulls: Option<Vec<String>>,
    /// The text before the digits of a binary column in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// How numbers are written; `None` if they look like `-1234.5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<NumberFormat>,
    /// The layout of a date or timestamp, empty if that is ISO 8601; `None` in other columns, and in epochs that were
    /// recorded before it belonged to them, for which today's layout stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// The words for true and for false of a boolean, empty if it has none of its own; `None` as in `layout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<[Vec<String>; 2]>,
}

/// How the numbers of a column are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberFormat {
    /// The character before the fraction.
    pub decimal_mark: char,
    /// The character between groups of three digits.
    pub group_mark: Option<char>,
    /// Where the sign is.
    pub sign: Sign,
    /// Texts before or after the number that are not part of it.
    pub strip: Vec<String>,
}

/// How the parts of an export are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFormat {
    /// How each part is compressed.
    pub compression: Compression,
    /// The encoding of the text, by its lower-case WHATWG name; `None` is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// The byte between two fields, or the first one of `long_delimiter`.
    pub delimiter: u8,
    /// The text between two fields, if that is not one byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_delimiter: Option<String>,
    /// Whether a record ends with a delimiter.
    #[serde(default, skip_serializing_if = "is_off")]
    pub trailing_delimiter: bool,
    /// The end of a record, if that is not any line break.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_end: Option<String>,
    /// Whether a part ends with the end of a record.
    #[serde(default, skip_serializing_if = "is_off")]
    pub final_newline: bool,
    /// How characters are escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escape: Option<Escape>,
    /// The byte around a quoted field; `None` if fields are never quoted.
    pub quote: Option<u8>,
    /// Whether each part starts with the names of its columns.
    pub header: bool,
    /// Whether only the first part has a header.
    #[serde(default, skip_serializing_if = "is_off")]
    pub first_part_header: bool,
    /// Whether a header may name columns in another case.
    #[serde(default, skip_serializing_if = "is_off")]
    pub any_header_case: bool,
    /// Whether records that repeat the header are skipped; otherwise they are refused.
    #[serde(default, skip_serializing_if = "is_off")]
    pub skip_repeated_header: bool,
    /// How many lines at the beginning of a part are not rows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skip_first: u32,
    /// How many lines at the end of a part are not rows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skip_last: u32,
    /// What a line begins with that is a comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The regular expression of a part's last line, whose first group is the number of rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trailer: Option<String>,
    /// The texts that mean NULL.
    pub nulls: Vec<String>,
    /// Whether a quoted field can be NULL.
    pub quoted_nulls: bool,
    /// Whether a quoted field can contain line breaks.
    pub multiline: bool,
    /// Whether columns of a part that the schema does not name are skipped.
    #[serde(default, skip_serializing_if = "is_off")]
    pub skip_unlisted: bool,
    /// Whether a row that repeats another one in every column is refused.
    #[serde(default, skip_serializing_if = "is_off")]
    pub refuse_duplicates: bool,
    /// The names of the parts, as a glob; `None` if all files are parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<String>,
    /// The name of a manifest that could be that of a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
}

impl SourceFormat {
    /// The text between two fields.
    pub(crate) fn delimiter(&self) -> String {
        self.long_delimiter.clone().unwrap_or_else(|| char::from(self.delimiter).to_string())
    }

    /// Returns whether a field that is an escaped `N` is NULL: with one character as the escape, if `nulls` says so.
    pub(crate) fn has_escaped_null(&self) -> bool {
        match self.escape {
            Some(Escape::Char(byte)) => self.nulls.iter().any(|null| null.as_bytes() == [byte, b'N']),
            escape => escape.is_some(),
        }
    }

    /// The format that a schema declares.
    pub fn from_source(source: &Source) -> Self {
        Self {
            compression: source.compression,
            encoding: source.encoding.map(Into::into),
            delimiter: source.delimiter,
            long_delimiter: source.long_delimiter.map(Into::into),
            trailing_delimiter: source.trailing_delimiter,
            record_end: source.record_end.map(Into::into),
            final_newline: source.final_newline,
            escape: source.escape,
            quote: source.quote,
            header: source.header,
            first_part_header: source.first_part_header,
            any_header_case: source.any_header_case,
            skip_repeated_header: source.skip_repeated_header,
            skip_first: source.skip_first,
            skip_last: source.skip_last,
            comment: source.comment.map(Into::into),
            trailer: source.trailer.map(Into::into),
            nulls: source.nulls.iter().map(|null| (*null).into()).collect(),
            quoted_nulls: source.quoted_nulls,
            multiline: source.multiline,
            skip_unlisted: source.skip_unlisted,
            refuse_duplicates: source.refuse_duplicates,
            parts: source.parts.map(Into::into),
            manifest: match source.complete {
                Completeness::RedshiftManifest(name) => Some(name.into()),
                _ => None,
            },
        }
    }
}

/// An option that is off is not stored, as in formats from before it existed.
fn is_off(flag: &bool) -> bool {
    !flag
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl ColumnFormat {
    /// The format that a schema declares for a column.
    pub fn from_column(column: &Column) -> Self {
        Self {
            nulls: column.nulls.map(|nulls| nulls.iter().map(|null| (*null).into()).collect()),
            prefix: column.prefix.map(Into::into),
            numbers: column.numbers.map(|Numbers { decimal_mark, group_mark, sign, strip }| NumberFormat {
                decimal_mark,
                group_mark,
                sign,
                strip: strip.iter().map(|text| (*text).into()).collect(),
            }),
            layout: column.source_type().is_time().then(|| column.format.unwrap_or_default().into()),
            words: (column.source_type() == Type::Boolean).then(|| {
                let owned = |words: &[&str]| words.iter().map(|word| (*word).into()).collect();
                [owned(column.true_values), owned(column.false_values)]
            }),
        }
    }
}
