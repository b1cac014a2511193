//! The delta of two exports in S3: check what Athena cannot see, run the statement, read what it leaves.

use std::io::{BufRead as _, BufReader, Read as _};

use aws_sdk_athena::error::DisplayErrorContext;
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

use super::query::{self, Query, Statistics};
use super::{Statements, Unloaded};
use crate::aws::Aws;
use crate::change_set::Lines;
use crate::clock;
use crate::engine::{Failed, Found, Side};
use crate::error::{Error, Result};
use crate::operation::Head;
use crate::row::Layout;
use crate::snapshot::Part;
use crate::snapshot::csv::{Dialect, Splitter};
use crate::snapshot::part::Inflated;
use crate::snapshot::s3::{self, Place};
use crate::table::Compression;

/// How often a statement is tried that may go well another time.
const TRIES: u32 = 3;

/// How many bytes of a part are fetched to see its first line, compressed.
const FIRST_LINE: u64 = 64 << 10;

/// An account's Athena.
pub struct Athena<'a> {
    /// Clients.
    pub aws: &'a Aws,
    /// What the generator wrote about the table.
    pub statements: &'a Statements,
    /// The database of Glue's data catalog that has the table.
    pub database: String,
    /// The work group that statements run in.
    pub workgroup: String,
    /// Below this statements leave what they write, until it was read.
    pub results: Place,
}

/// Two exports: each is `s3://BUCKET/TENANT/TABLE/VERSION`, and both are of one bucket, tenant and table.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The bucket.
    pub bucket: String,
    /// The tenant.
    pub tenant: String,
    /// The version of the baseline; `None` without one.
    pub baseline: Option<String>,
    /// The version that is compared with it.
    pub snapshot: String,
}

