//! `tidemark verify`: checks files against the registry.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::cli::args::{ExportsArgs, Format, FormatArgs, LimitArgs, OUT, OutArgs, StateArgs};
use crate::cli::lookup::{known_version, known_versions, table_key};
use crate::cli::{output, resolve};
use crate::error::{Error, ErrorKind, Fault, Result};
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
    help: Option<String>,
    fault: Fault,
}

/// A table of which nothing could be checked, because its records cannot be read.
#[derive(Debug, Serialize)]
struct Unchecked {
    #[serde(flatten)]
    key: TableKey,
    #[serde(flatten)]
    problem: Problem,
}

#[derive(Default, Serialize)]
struct Report {
    versions: Vec<Checked>,
    /// The tables that could not be checked.
    unchecked: Vec<Unchecked>,
    /// How many versions do not match.
    wrong: usize,
    /// How many versions could not be read, or not all of them.
    unreadable: usize,
}

impl Report {
    fn count(&mut self) {
        let with = |fault: Fault| {
            let has = |checked: &&Checked| checked.faults.iter().any(|problem| problem.fault == fault);
            self.versions.iter().filter(has).count()
        };
        (self.wrong, self.unreadable) = (with(Fault::Input), with(Fault::Machine));
    }

    fn problems(&self) -> impl Iterator<Item = &Problem> {
        let unchecked = self.unchecked.iter().map(|unchecked| &unchecked.problem);
        self.versions.iter().flat_map(|checked| &checked.faults).chain(unchecked)
    }

    fn fault(&self) -> Option<Fault> {
        self.problems().map(|problem| problem.fault).max_by_key(|fault| *fault == Fault::Machine)
    }
}

pub(super) fn verify(args: &VerifyArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let registry = args.state.registry()?;
    let selected = selected(args, &registry, tables)?;
    let runner = args.state.runner(registry, &args.exports, &OutArgs::unused(), tables)?;
    let runner = Runner { limits: args.limits.limits(), ..runner };
    telemetry::listen_for_ctrl_c();
    let progress = Progress::new(args.format.format == Format::Text);
    let mut report = Report::default();
    for (key, versions) in selected {
        let number = versions.as_ref().map_or(0, Vec::len);
        let watch = progress.table(&key.tenant, &key.table, number as u64);
        let checked = versions.and_then(|versions| check_table(args, &runner, &key, &versions, &watch));
        watch.finish();
        match checked {
            Ok(checked) => report.versions.extend(checked),
            // A table whose records cannot be read does not stop the others.
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                report.unchecked.push(Unchecked { key, problem: error.into() });
            }
            Err(error) => return Err(error),
        }
    }
    report.count();
    match args.format.format {
        Format::Json => output::print_json(&report)?,
        Format::Text => output::print(&text(&report))?,
    }
    for Problem { message, help, .. } in report.problems() {
        output::to_stderr("");
        output::report(message, None, help.as_deref());
    }
    Ok(report.fault())
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self { message: error.to_string(), help: error.next_step().map(str::to_owned), fault: error.fault() }
    }
}

/// A table, and those of its versions that are to be checked.
type SelectedTable = (TableKey, Result<Vec<Version>>);

