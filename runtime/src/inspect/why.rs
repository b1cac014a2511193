//! One row through all versions: the text as it was delivered, the value that was made of it, and what was published.

mod operation;

use serde::Serialize;
use serde_json::Value as Json;
use xxhash_rust::xxh3::Xxh3Default;

use crate::canonical::row::{InspectedColumn, Layout};
use crate::engine::native::{self, Sighting};
use crate::epoch::Epoch;
use crate::error::{Error, Fault, Result};
use crate::name::TableKey;
use crate::operation::{key_json, value_json};
use crate::reject;
use crate::run::Runner;
use crate::snapshot::{Export, Part};
use crate::store::{Status, Version};
use crate::table::{Column, Table};
use crate::telemetry::Watch;
pub use operation::{ChangeSet, Changed, Operation};

/// What stands for a value that nobody may see.
const MASK: &str = "***";

/// How many places of a row are shown for one version: an export may consist of nothing but repetitions.
pub const SHOWN: usize = 20;

/// The key of a row.
#[derive(Debug)]
pub struct Key {
    /// As a person reads it, `(eu-west, 17)`; masked where its column is `pii`.
    pub shown: String,
    bytes: Vec<u8>,
    json: Vec<u8>,
}

/// One version's word on a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sight {
    /// The version.
    pub version: String,
    /// Where it stands.
    pub status: Status,
    /// Its number, once its operations are on their way.
    pub sequence: Option<u64>,
    /// Whether its export could be looked at.
    pub export: Files,
    /// Where the row stands in the export, the first [`SHOWN`] places.
    pub rows: Vec<Occurrence>,
    /// At how many places it stands in all.
    pub places: u64,
    /// Whether its change set could be looked at.
    pub change_set: ChangeSet,
    /// The operation of this key, if its change set has one.
    pub operation: Option<Operation>,
    /// What else there is to know: parts that are gone, damaged or other ones than were registered.
    pub notes: Vec<String>,
}

/// What is left of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Files {
    /// It was read, as far as the notes do not say otherwise.
    Read,
    /// Its files are not there.
    Gone,
    /// Its rows had another key than today's.
    OtherKey,
}

/// A row in an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Occurrence {
    /// The part's file name.
    pub part: String,
    /// The line the row begins on, from 1.
    pub line: u64,
    /// Its columns, in the order of the schema.
    pub columns: Vec<Cell>,
    /// Why it has none, when only its key could be made out.
    pub flaw: Option<String>,
}

/// A column of a row. Text and value of a `pii` column are masked, but for NULL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// The column's name.
    pub column: String,
    /// The text as it was delivered, without its quotes; `None` when the export is older than the column.
    pub raw: Option<String>,
    /// Whether the text was quoted.
    pub quoted: bool,
    /// The canonical value, as an operation carries it. It is left out when the text is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    /// Why the text is no value of the column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Tells cells apart whose texts or values differ, also where both are masked.
    #[serde(skip)]
    pub(crate) mark: u128,
}

impl Key {
    /// The key that somebody typed: one text for each key column, read as a field of the table's exports is.
    pub fn read(key: &TableKey, table: &'static Table, texts: &[String]) -> Result<Self> {
        let columns = table.primary_key.join(", ");
        if texts.len() != table.primary_key.len() {
            let were = if texts.len() == 1 { "value was" } else { "values were" };
            let problem = format!("the key is ({columns}), and {} {were} given", texts.len());
            let usage = table.primary_key.join(" ").to_uppercase();
            return Err(Error::refused(key.to_string(), problem)
                .help(format!("give a value for each, in this order: cargo tidemark why {key} {usage}")));
        }
        let layout = Layout::new(table);
        let bytes = layout.key_from_texts(texts).map_err(|(column, reason)| {
            let at = table.primary_key.iter().position(|name| *name == column.name).unwrap_or_default();
            let problem = reject::explain(column, texts[at].as_bytes(), reason);
            Error::refused("", format!("key column `{}`: {problem}", column.name))
                .help(format!("the key is ({columns}); see: cargo tidemark tables {}", table.name))
        })?;
        Ok(Self { shown: layout.shown_key(&bytes), json: key_json(&layout, &bytes), bytes })
    }
}

impl Sight {
    /// Whether nothing about the row is other than in the version before, and nothing was done to it.
    pub fn is_as_in(&self, before: &Sight) -> bool {
        let marks = |sight: &Sight| -> Vec<Option<Vec<u128>>> {
            let of_row =
                |row: &Occurrence| row.flaw.is_none().then(|| row.columns.iter().map(|cell| cell.mark).collect());
            sight.rows.iter().map(of_row).collect()
        };
        let is_calm = |sight: &Sight| sight.export == Files::Read && sight.rows.iter().all(|row| row.flaw.is_none());
        is_calm(self)
            && is_calm(before)
            && self.notes.is_empty()
            && self.operation.is_none()
            && self.places == before.places
            && marks(self) == marks(before)
    }

