//! The delta of two exports in S3: check what Athena cannot see, run the statement, read what it leaves.

use std::io::{BufReader, Read as _};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use xxhash_rust::xxh3::xxh3_128;

use super::query::{self, Query};
use super::{Statements, Totals, Unloaded, checks, not_for_athena};
use crate::aws::s3::{self, S3Uri};
use crate::aws::{Aws, token};
use crate::canonical::row::Layout;
use crate::change_set::LineSink;
use crate::engine::{DeltaProgress, DeltaSummary, Failed, Inputs, QueryExecution, Reading, Side};
use crate::error::{Error, Fault, Result};
use crate::operation::Head;
use crate::snapshot::Export;
use crate::telemetry::Watch;

/// How often a statement is tried that may go well another time.
const TRIES: u32 = 3;

/// An account's Athena.
#[derive(Debug, Clone)]
pub struct Athena {
    /// Clients.
    pub aws: Arc<Aws>,
    /// What the generator wrote about every table that may be read there.
    pub statements: &'static [Statements],
    /// The database of Glue's data catalog that has the tables.
    pub database: String,
    /// The work group that statements run in.
    pub workgroup: String,
    /// Below this statements leave what they write, until it was read; unless told, below `_tidemark` in the bucket of the
    /// exports, which is nobody's tenant.
    pub results: Option<S3Uri>,
    /// How many bytes the work group lets a statement read, where that is known.
    pub cutoff: Option<u64>,
}

/// One table's delta.
struct Delta<'a> {
    athena: &'a Athena,
    statements: &'a Statements,
    schema: &'static str,
    results: S3Uri,
    inputs: Inputs<'a>,
    /// Tenant and version of the baseline, and of the snapshot.
    old: Option<Names>,
    new: Names,
    watch: &'a Watch,
    /// What names the run that asks for it.
    run: &'a str,
}

/// What was read of what a statement left.
enum Read {
    All(Box<DeltaSummary>),
    /// There is more.
    Some(Box<Reading>),
}

/// Where an export lies, as Athena's parameters name it.
struct Names {
    place: S3Uri,
    tenant: String,
    version: String,
}

impl Names {
    /// An export that is not at `s3://BUCKET/TENANT/TABLE/VERSION` is nothing that the Glue table shows.
    fn of(export: &Export, table: &str) -> Result<Self> {
        let place = export.folder.s3().as_deref().and_then(S3Uri::parse);
        let names = place.as_ref().map(|place| place.key.split('/').collect::<Vec<_>>());
        if let (Some(place), Some([tenant, found, version])) = (&place, names.as_deref())
            && *found == table
        {
            return Ok(Self { place: place.clone(), tenant: (*tenant).into(), version: (*version).into() });
        }
        let problem = format!("Athena reads s3://BUCKET/TENANT/{table}/VERSION, and this is elsewhere");
        Err(Error::refused(&export.label, problem).help("put it there, or run with --engine native"))
    }
}

