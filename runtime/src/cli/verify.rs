//! `tidemark verify`: whether files are still what the registry says.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::{Format, FormatArgs, LimitArgs, shown};
use crate::cli::lookup::{known_version, known_versions, table_key};
use crate::cli::output;
use crate::cli::resolve::{ExportsArgs, OutArgs, StateArgs};
use crate::error::{Error, Fault, Result};
use crate::inspect::verify::{self, Verdict};
use crate::name::TableKey;
use crate::run::Runner;
use crate::store::{Registry, Status, Version};
use crate::table::Table;
use crate::telemetry::{self, Progress, Watch};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark verify                                     every version that succeeded
  cargo tidemark verify acme/orders                         of one table
  cargo tidemark verify acme/orders/20260102_V0001 --out /ops

Reads exports again and holds the checksum of each part, the rows and their fingerprint against the
registry; reads what was published and holds BEGIN, END, counts, ids and fingerprints against the
plan. Files that are gone are told and are no fault, but for the export of the newest version: the
next one is compared with it. It changes nothing.

Exit status: 0 everything that is there is as recorded; 1 something is not; 2 the machine failed.")]
pub(super) struct VerifyArgs {
    /// Only this tenant's table, or only this version.
    #[arg(value_name = "TENANT/TABLE[/VERSION]")]
    what: Option<String>,
    /// The folder that operations went to; the one each version was published to unless told.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    exports: ExportsArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

/// What a look at a version came to.
#[derive(Debug, Serialize)]
struct Checked {
    #[serde(flatten)]
    key: TableKey,
    version: String,
    /// Whether the next version is compared with this one.
    baseline: bool,
    export: Verdict,
    published: Verdict,
    /// Where its operations were looked for.
    out: PathBuf,
    /// What is wrong, and what to do about it.
    faults: Vec<Complaint>,
}

#[derive(Debug, Serialize)]
struct Complaint {
    message: String,
    help: String,
}

#[derive(Serialize)]
struct Report<'a> {
    versions: &'a [Checked],
    wrong: usize,
}

pub(super) fn verify(args: &VerifyArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let registry = args.state.registry()?;
    let wanted = wanted(args, &registry, tables)?;
    let runner = args.state.runner(registry, &args.exports, &OutArgs::none(), tables)?;
    let runner = Runner { limits: args.limits.limits(), ..runner };
    telemetry::listen_for_ctrl_c();
    let progress = Progress::new(args.format.format == Format::Text);
    let mut checked = Vec::new();
    for (key, wanted) in wanted {
        let watch = progress.table(&key.tenant, &key.table, wanted.len() as u64);
        let done = check_table(args, &runner, &key, &wanted, &watch);
        watch.finish();
        checked.extend(done?);
    }
    let wrong = checked.iter().filter(|checked| !checked.faults.is_empty()).count();
    match args.format.format {
        Format::Json => output::print_json(&Report { versions: &checked, wrong })?,
        Format::Text => output::print(&text(&checked, wrong))?,
    }
    for Complaint { message, help } in checked.iter().flat_map(|checked| &checked.faults) {
        eprintln!();
        output::complain(message, None, Some(help));
    }
    Ok((wrong > 0).then_some(Fault::Input))
}

/// The versions that were asked for and that succeeded, by table.
fn wanted(
    args: &VerifyArgs,
    registry: &Registry,
    tables: &'static [&'static Table],
) -> Result<Vec<(TableKey, Vec<Version>)>> {
    let succeeded = |versions: Vec<Version>| versions.into_iter().filter(|v| v.status == Status::Succeeded).collect();
    match args.what.as_deref() {
        None => {
            registry.tables()?.into_iter().map(|key| Ok((key.clone(), succeeded(registry.versions(&key)?)))).collect()
        }
        Some(text) if text.matches('/').count() < 2 => {
            let key = table_key(tables, text)?;
            let versions = known_versions(registry, &key)?;
            Ok(vec![(key, succeeded(versions))])
        }
        Some(text) => {
            let (_, version) = known_version(registry, tables, text)?;
            if version.status != Status::Succeeded {
                let problem = format!("it is {}; only what SUCCEEDED can be verified", version.status);
                return Err(Error::refused(version.to_string(), problem)
                    .help(format!("see: cargo tidemark history {}", version.key)));
            }
            Ok(vec![(version.key.clone(), vec![version])])
        }
    }
}