    /// What the row's column is in this version; `None` when that is not known for sure.
    fn cell(&self, column: &str) -> Option<&Cell> {
        self.rows.first()?.columns.iter().find(|cell| cell.column == column)
    }
}

/// SecondPass for a key in a version: in its export, as far as that is still there, and in its change set. `before` are the
/// versions that were looked at before it.
pub fn look(
    runner: &Runner,
    table: &'static Table,
    version: &Version,
    key: &Key,
    before: &[Sight],
    watch: &Watch,
) -> Result<Sight> {
    let mut sight = Sight {
        version: version.version.clone(),
        status: version.status,
        sequence: version.sequence,
        export: Files::Gone,
        rows: Vec::new(),
        places: 0,
        change_set: ChangeSet::None,
        operation: None,
        notes: Vec::new(),
    };
    let epoch = version.epoch.clone().unwrap_or_else(|| Epoch::from_table(table));
    if !epoch.has_key_of(table) {
        sight.export = Files::OtherKey;
        return Ok(sight);
    }
    look_at_export(runner, &Layout::for_epoch(table, &epoch), version, key, watch, &mut sight)?;
    operation::look(runner, table, version, key, before, watch, &mut sight)?;
    Ok(sight)
}

fn look_at_export(
    runner: &Runner,
    layout: &Layout,
    version: &Version,
    key: &Key,
    watch: &Watch,
    sight: &mut Sight,
) -> Result<()> {
    let folder = runner.exports.folder(&version.key.tenant, &version.key.table, &version.version);
    let parts = match folder.list() {
        Err(error) => return noted(error, sight),
        Ok(listing) => listing.parts,
    };
    if parts.is_empty() {
        return Ok(());
    }
    sight.export = Files::Read;
    for gone in version.parts.iter().filter(|known| !parts.iter().any(|part| part.name == known.name)) {
        sight.notes.push(format!("{} is gone", gone.name));
    }
    let export = Export { label: version.to_string(), folder, parts: Vec::new(), epoch: None };
    for part in &parts {
        let mut rows = Vec::new();
        let seen = native::find(&export, part, layout, &key.bytes, watch, |row| {
            sight.places += 1;
            if sight.places <= SHOWN as u64 {
                rows.push(found(&part.name, row));
            }
        });
        sight.rows.extend(rows);
        match seen {
            Ok(seen) => sight.notes.extend(other_file(&seen, &version.parts)),
            Err(error) => noted(error, sight)?,
        }
    }
    Ok(())
}

/// That a part is not the one which the registry knows.
fn other_file(seen: &Part, known: &[Part]) -> Option<String> {
    let Some(known) = known.iter().find(|known| known.name == seen.name) else {
        return Some(format!("{} came later", seen.name));
    };
    let is_other = known.checksum.is_some() && known.checksum != seen.checksum;
    is_other.then(|| format!("{} is no longer the file that was read then", seen.name))
}

/// What is wrong with a file is worth a note; that the machine fails ends the look.
fn noted(error: Error, sight: &mut Sight) -> Result<()> {
    if error.fault() == Fault::Machine {
        return Err(error);
    }
    sight.notes.push(error.to_string());
    Ok(())
}

fn found(part: &str, row: Sighting<'_>) -> Occurrence {
    let (columns, flaw) = match row.columns {
        Ok(columns) => (columns.into_iter().map(cell).collect(), None),
        Err(flaw) => (Vec::new(), Some(flaw)),
    };
    Occurrence { part: part.into(), line: row.line, columns, flaw }
}

fn cell(looked: InspectedColumn<'_>) -> Cell {
    let InspectedColumn { column, field, value } = looked;
    let mut mark = Xxh3Default::new();
    let texts = [field.map(|field| field.text()), value.as_ref().ok().and_then(Option::as_deref)];
    for text in texts {
        let length = text.map_or(u64::MAX, |text| text.len() as u64);
        mark.update(&length.to_le_bytes());
        mark.update(text.unwrap_or_default());
    }
    let raw = |text: &[u8]| if column.pii { MASK.into() } else { String::from_utf8_lossy(text).into_owned() };
    let refused = value.as_ref().err().zip(field);
    Cell {
        column: column.name.into(),
        raw: field.map(|field| raw(field.text())),
        quoted: field.is_some_and(|field| field.quoted),
        refused: refused.map(|(reason, field)| reject::explain(column, field.text(), *reason)),
        value: value.ok().map(|text| masked(column, value_json(column, text.as_deref()))),
        mark: mark.digest128(),
    }
}

/// A value as it may be shown. That it is NULL may be known of any.
fn masked(column: &Column, value: Json) -> Json {
    if column.pii && !value.is_null() { MASK.into() } else { value }
}
