//! The page of a tenant's table.

use std::collections::BTreeMap;

use serde::Serialize;

use super::chart::{Chart, charts};
use super::compact::{packed_rows, packed_versions};
use super::facts::Facts;
use super::front_page::{Attention, attention};
use super::overview::TableSummary;
use super::private;
use super::site::{Site, table_page, version_page};
use super::template::{Frame, Template};
use super::words::{count, entry, minute, reason};
use crate::clock::readable_time;
use crate::error::Result;
use crate::reject::Rejects;
use crate::store::{JournalEntry, Version, baseline};
use crate::table::{Column, Table};

/// How many versions a page shows at once; the others are in it, packed.
const VERSIONS: usize = 10;

/// The same for columns.
const COLUMNS: usize = 25;

/// How many versions are shown with what was found out and decided about them.
const EVENTS: usize = 30;

/// The way from the page to the folder of the report.
const ROOT: &str = "../../";

#[derive(Debug, Serialize)]
struct TablePage<'a> {
    #[serde(flatten)]
    frame: Frame,
    description: &'a str,
    facts: Vec<(&'static str, String)>,
    attention: Vec<Attention>,
    charts: Vec<Chart>,
    versions: Vec<VersionRow>,
    packed_versions: String,
    more_versions: String,
    months: Vec<Vec<String>>,
    events: Vec<Event>,
    more_events: String,
    columns: Vec<Vec<String>>,
    packed_columns: String,
    more_columns: String,
}

#[derive(Debug, Serialize)]
struct VersionRow {
    href: String,
    cells: Vec<String>,
}

/// What was found out and decided about a version.
#[derive(Debug, Serialize)]
struct Event {
    version: String,
    href: String,
    status: &'static str,
    entries: Vec<String>,
}

/// Writes the page.
pub(super) fn write(site: &Site, facts: &Facts, now: i64) -> Result<()> {
    let summary = TableSummary::new(facts, now);
    let mut newest_first = facts.versions.iter().rev();
    let versions = newest_first.by_ref().take(VERSIONS).map(|version| VersionRow::new(facts, version)).collect();
    let mut columns = facts.table.map_or_else(Vec::new, |table| columns(table, &facts.versions));
    let rest = columns.split_off(columns.len().min(COLUMNS));
    let (events, more_events) = events(facts);
    let view = TablePage {
        frame: Frame { root: ROOT, title: facts.key.to_string(), made: readable_time(now) },
        description: facts.table.and_then(|table| table.description).unwrap_or_default(),
        facts: about(facts),
        attention: attention(&summary).into_iter().map(|item| seen_from_here(facts, item)).collect(),
        charts: charts(&facts.versions, facts.table.map(|table| &table.guards)),
        more_versions: more(newest_first.len()),
        packed_versions: packed_versions(newest_first),
        versions,
        months: months(&facts.versions),
        events,
        more_events: more(more_events),
        more_columns: more(rest.len()),
        packed_columns: packed_rows(&rest),
        columns,
    };
    site.write(&table_page(&facts.key), &Template::Table.render(&view))
}

/// How many more there are; empty if there are none.
fn more(number: usize) -> String {
    if number == 0 { String::new() } else { count(number as u64) }
}

/// What leads to this page leads nowhere on it.
fn seen_from_here(facts: &Facts, item: Attention) -> Attention {
    let href = if item.href == table_page(&facts.key) { String::new() } else { format!("{ROOT}{}", item.href) };
    Attention { href, ..item }
}

fn about(facts: &Facts) -> Vec<(&'static str, String)> {
    let newest = baseline(&facts.versions);
    let mut about = vec![("newest version", newest.map_or_else(|| "none".into(), |version| version.version.clone()))];
    let rows = newest.and_then(|version| version.plan.as_ref()).map(|plan| count(plan.counts.rows));
    about.extend(rows.map(|rows| ("rows", rows)));
    about.extend(newest.and_then(Version::publication).map(|at| ("published", readable_time(at))));
    if let Some(table) = facts.table {
        about.push(("primary key", table.primary_key.join(", ")));
        about.push(("schema", table.schema[..8].to_owned()));
        about.extend(table.expect.as_ref().filter(|expect| expect.includes(&facts.key.tenant)).map(|expect| {
            let days = if expect.days.is_empty() { String::new() } else { format!(", {}", expect.days.join(" ")) };
            let every = match expect.every_minutes / 60 {
                24 => String::new(),
                1 => " and every hour".into(),
                hours => format!(" and every {hours} hours"),
            };
            ("expected", format!("by {:02}:{:02}{every} {}{days}", expect.by.0, expect.by.1, expect.zone))
        }));
    } else {
        about.push(("schema", "none".into()));
    }
    about
}

