//! The delta of two exports in S3: check what Athena cannot see, run the statement, read what it leaves.

use std::io::{BufReader, Read as _};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use xxhash_rust::xxh3::xxh3_128;

use super::query::{self, Query};
use super::{Statements, Unloaded, checks, not_for_athena};
use crate::aws::{Aws, token};
use crate::change_set::Lines;
use crate::engine::{Failed, Found, Inputs, Side, Statement, Turned};
use crate::error::{Error, Result};
use crate::operation::Head;
use crate::row::Layout;
use crate::snapshot::Export;
use crate::snapshot::s3::{self, Place};
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
    pub results: Option<Place>,
}

/// One table's delta.
struct Delta<'a> {
    athena: &'a Athena,
    statements: &'a Statements,
    results: Place,
    inputs: Inputs<'a>,
    /// Tenant and version of the baseline, and of the snapshot.
    old: Option<Names>,
    new: Names,
    watch: &'a Watch,
    /// What names the run that asks for it.
    run: &'a str,
}

/// Where an export lies, as Athena's parameters name it.
struct Names {
    place: Place,
    tenant: String,
    version: String,
}

impl Names {
    /// An export that is not at `s3://BUCKET/TENANT/TABLE/VERSION` is nothing that the Glue table shows.
    fn of(export: &Export, table: &str) -> Result<Self> {
        let place = export.folder.s3().as_deref().and_then(Place::parse);
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
        lines: &mut dyn Lines,
    ) -> Result<Found, Failed> {
        let run = token();
        let delta = self.of(layout, inputs, watch, &run)?;
        delta.check(layout)?;
        let (statement, done) = delta.wait().map_err(of_new)?;
        delta.finish(layout, head, &statement, done, lines)
    }

    /// The same in turns, so that nobody has to wait: begins a statement, or looks at the one that was begun. `run` names
    /// the run; the same turn of the same run begins the same statement.
    pub fn turn(
        &self,
        layout: &Layout,
        head: &Head,
        inputs: Inputs<'_>,
        (run, begun): (&str, Option<&Statement>),
        watch: &Watch,
        lines: &mut dyn Lines,
    ) -> Result<Turned, Failed> {
        let delta = self.of(layout, inputs, watch, run)?;
        let Some(begun) = begun else {
            delta.check(layout)?;
            return delta.begin(0).map(Turned::Runs).map_err(of_new);
        };
        match query::look(&self.aws, &begun.id, delta.statements.max_scan, watch) {
            Ok(None) => Ok(Turned::Runs(begun.clone())),
            Ok(Some(done)) => {
                delta.finish(layout, head, begun, done, lines).map(|found| Turned::Found(Box::new(found)))
            }
            // It goes on, and the next look may see it.
            Err(query::Failed::Unseen(error)) => Err(of_new(error)),
            Err(failed) => delta.again(begun, failed).map(Turned::Runs).map_err(of_new),
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
            Place { bucket, key: "_tidemark/athena".into() }
        });
        Ok(Delta { athena: self, statements, results, inputs, old, new, watch, run })
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
        match self.statements.max_scan {
            Some(most) if size > most => {
                let problem = format!("Athena would read {size} bytes, and `engine.max_scan` allows {most}");
                Err(Error::refused(&self.inputs.snapshot.label, problem)
                    .help(format!("raise it in schemas/{}.yaml, or run with --engine native", self.statements.table)))
            }
            _ => Ok(()),
        }
    }

    fn begin(&self, attempt: u32) -> Result<Statement> {
        let id = query::start(&self.athena.aws, &self.query(attempt))?;
        Ok(Statement { id, attempt })
    }

    /// Begins what failed once more, if it may go well another time.
    fn again(&self, failed: &Statement, why: query::Failed) -> Result<Statement> {
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

    fn give_up(&self, statement: &Statement) {
        query::stop(&self.athena.aws, &statement.id);
        let _ = s3::remove(&self.athena.aws, &self.place(statement.attempt));
    }

    /// Runs the statement to its end. When nobody wants it any more (the user asked to stop, or the lease is lost), it is
    /// stopped as well.
    fn wait(&self) -> Result<(Statement, query::Done)> {
        let mut statement = self.begin(0)?;
        let mut pause = query::FIRST_LOOK;
        loop {
            match query::look(&self.athena.aws, &statement.id, self.statements.max_scan, self.watch) {
                Ok(Some(done)) => return Ok((statement, done)),
                Ok(None) => self.watch.rest(pause).inspect_err(|_| self.give_up(&statement))?,
                Err(failed) => statement = self.again(&statement, failed)?,
            }
            pause = (pause * 3 / 2).min(query::LAST_LOOK);
        }
    }

    /// Reads what a statement left, and takes it away.
    fn finish(
        &self,
        layout: &Layout,
        head: &Head,
        statement: &Statement,
        done: query::Done,
        lines: &mut dyn Lines,
    ) -> Result<Found, Failed> {
        let found = self.read(layout, head, &done, lines);
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

    /// What names a statement: what it reads, the run and the attempt. A version that was delivered again has other parts.
    fn token(&self, attempt: u32) -> String {
        let (select, parameters) = self.select();
        let exports = [self.inputs.baseline, Some(self.inputs.snapshot)];
        let parts = exports.into_iter().flatten().flat_map(|export| &export.parts);
        let parts: Vec<_> = parts.map(|part| (&part.name, part.size, &part.identity)).collect();
        let named = format!("{select}{parameters:?}{parts:?}{attempt}{}", self.run);
        format!("{:032x}", xxh3_128(named.as_bytes()))
    }

    /// The place below which an attempt leaves everything: what it unloads, which must go where nothing is, and the list of
    /// that.
    fn place(&self, attempt: u32) -> Place {
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

    /// Reads what the statement wrote: what its manifest lists, since a listing may show what another left.
    fn read(&self, layout: &Layout, head: &Head, done: &query::Done, lines: &mut dyn Lines) -> Result<Found, Failed> {
        let aws = &self.athena.aws;
        let snapshot = |error| Failed { side: Side::Snapshot, error };
        let place = |uri: &str| {
            Place::parse(uri)
                .ok_or_else(|| snapshot(Error::aws(format!("`{uri}`"), "Athena's manifest names no place in S3")))
        };
        let mut unloaded = Unloaded::new(layout, head, lines);
        if let Some(manifest) = &done.manifest {
            let (mut text, manifest) = (String::new(), place(manifest)?);
            let mut file = s3::open(aws, &manifest).map_err(snapshot)?;
            file.read_to_string(&mut text).map_err(|error| snapshot(Error::aws(manifest.uri(), error)))?;
            for uri in text.lines().filter(|line| !line.is_empty()) {
                self.watch.breathe(0).map_err(snapshot)?;
                let part = place(uri)?;
                let file = s3::open(aws, &part).map_err(snapshot)?;
                unloaded.read(BufReader::new(MultiGzDecoder::new(file)), uri).map_err(snapshot)?;
            }
            s3::remove(aws, &manifest).map_err(snapshot)?;
        }
        let baseline = self.inputs.baseline.map(|export| export.label.as_str()).unwrap_or_default();
        unloaded.finish((baseline, &self.inputs.snapshot.label))
    }
}
