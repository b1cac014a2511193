//! The report: what the registry knows, as an overview and as a folder of static pages.
//!
//! It only reads. `facts` reads one tenant's table after the other, so that memory does not grow with their number;
//! `overview` keeps what the first page, Markdown and JSON need of each. `table_page` and `version_page` turn facts
//! into what the templates show, `chart` and `picture` draw, `compact` packs what is too long to be shown at once,
//! `search` writes the index, and `site` the files.

mod chart;
mod compact;
mod facts;
mod front_page;
mod markdown;
mod overview;
mod picture;
mod private;
mod search;
mod site;
mod table_page;
mod template;
mod version_page;
mod words;

use std::num::NonZero;
use std::path::Path;

pub use markdown::markdown;
pub use overview::{Arrival, OpenVersion, Overview, TableSummary, Totals};

use crate::error::{Error, Result};
use crate::inspect::overdue::never_delivered;
use crate::name::TableKey;
use crate::parallel;
use crate::store::Registry;
use crate::table::Table;
use facts::Facts;
use site::Site;

/// What to report.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The tables that have a schema.
    pub tables: &'a [&'static Table],
    /// Since when versions are news, in milliseconds since 1970.
    pub since: i64,
    /// The present, in milliseconds since 1970.
    pub now: i64,
    /// The folder of the pages, if they are wanted.
    pub folder: Option<&'a Path>,
    /// The number of threads.
    pub threads: NonZero<usize>,
}

/// Reads a registry, and writes the pages. A table whose records cannot be read is reported, and does not hide others.
///
/// # Errors
/// Fails if the registry cannot be read at all, or the folder cannot be written.
pub fn report(registry: &Registry, request: &Request<'_>) -> Result<(Overview, Vec<Error>)> {
    let mut keys = registry.tables()?;
    keys.extend(never_delivered(request.tables, &keys));
    keys.sort();
    let site = request.folder.map(Site::create).transpose()?;
    let (mut summaries, mut errors) = (Vec::with_capacity(keys.len()), Vec::new());
    parallel::in_order(
        request.threads,
        &keys,
        |key| table(registry, request, site.as_ref(), key),
        |_, (summary, error)| {
            summaries.push(summary);
            errors.extend(error);
            Ok(())
        },
    )?;
    let overview = Overview::new(request.since, request.now, summaries);
    if let Some(site) = site {
        front_page::write(&site, &overview)?;
        search::write(&site, &overview, request.tables)?;
    }
    Ok((overview, errors))
}

/// Reads one tenant's table, and writes its pages.
fn table(
    registry: &Registry,
    request: &Request<'_>,
    site: Option<&Site>,
    key: &TableKey,
) -> Result<(TableSummary, Option<Error>)> {
    let facts = match Facts::read(registry, request.tables, key, request.now) {
        Ok(facts) => facts,
        Err(error) => return Ok((TableSummary::unreadable(key, &error), Some(error))),
    };
    if let Some(site) = site {
        table_page::write(site, &facts, request.now)?;
        version_page::write_all(site, &facts, request.now)?;
    }
    Ok((TableSummary::new(&facts, request.since), None))
}