impl VersionRow {
    fn new(facts: &Facts, version: &Version) -> Self {
        Self { href: href(facts, version), cells: cells(version) }
    }
}

/// The way to a version's page; empty if it has none.
fn href(facts: &Facts, version: &Version) -> String {
    if facts.has_page(version) {
        format!("{ROOT}{}", version_page(&facts.key, &version.version))
    } else {
        String::new()
    }
}

/// A version, with the numbers that `history` shows.
fn cells(version: &Version) -> Vec<String> {
    let plan = version.plan.as_ref();
    let numbers = match plan.map(|plan| &plan.counts) {
        Some(counts) => [counts.rows, counts.inserted, counts.updated, counts.deleted].map(count),
        None => Default::default(),
    };
    let head = [version.version.clone(), version.status.name().to_owned()];
    head.into_iter().chain(numbers).chain([minute(version.registered_at), reason(version)]).collect()
}

/// The versions of each month, the last month first; nothing if all versions are shown anyway.
fn months(versions: &[Version]) -> Vec<Vec<String>> {
    if versions.len() <= VERSIONS {
        return Vec::new();
    }
    let mut months: BTreeMap<String, (u64, u64, [u64; 3])> = BTreeMap::new();
    for version in versions.iter().filter(|version| version.status.is_published()) {
        let Some(counts) = version.plan.as_ref().map(|plan| &plan.counts) else { continue };
        let month = readable_time(version.registered_at).chars().take(7).collect();
        let (number, rows, operations) = months.entry(month).or_default();
        *number += 1;
        *rows = counts.rows;
        for (sum, more) in operations.iter_mut().zip([counts.inserted, counts.updated, counts.deleted]) {
            *sum += more;
        }
    }
    let row = |(month, (number, rows, operations)): (String, (u64, u64, [u64; 3]))| {
        [vec![month, count(number), count(rows)], operations.map(count).to_vec()].concat()
    };
    months.into_iter().rev().map(row).collect()
}

/// What was found out and decided, about the newest versions first; and about how many more there is something.
fn events(facts: &Facts) -> (Vec<Event>, usize) {
    let with_entries = facts.versions.iter().rev().filter(|version| !facts.entries_of(version).is_empty());
    let total = with_entries.clone().count();
    let event = |version: &Version| Event {
        version: version.version.clone(),
        href: href(facts, version),
        status: version.status.name(),
        entries: facts.entries_of(version).iter().flat_map(|entry| lines(facts, entry)).collect(),
    };
    let events: Vec<Event> = with_entries.take(EVENTS).map(event).collect();
    let left = total - events.len();
    (events, left)
}

/// An entry of the journal, and the rows that could not be read.
fn lines(facts: &Facts, found: &JournalEntry) -> Vec<String> {
    let rejects = serde_json::from_value::<Rejects>(found.details["rejects"].clone()).unwrap_or_default();
    let offenders = rejects.offenders.iter().map(|offender| {
        let column = offender.column.as_deref();
        let problem = private::problem(facts.table, column, &offender.message);
        format!("{}:{} {}: {problem}", offender.part, offender.line, column.unwrap_or("row"))
    });
    std::iter::once(entry(found)).chain(offenders).collect()
}

/// The columns with how often each changed in the versions that the registry has.
fn columns(table: &Table, versions: &[Version]) -> Vec<Vec<String>> {
    let mut changed: BTreeMap<&str, u64> = BTreeMap::new();
    let published = versions.iter().filter(|version| version.status.is_published());
    for (column, number) in
        published.filter_map(|version| version.plan.as_ref()).flat_map(|plan| &plan.findings.changed)
    {
        *changed.entry(column).or_default() += number;
    }
    let row = |column: &Column| {
        let changed = changed.get(column.name).map(|number| count(*number)).unwrap_or_default();
        let description = column.description.unwrap_or_default().to_owned();
        vec![column.name.to_owned(), column.source_type().to_string(), table.traits_of(column), changed, description]
    };
    table.columns.iter().map(row).collect()
}
