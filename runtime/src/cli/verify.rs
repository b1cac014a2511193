//! `tidemark verify`: whether files are still what the registry says.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::named::{find_table, known_version, known_versions, table_key};
use super::show::{self, plural};
use super::{ExportsArgs, Format, FormatArgs, OUT, StateArgs, shown};
use crate::error::{Fault, Result};
use crate::look::verify::{self, Verdict};
use crate::snapshot::local::Local;
use crate::store::sqlite::Sqlite;
use crate::store::{Status, TableKey, Version};
use crate::table::Table;
use crate::telemetry::{self, Progress};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark verify                                 every version of every table
  cargo tidemark verify acme/orders
  cargo tidemark verify acme/orders/20260102_V0001 --out /ops

Reads the exports again and holds their checksums, rows and fingerprints against the registry; reads
what was published and holds its frame, its counts and its ids against the plan. Files that are gone
are told; those of the newest version, which the next one is compared with, must be there.")]
pub(super) struct VerifyArgs {
    /// Only this table of a tenant, or only this version.
    #[arg(value_name = "TENANT/TABLE[/VERSION]")]
    what: Option<String>,
    /// The folder that operations went to.
    #[arg(long, value_name = "DIR", default_value = OUT)]
    out: PathBuf,
    #[command(flatten)]
    exports: ExportsArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

/// What a look at a version came to.
#[derive(Debug, Serialize)]
struct Checked {
    #[serde(flatten)]
    key: TableKey,
    version: String,
    export: Verdict,
    published: Verdict,
    /// Whether the next version is compared with this one.
    is_baseline: bool,
}

impl Checked {
    fn is_wrong(&self) -> bool {
        let is_different = |verdict: &Verdict| matches!(verdict, Verdict::Different(_));
        is_different(&self.export)
            || is_different(&self.published)
            || (self.is_baseline && self.export == Verdict::Gone)
    }
}

pub(super) fn verify(args: &VerifyArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let registry = args.state.registry()?;
    let exports = args.exports.local(&registry)?;
    telemetry::listen_for_ctrl_c();
    let progress = Progress::new(args.format.format == Format::Text);
    let mut checked = Vec::new();
    for (key, wanted) in wanted(args, &registry, tables)? {
        let table = find_table(tables, &key.table)?;
        let versions = registry.versions(&key)?;
        let newest = versions.iter().rev().find(|version| version.status == Status::Succeeded);
        let watch = progress.table(&key.tenant, &key.table, wanted.len() as u64);
        for version in &wanted {
            let is_baseline = newest.is_some_and(|newest| newest.version == version.version);
            checked.push(check(args, &exports, table, version, is_baseline, &watch)?);
            watch.version_done();
        }
        watch.finish();
    }
    let wrong = checked.iter().filter(|checked| checked.is_wrong()).count();
    match args.format.format {
        Format::Json => show::print_json(&checked)?,
        Format::Text => show::print(&text(args, &checked, wrong))?,
    }
    Ok((wrong > 0).then_some(Fault::Input))
}

/// The versions that were asked for and that succeeded, by table.
fn wanted(
    args: &VerifyArgs,
    registry: &Sqlite,
    tables: &'static [&'static Table],
) -> Result<Vec<(TableKey, Vec<Version>)>> {
    let succeeded = |versions: Vec<Version>| versions.into_iter().filter(|v| v.status == Status::Succeeded).collect();
    Ok(match args.what.as_deref() {
        None => {
            let keys = registry.tables()?;
            let known = keys.into_iter().filter(|key| tables.iter().any(|table| table.name == key.table));
            known.map(|key| registry.versions(&key).map(|all| (key, succeeded(all)))).collect::<Result<_>>()?
        }
        Some(text) if text.matches('/').count() == 1 => {
            let key = table_key(tables, text)?;
            vec![(key.clone(), succeeded(known_versions(registry, &key)?))]
        }
        Some(text) => {
            let (_, version) = known_version(registry, tables, text)?;
            vec![(version.key.clone(), succeeded(vec![version]))]
        }
    })
}

fn check(
    args: &VerifyArgs,
    exports: &Local,
    table: &'static Table,
    version: &Version,
    is_baseline: bool,
    watch: &telemetry::Watch,
) -> Result<Checked> {
    Ok(Checked {
        key: version.key.clone(),
        version: version.version.clone(),
        export: verify::export(exports, table, version, watch)?,
        published: verify::published(&args.out.join(version.path()), version, watch)?,
        is_baseline,
    })
}

fn text(args: &VerifyArgs, checked: &[Checked], wrong: usize) -> String {
    let rows = checked.iter().map(|checked| {
        let (export, published) = (words(&checked.export), words(&checked.published));
        vec![checked.key.tenant.clone(), checked.key.table.clone(), checked.version.clone(), export, published]
    });
    let mut text = show::grid(&["tenant", "table", "version", "export", "published"], &[], rows);
    let total = plural(checked.len(), "version");
    if wrong == 0 {
        return text + &format!("\n{total}, nothing is wrong.\n");
    }
    for checked in checked.iter().filter(|checked| checked.is_wrong()) {
        let path = format!("{}/{}", checked.key, checked.version);
        if let Verdict::Different(problem) = &checked.export {
            text += &format!("\n{path}: the export: {problem}");
        } else if checked.export == Verdict::Gone {
            text += &format!("\n{path}: the export is gone, and the next version is compared with it");
        }
        if let Verdict::Different(problem) = &checked.published {
            text += &format!("\n{path}: in {}: {problem}", shown(&args.out));
        }
    }
    text + &format!(
        "\n\n{total}, {wrong} wrong. Put back the files that were read, or publish the next version whole: \
         cargo tidemark resync TENANT/TABLE.\nWhat was published is written again by: cargo tidemark replay TENANT/TABLE/VERSION\n"
    )
}

fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Same => "as recorded",
        Verdict::SameBytes => "same bytes, other schema",
        Verdict::Gone => "gone",
        Verdict::Different(_) => "DIFFERENT",
    }
    .into()
}
