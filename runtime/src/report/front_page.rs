//! The first page: what came, what changed, what is held and what is missing.

use serde::Serialize;

use super::overview::{Arrival, Overview, TableSummary};
use super::site::{Site, table_page, version_page};
use super::template::{Frame, Template};
use super::words::count;
use crate::clock::readable_time;
use crate::error::Result;
use crate::name::TableKey;

#[derive(Debug, Serialize)]
struct FrontPage<'a> {
    #[serde(flatten)]
    frame: Frame,
    since: String,
    totals: Vec<(&'static str, String, bool)>,
    attention: Vec<Attention>,
    news: Vec<News>,
    tables: Vec<Row<'a>>,
}

/// Something that somebody should look at.
#[derive(Debug, Serialize)]
pub(super) struct Attention {
    pub(super) name: String,
    pub(super) href: String,
    pub(super) status: &'static str,
    pub(super) reason: String,
}

#[derive(Debug, Serialize)]
struct News {
    name: String,
    href: String,
    version: String,
    status: &'static str,
    numbers: [String; 4],
    came: String,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    name: String,
    href: String,
    baseline: &'a str,
    rows: String,
    published: String,
    versions: String,
    description: &'a str,
}

/// Writes the page.
pub(super) fn write(site: &Site, overview: &Overview) -> Result<()> {
    let view = FrontPage {
        frame: Frame { root: "", title: "Overview".into(), made: readable_time(overview.now) },
        since: readable_time(overview.since),
        totals: totals(overview),
        attention: overview.tables.iter().flat_map(attention).collect(),
        news: overview.tables.iter().flat_map(news).collect(),
        tables: overview.tables.iter().map(Row::new).collect(),
    };
    site.write("index.html", &Template::Front.render(&view))
}

/// The totals, and whether each is a problem.
fn totals(overview: &Overview) -> Vec<(&'static str, String, bool)> {
    let totals = &overview.totals;
    let of_problem = |name, number| (name, count(number), number > 0);
    vec![
        ("versions came", count(totals.came), false),
        ("published", count(totals.published), false),
        ("rows inserted", count(totals.inserted), false),
        ("rows updated", count(totals.updated), false),
        ("rows deleted", count(totals.deleted), false),
        of_problem("held", totals.held),
        of_problem("failed", totals.failed),
        of_problem("overdue", totals.overdue),
    ]
}

/// What needs attention of a table: the export that is missing, and the versions that are not done.
pub(super) fn attention(table: &TableSummary) -> Vec<Attention> {
    let key = table.key();
    let about_table = |status, reason: &str| Attention {
        name: key.to_string(),
        href: table_page(&key),
        status,
        reason: reason.to_owned(),
    };
    let error = table.error.iter().map(|error| Attention { href: String::new(), ..about_table("UNREADABLE", error) });
    let overdue = table.overdue.iter().map(|overdue| about_table("OVERDUE", &overdue.to_string()));
    let open = table.open.iter().map(|version| Attention {
        name: format!("{key}/{}", version.version),
        href: if version.has_page { version_page(&key, &version.version) } else { table_page(&key) },
        status: version.status.name(),
        reason: version.reason.clone().unwrap_or_default(),
    });
    error.chain(overdue).chain(open).collect()
}

fn news(table: &TableSummary) -> impl Iterator<Item = News> + '_ {
    let key: TableKey = table.key();
    table.news.iter().map(move |version| News {
        name: key.to_string(),
        href: table_page(&key),
        version: version.version.clone(),
        status: version.status.name(),
        numbers: numbers(version),
        came: readable_time(version.registered_at),
    })
}

/// Rows, inserted, updated and deleted ones.
pub(super) fn numbers(version: &Arrival) -> [String; 4] {
    match &version.counts {
        Some(counts) => [counts.rows, counts.inserted, counts.updated, counts.deleted].map(count),
        None => Default::default(),
    }
}

impl<'a> Row<'a> {
    fn new(table: &'a TableSummary) -> Self {
        Self {
            name: table.key().to_string(),
            href: if table.error.is_some() { String::new() } else { table_page(&table.key()) },
            baseline: table.baseline.as_deref().unwrap_or_default(),
            rows: table.rows.map(count).unwrap_or_default(),
            published: table.published_at.map(readable_time).unwrap_or_default(),
            versions: count(table.versions as u64),
            description: table.description.unwrap_or_default(),
        }
    }
}
