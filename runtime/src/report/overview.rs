//! What happened lately, over all tables.

use serde::Serialize;

use super::facts::Facts;
use crate::error::Error;
use crate::inspect::open;
use crate::inspect::overdue::Overdue;
use crate::name::{TableKey, printable};
use crate::plan::Counts;
use crate::store::{Status, Version, baseline};

/// All tables, with what came and changed since a time.
#[derive(Debug, Clone, Serialize)]
pub struct Overview {
    /// Since when, in milliseconds since 1970.
    #[serde(with = "crate::clock::iso")]
    pub since: i64,
    /// When it was made, in milliseconds since 1970.
    #[serde(with = "crate::clock::iso")]
    pub now: i64,
    /// The sums over all tables.
    pub totals: Totals,
    /// The tables, sorted by tenant and name.
    pub tables: Vec<TableSummary>,
}

/// Numbers of versions and rows, and of what needs attention.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// The versions that came.
    pub came: u64,
    /// The versions that were published.
    pub published: u64,
    /// The rows that these inserted.
    pub inserted: u64,
    /// The rows that these updated.
    pub updated: u64,
    /// The rows that these deleted.
    pub deleted: u64,
    /// The versions that are HELD.
    pub held: u64,
    /// The versions that FAILED, unless a newer one succeeded.
    pub failed: u64,
    /// The exports that should have arrived.
    pub overdue: u64,
    /// The other versions that are not done.
    pub open: u64,
    /// The tables whose records cannot be read.
    pub unreadable: u64,
}

/// One tenant's table.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TableSummary {
    /// The tenant.
    pub tenant: String,
    /// The table.
    pub table: String,
    /// What a row is.
    pub description: Option<&'static str>,
    /// The number of columns; `None` if the table has no schema.
    pub columns: Option<usize>,
    /// The number of versions.
    pub versions: usize,
    /// The version that was published last.
    pub baseline: Option<String>,
    /// The rows of that version.
    pub rows: Option<u64>,
    /// When it was published, in milliseconds since 1970.
    #[serde(with = "crate::clock::iso_option")]
    pub published_at: Option<i64>,
    /// The export that should have arrived.
    pub overdue: Option<Overdue>,
    /// The versions that are not done.
    pub open: Vec<OpenVersion>,
    /// The versions that came, or were published, since then.
    pub news: Vec<Arrival>,
    /// Why nothing is known about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A version that is not done.
#[derive(Debug, Clone, Serialize)]
pub struct OpenVersion {
    /// The version.
    pub version: String,
    /// Its status.
    pub status: Status,
    /// Why.
    pub reason: Option<String>,
    /// Whether it has a page.
    #[serde(skip)]
    pub(super) has_page: bool,
}

/// A version that came or was published.
#[derive(Debug, Clone, Serialize)]
pub struct Arrival {
    /// The version.
    pub version: String,
    /// Its status.
    pub status: Status,
    /// When it came, in milliseconds since 1970.
    #[serde(with = "crate::clock::iso")]
    pub registered_at: i64,
    /// When it was published, in milliseconds since 1970.
    #[serde(with = "crate::clock::iso_option")]
    pub published_at: Option<i64>,
    /// Its rows and operations, once it is planned.
    pub counts: Option<Counts>,
    /// Whether it came since then, rather than before.
    #[serde(skip)]
    is_new: bool,
    /// Whether it was published since then.
    #[serde(skip)]
    is_published: bool,
}

impl Overview {
    pub(super) fn new(since: i64, now: i64, tables: Vec<TableSummary>) -> Self {
        let mut totals = Totals::default();
        tables.iter().for_each(|table| totals.add(table));
        Self { since, now, totals, tables }
    }
}

impl Totals {
    fn add(&mut self, table: &TableSummary) {
        self.overdue += u64::from(table.overdue.is_some());
        self.unreadable += u64::from(table.error.is_some());
        for version in &table.open {
            match version.status {
                Status::Held => self.held += 1,
                Status::Failed => self.failed += 1,
                _ => self.open += 1,
            }
        }
        self.came += table.news.iter().filter(|version| version.is_new).count() as u64;
        for version in table.news.iter().filter(|version| version.is_published) {
            let counts = version.counts.unwrap_or_default();
            self.published += 1;
            self.inserted += counts.inserted;
            self.updated += counts.updated;
            self.deleted += counts.deleted;
        }
    }
}

impl TableSummary {
    pub(super) fn new(facts: &Facts, since: i64) -> Self {
        let baseline = baseline(&facts.versions);
        let news = facts.versions.iter().map(|version| Arrival::new(version, since));
        Self {
            tenant: facts.key.tenant.clone(),
            table: facts.key.table.clone(),
            description: facts.table.and_then(|table| table.description),
            columns: facts.table.map(|table| table.columns.len()),
            versions: facts.versions.len(),
            baseline: baseline.map(|version| version.version.clone()),
            rows: baseline.and_then(|version| version.plan.as_ref()).map(|plan| plan.counts.rows),
            published_at: baseline.and_then(Version::publication),
            overdue: facts.overdue.clone(),
            open: open(&facts.versions).map(|version| OpenVersion::new(facts, version)).collect(),
            news: news.filter(|version| version.is_new || version.is_published).collect(),
            error: None,
        }
    }

    pub(super) fn unreadable(key: &TableKey, error: &Error) -> Self {
        let TableKey { tenant, table } = key.clone();
        Self { tenant, table, error: Some(error.to_string()), ..Self::default() }
    }

    pub(super) fn key(&self) -> TableKey {
        TableKey { tenant: self.tenant.clone(), table: self.table.clone() }
    }
}

impl OpenVersion {
    fn new(facts: &Facts, version: &Version) -> Self {
        let reason = version.reason.as_deref().map(printable);
        Self { version: version.version.clone(), status: version.status, reason, has_page: facts.has_page(version) }
    }
}

impl Arrival {
    fn new(version: &Version, since: i64) -> Self {
        let published_at = version.publication();
        Self {
            version: version.version.clone(),
            status: version.status,
            registered_at: version.registered_at,
            published_at,
            counts: version.plan.as_ref().map(|plan| plan.counts),
            is_new: version.registered_at >= since,
            is_published: published_at.is_some_and(|published_at| published_at >= since),
        }
    }
}