impl Athena {
    /// What the generator wrote about a table, if it may be read here.
    pub fn statements(&self, table: &str) -> Option<&'static Statements> {
        self.statements.iter().find(|statements| statements.table == table)
    }

    /// Computes the delta and gives each operation's line to `lines`, in no particular order.
    pub fn delta(
        &self,
        layout: &Layout,
        head: &Head,
        inputs: Inputs<'_>,
        watch: &Watch,
        lines: &mut dyn LineSink,
    ) -> Result<DeltaSummary, Failed> {
        let run = token();
        let delta = self.of(layout, inputs, watch, &run)?;
        delta.check(layout)?;
        let (statement, done) = delta.wait().map_err(of_new)?;
        let found = match delta.read(layout, head, &done, (None, u64::MAX), lines) {
            Ok(Read::All(found)) => Ok(found),
            Ok(Read::Some(_)) => unreachable!("there is no end to what is read here"),
            Err(failed) => Err(failed),
        };
        delta.finish(&statement, done, found).map(|found| *found)
    }

    /// The same in turns, so that nobody has to wait: begins a statement, looks at the one that was begun, or reads more of
    /// what it left. `run` names the run; the same turn of the same run begins the same statement. `most` is after how many
    /// bytes a turn ends.
    pub fn turn(
        &self,
        layout: &Layout,
        head: &Head,
        inputs: Inputs<'_>,
        (run, begun, most): (&str, Option<&QueryExecution>, u64),
        watch: &Watch,
        lines: &mut dyn LineSink,
    ) -> Result<DeltaProgress, Failed> {
        let delta = self.of(layout, inputs, watch, run)?;
        let Some(begun) = begun else {
            delta.check(layout)?;
            return delta.begin(0).map(DeltaProgress::Running).map_err(of_new);
        };
        if begun.token != delta.token(begun.attempt) {
            // What it left is the delta of something else.
            let problem = "its export, its baseline or its schema changed while Athena computed the delta";
            return Err(of_new(Error::overtaken(&inputs.snapshot.label, problem).help("it is compared anew")));
        }
        match query::look(&self.aws, &begun.id, delta.statements.max_scan, watch) {
            Ok(None) => Ok(DeltaProgress::Running(begun.clone())),
            Ok(Some(done)) => match delta.read(layout, head, &done, (begun.reading.as_deref(), most), lines) {
                Ok(Read::All(found)) => delta.finish(begun, done, Ok(found)).map(DeltaProgress::Finished),
                Ok(Read::Some(reading)) => {
                    Ok(DeltaProgress::Running(QueryExecution { reading: Some(reading), ..begun.clone() }))
                }
                // What the machine could not read now, it reads when this turn is made again.
                Err(failed) if failed.error.fault() == Fault::Machine => Err(failed),
                Err(failed) => delta.finish(begun, done, Err(failed)).map(DeltaProgress::Finished),
            },
            // It goes on, and the next look may see it.
            Err(query::Failed::Unseen(error)) => Err(of_new(error)),
            Err(failed) => delta.again(begun, failed).map(DeltaProgress::Running).map_err(of_new),
        }
    }

    fn of<'a>(
        &'a self,
        layout: &Layout,
        inputs: Inputs<'a>,
        watch: &'a Watch,
        run: &'a str,
    ) -> Result<Delta<'a>, Failed> {
        let table = layout.table.name;
        let statements = self.statements(table).ok_or_else(|| of_new(not_for_athena(table)))?;
        let old = inputs.baseline.map(|export| Names::of(export, table)).transpose().map_err(of_old)?;
        let new = Names::of(inputs.snapshot, table).map_err(of_new)?;
        let results = self.results.clone().unwrap_or_else(|| {
            let bucket = new.place.bucket.clone();
            S3Uri { bucket, key: "_tidemark/athena".into() }
        });
        Ok(Delta { athena: self, statements, schema: layout.table.schema, results, inputs, old, new, watch, run })
    }

    /// Stops a statement that nobody wants any more, and removes what it left.
    pub fn abandon(&self, statement: &QueryExecution) {
        query::stop(&self.aws, &statement.id);
        if let Some(results) = &self.results {
            let _ = s3::remove(&self.aws, &results.join(&statement.token));
        }
    }
}

fn of_old(error: Error) -> Failed {
    Failed { side: Side::Baseline, error }
}

fn of_new(error: Error) -> Failed {
    Failed { side: Side::Snapshot, error }
}

