//! Schema epochs: what the registry keeps of the schema a version was read with, and what changed since.
//!
//! The next version's baseline was written under the schema of its time. It is read by the key, the columns and the
//! dialect of that time, with today's types: removed columns are skipped, columns added since are filled by their
//! default, and a value that today's type cannot read counts as different.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::table::{Column, Compression, Source, Table};

/// What is needed later to read an export again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// The schema's hash.
    pub schema: String,
    /// The columns in the order of the schema; without a header also the order of the fields.
    pub columns: Vec<OldColumn>,
    /// The names of the key columns, in the key's order.
    pub primary_key: Vec<String>,
    /// How its parts are written.
    pub source: SourceFormat,
}

/// A column as an earlier schema had it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldColumn {
    /// Its name.
    pub name: String,
    /// Its type, as an error says it, and whether it was trimmed.
    #[serde(rename = "type")]
    pub ty: String,
}

/// How the parts of an export are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFormat {
    /// How each part is compressed.
    pub compression: Compression,
    /// The byte between two fields.
    pub delimiter: u8,
    /// The byte around a quoted field; `None` when nothing is quoted.
    pub quote: Option<u8>,
    /// Whether each part begins with the names of its columns.
    pub header: bool,
    /// The texts that mean NULL.
    pub nulls: Vec<String>,
    /// Whether a quoted field can be NULL.
    pub quoted_nulls: bool,
    /// Whether a quoted field may hold line breaks.
    pub multiline: bool,
}

/// What changed from a baseline's schema to today's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// The hash of the baseline's schema.
    pub from: String,
    /// Columns that the baseline does not have: there they are their default, or NULL.
    pub added: Vec<String>,
    /// Columns that only the baseline has: they are skipped.
    pub removed: Vec<String>,
    /// Old and new name of the columns that say what they were called `formerly`.
    pub renamed: Vec<(String, String)>,
    /// Column, old and new type: old values are read with the new one.
    pub retyped: Vec<(String, String, String)>,
}

/// Where a column of today's schema stands in a baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnSource {
    /// In the column at this place of the epoch.
    Column(usize),
    /// Nowhere; it was added since.
    Added,
}

impl SourceFormat {
    /// As a schema says it.
    pub fn of(source: &Source) -> Self {
        Self {
            compression: source.compression,
            delimiter: source.delimiter,
            quote: source.quote,
            header: source.header,
            nulls: source.nulls.iter().map(|null| (*null).into()).collect(),
            quoted_nulls: source.quoted_nulls,
            multiline: source.multiline,
        }
    }
}

impl Epoch {
    /// Today's.
    pub fn of(table: &Table) -> Self {
        Self {
            schema: table.schema.into(),
            columns: table.columns.iter().map(OldColumn::of).collect(),
            primary_key: table.primary_key.iter().map(|name| (*name).into()).collect(),
            source: SourceFormat::of(&table.source),
        }
    }

    /// Where a column of today stands in it.
    pub fn place(&self, column: &Column) -> ColumnSource {
        let find = |name: &str| self.columns.iter().position(|old| old.name == name);
        // No schema has two names that differ in case alone.
        let in_any_case = |name: &str| self.columns.iter().position(|old| old.name.eq_ignore_ascii_case(name));
        match find(column.name).or_else(|| column.formerly.and_then(find)).or_else(|| in_any_case(column.name)) {
            Some(place) => ColumnSource::Column(place),
            None => ColumnSource::Added,
        }
    }

    /// What changed since; `None` when nothing did. Fails when a baseline of this epoch cannot be compared with
    /// anything that is read by today's schema: `resync_help` is the way on.
    pub fn drift(&self, table: &Table, resync_help: &str) -> Result<Option<Drift>> {
        if self.schema == table.schema {
            return Ok(None);
        }
        self.check_key(table, resync_help)?;
        let mut drift = Drift { from: self.schema.clone(), ..Drift::default() };
        let mut used = vec![false; self.columns.len()];
        for column in table.columns {
            let ColumnSource::Column(place) = self.place(column) else {
                check_fill(column, resync_help)?;
                drift.added.push(column.name.into());
                continue;
            };
            used[place] = true;
            let (old, new) = (&self.columns[place], OldColumn::of(column));
            if old.name != new.name {
                drift.renamed.push((old.name.clone(), new.name.clone()));
            }
            if old.ty != new.ty {
                drift.retyped.push((new.name, old.ty.clone(), new.ty));
            }
        }
        let removed = self.columns.iter().zip(used).filter(|(_, used)| !used);
        drift.removed = removed.map(|(column, _)| column.name.clone()).collect();
        Ok(Some(drift))
    }

    /// Whether a row has the same key under a table's schema as it had under this one.
    pub fn has_key_of(&self, table: &Table) -> bool {
        self.check_key(table, "").is_ok()
    }

    /// Consumers know a row by its key: under another key none of their rows would be found again.
    fn check_key(&self, table: &Table, resync_help: &str) -> Result<()> {
        let refuse = |problem: String| Err(Error::refused("", problem).help(resync_help));
        if self.primary_key != table.primary_key {
            let (old, new) = (self.primary_key.join(", "), table.primary_key.join(", "));
            return refuse(format!("schema-changed: the primary key was ({old}) and is now ({new})"));
        }
        for name in table.primary_key {
            let old = self.columns.iter().find(|column| column.name == *name);
            let new = table.column(name).map(OldColumn::of);
            let (Some(old), Some(new)) = (old, new) else { continue };
            if !old.reads_like(&new) {
                return refuse(format!("schema-changed: key column `{name}` was {} and is now {}", old.ty, new.ty));
            }
        }
        Ok(())
    }
}

impl OldColumn {
    fn of(column: &Column) -> Self {
        let trim = if column.trim { ", trimmed" } else { "" };
        Self { name: column.name.into(), ty: column.ty.to_string() + trim }
    }

    /// Whether every value of this type has the same canonical text under the other, if it can be read there at all.
    fn reads_like(&self, other: &OldColumn) -> bool {
        /// Types of one family write a value in the same way.
        fn family(ty: &str) -> &str {
            let (name, rest) = ty.split_at(ty.find(['(', ',']).unwrap_or(ty.len()));
            match name {
                "tinyint" | "smallint" | "int" | "bigint" if rest.is_empty() => "integer",
                "char" | "varchar" | "string" if !rest.ends_with("trimmed") => "string",
                // Of a decimal, the scale.
                "decimal" => rest.split_once(',').map_or(ty, |(_, scale)| scale),
                "binary in base64" | "binary in hex" => "binary",
                _ => ty,
            }
        }
        family(&self.ty) == family(&other.ty)
    }
}

impl Drift {
    /// Whether a column may have been renamed without saying so: then what looks like an addition is a change of its
    /// values, and guards count it as one.
    pub fn may_hide_a_rename(&self) -> bool {
        !self.added.is_empty() && !self.removed.is_empty()
    }
}

/// What is added must have a value for the rows from before.
fn check_fill(column: &Column, resync_help: &str) -> Result<()> {
    if column.default.is_some() || column.nullable {
        return Ok(());
    }
    let problem = format!(
        "schema-changed: column `{}` was added; it is not nullable and has no default for the rows from before",
        column.name
    );
    Err(Error::refused("", problem).help(format!("give it a `default` or make it nullable; or {resync_help}")))
}
