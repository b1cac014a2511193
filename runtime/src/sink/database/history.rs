//! The history of a table: every state of every row, with the version from which it held, the one until which it
//! held, and the operation that ended it. It changes in the transaction of each version, and follows from the
//! operations alone.
//!
//! A state that holds is open: it has no end. After each version, the open states of a tenant are its rows.

use super::engine::Engine;
use super::marks::Rows;
use super::shape::{Column, Shape, literal, quoted_path};
use super::statements::{Statements, comma_separated};
use super::versions::{self, Moment};
use crate::clock;
use crate::error::Result;
use crate::name::TableKey;
use crate::sink::Publication;
use crate::table::{History as Definition, Target};

/// The name of the table with the history of a table.
pub(super) fn history_name<E: Engine>(target: &Target) -> String {
    E::table_name(target) + "_history"
}

/// The name of the view of a table as of a version.
pub(super) fn as_of_name<E: Engine>(target: &Target) -> String {
    E::table_name(target) + "_as_of"
}

/// The history of a tenant's table, at a version that is being applied.
pub(super) struct History<'a> {
    definition: &'a Definition,
    key: &'a TableKey,
    shape: &'a Shape,
    /// Its name, quoted.
    table: String,
    moment: Moment,
}

impl<'a> History<'a> {
    /// `None` if the table has no history.
    pub(super) fn new<E: Engine>(publication: Publication<'a>, shape: &'a Shape, sequence: u64) -> Option<Self> {
        let (target, version) = (&publication.table.target, publication.version);
        let definition = target.history.as_ref()?;
        let published_at = version.published_at.unwrap_or_else(clock::now_ms);
        let instant = versions::instant(definition.version_time, &version.version, published_at);
        let moment = Moment { version: version.version.clone(), sequence, instant };
        let table = quoted_path(&history_name::<E>(target));
        Some(Self { definition, key: &version.key, shape, table, moment })
    }

    /// The sequence of the version whose rows the open states are, before this one is applied; `None` if there is
    /// none. A history that knows nothing yet begins with the rows that are there.
    pub(super) fn begin<E: Engine>(&self, engine: &mut E, known: Option<&Rows>) -> Result<Option<u64>> {
        let newest = versions::newest(engine, self.key)?;
        let Some(rows) = known.filter(|_| newest.is_none()) else { return Ok(newest) };
        let instant = versions::instant(self.definition.version_time, &rows.version, rows.applied_at);
        let moment = Moment { version: rows.version.clone(), sequence: rows.sequence, instant };
        self.open(engine, &moment)?;
        versions::add(engine, self.key, &moment)?;
        Ok(Some(moment.sequence))
    }

    /// Follows a version that was applied to the table. `newest` is what [`History::begin`] found, `before` what the
    /// version was compared with, `known` what the table held. Returns whether the history fits the operations, of
    /// which so many end states, and so many begin them.
    pub(super) fn follow<E: Engine>(
        &self,
        engine: &mut E,
        newest: Option<u64>,
        (before, known): (Option<&Rows>, Option<&Rows>),
        schema: &str,
        (ended, begun): (u64, u64),
    ) -> Result<bool> {
        let sequence = self.moment.sequence;
        match newest {
            // It was applied before, and the table is filled again from the beginning.
            Some(newest) if newest > sequence => return Ok(true),
            Some(newest) if newest == sequence => {
                let is_same_schema = known.is_some_and(|known| known.schema == schema);
                self.read_again(engine, is_same_schema)?;
                return Ok(true);
            }
            _ => {}
        }
        versions::add(engine, self.key, &self.moment)?;
        if before.is_some_and(|rows| Some(rows.sequence) == newest) {
            return Ok(self.end_changed(engine)? == ended && self.begin_changed(engine)? == begun);
        }
        self.end_different(engine)?;
        self.update(engine, true)?;
        self.open(engine, &self.moment)?;
        Ok(true)
    }