impl Athena<'_> {
    /// Computes the delta and gives each operation's line to `lines`, in no particular order.
    pub fn delta(
        &self,
        layout: &Layout,
        head: &Head,
        inputs: &Inputs,
        lines: &mut dyn Lines,
    ) -> Result<(Found, Statistics), Failed> {
        let snapshot = |error| Failed { side: Side::Snapshot, error };
        self.check_glue(&inputs.bucket).map_err(snapshot)?;
        let [old, new] = [inputs.baseline.as_ref(), Some(&inputs.snapshot)];
        let place = |version: &String| self.place(inputs, version);
        let look = |version: Option<&String>, side| {
            version
                .map(|version| self.look(layout, &place(version)))
                .transpose()
                .map_err(|error| Failed { side, error })
        };
        let before = look(old, Side::Baseline)?;
        let after = look(new, Side::Snapshot)?;
        let (statistics, written) = self.run(inputs).map_err(snapshot)?;
        let result = self.read(layout, head, inputs, &statistics, lines);
        s3::remove(self.aws, &written).map_err(snapshot)?;
        // Athena reads what lies there while it reads.
        for (version, seen, side) in [(old, &before, Side::Baseline), (new, &after, Side::Snapshot)] {
            if let (Some(version), Some(seen)) = (version, seen) {
                self.check_unchanged(&place(version), seen).map_err(|error| Failed { side, error })?;
            }
        }
        let mut found = result?;
        found.baseline_parts = before.unwrap_or_default();
        found.snapshot_parts = after.unwrap_or_default();
        Ok((found, statistics))
    }

    fn place(&self, inputs: &Inputs, version: &str) -> Place {
        let key = format!("{}/{}/{version}", inputs.tenant, self.statements.table);
        Place { bucket: inputs.bucket.clone(), key }
    }

    /// The parts of an export, each of which begins with the columns in the order of the schema.
    fn look(&self, layout: &Layout, export: &Place) -> Result<Vec<Part>> {
        let parts = s3::list(self.aws, export)?;
        if parts.is_empty() {
            return Err(Error::refused(export.uri(), "there is no part").help("check the bucket, tenant and version"));
        }
        for part in &parts {
            let place = export.join(&part.name);
            if part.size == 0 && layout.written.compression != Compression::None {
                return Err(Error::export(&s3::shown(&place), "the file is empty").help("deliver it again, whole"));
            }
            if layout.written.header {
                self.check_header(layout, &place)?;
            }
        }
        Ok(parts)
    }

    /// Athena's readers go by places, and skip the first line unread.
    fn check_header(&self, layout: &Layout, part: &Place) -> Result<()> {
        let refused = |problem: String| {
            let help = "Athena reads columns by their place; deliver them in the order of the schema, or keep the table \
                        on the native engine";
            Err(Error::export(&s3::shown(part), problem).help(help))
        };
        let bytes = s3::beginning(self.aws, part, FIRST_LINE)?;
        let mut line = Vec::new();
        let inflated = Inflated::new(bytes.as_slice(), layout.written.compression);
        // The bytes end somewhere in the file; only the first line has to be whole.
        let _ = inflated.map(|inflated| BufReader::new(inflated).take(FIRST_LINE).read_until(b'\n', &mut line));
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
        let mut splitter = Splitter::new(Dialect::of(&layout.written));
        let Ok(record) = splitter.split(text, text.len(), 1) else {
            return refused("the header cannot be read".into());
        };
        let names: Vec<String> =
            record.iter().map(|field| String::from_utf8_lossy(field.text()).into_owned()).collect();
        if names == layout.names {
            return Ok(());
        }
        refused(format!("the header is `{}`, and the schema has `{}`", names.join(","), layout.names.join(",")))
    }

    fn check_unchanged(&self, export: &Place, seen: &[Part]) -> Result<()> {
        if s3::list(self.aws, export)? == seen {
            return Ok(());
        }
        Err(Error::refused(export.uri(), "its parts changed while Athena read them").help("run again"))
    }

    /// The table in the data catalog must be the generated one, or the statement would read something else.
    fn check_glue(&self, bucket: &str) -> Result<()> {
        let table = self.statements.table;
        let subject = format!("{}.{table}", self.database);
        let call = self.aws.glue.get_table().database_name(&self.database).name(table).send();
        let found = self.aws.wait(call).map_err(|error| {
            Error::aws(format!("cannot read the Glue table {subject}"), DisplayErrorContext(error))
                .help(format!("deploy the table's stack, or create it with generated/ddl/{table}.sql"))
        })?;
        let wanted: Value =
            serde_json::from_str(&self.statements.glue.replace("BUCKET", bucket)).expect("the generator writes JSON");
        let differences = found.table().map_or_else(|| vec!["everything".into()], |found| differences(found, &wanted));
        if differences.is_empty() {
            return Ok(());
        }
        let problem = format!("the Glue table is not the generated one: {}", differences.join(", "));
        Err(Error::refused(subject, problem).help(format!("deploy generated/ddl/{table}.json, then run again")))
    }

    /// Runs the statement. What it writes is below the place that is returned.
    fn run(&self, inputs: &Inputs) -> Result<(Statistics, Place)> {
        let (sql, versions) = match &inputs.baseline {
            Some(baseline) => (self.statements.delta, vec![baseline, &inputs.snapshot]),
            None => (self.statements.first_import, vec![&inputs.snapshot]),
        };
        let parameters: Vec<String> = versions.into_iter().flat_map(|v| [inputs.tenant.clone(), v.clone()]).collect();
        let mut last = None;
        for attempt in 0..TRIES {
            // What another run leaves below its own token is none of this one's business.
            let now = clock::now_ms();
            let named = format!("{sql}{parameters:?}{attempt}{now}{}", std::process::id());
            let token = format!("{:032x}", xxh3_128(named.as_bytes()));
            let target = self.results.join(&token);
            let sql = format!(
                "UNLOAD (\n{sql})\nTO '{}/'\nWITH (format = 'JSON', compression = 'gzip', partitioned_by = ARRAY['kind'])",
                target.uri()
            );
            let query = Query {
                sql: &sql,
                parameters: parameters.clone(),
                token,
                database: &self.database,
                workgroup: &self.workgroup,
                results: format!("{}/", self.results.uri()),
            };
            match query::run(self.aws, &query) {
                Ok(statistics) => return Ok((statistics, target)),
                Err(failed) => {
                    // What a failed statement has written, nobody reads. That it cannot be removed is the smaller problem.
                    let _ = s3::remove(self.aws, &target);
                    match failed {
                        query::Failed::Final(error) => return Err(error),
                        query::Failed::Retryable(error) => last = Some(error),
                    }
                }
            }
        }
        Err(last.expect("it was tried"))
    }

    /// Reads what the statement wrote: what its manifest lists, since a listing may show what another left.
    fn read(
        &self,
        layout: &Layout,
        head: &Head,
        inputs: &Inputs,
        statistics: &Statistics,
        lines: &mut dyn Lines,
    ) -> Result<Found, Failed> {
        let snapshot = |error| Failed { side: Side::Snapshot, error };
        let place = |uri: &str| {
            Place::parse(uri)
                .ok_or_else(|| snapshot(Error::aws(format!("`{uri}`"), "Athena's manifest names no place in S3")))
        };
        let mut unloaded = Unloaded::new(layout, head, lines);
        if let Some(manifest) = &statistics.manifest {
            let mut text = String::new();
            let mut file = s3::fetch(self.aws, &place(manifest)?).map_err(snapshot)?;
            file.read_to_string(&mut text).map_err(|error| snapshot(Error::aws(manifest.clone(), error)))?;
            for uri in text.lines().filter(|line| !line.is_empty()) {
                let file = s3::fetch(self.aws, &place(uri)?).map_err(snapshot)?;
                unloaded.read(BufReader::new(MultiGzDecoder::new(file)), uri).map_err(snapshot)?;
            }
            s3::remove(self.aws, &place(manifest)?).map_err(snapshot)?;
        }
        let label = |version: &str| format!("{}/{} {version}", inputs.tenant, self.statements.table);
        let baseline = inputs.baseline.as_deref().map(label).unwrap_or_default();
        unloaded.finish((&baseline, &label(&inputs.snapshot)))
    }
}

