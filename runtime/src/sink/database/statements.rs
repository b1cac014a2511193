//! The SQL that changes a tenant's rows, which every database understands.

use super::cell::Cell;
use super::engine::Engine;
use super::shape::{Column, Shape, literal};
use crate::error::Result;

/// The statements that apply a version.
pub(super) struct Statements<'a> {
    pub(super) shape: &'a Shape,
    pub(super) tenant: &'a str,
    pub(super) sequence: u64,
}

/// The kinds of operations, in the order in which they are made.
pub(super) const OPERATIONS: [&str; 3] = ["DELETE", "UPDATE", "INSERT"];

/// Names after a prefix, with commas between them.
pub(super) fn comma_separated<'n>(names: impl Iterator<Item = &'n str>, prefix: &str) -> String {
    names.map(|name| format!("{prefix}{name}")).collect::<Vec<_>>().join(", ")
}

impl Statements<'_> {
    /// The temporary table of the operations, quoted.
    pub(super) const CHANGES: &'static str = r#""_tidemark_changes""#;

    /// Creates the temporary table: the columns of the target, in its types, with what is to be done.
    pub(super) fn create_changes(&self) -> String {
        let names: Vec<&str> = self.shape.names().collect();
        format!(
            r#"CREATE TEMPORARY TABLE {} AS SELECT 'INSERT' AS "_op", {}, "_hash", "_hash" AS "_previous_hash" FROM {} LIMIT 0"#,
            Self::CHANGES,
            names.join(", "),
            self.shape.table
        )
    }

    /// All rows of the tenant.
    pub(super) fn all_rows(&self) -> String {
        format!(r#"{} WHERE "_tenant" = {}"#, self.shape.table, literal(self.tenant))
    }

    /// Deletes all rows of the tenant.
    pub(super) fn delete_all(&self) -> String {
        format!("DELETE FROM {}", self.all_rows())
    }

    /// Returns whether the tenant has a row.
    pub(super) fn has_rows<E: Engine>(&self, engine: &mut E) -> Result<bool> {
        let sql = format!("SELECT 1 FROM {} LIMIT 1", self.all_rows());
        let mut found = false;
        engine.query(&sql, &mut |_| {
            found = true;
            Ok(())
        })?;
        Ok(found)
    }

    /// Makes the changes of one kind. A row that was changed since the previous version is left alone.
    pub(super) fn change(&self, op: &str) -> String {
        self.change_in(op, Self::CHANGES)
    }

    /// The same for operations in another table, or in a query in parentheses.
    pub(super) fn change_in(&self, op: &str, changes: &str) -> String {
        let (table, tenant) = (&self.shape.table, literal(self.tenant));
        let keys = self.keys("");
        match op {
            "DELETE" => format!(
                r#"DELETE FROM {table} WHERE "_tenant" = {tenant} AND ({keys}, "_hash") IN (SELECT {keys}, "_previous_hash" FROM {changes} AS c WHERE "_op" = 'DELETE')"#
            ),
            "UPDATE" => {
                let set = |column: &Column| format!("{0} = c.{0}, ", column.quoted);
                let set: String = self.shape.values.iter().map(set).collect();
                let (sequence, is_same_row) = (self.sequence, self.is_same_row());
                format!(
                    r#"UPDATE {table} AS t SET {set}"_sequence" = {sequence}, "_hash" = c."_hash" FROM {changes} AS c WHERE {is_same_row} AND c."_op" = 'UPDATE' AND t."_hash" = c."_previous_hash""#
                )
            }
            _ => {
                let names = self.shape.names().collect::<Vec<_>>().join(", ");
                let sequence = self.sequence;
                format!(
                    r#"INSERT INTO {table} ("_tenant", {names}, "_sequence", "_hash") SELECT {tenant}, {names}, {sequence}, "_hash" FROM {changes} AS c WHERE "_op" = 'INSERT' ON CONFLICT ("_tenant", {keys}) DO NOTHING"#
                )
            }
        }
    }

    /// The key of an operation of one kind that does not fit the row that is there; `None` if all fit.
    pub(super) fn first_misfit<E: Engine>(&self, engine: &mut E, op: &str) -> Result<Option<Vec<Cell<'static>>>> {
        let (table, changes, is_same_row) = (&self.shape.table, Self::CHANGES, self.is_same_row());
        let keys = self.keys("c.");
        let condition = match op {
            "INSERT" => format!("EXISTS (SELECT 1 FROM {table} AS t WHERE {is_same_row})"),
            _ => format!(
                r#"NOT EXISTS (SELECT 1 FROM {table} AS t WHERE {is_same_row} AND t."_hash" = c."_previous_hash")"#
            ),
        };
        let sql = format!(r#"SELECT {keys} FROM {changes} AS c WHERE c."_op" = '{op}' AND {condition} LIMIT 1"#);
        first_row(engine, &sql)
    }

    /// The number of rows in a table.
    pub(super) fn count<E: Engine>(&self, engine: &mut E, table: &str) -> Result<u64> {
        let mut number = 0;
        engine.query(&format!("SELECT CAST(count(*) AS TEXT) FROM {table}"), &mut |cells| {
            if let [Cell::Text(digits)] = cells {
                number = digits.parse().unwrap_or_default();
            }
            Ok(())
        })?;
        Ok(number)
    }

    /// The key of one of the operations in a table that numbers them.
    pub(super) fn numbered_key<E: Engine>(
        &self,
        engine: &mut E,
        table: &str,
        row: u64,
    ) -> Result<Option<Vec<Cell<'static>>>> {
        let sql = format!(r#"SELECT {} FROM {table} AS c WHERE c."_row" = {row}"#, self.keys("c."));
        first_row(engine, &sql)
    }

    fn keys(&self, prefix: &str) -> String {
        let name = |column: &Column| format!("{prefix}{}", column.quoted);
        self.shape.key.iter().map(name).collect::<Vec<_>>().join(", ")
    }

    /// Whether row `t` of the target has the key of operation `c`.
    pub(super) fn is_same_row(&self) -> String {
        let same = |column: &Column| format!(" AND t.{0} = c.{0}", column.quoted);
        let keys: String = self.shape.key.iter().map(same).collect();
        format!(r#"t."_tenant" = {}{keys}"#, literal(self.tenant))
    }
}

/// The number of rows of a selection, and the sum of the hashes that they keep.
pub(super) fn totals<E: Engine>(engine: &mut E, from: &str, prefix: &str) -> Result<(u64, i128)> {
    // Halves, because the sum of all hashes has more than 64 bits.
    let sql = format!(
        r#"SELECT CAST(count(*) AS TEXT), CAST(sum({prefix}"_hash" >> 32) AS TEXT), CAST(sum({prefix}"_hash" & 4294967295) AS TEXT) FROM {from}"#
    );
    let mut found = (0, 0);
    engine.query(&sql, &mut |cells| {
        if let [Cell::Text(rows), Cell::Text(high), Cell::Text(low)] = cells {
            let half = |digits: &str| digits.parse::<i128>().unwrap_or_default();
            found = (rows.parse().unwrap_or_default(), (half(high) << 32) + half(low));
        }
        Ok(())
    })?;
    Ok(found)
}

/// The row that a query finds; `None` if there is none.
fn first_row<E: Engine>(engine: &mut E, sql: &str) -> Result<Option<Vec<Cell<'static>>>> {
    let mut found = None;
    engine.query(sql, &mut |cells| {
        found = Some(cells.iter().map(Cell::to_owned_cell).collect());
        Ok(())
    })?;
    Ok(found)
}
