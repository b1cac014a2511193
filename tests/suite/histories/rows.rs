//! The model's rows: what deliveries contain, and the operations that lead from one to the next.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Edit;

/// The columns of a row outside its key. Only one of the two schemas has `tag`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Row {
    pub(super) value: String,
    pub(super) tag: Option<String>,
}

/// The columns of one of the two schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Columns {
    pub(super) has_tag: bool,
}

pub(super) type Rows = BTreeMap<i64, Row>;

impl Row {
    pub(super) fn from_json(after: &Map<String, Value>) -> Self {
        let text = |name: &str| after.get(name).and_then(Value::as_str).map(str::to_owned);
        Self { value: text("value").unwrap(), tag: text("tag") }
    }
}

impl Columns {
    /// The row without the columns that this schema does not have.
    pub(super) fn project(self, row: &Row) -> Row {
        Row { value: row.value.clone(), tag: row.tag.clone().filter(|_| self.has_tag) }
    }

    pub(super) fn schema(self) -> String {
        let tag = if self.has_tag { "  - { name: tag, type: string, nullable: true }\n" } else { "" };
        format!(
            "table: t\ndescription: A table.\nprimary_key: [id]\ncolumns:\n  - {{ name: id, type: int }}\n  - {{ name: value, type: string }}\n{tag}guards: {{ min_baseline_rows: 4 }}\n"
        )
    }
}

pub(super) fn first_rows() -> Rows {
    (0..8).map(|key| (key, Row { value: "v0".into(), tag: None })).collect()
}

pub(super) fn apply_edits(rows: &Rows, edits: &[Edit], columns: Columns) -> Rows {
    let mut rows = rows.clone();
    for edit in edits {
        match *edit {
            Edit::Put { key, value } => {
                let tag = (value % 2 == 1).then(|| format!("t{value}"));
                rows.insert(i64::from(key), Row { value: format!("v{value}"), tag });
            }
            Edit::Remove { key } => drop(rows.remove(&i64::from(key))),
            Edit::Cut { below } => rows.retain(|key, _| *key < i64::from(below)),
        }
    }
    rows.values_mut().for_each(|row| *row = columns.project(row));
    rows
}

/// The operations that lead from one set of rows to another, in the columns of the newer schema.
pub(super) fn difference(before: &Rows, after: &Rows, columns: Columns) -> BTreeMap<i64, Value> {
    let json = |row: &Row| match columns.has_tag {
        true => json!({"value": row.value, "tag": row.tag}),
        false => json!({"value": row.value}),
    };
    let mut operations = BTreeMap::new();
    for (key, row) in after {
        match before.get(key).map(|old| columns.project(old)) {
            None => drop(operations.insert(*key, json!(["INSERT", json(row)]))),
            Some(old) if old != columns.project(row) => drop(operations.insert(*key, json!(["UPDATE", json(row)]))),
            Some(_) => {}
        }
    }
    for key in before.keys().filter(|key| !after.contains_key(key)) {
        operations.insert(*key, json!(["DELETE", null]));
    }
    operations
}
