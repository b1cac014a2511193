//! Schema epochs: what the registry stores about the schema of a version, and what has changed since.
//!
//! A baseline was written under the schema of its time. It is read with the columns and the format of that time, but
//! today's types: removed columns are skipped, added columns have their default, and a value that today's type cannot
//! read differs from every value of today.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::table::{Column, Completeness, Compression, Escape, Numbers, Sign, Source, Table};

/// Everything needed to read an export again later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// The schema's hash.
    pub schema: String,
    /// The columns, in the order of the schema; in exports without a header also the order of the fields.
    pub columns: Vec<OldColumn>,
    /// The names of the key columns, in the key's order.
    pub primary_key: Vec<String>,
    /// How the parts are written.
    pub source: SourceFormat,
}

/// A column of an earlier schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldColumn {
    /// The column's name.
    pub name: String,
    /// The column's name in a header, if that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The column's type as errors show it, followed by `, trimmed` if its text is trimmed.
    #[serde(rename = "type")]
    pub ty: String,
    /// Whether consumers saw the column.
    #[serde(default = "published", skip_serializing_if = "is_published")]
    pub publish: bool,
    /// How its texts are written.
    #[serde(flatten)]
    pub format: ColumnFormat,
}

/// Every column of an earlier release was published.
fn published() -> bool {
    true
}

fn is_published(publish: &bool) -> bool {
    *publish
}

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
    #[serde(default, skip_serializing_if = "is_false")]
    pub skip_unlisted: bool,
    /// Whether a row that repeats another one in every column is refused.
    #[serde(default, skip_serializing_if = "is_false")]
    pub refuse_duplicates: bool,
    /// The names of the parts, as a glob; `None` if all files are parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<String>,
    /// The name of a manifest that could be that of a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// The changes from a baseline's schema to today's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// The hash of the baseline's schema.
    pub from: String,
    /// Columns that the baseline does not have; they have their default there, or NULL.
    pub added: Vec<String>,
    /// Columns that only the baseline has; they are skipped.
    pub removed: Vec<String>,
    /// The old and the new name of each renamed column.
    pub renamed: Vec<(String, String)>,
    /// Each retyped column with its old and its new type; old values are read with the new one.
    pub retyped: Vec<(String, String, String)>,
}

/// Where a baseline has a column of today's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnSource {
    /// In the epoch's column with this index.
    Column(usize),
    /// Nowhere that consumers saw; the column was added, or first published, since.
    Added,
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
        }
    }
}

impl Epoch {
    /// Today's epoch of a table.
    pub(crate) fn from_table(table: &Table) -> Self {
        Self {
            schema: table.schema.into(),
            columns: table.columns.iter().map(OldColumn::from_column).collect(),
            primary_key: table.primary_key.iter().map(|name| (*name).into()).collect(),
            source: SourceFormat::from_source(&table.source),
        }
    }

    /// Finds a column of today's schema in the epoch. What consumers could not see is not there for a published column.
    pub(crate) fn locate(&self, column: &Column) -> ColumnSource {
        let position = |is_it: &dyn Fn(&str) -> bool| {
            self.columns.iter().position(|old| (old.publish || !column.publish) && is_it(&old.name))
        };
        let find = |name: &str| position(&|old| old == name);
        // No schema has two names that differ only in case.
        let in_any_case = |name: &str| position(&|old| old.eq_ignore_ascii_case(name));
        match find(column.name).or_else(|| column.formerly.and_then(find)).or_else(|| in_any_case(column.name)) {
            Some(index) => ColumnSource::Column(index),
            None => ColumnSource::Added,
        }
    }

