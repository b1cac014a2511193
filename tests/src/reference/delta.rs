//! Computes the operations that lead from one export to the next.

use std::collections::BTreeSet;

use runtime::table::{Column, Table};
use serde_json::{Map, Value as Json, json};

use super::export::{self, Export, Part, Reject, Stop};
use super::row::{self, Row, compared, outside_key};

/// The table to compare, and the names that operations carry.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The table of both exports.
    pub table: &'a Table,
    /// The tenant that operations name.
    pub tenant: &'a str,
    /// The version that operations name.
    pub version: &'a str,
    /// The previous version; `None` without a baseline.
    pub previous: Option<&'a str>,
}

/// The result of comparing two exports.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A change set.
    Changes(Changes),
    /// Rows that cannot be read, sorted by position: those of the snapshot, or if it has none, those of the baseline.
    Rejected(Vec<Reject>),
    /// An export that cannot be read at all.
    Stopped(Stop),
}

/// A change set and its counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes {
    /// The operations, by the row bytes of their keys.
    pub operations: Vec<Json>,
    /// Rows of the snapshot, once per key.
    pub rows: u64,
    /// Keys that only the snapshot has.
    pub inserted: u64,
    /// Keys whose compared columns differ.
    pub updated: u64,
    /// Keys that only the baseline has.
    pub deleted: u64,
    /// Rows of the snapshot that repeat another.
    pub duplicates: u64,
    /// The sum of the baseline's row hashes, 0 without one.
    pub baseline_fingerprint: i128,
    /// The sum of the snapshot's row hashes.
    pub fingerprint: i128,
}

/// Computes the delta of two exports.
pub fn delta(run: Run<'_>, baseline: Option<&[Part<'_>]>, snapshot: &[Part<'_>]) -> Outcome {
    let own = run.table.tenants.iter().find(|own| own.name == run.tenant);
    let run = Run { table: own.map_or(run.table, |own| &own.table), ..run };
    let snapshot = match read(run.table, snapshot) {
        Ok(export) => export,
        Err(outcome) => return outcome,
    };
    let baseline = match baseline.map_or_else(|| Ok(Export::default()), |parts| read(run.table, parts)) {
        Ok(export) => export,
        Err(outcome) => return outcome,
    };
    Outcome::Changes(run.changes(&baseline, &snapshot))
}

fn read(table: &Table, parts: &[Part<'_>]) -> Result<Export, Outcome> {
    let mut export = export::read(table, parts).map_err(Outcome::Stopped)?;
    if export.rejects.is_empty() {
        return Ok(export);
    }
    export.rejects.sort();
    Err(Outcome::Rejected(export.rejects))
}

impl Run<'_> {
    fn changes(&self, baseline: &Export, snapshot: &Export) -> Changes {
        let keys: BTreeSet<&Vec<u8>> = baseline.rows.keys().chain(snapshot.rows.keys()).collect();
        let pairs = keys.iter().map(|key| (baseline.rows.get(*key), snapshot.rows.get(*key)));
        let operations: Vec<Json> = pairs.filter_map(|(old, new)| self.operation(old, new)).collect();
        let count = |op: &str| operations.iter().filter(|operation| operation["op"] == op).count() as u64;
        Changes {
            rows: snapshot.rows.len() as u64,
            inserted: count("INSERT"),
            updated: count("UPDATE"),
            deleted: count("DELETE"),
            duplicates: snapshot.duplicates,
            baseline_fingerprint: baseline.fingerprint(self.table),
            fingerprint: snapshot.fingerprint(self.table),
            operations,
        }
    }

    /// The operation that leads from a key's old row to its new one; `None` if no compared column differs.
    fn operation(&self, old: Option<&Row>, new: Option<&Row>) -> Option<Json> {
        let changed = self.changed(old, new);
        let op = match (old, new) {
            (None, Some(_)) => "INSERT",
            (Some(_), None) => "DELETE",
            _ if changed.is_empty() => return None,
            _ => "UPDATE",
        };
        let table = self.table;
        let mut operation = Map::new();
        let mut put = |name: &str, value: Json| operation.insert(name.into(), value);
        put("op", json!(op));
        put("id", json!(self.id(op, old, new)));
        put("tenant", json!(self.tenant));
        put("table", json!(table.name));
        put("sequence", json!(0));
        put("version", json!(self.version));
        put("previous", json!(self.previous));
        put("key", self.key(new.or(old)?));
        if let Some(old) = old.filter(|_| table.before_image) {
            put("before", self.values(old));
        }
        if let Some(new) = new {
            put("after", self.values(new));
            put("hash", json!(new.hash(table).to_string()));
        }
        if let Some(old) = old {
            put("previous_hash", json!(old.hash(table).to_string()));
        }
        if op == "UPDATE" {
            put("changed", json!(changed));
        }
        put("schema", json!(table.schema_id()));
        Some(Json::Object(operation))
    }

    fn changed(&self, old: Option<&Row>, new: Option<&Row>) -> Vec<&'static str> {
        let (Some(old), Some(new)) = (old, new) else { return Vec::new() };
        let differs = |column: &&Column| old.value(self.table, column.name) != new.value(self.table, column.name);
        compared(self.table).filter(differs).map(|column| column.name).collect()
    }

    fn id(&self, op: &str, old: Option<&Row>, new: Option<&Row>) -> String {
        let key = new.or(old).map(|row| row.key_bytes(self.table)).unwrap_or_default();
        let after = new.map(|row| row.after_bytes(self.table)).unwrap_or_default();
        row::id([
            op.as_bytes(),
            self.tenant.as_bytes(),
            self.table.name.as_bytes(),
            self.previous.unwrap_or_default().as_bytes(),
            self.version.as_bytes(),
            &key,
            &after,
        ])
    }

    fn key(&self, row: &Row) -> Json {
        let names = self.table.primary_key.iter();
        Json::Object(names.map(|name| ((*name).into(), row.value(self.table, name).json.clone())).collect())
    }

    fn values(&self, row: &Row) -> Json {
        let names = outside_key(self.table).map(|column| column.name);
        Json::Object(names.map(|name| (name.into(), row.value(self.table, name).json.clone())).collect())
    }
}
