//! `tidemark reconcile`: compares the rows in a database with the export that was published last.

use clap::Args;

use crate::cli::args::{DecisionArgs, ExportsArgs, Format, FormatArgs, OutArgs, StateArgs};
use crate::cli::lookup::{known_versions, table_key, table_of};
use crate::cli::output::{self, count, plural};
use crate::error::{Fault, Result};
use crate::invocation::repeated;
use crate::run::Reconciliation;
use crate::sink::database::DatabaseOptions;
use crate::table::Table;
use crate::telemetry;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark reconcile acme/orders --to sqlite:shop.db
  cargo tidemark reconcile acme/orders --to sqlite:shop.db --repair --because 'edited by hand'

Reads the rows as if they were an export, and compares them with the export that was published last:
missing, extra and changed rows by key, with the columns that differ. --repair replaces the tenant's rows
in one transaction, if any differ, and is recorded in the table's journal.

Exit status: 0 the rows are those of the export, or were put right; 1 they are not; 2 the command line
is wrong, or the machine failed.")]
pub(super) struct ReconcileArgs {
    /// Tenant and table.
    #[arg(value_name = "TENANT/TABLE")]
    key: String,
    /// The database: `sqlite:FILE` or `postgres://USER@HOST/DATABASE`.
    #[arg(long, value_name = "KIND:NAME")]
    to: String,
    /// Put the rows right.
    #[arg(long)]
    repair: bool,
    #[command(flatten)]
    exports: ExportsArgs,
    #[command(flatten)]
    decision: DecisionArgs,
    #[command(flatten)]
    pub(super) state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

pub(super) fn reconcile(args: &ReconcileArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let key = table_key(tables, &args.key)?;
    let table = table_of(tables, &key)?;
    let registry = args.state.registry()?;
    known_versions(&registry, &key)?;
    let out = OutArgs { out: None, sinks: vec![args.to.clone()], database: DatabaseOptions::default() };
    let runner = args.state.runner(registry, &args.exports, &out, tables)?;
    let decision = args.repair.then(|| args.decision.decision(&args.state)).transpose()?;
    telemetry::listen_for_ctrl_c();
    let found = runner.reconcile(table, &key, decision.as_ref())?;
    let printed = match args.format.format {
        Format::Json => output::print_json(&found),
        Format::Text => output::print(&text(&found)),
    };
    if found.repaired { output::done(printed) } else { printed }?;
    Ok((found.differs() && !found.repaired).then_some(Fault::Input))
}

fn text(found: &Reconciliation) -> String {
    let Reconciliation { version, target, missing, extra, changed, .. } = found;
    let rows = plural(found.rows, "row");
    if !found.differs() {
        return format!("{target} holds {} as of {version}: {rows}.\n", found.key);
    }
    let listed: Vec<Vec<String>> = found
        .differences
        .iter()
        .map(|difference| vec![difference.kind.to_owned(), difference.key.clone(), difference.columns.join(", ")])
        .collect();
    let mut text = output::indented(&listed);
    let total = missing + extra + changed;
    if total > listed.len() as u64 {
        text.push_str(&format!("  … and {} more\n", count(total - listed.len() as u64)));
    }
    let hashes = if found.hashes_differ { " The row hashes it keeps are not those of its rows." } else { "" };
    text.push_str(&format!(
        "\n{target} differs from {} {version}: {} missing, {} extra and {} changed, of {rows}.{hashes}\n",
        found.key,
        count(*missing),
        count(*extra),
        count(*changed)
    ));
    text.push_str(&match found.repaired {
        true => "The rows are put right.\n".to_owned(),
        false => format!("To put them right: {}\n", repeated(("".as_ref(), "".as_ref()), &[("--repair", None)])),
    });
    text
}
