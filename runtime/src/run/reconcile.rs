//! Comparing the rows that a sink holds with the export that was published last, and putting them right.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::runner::Runner;
use crate::canonical::row::Layout;
use crate::change_set::LineSink;
use crate::engine::{Choice, DeltaRequest, Engines, Inputs};
use crate::error::{Error, Result};
use crate::name::{TableKey, printable};
use crate::operation::{Fields, Head, Scalar};
use crate::plan::Counts;
use crate::sink::Sink;
use crate::sink::database::as_dumped;
use crate::snapshot::Export;
use crate::store::{Action, Decision, Lease, Version, baseline};
use crate::table::{Column, Table};
use crate::telemetry::Watch;

/// How many differences are listed.
const LISTED: usize = 1_000;

/// How the rows of a sink differ from an export.
#[derive(Debug, Serialize)]
pub struct Reconciliation {
    /// The tenant and the table.
    #[serde(flatten)]
    pub key: TableKey,
    /// The version that was published last.
    pub version: String,
    /// The sink.
    pub target: String,
    /// The number of its rows.
    pub rows: u64,
    /// The number of rows that only the export has.
    pub missing: u64,
    /// The number of rows that only the sink has.
    pub extra: u64,
    /// The number of rows that both have, with different values.
    pub changed: u64,
    /// Whether the row hashes that the sink keeps are those of its rows.
    pub hashes_differ: bool,
    /// The first differences.
    pub differences: Vec<Difference>,
    /// Whether the rows were put right.
    pub repaired: bool,
}

/// A row that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `missing`, `extra` or `changed`.
    pub kind: &'static str,
    /// The key; masked where a column is `pii`.
    pub key: String,
    /// The columns that differ.
    pub columns: Vec<String>,
}

impl Reconciliation {
    /// Returns whether anything differs.
    pub fn differs(&self) -> bool {
        self.missing + self.extra + self.changed > 0 || self.hashes_differ
    }
}

impl Runner {
    /// Compares the rows of the only sink with the export that was published last. With a decision to repair, differing
    /// rows are put right in one transaction.
    pub fn reconcile(
        &self,
        table: &'static Table,
        key: &TableKey,
        repair: Option<&Decision>,
    ) -> Result<Reconciliation> {
        let sink = self.sinks.iter().next().expect("a run publishes somewhere");
        if !sink.holds_rows() {
            return Err(Error::usage(sink.display_name(), "it holds operations, not rows")
                .help("name a database with --to sqlite:FILE or --to postgres://USER@HOST/DATABASE"));
        }
        let current = self.registry.current_versions(key)?;
        let last = baseline(&current).cloned();
        let last = last.ok_or_else(|| Error::refused(key.to_string(), "nothing of it has been published yet"))?;
        self.with_lease_or_refuse(&last, |lease, watch| {
            sink.prepare(self.common(table), &key.tenant)?;
            let mut found = self.compare_rows(sink, table, &last, watch)?;
            if let Some(decision) = repair.filter(|_| found.differs()) {
                self.repair(sink, lease, table, &last, (decision, &found), watch)?;
                found.repaired = true;
            }
            Ok(found)
        })
    }

    fn compare_rows(
        &self,
        sink: &dyn Sink,
        table: &'static Table,
        last: &Version,
        watch: &Watch,
    ) -> Result<Reconciliation> {
        let key = &last.key;
        let snapshot = self.baseline(table, last)?.export;
        let layout = self.layout_of(table, last, snapshot.epoch.as_ref())?;
        let before = Layout::lenient(as_dumped(table));
        let folder = sink.rows(table, key)?;
        let rows = Export { label: sink.display_name(), parts: folder.list()?.parts, folder, epoch: None };
        let head = head(table, last);
        let inputs = Inputs { baseline: Some(&rows), snapshot: &Export { epoch: None, ..snapshot } };
        let resources = self.resources()?;
        let request = DeltaRequest { layout: &layout, before: Some(&before), head: &head, inputs, resources, watch };
        let mut differences = Differences { table, listed: Vec::new() };
        let summary = Engines::without_athena(Choice::Native).delta(&request, &mut differences)?;
        let Counts { baseline_rows, inserted, updated, deleted, .. } = summary.counts;
        let kept = sink.kept_fingerprints(table, key)?;
        Ok(Reconciliation {
            key: key.clone(),
            version: last.version.clone(),
            target: sink.display_name(),
            rows: baseline_rows,
            missing: inserted,
            extra: deleted,
            changed: updated,
            hashes_differ: kept.iter().any(|kept| *kept != summary.baseline_fingerprint),
            differences: differences.listed,
            repaired: false,
        })
    }

    fn repair(
        &self,
        sink: &dyn Sink,
        lease: &Lease,
        table: &'static Table,
        last: &Version,
        (decision, found): (&Decision, &Reconciliation),
        watch: &Watch,
    ) -> Result<()> {
        if let Some(adopted) = self.adopt_if_foreign(lease, last)? {
            let note = adopted.note.unwrap_or_default();
            return Err(Error::refused(sink.display_name(), note).help("run exports first"));
        }
        let details = json!({
            "sink": sink.name(), "missing": found.missing, "extra": found.extra, "changed": found.changed,
        });
        self.registry.append(&decision.entry(Action::Repair, &last.key, Some(&last.version), details))?;
        self.fill(sink, lease, table, last, watch)
    }
}

/// The fields that every operation would repeat.
fn head(table: &Table, last: &Version) -> Head {
    Head {
        tenant: last.key.tenant.clone(),
        table: last.key.table.clone(),
        version: last.version.clone(),
        previous: None,
        schema: table.schema_id(),
        sequence: 0,
    }
}

/// Lists the operations that lead from the sink's rows to the export's, as differences.
struct Differences {
    table: &'static Table,
    listed: Vec<Difference>,
}

#[derive(Deserialize)]
struct Line<'a> {
    op: &'a str,
    #[serde(borrow)]
    key: Fields<'a>,
    #[serde(default)]
    changed: Vec<String>,
}

impl LineSink for Differences {
    fn write(&mut self, lines: &[u8]) -> Result<()> {
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if self.listed.len() == LISTED {
                return Ok(());
            }
            let line: Line<'_> = serde_json::from_slice(line).expect("the engine writes operations");
            let kind = match line.op {
                "INSERT" => "missing",
                "DELETE" => "extra",
                _ => "changed",
            };
            self.listed.push(Difference { kind, key: self.shown(&line.key), columns: line.changed });
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.listed.clear();
        Ok(())
    }
}

impl Differences {
    fn shown(&self, key: &Fields<'_>) -> String {
        let value = |(name, value): &(Cow<'_, str>, Scalar<'_>)| match value {
            _ if self.table.column(name).is_none_or(Column::is_masked) => "***".to_owned(),
            Scalar::Null => "NULL".into(),
            Scalar::Bool(value) => value.to_string(),
            Scalar::Integer(value) => value.to_string(),
            Scalar::Number(value) => value.to_string(),
            Scalar::Text(text) => printable(text),
        };
        format!("({})", key.0.iter().map(value).collect::<Vec<_>>().join(", "))
    }
}
