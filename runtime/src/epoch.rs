//! Schema epochs: what the registry stores about the schema of a version, and what has changed since.
//!
//! A baseline was written under the schema of its time. It is read with the columns and the format of that time, but
//! today's types: removed columns are skipped, added columns have their default, and a value that today's type cannot
//! read differs from every value of today.

mod format;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::table::{Column, Table};
pub use format::{ColumnFormat, NumberFormat, SourceFormat};

/// What follows the type of a column whose text is trimmed.
const TRIMMED: &str = ", trimmed";

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
    /// The id of the key of the tenant's pseudonyms, if the table has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hmac_key: Option<String>,
}

/// A column of an earlier schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldColumn {
    /// The column's name.
    pub name: String,
    /// The column's name in a header, if that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The type of its values in operations, followed by `, trimmed` if its text is trimmed.
    #[serde(rename = "type")]
    pub ty: String,
    /// The same of its texts, if operations have pseudonyms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hmac: Option<String>,
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

impl Epoch {
    /// Today's epoch of a table.
    pub(crate) fn from_table(table: &Table) -> Self {
        Self {
            schema: table.schema.into(),
            columns: table.columns.iter().map(OldColumn::from_column).collect(),
            primary_key: table.primary_key.iter().map(|name| (*name).into()).collect(),
            source: SourceFormat::from_source(&table.source),
            hmac_key: None,
        }
    }

    /// The same with the id of the key of the tenant's pseudonyms.
    #[cfg(feature = "pipeline")]
    pub(crate) fn with_key(self, id: Option<&str>) -> Self {
        Self { hmac_key: id.map(str::to_owned), ..self }
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
            check_pseudonyms(old, &new, resync_help)?;
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
            check_pseudonyms(old, &new, resync_help)?;
            if !old.reads_like(&new) {
                return refuse(format!("schema-changed: key column `{name}` was {} and is now {}", old.ty, new.ty));
            }
        }
        Ok(())
    }
}

impl OldColumn {
    fn from_column(column: &Column) -> Self {
        let trim = if column.trim { TRIMMED } else { "" };
        let source = column.source_type().to_string() + trim;
        let (ty, hmac) = match column.hmac {
            Some(_) => (column.ty.to_string(), Some(source)),
            None => (source, None),
        };
        Self {
            name: column.name.into(),
            header: column.header.map(Into::into),
            ty,
            hmac,
            publish: column.publish,
            format: ColumnFormat::from_column(column),
        }
    }

    /// How its texts are written, to read them as a column of today. A layout or words are those of its own type: texts
    /// of another one are read as today's type reads them.
    pub(crate) fn format_for(&self, column: &Column) -> ColumnFormat {
        let untrimmed = |column: &Self| column.source_type().trim_end_matches(TRIMMED).to_owned();
        if untrimmed(self) == untrimmed(&Self::from_column(column)) {
            return self.format.clone();
        }
        ColumnFormat { layout: None, words: None, ..self.format.clone() }
    }

    /// The type of its texts.
    fn source_type(&self) -> &str {
        self.hmac.as_deref().unwrap_or(&self.ty)
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
        family(self.source_type()) == family(other.source_type())
    }
}

impl Drift {
    /// Returns whether a column may have been renamed without `formerly`. Then an added column can be a renamed one
    /// whose values look changed, and guards count its rows as updates.
    pub(crate) fn may_hide_a_rename(&self) -> bool {
        !self.added.is_empty() && !self.removed.is_empty()
    }
}

/// Where consumers have values, they cannot find pseudonyms in them, nor the other way round. And a pseudonym says
/// nothing about another type.
fn check_pseudonyms(old: &OldColumn, new: &OldColumn, resync_help: &str) -> Result<()> {
    let (name, refuse) = (&new.name, |problem: String| Err(Error::refused("", problem).help(resync_help)));
    match (&old.hmac, &new.hmac) {
        (None, Some(_)) => {
            refuse(format!("schema-changed: the values of `{name}` were published, and now pseudonyms are"))
        }
        (Some(_), None) => {
            refuse(format!("schema-changed: pseudonyms of `{name}` were published, and now its values are"))
        }
        (Some(before), Some(now)) if !old.reads_like(new) => {
            refuse(format!("schema-changed: `{name}`, which has pseudonyms, was {before} and is now {now}"))
        }
        _ => Ok(()),
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
    let ways = if column.hmac.is_some() { "make it nullable" } else { "give it a `default` or make it nullable" };
    Err(Error::refused("", problem).help(format!("{ways}; or {resync_help}")))
}