fn check_table(
    args: &VerifyArgs,
    runner: &Runner,
    key: &TableKey,
    wanted: &[Version],
    watch: &Watch,
) -> Result<Vec<Checked>> {
    let table = runner.tables.iter().copied().find(|table| table.name == key.table);
    let all = runner.registry.versions(key)?;
    let newest = all.iter().rev().find(|version| version.status == Status::Succeeded);
    let check = |version: &Version| {
        let out = out(args, version);
        let export = verify::export(runner, table, version, watch)?;
        let published = verify::published(&out.join(version.path()), version, watch)?;
        let baseline = newest.is_some_and(|newest| newest.version == version.version);
        let can_replay = version.changes.is_some() && runner.changes.is_complete(version)?;
        let faults =
            [fault_of_export(version, &export, baseline), fault_of_published(version, &published, &out, can_replay)];
        let faults = faults.into_iter().flatten().collect();
        watch.version_done();
        let (key, version) = (version.key.clone(), version.version.clone());
        Ok(Checked { key, version, baseline, export, published, out, faults })
    };
    wanted.iter().map(check).collect()
}

/// Where the version's operations went: a folder that was named now, or the one that the registry remembers.
fn out(args: &VerifyArgs, version: &Version) -> PathBuf {
    let recorded = version.progress.as_ref().map(|progress| PathBuf::from(&progress.sink));
    args.out.clone().or(recorded).unwrap_or_else(|| "out".into())
}

fn fault_of_export(version: &Version, export: &Verdict, is_baseline: bool) -> Option<Complaint> {
    let problem = match export {
        Verdict::Different(problem) => problem,
        Verdict::Gone if is_baseline => "its files are gone",
        Verdict::Gone | Verdict::Same | Verdict::SameBytes => return None,
    };
    let help = if is_baseline {
        let resync = format!("cargo tidemark resync {}", version.key);
        format!("the next version is compared with it: put back the files that were published, or: {resync}")
    } else {
        "put back the files that were published; nothing is compared with them any more".into()
    };
    Some(Complaint { message: format!("{version}: the export is not what was published: {problem}"), help })
}

fn fault_of_published(version: &Version, published: &Verdict, out: &Path, can_replay: bool) -> Option<Complaint> {
    let Verdict::Different(problem) = published else { return None };
    let help = if can_replay {
        format!("write it again: cargo tidemark replay {} --out {}", version.path(), shown(out))
    } else {
        let resync = format!("cargo tidemark resync {}", version.key);
        format!("its change set is gone, so that it cannot be written again; for a consumer that needs it: {resync}")
    };
    let folder = out.join(version.path());
    Some(Complaint { message: format!("{}: {problem}", shown(&folder)), help })
}

fn text(checked: &[Checked], wrong: usize) -> String {
    if checked.is_empty() {
        return "nothing to verify: no version has succeeded yet\n".into();
    }
    let rows = checked.iter().map(|checked| {
        let words = |verdict: &Verdict| match verdict {
            Verdict::Same => "ok",
            Verdict::SameBytes => "other schema; bytes are the same",
            Verdict::Gone => "gone",
            Verdict::Different(_) => "DIFFERS",
        };
        let export = match &checked.export {
            Verdict::Gone if checked.baseline => "GONE",
            verdict => words(verdict),
        };
        let (tenant, table) = (checked.key.tenant.clone(), checked.key.table.clone());
        vec![tenant, table, checked.version.clone(), export.into(), words(&checked.published).into()]
    });
    let total = output::plural(checked.len(), "version");
    let sum = match wrong {
        0 => "everything that is there is as recorded".to_owned(),
        1 => "1 is not as recorded, see below".into(),
        wrong => format!("{} are not as recorded, see below", output::count(wrong as u64)),
    };
    output::grid(&["tenant", "table", "version", "export", "published"], &[], rows) + &format!("\n{total}: {sum}.\n")
}