/// The versions that were asked for and that succeeded, by table.
fn selected(args: &VerifyArgs, registry: &Registry, tables: &'static [&'static Table]) -> Result<Vec<SelectedTable>> {
    let succeeded = |versions: Vec<Version>| versions.into_iter().filter(|v| v.status.is_published()).collect();
    match args.name.as_deref() {
        None => {
            let versions = |key: &TableKey| registry.versions(key).map(succeeded);
            Ok(registry.tables()?.into_iter().map(|key| (key.clone(), versions(&key))).collect())
        }
        Some(text) if text.matches('/').count() < 2 => {
            let key = table_key(tables, text)?;
            let versions = known_versions(registry, &key)?;
            Ok(vec![(key, Ok(succeeded(versions)))])
        }
        Some(text) => {
            let (_, version) = known_version(registry, tables, text)?;
            if !version.status.is_published() {
                let problem = format!("it is {}; only a SUCCEEDED version can be verified", version.status);
                return Err(Error::refused(version.to_string(), problem)
                    .help(format!("see: {}", command(&[&"history", &version.key.to_string()]))));
            }
            Ok(vec![(version.key.clone(), Ok(vec![version]))])
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
    let table = runner.table(key);
    let all = runner.registry.versions(key)?;
    let last = baseline(&all);
    let check = |version: &Version| {
        let out = out(args, version);
        let export = verify::export(runner, table, version, watch)?;
        let published = verify::published(&*resolve::published_folder(&out.join(version.path()))?, version, watch)?;
        let baseline = last.is_some_and(|last| last.version == version.version);
        let faults = [export_problem(version, &export, baseline), published_problem(runner, version, &published, &out)];
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

const UNREADABLE: &str = "make it readable, then verify again";

fn export_problem(version: &Version, export: &Verdict, is_baseline: bool) -> Option<Problem> {
    let problem = match export {
        Verdict::Different(problem) => problem,
        Verdict::Gone if is_baseline => "its files are gone",
        Verdict::Unreadable(problem) => {
            let message = format!("{version}: the export cannot be checked: {problem}");
            return Some(Problem { message, help: Some(UNREADABLE.into()), fault: Fault::Machine });
        }
        Verdict::Gone | Verdict::Same | Verdict::SameBytes => return None,
    };
    let help = if is_baseline {
        let resync = command(&[&"resync", &version.key.to_string()]);
        format!("the next version is compared with it: restore the published files, or run: {resync}")
    } else {
        "restore the published files; later versions are not compared with them".into()
    };
    let message = format!("{version}: the export differs from what was published: {problem}");
    Some(Problem { message, help: Some(help), fault: Fault::Input })
}

fn published_problem(runner: &Runner, version: &Version, published: &Verdict, out: &Path) -> Option<Problem> {
    let folder = printable_path(&out.join(version.path()));
    match published {
        Verdict::Different(problem) => {
            let help = Some(replay_help(runner, version, out));
            Some(Problem { message: format!("{folder}: {problem}"), help, fault: Fault::Input })
        }
        Verdict::Unreadable(problem) => {
            let message = format!("{version}: what was published cannot be checked: {problem}");
            Some(Problem { message, help: Some(UNREADABLE.into()), fault: Fault::Machine })
        }
        Verdict::Gone | Verdict::Same | Verdict::SameBytes => None,
    }
}

/// What to do about published operations that are damaged.
fn replay_help(runner: &Runner, version: &Version, out: &Path) -> String {
    let replay = format!("publish it again: {}", command(&[&"replay", &version.path(), &"--out", &out]));
    match runner.changes.is_complete(version) {
        Ok(is_complete) if is_complete && version.changes.is_some() => replay,
        Err(error) => format!("its change set cannot be read ({error}); once it can, {replay}"),
        Ok(_) => {
            let resync = command(&[&"resync", &version.key.to_string()]);
            format!("its change set is gone, so it cannot be replayed; if a consumer needs it, run: {resync}")
        }
    }
}

fn text(report: &Report) -> String {
    if report.versions.is_empty() && report.unchecked.is_empty() {
        return "nothing to verify: no version has succeeded yet\n".into();
    }
    let rows = report.versions.iter().map(|checked| {
        let export = match &checked.export {
            Verdict::Gone if checked.baseline => "GONE",
            verdict => word(verdict),
        };
        let (tenant, table) = (checked.key.tenant.clone(), checked.key.table.clone());
        vec![tenant, table, checked.version.clone(), export.into(), word(&checked.published).into()]
    });
    let unchecked = report.unchecked.iter().map(|Unchecked { key, .. }| {
        vec![key.tenant.clone(), key.table.clone(), "-".into(), "see below".into(), String::new()]
    });
    let header = ["tenant", "table", "version", "export", "published"];
    output::grid(&header, &[], rows.chain(unchecked)) + &summary(report)
}

fn summary(report: &Report) -> String {
    let is_or_are = |number: usize, one: &str, more: &str| {
        (number > 0).then(|| format!("{} {}", output::count(number as u64), if number == 1 { one } else { more }))
    };
    let problems = [
        is_or_are(report.wrong, "does not match", "do not match"),
        is_or_are(report.unreadable, "cannot be read", "cannot be read"),
        is_or_are(report.unchecked.len(), "table cannot be checked", "tables cannot be checked"),
    ];
    let problems = problems.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let total = output::plural(report.versions.len() as u64, "version");
    match problems.is_empty() {
        true => format!("\n{total}: all files that exist match the registry.\n"),
        false => format!("\n{total}: {problems}, see below.\n"),
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Same => "ok",
        Verdict::SameBytes => "same bytes, other schema",
        Verdict::Gone => "gone",
        Verdict::Different(_) => "DIFFERS",
        Verdict::Unreadable(_) => "UNREADABLE",
    }
}
