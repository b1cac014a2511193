//! The page of a version that is held, or was: its plan as a picture, and what decides about it.

use serde::Serialize;

use super::chart::limit;
use super::facts::Facts;
use super::picture::{Picture, draw};
use super::private;
use super::site::{Site, table_page, version_page};
use super::template::{Frame, Template};
use super::words::{by_kind, count, entry, reason, share};
use crate::clock::readable_time;
use crate::epoch::Drift;
use crate::error::Result;
use crate::invocation::command;
use crate::plan::{Findings, Plan, RowSample};
use crate::run::guard::ratio;
use crate::store::{Status, Version};
use crate::table::Table;

/// How many digits of a plan's hash are shown.
const SHORT_HASH: usize = 8;

/// The way from the page to the folder of the report.
const ROOT: &str = "../../../";

#[derive(Debug, Serialize)]
struct VersionPage {
    #[serde(flatten)]
    frame: Frame,
    table: String,
    table_href: String,
    status: &'static str,
    reason: String,
    hash: String,
    came: String,
    picture: Picture,
    kinds: Vec<[String; 4]>,
    changed: Vec<(String, String)>,
    samples: Vec<(&'static str, String, String)>,
    drift: Vec<String>,
    entries: Vec<String>,
    commands: Vec<(&'static str, String)>,
}

/// Writes the pages of a table's versions.
pub(super) fn write_all(site: &Site, facts: &Facts, now: i64) -> Result<()> {
    for version in facts.versions.iter().filter(|version| facts.has_page(version)) {
        if let Some(plan) = &version.plan {
            let view = VersionPage::new(facts, version, plan, now);
            site.write(&version_page(&facts.key, &version.version), &Template::Version.render(&view))?;
        }
    }
    Ok(())
}

impl VersionPage {
    fn new(facts: &Facts, version: &Version, plan: &Plan, now: i64) -> Self {
        let hash = plan.hash.get(..SHORT_HASH).unwrap_or(&plan.hash).to_owned();
        let path = version.path();
        let commands = match version.status {
            Status::Held => vec![
                ("to publish it", command(&[&"approve", &path, &hash])),
                ("to reject it", command(&[&"reject", &path])),
            ],
            _ => Vec::new(),
        };
        Self {
            frame: Frame { root: ROOT, title: path, made: readable_time(now) },
            table: facts.key.to_string(),
            table_href: format!("{ROOT}{}", table_page(&facts.key)),
            status: version.status.name(),
            reason: reason(version),
            came: readable_time(version.registered_at),
            picture: draw(plan, facts.table),
            kinds: kinds(plan, facts.table),
            changed: changed(&plan.findings),
            samples: samples(&plan.findings, facts.table),
            drift: plan.drift.as_ref().map(drift).unwrap_or_default(),
            entries: facts.entries_of(version).iter().map(entry).collect(),
            commands,
            hash,
        }
    }
}

/// The number of operations of each kind, their share, and the share that guards let pass.
fn kinds(plan: &Plan, table: Option<&Table>) -> Vec<[String; 4]> {
    let is_compared = plan.previous.is_some();
    let baseline = plan.counts.baseline_rows;
    let row = |(kind, word, number): (_, &str, u64)| {
        let allowed = table.filter(|_| is_compared).map(|table| limit(&table.guards, kind, baseline));
        let allowed = allowed.map(|limit| limit.map_or_else(|| "any".into(), |limit| share(Some(limit))));
        let part = is_compared.then(|| ratio(number, baseline));
        [word.to_owned(), count(number), share(part), allowed.unwrap_or_default()]
    };
    by_kind(&plan.counts).map(row).to_vec()
}

/// The columns that changed, the one that changed most often first.
fn changed(findings: &Findings) -> Vec<(String, String)> {
    let mut columns: Vec<_> = findings.changed.iter().collect();
    columns.sort_by_key(|(_, number)| std::cmp::Reverse(**number));
    columns.into_iter().map(|(column, number)| (column.clone(), count(*number))).collect()
}

/// The first operations of each kind: the key, and the values.
fn samples(findings: &Findings, table: Option<&Table>) -> Vec<(&'static str, String, String)> {
    let row = |kind: &'static str, sample: &RowSample| {
        let value = |(column, value): &(String, String)| format!("{column} {}", private::value(table, column, value));
        let values = sample.values.iter().map(value).collect();
        (kind, private::key(table, &sample.key), joined(values, sample.more))
    };
    let updates = findings.updates.iter().map(|sample| {
        let change = |(column, old, new): &(String, String, String)| {
            let [old, new] = [old, new].map(|value| private::value(table, column, value));
            format!("{column} {old} → {new}")
        };
        let changes = sample.changes.iter().map(change).collect();
        ("updated", private::key(table, &sample.key), joined(changes, sample.more))
    });
    let inserts = findings.inserts.iter().map(|sample| row("inserted", sample));
    let deletes = findings.deletes.iter().map(|sample| row("deleted", sample));
    inserts.chain(updates).chain(deletes).collect()
}

fn joined(mut columns: Vec<String>, more: usize) -> String {
    columns.extend((more > 0).then(|| format!("and {more} more")));
    columns.join(" · ")
}

/// What changed in the schema since the baseline.
fn drift(drift: &Drift) -> Vec<String> {
    let added = drift.added.iter().map(|column| format!("{column} was added"));
    let removed = drift.removed.iter().map(|column| format!("{column} was removed"));
    let renamed = drift.renamed.iter().map(|(old, new)| format!("{old} was renamed to {new}"));
    let retyped = drift.retyped.iter().map(|(column, old, new)| format!("{column} was {old} and is {new}"));
    added.chain(removed).chain(renamed).chain(retyped).collect()
}