impl Delta<'_> {
    /// What Athena cannot see by itself, and what it may cost.
    fn check(&self, layout: &Layout) -> Result<(), Failed> {
        let (aws, new) = (&self.athena.aws, &self.new.place);
        checks::catalog(aws, &self.athena.database, self.statements, &new.bucket).map_err(of_new)?;
        checks::first_lines(aws, layout, self.inputs.snapshot, new).map_err(of_new)?;
        if let (Some(export), Some(old)) = (self.inputs.baseline, &self.old) {
            if old.place.bucket != new.bucket {
                let error = Error::refused(&export.label, format!("it is not in the bucket {}", new.bucket));
                return Err(of_old(error.help("Athena compares exports of one bucket; or run with --engine native")));
            }
            checks::first_lines(aws, layout, export, &old.place).map_err(of_old)?;
        }
        self.check_size().map_err(of_new)
    }

    /// Athena reads every byte of both exports, once, and is paid by the byte.
    fn check_size(&self) -> Result<()> {
        let size = self.inputs.size();
        let refuse = |limit: &str, help: String| {
            let problem = format!("Athena would read {size} bytes, and {limit}");
            Err(Error::refused(&self.inputs.snapshot.label, problem).help(help))
        };
        match (self.statements.max_scan, self.athena.cutoff) {
            (Some(most), _) if size > most => refuse(
                &format!("`engine.max_scan` allows {most}"),
                format!("raise it in schemas/{}.yaml, or run with --engine native", self.statements.table),
            ),
            // It would be stopped there, and paid for.
            (_, Some(most)) if size > most => refuse(
                &format!("its work group stops it at {most}"),
                format!("deploy with a larger ScanCutoff: infra/deploy --param ScanCutoff={size}"),
            ),
            _ => Ok(()),
        }
    }

    fn begin(&self, attempt: u32) -> Result<QueryExecution> {
        let id = query::start(&self.athena.aws, &self.query(attempt))?;
        Ok(QueryExecution { id, token: self.token(attempt), attempt, reading: None })
    }

    /// Begins what failed once more, if it may go well another time.
    fn again(&self, failed: &QueryExecution, why: query::Failed) -> Result<QueryExecution> {
        match why {
            query::Failed::Final(error) | query::Failed::Unseen(error) => {
                self.give_up(failed);
                Err(error)
            }
            query::Failed::Retryable(error) => {
                // What a failed statement has written, nobody reads. That it cannot be removed is the smaller problem.
                let _ = s3::remove(&self.athena.aws, &self.place(failed.attempt));
                if failed.attempt + 1 >= TRIES {
                    return Err(error);
                }
                tracing::warn!(%error, attempt = failed.attempt, "The statement failed, and is tried again.");
                self.begin(failed.attempt + 1)
            }
        }
    }

    fn give_up(&self, statement: &QueryExecution) {
        query::stop(&self.athena.aws, &statement.id);
        let _ = s3::remove(&self.athena.aws, &self.place(statement.attempt));
    }

    /// Runs the statement to its end. When nobody wants it any more (the user asked to stop, or the lease is lost), it is
    /// stopped as well.
    fn wait(&self) -> Result<(QueryExecution, query::Done)> {
        let mut statement = self.begin(0)?;
        let mut pause = query::FIRST_LOOK;
        loop {
            match query::look(&self.athena.aws, &statement.id, self.statements.max_scan, self.watch) {
                Ok(Some(done)) => return Ok((statement, done)),
                Ok(None) => self.watch.sleep(pause).inspect_err(|_| self.give_up(&statement))?,
                Err(failed) => statement = self.again(&statement, failed)?,
            }
            pause = (pause * 3 / 2).min(query::LAST_LOOK);
        }
    }

    /// Takes away what a statement left, once it was read.
    fn finish(
        &self,
        statement: &QueryExecution,
        done: query::Done,
        found: Result<Box<DeltaSummary>, Failed>,
    ) -> Result<Box<DeltaSummary>, Failed> {
        let removed = s3::remove(&self.athena.aws, &self.place(statement.attempt));
        if let Some(export) = self.inputs.baseline {
            checks::still_there(export).map_err(of_old)?;
        }
        checks::still_there(self.inputs.snapshot).map_err(of_new)?;
        let mut found = found?;
        // What it says of the exports comes first; then that something is left behind, which costs money every month.
        removed.map_err(of_new)?;
        found.baseline_parts = self.inputs.baseline.map(|export| export.parts.clone()).unwrap_or_default();
        found.snapshot_parts = self.inputs.snapshot.parts.clone();
        found.findings.scan = Some(done.scan);
        Ok(found)
    }

    fn select(&self) -> (&'static str, Vec<String>) {
        let (select, exports) = match &self.old {
            Some(old) => (self.statements.delta, vec![old, &self.new]),
            None => (self.statements.first_import, vec![&self.new]),
        };
        let parameters = exports.iter().flat_map(|names| [names.tenant.clone(), names.version.clone()]);
        (select, parameters.collect())
    }

    /// What names a statement: what it reads and how, the run and the attempt. A version that was delivered again has other parts.
    fn token(&self, attempt: u32) -> String {
        let (select, parameters) = self.select();
        let exports = [self.inputs.baseline, Some(self.inputs.snapshot)];
        let parts = exports.into_iter().flatten().flat_map(|export| &export.parts);
        let parts: Vec<_> = parts.map(|part| (&part.name, part.size, &part.identity)).collect();
        let named = format!("{select}{parameters:?}{parts:?}{}{attempt}{}", self.schema, self.run);
        format!("{:032x}", xxh3_128(named.as_bytes()))
    }

    /// The place below which an attempt leaves everything: what it unloads, which must go where nothing is, and the list of
    /// that.
    fn place(&self, attempt: u32) -> S3Uri {
        self.results.join(&self.token(attempt))
    }

    fn query(&self, attempt: u32) -> Query<'_> {
        let ((select, parameters), place) = (self.select(), self.place(attempt));
        Query {
            sql: format!(
                "UNLOAD (\n{select})\nTO '{}/'\nWITH (format = 'JSON', compression = 'gzip', partitioned_by = \
                 ARRAY['kind'])",
                place.join("data").uri()
            ),
            parameters,
            token: self.token(attempt),
            database: &self.athena.database,
            workgroup: &self.athena.workgroup,
            results: format!("{}/", place.uri()),
        }
    }

    /// Reads what the statement wrote, on from where it was left, until it read so many bytes.
    fn read(
        &self,
        layout: &Layout,
        head: &Head,
        done: &query::Done,
        (reading, most): (Option<&Reading>, u64),
        lines: &mut dyn LineSink,
    ) -> Result<Read, Failed> {
        let (from, totals) = reading.map_or((0, Totals::default()), |reading| (reading.files, reading.totals.clone()));
        let mut unloaded = Unloaded::new(layout, head, totals, lines);
        let files = self.files(done).map_err(of_new)?;
        for (number, uri) in files.iter().enumerate().skip(from) {
            if unloaded.bytes() >= most || (number > from && self.watch.is_over()) {
                let reading = Reading { files: number, totals: unloaded.pause(), draft: String::new(), parts: 0 };
                return Ok(Read::Some(Box::new(reading)));
            }
            self.watch.checkpoint(0).map_err(of_new)?;
            let file = place(uri).and_then(|part| s3::open(&self.athena.aws, &part)).map_err(of_new)?;
            unloaded.read(BufReader::new(MultiGzDecoder::new(file)), uri).map_err(of_new)?;
        }
        let baseline = self.inputs.baseline.map(|export| export.label.as_str()).unwrap_or_default();
        unloaded.finish((baseline, &self.inputs.snapshot.label)).map(|found| Read::All(Box::new(found)))
    }

    /// The files that the statement wrote: what its manifest lists, since a listing may show what another left.
    fn files(&self, done: &query::Done) -> Result<Vec<String>> {
        let Some(manifest) = &done.manifest else { return Ok(Vec::new()) };
        let (mut text, manifest) = (String::new(), place(manifest)?);
        let mut file = s3::open(&self.athena.aws, &manifest)?;
        file.read_to_string(&mut text).map_err(|error| Error::aws(manifest.uri(), error))?;
        Ok(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }
}

fn place(uri: &str) -> Result<S3Uri> {
    S3Uri::parse(uri).ok_or_else(|| Error::aws(format!("`{uri}`"), "Athena's manifest names no place in S3"))
}
