//! `tidemark verify`: checks files against the registry.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::cli::args::{ExportsArgs, Format, FormatArgs, LimitArgs, OUT, OutArgs, StateArgs};
use crate::cli::lookup::{known_version, known_versions, table_key};
use crate::cli::{output, resolve};
use crate::error::{Error, Fault, Result};
use crate::inspect::verify::{self, Verdict};
use crate::invocation::command;
use crate::name::{TableKey, printable_path};
use crate::run::Runner;
use crate::store::{Registry, Version, baseline};
use crate::table::Table;
use crate::telemetry::{self, Progress, Watch};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark verify                                     every version that succeeded
  cargo tidemark verify acme/orders                         one table
  cargo tidemark verify acme/orders/20260102_V0001 --out /ops

Reads the exports again and checks the checksum of each part, the row count and the fingerprint against
the registry. Reads what was published and checks BEGIN, END, counts, ids and fingerprints against the
plan. Missing files are listed; they are an error only if they are the export of the newest version,
because the next version is compared with it. Changes nothing.

Exit status: 0 all files that exist match; 1 some do not; 2 the command line is wrong, or the
machine failed.")]
pub(super) struct VerifyArgs {
    /// Only this table, or only this version.
    #[arg(value_name = "TENANT/TABLE[/VERSION]")]
    name: Option<String>,
    /// Folder of the published operations [default: where each version was published].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    exports: ExportsArgs,
    #[command(flatten)]
    pub(super) state: StateArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

/// The result for one version.
#[derive(Debug, Serialize)]
struct Checked {
    #[serde(flatten)]
    key: TableKey,
    version: String,
    /// Whether the next version is compared with this one.
    baseline: bool,
    export: Verdict,
    published: Verdict,
    /// Where its operations were read.
    out: PathBuf,
    /// What is wrong, and what to do about it.
    faults: Vec<Problem>,
}

#[derive(Debug, Serialize)]
struct Problem {
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
    let selected = selected(args, &registry, tables)?;
    let runner = args.state.runner(registry, &args.exports, &OutArgs::unused(), tables)?;
    let runner = Runner { limits: args.limits.limits(), ..runner };
    telemetry::listen_for_ctrl_c();
    let progress = Progress::new(args.format.format == Format::Text);
    let mut checked = Vec::new();
    for (key, versions) in selected {
        let watch = progress.table(&key.tenant, &key.table, versions.len() as u64);
        let result = check_table(args, &runner, &key, &versions, &watch);
        watch.finish();
        checked.extend(result?);
    }
    let wrong = checked.iter().filter(|checked| !checked.faults.is_empty()).count();
    match args.format.format {
        Format::Json => output::print_json(&Report { versions: &checked, wrong })?,
        Format::Text => output::print(&text(&checked, wrong))?,
    }
    for Problem { message, help } in checked.iter().flat_map(|checked| &checked.faults) {
        output::to_stderr("");
        output::report(message, None, Some(help));
    }
    Ok((wrong > 0).then_some(Fault::Input))
}

/// The versions that were asked for and that succeeded, by table.
fn selected(
    args: &VerifyArgs,
    registry: &Registry,
    tables: &'static [&'static Table],
) -> Result<Vec<(TableKey, Vec<Version>)>> {
    let succeeded = |versions: Vec<Version>| versions.into_iter().filter(|v| v.status.is_published()).collect();
    match args.name.as_deref() {
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
            if !version.status.is_published() {
                let problem = format!("it is {}; only a SUCCEEDED version can be verified", version.status);
                return Err(Error::refused(version.to_string(), problem)
                    .help(format!("see: {}", command(&[&"history", &version.key.to_string()]))));
            }
            Ok(vec![(version.key.clone(), vec![version])])
        }
    }
}

fn check_table(
    args: &VerifyArgs,
    runner: &Runner,
    key: &TableKey,
    versions: &[Version],
    watch: &Watch,
) -> Result<Vec<Checked>> {
    let table = runner.tables.iter().copied().find(|table| table.name == key.table);
    let all = runner.registry.versions(key)?;
    let last = baseline(&all);
    let check = |version: &Version| {
        let out = out(args, version);
        let export = verify::export(runner, table, version, watch)?;
        let published = verify::published(&*resolve::published_folder(&out.join(version.path()))?, version, watch)?;
        let baseline = last.is_some_and(|last| last.version == version.version);
        let can_replay = version.changes.is_some() && runner.changes.is_complete(version)?;
        let faults =
            [export_problem(version, &export, baseline), published_problem(version, &published, &out, can_replay)];
        let faults = faults.into_iter().flatten().collect();
        watch.version_done();
        let (key, version) = (version.key.clone(), version.version.clone());
        Ok(Checked { key, version, baseline, export, published, out, faults })
    };
    versions.iter().map(check).collect()
}

/// Where the version's operations went: the folder that was typed, or the one in the registry.
fn out(args: &VerifyArgs, version: &Version) -> PathBuf {
    let is_folder = |sink: &&str| resolve::is_folder(sink);
    let recorded = version.progress.as_ref().and_then(|progress| progress.sinks().find(is_folder).map(PathBuf::from));
    args.out.clone().or(recorded).unwrap_or_else(|| OUT.into())
}

fn export_problem(version: &Version, export: &Verdict, is_baseline: bool) -> Option<Problem> {
    let problem = match export {
        Verdict::Different(problem) => problem,
        Verdict::Gone if is_baseline => "its files are gone",
        Verdict::Gone | Verdict::Same | Verdict::SameBytes => return None,
    };
    let help = if is_baseline {
        let resync = command(&[&"resync", &version.key.to_string()]);
        format!("the next version is compared with it: restore the published files, or run: {resync}")
    } else {
        "restore the published files; later versions are not compared with them".into()
    };
    Some(Problem { message: format!("{version}: the export differs from what was published: {problem}"), help })
}

fn published_problem(version: &Version, published: &Verdict, out: &Path, can_replay: bool) -> Option<Problem> {
    let Verdict::Different(problem) = published else { return None };
    let help = if can_replay {
        format!("publish it again: {}", command(&[&"replay", &version.path(), &"--out", &out]))
    } else {
        let resync = command(&[&"resync", &version.key.to_string()]);
        format!("its change set is gone, so it cannot be replayed; if a consumer needs it, run: {resync}")
    };
    let folder = out.join(version.path());
    Some(Problem { message: format!("{}: {problem}", printable_path(&folder)), help })
}

fn text(checked: &[Checked], wrong: usize) -> String {
    if checked.is_empty() {
        return "nothing to verify: no version has succeeded yet\n".into();
    }
    let rows = checked.iter().map(|checked| {
        let export = match &checked.export {
            Verdict::Gone if checked.baseline => "GONE",
            verdict => word(verdict),
        };
        let (tenant, table) = (checked.key.tenant.clone(), checked.key.table.clone());
        vec![tenant, table, checked.version.clone(), export.into(), word(&checked.published).into()]
    });
    let total = output::plural(checked.len() as u64, "version");
    let summary = match wrong {
        0 => "all files that exist match the registry".to_owned(),
        1 => "1 does not match, see below".into(),
        wrong => format!("{} do not match, see below", output::count(wrong as u64)),
    };
    let header = ["tenant", "table", "version", "export", "published"];
    output::grid(&header, &[], rows) + &format!("\n{total}: {summary}.\n")
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Same => "ok",
        Verdict::SameBytes => "same bytes, other schema",
        Verdict::Gone => "gone",
        Verdict::Different(_) => "DIFFERS",
    }
}