    /// The rows of the newest version were read again: under another schema, or because they were repaired. A state
    /// that holds still holds, and has the values of today.
    fn read_again<E: Engine>(&self, engine: &mut E, is_same_schema: bool) -> Result<()> {
        let (history, sequence) = (&self.table, self.moment.sequence);
        let is_gone = format!("{} AND NOT EXISTS ({})", self.is_open(), self.row(""));
        // Nothing ended since the newest version, unless somebody edited it.
        let tenant = literal(&self.key.tenant);
        engine.run(&format!(
            r#"DELETE FROM {history} WHERE "_tenant" = {tenant} AND "_from_sequence" >= {sequence} AND "_until_sequence" IS NOT NULL"#
        ))?;
        self.update(engine, is_same_schema)?;
        engine.run(&format!(r#"DELETE FROM {history} AS t WHERE {is_gone} AND t."_from_sequence" = {sequence}"#))?;
        let set = self.set_end("'DELETE'");
        engine.run(&format!("UPDATE {history} AS t SET {set} WHERE {is_gone}"))?;
        self.open(engine, &self.moment)
    }

    /// Ends the states that the operations change. Returns their number.
    fn end_changed<E: Engine>(&self, engine: &mut E) -> Result<u64> {
        let (history, changes, is_open) = (&self.table, Statements::CHANGES, self.is_open());
        let (set, same_key) = (self.set_end(r#"c."_op""#), self.same_key("c"));
        engine.run(&format!(
            r#"UPDATE {history} AS t SET {set} FROM {changes} AS c WHERE {is_open}{same_key} AND c."_op" <> 'INSERT' AND t."_hash" = c."_previous_hash""#
        ))
    }

    /// Begins the states that the operations lead to. Returns their number.
    fn begin_changed<E: Engine>(&self, engine: &mut E) -> Result<u64> {
        let source = format!(r#"{} AS n WHERE n."_op" <> 'DELETE'"#, Statements::CHANGES);
        self.insert(engine, &self.moment, &source)
    }

    /// Ends the states that are not those of a row.
    fn end_different<E: Engine>(&self, engine: &mut E) -> Result<()> {
        let compared = self.shape.values.iter().filter(|column| column.is_compared);
        let same_value = |column: &Column| format!(" AND t.{0} IS NOT DISTINCT FROM n.{0}", column.quoted);
        let same_values: String = compared.map(same_value).collect();
        let ended_by = format!("CASE WHEN EXISTS ({}) THEN 'UPDATE' ELSE 'DELETE' END", self.row(""));
        let (history, set, is_open) = (&self.table, self.set_end(&ended_by), self.is_open());
        let row = self.row(&same_values);
        engine.run(&format!("UPDATE {history} AS t SET {set} WHERE {is_open} AND NOT EXISTS ({row})")).map(|_| ())
    }

    /// Gives open states the values of their rows; with `only_changed`, only those with another hash.
    fn update<E: Engine>(&self, engine: &mut E, only_changed: bool) -> Result<()> {
        let set: String = self.shape.values.iter().map(|column| format!("{0} = n.{0}, ", column.quoted)).collect();
        let (history, table, tenant) = (&self.table, &self.shape.table, literal(&self.key.tenant));
        let (is_open, same_key) = (self.is_open(), self.same_key("n"));
        let condition = if only_changed { r#" AND t."_hash" <> n."_hash""# } else { "" };
        let sql = format!(
            r#"UPDATE {history} AS t SET {set}"_hash" = n."_hash" FROM {table} AS n WHERE {is_open} AND n."_tenant" = {tenant}{same_key}{condition}"#
        );
        engine.run(&sql).map(|_| ())
    }

    /// Begins a state for each row that has none.
    fn open<E: Engine>(&self, engine: &mut E, moment: &Moment) -> Result<()> {
        let source = format!(r#"{} AS n WHERE n."_tenant" = {}"#, self.shape.table, literal(&self.key.tenant));
        self.insert(engine, moment, &source).map(|_| ())
    }

    /// Begins a state for each row `n` of a source that has none. Returns their number.
    fn insert<E: Engine>(&self, engine: &mut E, moment: &Moment, source: &str) -> Result<u64> {
        let (history, is_open, same_key) = (&self.table, self.is_open(), self.same_key("n"));
        let (names, values) = (comma_separated(self.shape.names(), ""), comma_separated(self.shape.names(), "n."));
        let Moment { version, sequence, instant } = moment;
        let [tenant, version, instant] = [&self.key.tenant, version, instant].map(|text| literal(text));
        engine.run(&format!(
            r#"INSERT INTO {history} ("_tenant", {names}, "_hash", "_from_version", "_from_sequence", "_from_time") SELECT {tenant}, {values}, n."_hash", {version}, {sequence}, {instant} FROM {source} AND NOT EXISTS (SELECT 1 FROM {history} AS t WHERE {is_open}{same_key})"#
        ))
    }

    /// What ends a state.
    fn set_end(&self, ended_by: &str) -> String {
        let Moment { version, sequence, instant } = &self.moment;
        let [version, instant] = [version, instant].map(|text| literal(text));
        format!(
            r#""_until_version" = {version}, "_until_sequence" = {sequence}, "_until_time" = {instant}, "_ended_by" = {ended_by}"#
        )
    }

    /// Whether state `t` is one of the tenant's that hold.
    fn is_open(&self) -> String {
        format!(r#"t."_tenant" = {} AND t."_until_sequence" IS NULL"#, literal(&self.key.tenant))
    }

    fn same_key(&self, other: &str) -> String {
        self.shape.key.iter().map(|column| format!(" AND t.{0} = {other}.{0}", column.quoted)).collect()
    }

    /// The row `n` of state `t`.
    fn row(&self, condition: &str) -> String {
        let (table, tenant, same_key) = (&self.shape.table, literal(&self.key.tenant), self.same_key("n"));
        format!(r#"SELECT 1 FROM {table} AS n WHERE n."_tenant" = {tenant}{same_key}{condition}"#)
    }
}