    /// What has changed since; `None` if nothing has. Fails if a baseline of this epoch cannot be compared with exports
    /// under today's schema; `resync_help` is the error's next step.
    pub(crate) fn drift(&self, table: &Table, resync_help: &str) -> Result<Option<Drift>> {
        if self.schema == table.schema {
            return Ok(None);
        }
        self.check_key(table, resync_help)?;
        let mut drift = Drift { from: self.schema.clone(), ..Drift::default() };
        let mut used = vec![false; self.columns.len()];
        for column in table.columns.iter().filter(|column| column.publish) {
            let ColumnSource::Column(index) = self.locate(column) else {
                check_fill(column, resync_help)?;
                drift.added.push(column.name.into());
                continue;
            };
            used[index] = true;
            let (old, new) = (&self.columns[index], OldColumn::from_column(column));
            if old.name != new.name {
                drift.renamed.push((old.name.clone(), new.name.clone()));
            }
            if old.ty != new.ty {
                drift.retyped.push((new.name, old.ty.clone(), new.ty));
            }
        }
        let removed = self.columns.iter().zip(used).filter(|(column, used)| column.publish && !used);
        drift.removed = removed.map(|(column, _)| column.name.clone()).collect();
        Ok(Some(drift))
    }

    /// Returns whether a row has the same key under a table's schema as under this one.
    pub(crate) fn has_key_of(&self, table: &Table) -> bool {
        self.check_key(table, "").is_ok()
    }

    /// Consumers identify a row by its key: under another key, they could not find any of their rows.
    fn check_key(&self, table: &Table, resync_help: &str) -> Result<()> {
        let refuse = |problem: String| Err(Error::refused("", problem).help(resync_help));
        if self.primary_key != table.primary_key {
            let (old, new) = (self.primary_key.join(", "), table.primary_key.join(", "));
            return refuse(format!("schema-changed: the primary key was ({old}) and is now ({new})"));
        }
        for name in table.primary_key {
            let old = self.columns.iter().find(|column| column.name == *name);
            let new = table.column(name).map(OldColumn::from_column);
            let (Some(old), Some(new)) = (old, new) else { continue };
            if !old.reads_like(&new) {
                return refuse(format!("schema-changed: key column `{name}` was {} and is now {}", old.ty, new.ty));
            }
        }
        Ok(())
    }
}

impl OldColumn {
    fn from_column(column: &Column) -> Self {
        let trim = if column.trim { ", trimmed" } else { "" };
        Self {
            name: column.name.into(),
            header: column.header.map(Into::into),
            ty: column.ty.to_string() + trim,
            publish: column.publish,
            format: ColumnFormat::from_column(column),
        }
    }

    /// Returns whether every value of this type has the same canonical text under the other type, if it is readable
    /// there.
    fn reads_like(&self, other: &OldColumn) -> bool {
        /// Types of the same family write equal values in the same way.
        fn family(ty: &str) -> &str {
            let (name, rest) = ty.split_at(ty.find(['(', ',']).unwrap_or(ty.len()));
            match name {
                "tinyint" | "smallint" | "int" | "bigint" if rest.is_empty() => "integer",
                "char" | "varchar" | "string" if !rest.ends_with("trimmed") => "string",
                // The scale decides how a decimal is written.
                "decimal" => rest.split_once(',').map_or(ty, |(_, scale)| scale),
                "binary in base64" | "binary in hex" => "binary",
                _ => ty,
            }
        }
        family(&self.ty) == family(&other.ty)
    }
}

impl Drift {
    /// Returns whether a column may have been renamed without `formerly`. Then an added column can be a renamed one
    /// whose values look changed, and guards count its rows as updates.
    pub(crate) fn may_hide_a_rename(&self) -> bool {
        !self.added.is_empty() && !self.removed.is_empty()
    }
}

/// An added column must have a value in older rows.
fn check_fill(column: &Column, resync_help: &str) -> Result<()> {
    if column.default.is_some() || column.nullable {
        return Ok(());
    }
    let problem = format!(
        "schema-changed: the added column `{}` is not nullable and has no default for existing rows",
        column.name
    );
    Err(Error::refused("", problem).help(format!("give it a `default` or make it nullable; or {resync_help}")))
}
