//! The SQL that applies operations which arrive in any order.

use std::collections::HashMap;

use super::memory::{DELETED, Totals};
use crate::error::Result;
use crate::name::TableKey;
use crate::operation::ChangeLine;
use crate::sink::any_order::Delivered;
use crate::sink::database::cell::Cell;
use crate::sink::database::engine::Engine;
use crate::sink::database::shape::{Column, Shape, literal};
use crate::sink::database::statements::{Statements, comma_separated, totals};

/// The newest operation of a key.
pub(super) struct Newest<'r> {
    pub(super) sequence: u64,
    pub(super) record: &'r Delivered,
    /// The cells of its columns and its hash, if it was carried over from another schema.
    pub(super) carried: Option<Vec<Cell<'static>>>,
}

/// A tenant's table, and the operations that are to be applied to it, in a temporary table.
pub(super) struct Changes<'a> {
    pub(super) shape: &'a Shape,
    pub(super) key: &'a TableKey,
}

/// The temporary table, quoted.
const CHANGES: &str = Statements::CHANGES;

impl Changes<'_> {
    /// Creates the temporary table: the columns of the target, in its types, with what is to be done.
    pub(super) fn create(&self) -> String {
        format!(
            r#"CREATE TEMPORARY TABLE {CHANGES} AS SELECT 'INSERT' AS "_op", 'key' AS "_key", "_sequence", {}, "_hash" FROM {} LIMIT 0"#,
            comma_separated(self.shape.names(), ""),
            self.shape.table
        )
    }

    /// Removes the temporary table.
    pub(super) fn remove(&self) -> String {
        format!("DROP TABLE {CHANGES}")
    }

    /// Fills the temporary table with operations, by the hashes of their keys. Those that are not of the table are left
    /// to `reject`. Returns how many there are without them.
    pub(super) fn load<E: Engine>(
        &self,
        engine: &mut E,
        operations: &HashMap<u128, Newest<'_>>,
        reject: &mut dyn FnMut(&Delivered) -> Result<()>,
    ) -> Result<u64> {
        let mut loaded = 0;
        let mut columns: Vec<&str> = self.shape.names().collect();
        columns.extend([r#""_hash""#, r#""_op""#, r#""_key""#, r#""_sequence""#]);
        engine.load(CHANGES, &columns, &mut |push| {
            for (key, newest) in operations {
                let line = ChangeLine::parse(&newest.record.line);
                let cells = line.as_ref().and_then(|line| Some((self.cells(line, newest)?, line.op.clone())));
                let Some((mut cells, op)) = cells else {
                    reject(newest.record)?;
                    continue;
                };
                let key = Cell::Text(format!("{key:032x}").into());
                cells.extend([Cell::Text(op), key, Cell::Integer(newest.sequence.cast_signed())]);
                push(&cells)?;
                loaded += 1;
            }
            Ok(())
        })?;
        Ok(loaded)
    }

    /// The cells of an operation's columns, and its hash.
    fn cells<'l>(&self, line: &ChangeLine<'l>, newest: &Newest<'_>) -> Option<Vec<Cell<'l>>> {
        if let Some(carried) = &newest.carried {
            return Some(carried.clone());
        }
        let mut cells = self.shape.cells(line)?;
        let hash = match (&*line.op, line.hash()) {
            ("DELETE", None) => Cell::Null,
            ("INSERT" | "UPDATE", Some(hash)) => Cell::Integer(hash),
            _ => return None,
        };
        cells.push(hash);
        Some(cells)
    }

    /// Drops operations whose key has had this or a later one. Returns how many of so many are left.
    pub(super) fn drop_outdated<E: Engine>(&self, engine: &mut E, loaded: u64) -> Result<u64> {
        let (table, same_row, key_condition) = (&self.shape.table, self.is_same_row(), self.key_condition("d."));
        let dropped = engine.run(&format!(
            r#"DELETE FROM {CHANGES} AS c WHERE EXISTS (SELECT 1 FROM {table} AS t WHERE {same_row} AND t."_sequence" >= c."_sequence") OR EXISTS (SELECT 1 FROM "{DELETED}" AS d WHERE {key_condition} AND d.key_hash = c."_key" AND d.sequence >= c."_sequence")"#
        ))?;
        Ok(loaded - dropped.min(loaded))
    }

    /// The rows that the operations replace.
    pub(super) fn rows_before<E: Engine>(&self, engine: &mut E) -> Result<Totals> {
        let (table, same_row) = (&self.shape.table, self.is_same_row());
        totals(engine, &format!("{CHANGES} AS c JOIN {table} AS t ON {same_row}"), "t.")
    }

    /// The rows that the operations lead to.
    pub(super) fn rows_after<E: Engine>(&self, engine: &mut E) -> Result<Totals> {
        totals(engine, &format!(r#"{CHANGES} AS c WHERE c."_op" <> 'DELETE'"#), "c.")
    }

    /// Makes the changes.
    pub(super) fn make<E: Engine>(&self, engine: &mut E) -> Result<()> {
        let (table, tenant) = (&self.shape.table, literal(&self.key.tenant));
        let keys = comma_separated(self.shape.key.iter().map(|column| column.quoted.as_str()), "");
        engine.run(&format!(
            r#"DELETE FROM {table} WHERE "_tenant" = {tenant} AND ({keys}) IN (SELECT {keys} FROM {CHANGES} AS c WHERE c."_op" = 'DELETE')"#
        ))?;
        let names = comma_separated(self.shape.names(), "");
        let set = |column: &Column| format!("{0} = excluded.{0}, ", column.quoted);
        let set: String = self.shape.values.iter().map(set).collect();
        engine.run(&format!(
            r#"INSERT INTO {table} ("_tenant", {names}, "_sequence", "_hash") SELECT {tenant}, {names}, "_sequence", "_hash" FROM {CHANGES} AS c WHERE c."_op" <> 'DELETE' ON CONFLICT ("_tenant", {keys}) DO UPDATE SET {set}"_sequence" = excluded."_sequence", "_hash" = excluded."_hash""#
        ))?;
        self.remember_deleted(engine)
    }

    /// A deleted key keeps its sequence, until it has a row again.
    fn remember_deleted<E: Engine>(&self, engine: &mut E) -> Result<()> {
        let [tenant, table] = [&self.key.tenant, &self.key.table].map(|text| literal(text));
        engine.run(&format!(
            r#"INSERT INTO "{DELETED}" (tenant, table_name, key_hash, sequence) SELECT {tenant}, {table}, c."_key", c."_sequence" FROM {CHANGES} AS c WHERE c."_op" = 'DELETE' ON CONFLICT (tenant, table_name, key_hash) DO UPDATE SET sequence = excluded.sequence"#
        ))?;
        let key_condition = self.key_condition("");
        engine.run(&format!(
            r#"DELETE FROM "{DELETED}" WHERE {key_condition} AND key_hash IN (SELECT c."_key" FROM {CHANGES} AS c WHERE c."_op" <> 'DELETE')"#
        ))?;
        Ok(())
    }

    /// Drops rows, and what is known of deleted ones, from before a version in full. Returns the rows.
    pub(super) fn drop_before<E: Engine>(&self, engine: &mut E, full: u64) -> Result<Totals> {
        let (table, tenant) = (&self.shape.table, literal(&self.key.tenant));
        let older = format!(r#"{table} AS t WHERE t."_tenant" = {tenant} AND t."_sequence" < {full}"#);
        let dropped = totals(engine, &older, "t.")?;
        engine.run(&format!("DELETE FROM {older}"))?;
        engine.run(&format!("DELETE FROM \"{DELETED}\" WHERE {} AND sequence < {full}", self.key_condition("")))?;
        Ok(dropped)
    }

    /// Forgets which keys of the table were deleted.
    pub(super) fn forget_deleted<E: Engine>(&self, engine: &mut E) -> Result<()> {
        engine.run(&format!("DELETE FROM \"{DELETED}\" WHERE {}", self.key_condition(""))).map(|_| ())
    }

    /// Returns whether the tenant has a row.
    pub(super) fn has_rows<E: Engine>(&self, engine: &mut E) -> Result<bool> {
        Statements { shape: self.shape, tenant: &self.key.tenant, sequence: 0 }.has_rows(engine)
    }

    /// Whether row `t` of the target has the key of operation `c`.
    pub(super) fn is_same_row(&self) -> String {
        Statements { shape: self.shape, tenant: &self.key.tenant, sequence: 0 }.is_same_row()
    }

    /// Whether a deleted key is one of the table.
    fn key_condition(&self, prefix: &str) -> String {
        let [tenant, table] = [&self.key.tenant, &self.key.table].map(|text| literal(text));
        format!("{prefix}tenant = {tenant} AND {prefix}table_name = {table}")
    }
}
