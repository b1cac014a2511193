//! `tidemark delta`: the operations between two exports.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use crate::canonical::pseudonym::HmacKey;
use crate::change_set::LineSink;
use crate::cli::args::{EngineArgs, Format, FormatArgs, LimitArgs};
use crate::cli::lookup::{checked_name, find_table};
use crate::cli::output::{self, count, plural};
use crate::cli::resolve;
use crate::delta::Delta;
use crate::engine::athena::StatementSource;
use crate::error::{Error, Fault, IoContext as _, Result};
use crate::keys;
use crate::plan::Plan;
use crate::table::Table;
use crate::telemetry::{self, Progress, Watch};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark delta orders old.csv.gz new.csv.gz             two exports of one file each
  cargo tidemark delta ledger_entries V1/ V2/ -o ops.ndjson     two exports of several parts, to a file
  cargo tidemark delta orders none new.csv.gz | head -1         every row as an INSERT

Prints one JSON object per line, with sequence 0, in no particular order.
Counts go to stderr; with -o FILE and --format json they go to stdout.")]
pub(super) struct DeltaArgs {
    /// The table of both exports.
    table: String,
    /// The older export: a file, a folder of parts, s3://BUCKET/TENANT/TABLE/VERSION, or `none`.
    baseline: String,
    /// The newer export: a file, a folder of parts, or s3://BUCKET/TENANT/TABLE/VERSION.
    snapshot: PathBuf,
    /// File for the operations, which appears once it is complete, or `-` for stdout.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: String,
    /// Tenant to name in the operations, and to read the exports as.
    #[arg(long, default_value = "-")]
    tenant: String,
    /// Version to name in the operations.
    #[arg(long, default_value = "snapshot")]
    version: String,
    /// Previous version to name in the operations.
    #[arg(long, default_value = "baseline")]
    previous: String,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

pub(super) fn delta(
    args: &DeltaArgs,
    tables: &'static [&'static Table],
    statements: Arc<dyn StatementSource>,
) -> Result<Option<Fault>> {
    let table = find_table(tables, &args.table)?;
    // The default is not a valid name.
    let tenant = if args.tenant == "-" { args.tenant.clone() } else { checked_name("tenant", &args.tenant)? };
    let baseline = (args.baseline != "none").then_some(Path::new(&args.baseline));
    let hmac_key = hmac_key(table, &args.tenant)?;
    let delta = Delta {
        table,
        tenant,
        version: checked_name("version", &args.version)?,
        previous: checked_name("version", &args.previous)?,
        baseline: baseline.map(resolve::export).transpose()?,
        snapshot: resolve::export(&args.snapshot)?,
        engines: args.engine.engines(statements, &[&args.snapshot], None)?,
        limits: args.limits.limits(),
        hmac_key,
    };
    telemetry::listen_for_ctrl_c();
    let watch = Progress::new(args.output != "-").table("", table.name, 1);
    let plan = match args.output.as_str() {
        "-" => to_stream(&delta, io::stdout().lock(), Path::new("stdout"), &watch),
        path => to_file(&delta, Path::new(path), &watch),
    };
    watch.finish();
    summarise(args, &plan?)?;
    Ok(None)
}

/// The key of the tenant's pseudonyms, if the table has any.
fn hmac_key(table: &Table, tenant: &str) -> Result<Option<HmacKey>> {
    if tenant == "-" && table.columns.iter().any(|column| column.hmac.is_some()) {
        let problem = format!("`{}` has pseudonyms, and every tenant has a key of its own for them", table.name);
        return Err(Error::usage("", problem).help("name the tenant with --tenant"));
    }
    keys::find(&keys::Environment, table, tenant)
}

fn to_stream(delta: &Delta, stream: impl Write, path: &Path, watch: &Watch) -> Result<Plan> {
    let mut out = BufWriter::with_capacity(256 << 10, stream);
    let plan = delta.run(&mut out, watch)?;
    out.flush().at("cannot write to", path)?;
    Ok(plan)
}

/// Writes to a temporary file and renames it once it is complete. A fifo or a device, such as `/dev/null`, is written
/// to directly: a rename would replace it.
fn to_file(delta: &Delta, path: &Path, watch: &Watch) -> Result<Plan> {
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        let stream = File::options().write(true).open(path).at("cannot open", path)?;
        return to_stream(delta, stream, path, watch);
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let temporary = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let write = || {
        let out = BufWriter::with_capacity(256 << 10, File::create_new(&temporary).at("cannot create", path)?);
        let mut file = LineFile { path, out };
        let plan = delta.run_into(&mut file, watch)?;
        file.out.flush().at("cannot write", path)?;
        fs::rename(&temporary, path).at("cannot rename into", path)?;
        Ok(plan)
    };
    write().inspect_err(|_| {
        // The first error says more than a failure to remove the file would.
        let _ = fs::remove_file(&temporary);
    })
}

/// A file of operations, one per line.
struct LineFile<'a> {
    path: &'a Path,
    out: BufWriter<File>,
}

impl LineSink for LineFile<'_> {
    fn write(&mut self, line: &[u8]) -> Result<()> {
        self.out.write_all(line).at("cannot write", self.path)
    }

    fn restart(&mut self) -> Result<()> {
        self.out.rewind().and_then(|()| self.out.get_ref().set_len(0)).at("cannot write", self.path)
    }
}

fn summarise(args: &DeltaArgs, plan: &Plan) -> Result<()> {
    let counts = &plan.counts;
    match args.format.format {
        Format::Json if args.output != "-" => output::done(output::print_json(plan)),
        Format::Json => {
            output::to_stderr(&serde_json::to_string(plan).expect("every map has string keys"));
            Ok(())
        }
        Format::Text => {
            let [inserted, updated, deleted] = [counts.inserted, counts.updated, counts.deleted].map(count);
            let rows = plural(counts.rows, "row");
            let collapsed = output::collapsed(counts).map(|note| format!("; {note}")).unwrap_or_default();
            output::to_stderr(&format!("{rows}: {inserted} inserted, {updated} updated, {deleted} deleted{collapsed}"));
            Ok(())
        }
    }
}
