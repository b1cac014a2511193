//! The delta of two exports in S3: check what Athena cannot see, run the statement, read what it leaves.

use std::io::{BufReader, Read as _};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use xxhash_rust::xxh3::xxh3_128;

use super::query::{self, Query};
use super::{Statements, Unloaded, checks, not_for_athena};
use crate::aws::Aws;
use crate::change_set::Lines;
use crate::clock;
use crate::engine::{Failed, Found, Inputs, Side};
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
        let of_old = |error| Failed { side: Side::Baseline, error };
        let of_new = |error| Failed { side: Side::Snapshot, error };
        let table = layout.table.name;
        let statements = self.statements(table).ok_or_else(|| of_new(not_for_athena(table)))?;
        let old = inputs.baseline.map(|export| Names::of(export, table)).transpose().map_err(of_old)?;
        let new = Names::of(inputs.snapshot, table).map_err(of_new)?;
        let results = self.results.clone().unwrap_or_else(|| {
            let bucket = new.place.bucket.clone();
            Place { bucket, key: "_tidemark/athena".into() }
        });
        checks::catalog(&self.aws, &self.database, statements, &new.place.bucket).map_err(of_new)?;
        checks::first_lines(&self.aws, layout, inputs.snapshot, &new.place).map_err(of_new)?;
        if let (Some(export), Some(old)) = (inputs.baseline, &old) {
            if old.place.bucket != new.place.bucket {
                let error = Error::refused(&export.label, format!("it is not in the bucket {}", new.place.bucket));
                return Err(of_old(error.help("Athena compares exports of one bucket; or run with --engine native")));
            }
            checks::first_lines(&self.aws, layout, export, &old.place).map_err(of_old)?;
        }
        let delta = Delta { athena: self, statements, results, inputs, old, new, watch };
        delta.check_size().map_err(of_new)?;
        let (done, written) = delta.run().map_err(of_new)?;
        let found = delta.read(layout, head, &done, lines);
        let removed = s3::remove(&self.aws, &written);
        if let Some(export) = inputs.baseline {
            checks::still_there(export).map_err(of_old)?;
        }
        checks::still_there(inputs.snapshot).map_err(of_new)?;
        let mut found = found?;
        // What it says of the exports comes first; then that something is left behind, which costs money every month.
        removed.map_err(of_new)?;
        found.baseline_parts = inputs.baseline.map(|export| export.parts.clone()).unwrap_or_default();
        found.snapshot_parts = inputs.snapshot.parts.clone();
        found.findings.scan = Some(done.scan);
        Ok(found)
    }
}

impl Delta<'_> {
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

    /// Runs the statement. All that it leaves is below the place that is returned.
    fn run(&self) -> Result<(query::Done, Place)> {
        let mut last = None;
        for attempt in 0..TRIES {
            let (query, place) = self.statement(attempt);
            let failed = match query::run(&self.athena.aws, &query, self.watch) {
                Ok(done) => return Ok((done, place)),
                Err(failed) => failed,
            };
            // What a failed statement has written, nobody reads. That it cannot be removed is the smaller problem.
            let _ = s3::remove(&self.athena.aws, &place);
            match failed {
                query::Failed::Final(error) => return Err(error),
                query::Failed::Retryable(error) => {
                    tracing::warn!(%error, attempt, "The statement failed, and is tried again.");
                    last = Some(error);
                }
            }
        }
        Err(last.expect("it was tried"))
    }

    /// The statement of one attempt, and the place below which it leaves everything: what it unloads, which must go where
    /// nothing is, and the list of that.
    fn statement(&self, attempt: u32) -> (Query<'_>, Place) {
        let (select, exports) = match &self.old {
            Some(old) => (self.statements.delta, vec![old, &self.new]),
            None => (self.statements.first_import, vec![&self.new]),
        };
        let parameters: Vec<String> =
            exports.iter().flat_map(|names| [names.tenant.clone(), names.version.clone()]).collect();
        // What another run leaves below its own token is none of this one's business.
        let named = format!("{select}{parameters:?}{attempt}{}{}", clock::now_ms(), std::process::id());
        let token = format!("{:032x}", xxh3_128(named.as_bytes()));
        let place = self.results.join(&token);
        let query = Query {
            sql: format!(
                "UNLOAD (\n{select})\nTO '{}/'\nWITH (format = 'JSON', compression = 'gzip', partitioned_by = \
                 ARRAY['kind'])",
                place.join("data").uri()
            ),
            parameters,
            token,
            database: &self.athena.database,
            workgroup: &self.athena.workgroup,
            results: format!("{}/", place.uri()),
            max_scan: self.statements.max_scan,
        };
        (query, place)
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
