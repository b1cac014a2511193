//! Random pairs of tables, and the rows of a table as text.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use runtime::table::Table;

use crate::random::{self, CellText, FileDice, Row, SchemaDice};

/// Two versions of a table that have keys in common.
#[derive(Debug, Clone)]
pub(crate) struct Tables {
    pub(crate) schema: SchemaDice,
    pub(crate) before: Vec<Row>,
    /// New rows, each of which may copy cells from a row of `before`: from which row, and which cells.
    pub(crate) after: Vec<(u16, u16, Row)>,
    pub(crate) files: [FileDice; 3],
}

/// Tables with up to so many rows.
pub(crate) fn tables_with_rows(max_rows: usize) -> impl Strategy<Value = Tables> {
    let after = vec((any::<u16>(), any::<u16>(), vec(any::<random::Cell>(), random::MAX_COLUMNS)), 0..max_rows);
    let files = [random::files(), random::files(), random::files()];
    (random::schema(), random::rows(max_rows), after, files).prop_map(|(schema, before, after, files)| Tables {
        schema,
        before,
        after,
        files,
    })
}

impl Tables {
    pub(crate) fn after(&self) -> Vec<Row> {
        self.after.iter().map(|(origin, own, cells)| self.borrow(*origin, *own, cells)).collect()
    }

    /// A row that copies cells. Two thirds of the rows are rows of `before`, with the cells that `own` selects
    /// replaced.
    fn borrow(&self, origin: u16, own: u16, cells: &Row) -> Row {
        if self.before.is_empty() || origin.is_multiple_of(3) {
            return cells.clone();
        }
        let old = &self.before[usize::from(origin / 3) % self.before.len()];
        let takes_own = |at: usize| own >> at & 1 != 0 && own >> 12 != 0;
        (0..cells.len()).map(|at| if takes_own(at) { cells[at] } else { old[at] }).collect()
    }
}

/// The names of the values of a row, by column.
type Names = Vec<Option<String>>;

/// Rows that a dialect can write, one for each key.
pub(crate) struct Sheet {
    table: &'static Table,
    rows: Vec<(Row, Vec<CellText>)>,
}

impl Sheet {
    pub(crate) fn new(table: &'static Table, rows: &[Row]) -> Self {
        let mut keys = BTreeSet::new();
        let rows = rows.iter().filter_map(|row| Some((row.clone(), random::cell_texts(table, row)?)));
        let rows = rows.filter(|(_, cells)| keys.insert(key_names(table, &names(cells))));
        Self { table, rows: rows.collect() }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn texts(&self) -> Vec<Vec<CellText>> {
        self.rows.iter().map(|(_, cells)| cells.clone()).collect()
    }

    /// The same values in other spellings, with some rows repeated unless the table refuses them, and the number of
    /// repeated rows.
    pub(crate) fn respelled(&self) -> (Vec<Vec<CellText>>, u64) {
        let mut texts = Vec::new();
        let mut duplicates = 0;
        for (row, cells) in &self.rows {
            let spelled = |by: u16| {
                let other: Row = row.iter().map(|(value, spelling)| (*value, spelling.wrapping_add(by))).collect();
                // The dialect may not be able to write another spelling.
                let other = random::cell_texts(self.table, &other).filter(|other| names(other) == names(cells));
                other.unwrap_or_else(|| cells.clone())
            };
            texts.push(spelled(1));
            if row[0].1 % 7 == 0 && !self.table.source.refuse_duplicates {
                texts.push(spelled(2));
                duplicates += 1;
            }
        }
        (texts, duplicates)
    }

    fn by_key(&self) -> BTreeMap<Names, Names> {
        let rows = self.rows.iter().map(|(_, cells)| names(cells));
        rows.map(|names| (key_names(self.table, &names), names)).collect()
    }
}

fn names(cells: &[CellText]) -> Names {
    cells.iter().map(|cell| cell.name.clone()).collect()
}

fn key_names(table: &Table, names: &Names) -> Names {
    names.iter().zip(table.columns).filter(|(_, column)| table.is_key(column)).map(|(name, _)| name.clone()).collect()
}

/// The expected numbers of inserted, updated and deleted rows, computed from the values without reading any text.
pub(super) fn expected_counts(before: &Sheet, after: &Sheet) -> [u64; 3] {
    let (old, new) = (before.by_key(), after.by_key());
    let differs = |a: &Names, b: &Names| {
        a.iter().zip(b).zip(before.table.columns).any(|((a, b), column)| column.compare && a != b)
    };
    let inserted = new.keys().filter(|key| !old.contains_key(*key)).count();
    let deleted = old.keys().filter(|key| !new.contains_key(*key)).count();
    let updated = new.iter().filter(|(key, row)| old.get(*key).is_some_and(|old| differs(old, row))).count();
    [inserted, updated, deleted].map(|count| count as u64)
}
