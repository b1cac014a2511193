//! What is known about a row in a version. Serialised, this is the output of `why --format json`.

use serde::Serialize;
use serde_json::Value as Json;

use crate::store::{Status, Version};
use crate::table::Column;

/// How many occurrences of a row are shown for one version: an export may consist of nothing but repetitions.
pub const SHOWN: usize = 20;

/// What replaces a value that must not be shown.
pub(super) const MASK: &str = "***";

/// What a version says about a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowInVersion {
    /// The version's name.
    pub version: String,
    /// The version's status.
    pub status: Status,
    /// The version's sequence, once it is being published.
    pub sequence: Option<u64>,
    /// Whether its export could be read.
    pub export: Files,
    /// The row's first [`SHOWN`] occurrences in the export.
    pub rows: Vec<Occurrence>,
    /// The number of all its occurrences.
    pub places: u64,
    /// Whether its change set could be read.
    pub change_set: ChangeSet,
    /// The operation for the key, if the change set has one.
    pub operation: Option<Operation>,
    /// Parts that are gone, damaged, or differ from those that were registered.
    pub notes: Vec<String>,
}

/// The files of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Files {
    /// They were read, apart from what the notes say.
    Read,
    /// They do not exist.
    Gone,
    /// At least one of them cannot be read now; the notes say why.
    Unreadable,
    /// They were written under another primary key.
    OtherKey,
}

/// A place where a row is in an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Occurrence {
    /// The part's file name.
    pub part: String,
    /// The line that the row starts on, from 1.
    pub line: u64,
    /// Its columns, in the order of the schema.
    pub columns: Vec<Cell>,
    /// Why it has no columns, if only its key could be read.
    #[serde(rename = "flaw")]
    pub error: Option<String>,
}

/// A column of a row. Text and value of a `pii` column are masked, except NULL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// The column's name.
    pub column: String,
    /// The text as delivered, without its quotes; `None` if the export is older than the column.
    pub raw: Option<String>,
    /// Whether the text was quoted.
    pub quoted: bool,
    /// The canonical value, as in an operation; left out if the text is not a valid value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    /// Why the text is not a value of the column, with the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// The same without the text.
    #[serde(skip)]
    pub mismatch: Option<String>,
    /// A hash of text and value: cells with the same hash are equal, even if both are masked.
    #[serde(skip)]
    pub(crate) mark: u128,
}

/// The change set of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeSet {
    /// The version has none, because it is not planned.
    None,
    /// It was read.
    Read,
    /// It was removed.
    Gone,
    /// Some of it is missing or damaged; the notes say what.
    Damaged,
    /// It cannot be read now; the notes say why.
    Unreadable,
}

/// The operation that was planned or published for a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// INSERT, UPDATE or DELETE.
    pub op: String,
    /// Its id.
    pub id: String,
    /// What an UPDATE changed.
    pub changed: Vec<Changed>,
}

/// A column of an UPDATE. Values of `pii` columns are masked, except NULL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The column's name.
    pub column: String,
    /// The value before: from the operation, or from the export it was compared with; left out if neither has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Json>,
    /// The value after.
    pub new: Json,
}

impl RowInVersion {
    /// Nothing is known yet.
    pub(super) fn new(version: &Version) -> Self {
        Self {
            version: version.version.clone(),
            status: version.status,
            sequence: version.sequence,
            export: Files::Gone,
            rows: Vec::new(),
            places: 0,
            change_set: ChangeSet::None,
            operation: None,
            notes: Vec::new(),
        }
    }

    /// Returns whether both versions have the same row, and this one has no operation for it.
    pub fn is_unchanged_since(&self, before: &Self) -> bool {
        let is_readable =
            |version: &Self| version.export == Files::Read && version.rows.iter().all(|row| row.error.is_none());
        let marks = |version: &Self| -> Vec<Vec<u128>> {
            version.rows.iter().map(|row| row.columns.iter().map(|cell| cell.mark).collect()).collect()
        };
        is_readable(self)
            && is_readable(before)
            && self.notes.is_empty()
            && self.operation.is_none()
            && self.places == before.places
            && marks(self) == marks(before)
    }

    /// The row's column, if the export was read and has the row.
    pub(super) fn cell(&self, column: &str) -> Option<&Cell> {
        self.rows.first()?.columns.iter().find(|cell| cell.column == column)
    }
}

/// Masks the value of a `pii` column, except NULL.
pub(super) fn masked(column: &Column, value: Json) -> Json {
    if column.is_masked() && !value.is_null() { MASK.into() } else { value }
}