/// What of a table in the catalog is not as it should be.
fn differences(found: &aws_sdk_glue::types::Table, wanted: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    let storage = found.storage_descriptor();
    let descriptor = &wanted["StorageDescriptor"];
    let names = |columns: &Value| -> Vec<String> {
        columns.as_array().into_iter().flatten().filter_map(|c| Some(c["Name"].as_str()?.to_owned())).collect()
    };
    let columns: Vec<String> =
        storage.map(|s| s.columns()).unwrap_or_default().iter().map(|c| c.name().into()).collect();
    if columns != names(&descriptor["Columns"]) {
        differences.push(format!("its columns are {}", columns.join(", ")));
    }
    let keys: Vec<String> = found.partition_keys().iter().map(|c| c.name().into()).collect();
    if keys != names(&wanted["PartitionKeys"]) {
        differences.push(format!("its partition keys are {}", keys.join(", ")));
    }
    let serde = storage.and_then(|storage| storage.serde_info());
    let library = serde.and_then(|serde| serde.serialization_library()).unwrap_or_default();
    if Some(library) != descriptor["SerdeInfo"]["SerializationLibrary"].as_str() {
        differences.push(format!("its SerDe is {library}"));
    }
    let mut compare = |what: &str, found: Option<&std::collections::HashMap<String, String>>, wanted: &Value| {
        for (name, value) in wanted.as_object().into_iter().flatten() {
            let is = found.and_then(|found| found.get(name)).map(String::as_str);
            if is != value.as_str() {
                differences.push(format!("{what} `{name}` is {is:?}"));
            }
        }
    };
    compare("parameter", found.parameters(), &wanted["Parameters"]);
    compare("SerDe parameter", serde.and_then(|serde| serde.parameters()), &descriptor["SerdeInfo"]["Parameters"]);
    differences
}
