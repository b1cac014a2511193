//! The overview as Markdown, for mail and chat.

use std::fmt::Write as _;

use super::front_page::{Attention, attention, numbers};
use super::overview::{Arrival, Overview, TableSummary};
use super::words::count;
use crate::clock::readable_time;

/// The characters that mean something within a line of Markdown, or in the HTML that it may contain.
const SPECIAL: &str = r"\`*_{}[]<>#|~&@$";

/// The overview as Markdown. Nothing in a name or a reason is markup, a link or an address.
pub fn markdown(overview: &Overview) -> String {
    let totals = &overview.totals;
    let mut text = format!("# Tidemark since {}\n\n", escaped(&readable_time(overview.since)));
    let [came, published, held, failed, overdue] =
        [totals.came, totals.published, totals.held, totals.failed, totals.overdue].map(count);
    let [inserted, updated, deleted] = [totals.inserted, totals.updated, totals.deleted].map(count);
    let _ = writeln!(
        text,
        "**{came}** came, **{published}** published: {inserted} rows inserted, {updated} updated, {deleted} deleted. \
         **{held}** held, **{failed}** failed, **{overdue}** overdue."
    );
    section(&mut text, "Needs attention", "| table | status | why |\n|---|---|---|", &attention_rows(overview));
    let header = "| table | version | status | rows | inserted | updated | deleted |\n|---|---|---|--:|--:|--:|--:|";
    section(&mut text, "Came or published", header, &news_rows(overview));
    text
}

fn section(text: &mut String, title: &str, header: &str, rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n## {title}\n\n{header}");
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| escaped(cell)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
}

fn attention_rows(overview: &Overview) -> Vec<Vec<String>> {
    let row = |item: Attention| vec![item.name, item.status.to_owned(), item.reason];
    overview.tables.iter().flat_map(attention).map(row).collect()
}

fn news_rows(overview: &Overview) -> Vec<Vec<String>> {
    let rows = |table: &TableSummary| {
        let key = table.key().to_string();
        let row = |version: &Arrival| {
            let head = [key.clone(), version.version.clone(), version.status.name().to_owned()];
            head.into_iter().chain(numbers(version)).collect()
        };
        table.news.iter().map(row).collect::<Vec<Vec<String>>>()
    };
    overview.tables.iter().flat_map(rows).collect()
}

/// A text without markup. Programs also make links of addresses, so these are taken apart.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            ':' if rest.as_str().starts_with('/') => escaped.push_str("&#58;"),
            '.' if is_www(&escaped) => escaped.push_str("&#46;"),
            c if SPECIAL.contains(c) => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}

fn is_www(text: &str) -> bool {
    text.len() >= 3 && text.as_bytes()[text.len() - 3..].eq_ignore_ascii_case(b"www")
}
