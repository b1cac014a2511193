//! Applies the operations of a stream to a sink that holds rows: in any order, while versions interleave.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::path::Path;

use serde::Serialize;

use crate::consumer::Envelope;
use crate::error::{Error, Result};
use crate::name::{TableKey, is_name};
use crate::sink::any_order::{
    Delivered, OperationStream, Positions, Received, Receiver, Rejects, Standing, TakesAnyOrder,
};
use crate::table::Table;
use crate::telemetry::check_stop;

/// How many bytes of lines are applied together.
const BATCH: usize = 8 << 20;

/// Which tables of a stream are applied.
#[derive(Debug, Clone, Copy, Default)]
pub struct Selection<'a> {
    /// Only those of this tenant.
    pub tenant: Option<&'a str>,
    /// Only these of every tenant.
    pub table: Option<&'a str>,
}

/// A tenant's table, and what was done with it.
#[derive(Debug, Serialize)]
pub struct AppliedTable {
    /// How it stands now.
    #[serde(flatten)]
    pub standing: Standing,
    /// The number of operations that changed a row.
    pub applied: u64,
    /// The number of operations of another schema, which today's cannot read and which were skipped.
    pub other_schema: u64,
}

impl Selection<'_> {
    fn contains(self, tenant: &str, table: &str) -> bool {
        let is = |wanted: Option<&str>, name: &str| wanted.is_none_or(|wanted| wanted == name);
        is(self.tenant, tenant) && is(self.table, table)
    }

    /// A stream's name, under which its positions are remembered. Those of a selection are its own, because they skip
    /// the other tables.
    fn named(self, stream: String) -> String {
        match (self.tenant, self.table) {
            (None, None) => stream,
            (tenant, table) => format!("{stream} {}/{}", tenant.unwrap_or("*"), table.unwrap_or("*")),
        }
    }
}

/// Applies what a stream delivers until its current end. `find` finds the definition of a table.
pub fn apply(
    stream: &mut dyn OperationStream,
    target: &dyn TakesAnyOrder,
    selection: Selection<'_>,
    find: &dyn Fn(&str) -> Result<&'static Table>,
    rejects: &mut dyn Rejects,
) -> Result<Vec<AppliedTable>> {
    let mut applier = Applier::new(target)?;
    let name = selection.named(stream.name());
    let mut positions = applier.receiver.positions(&name)?;
    let mut done = BTreeMap::<TableKey, Received>::new();
    while let Some(records) = stream.read(&mut positions)? {
        for (key, records) in by_table(records, selection, rejects)? {
            check_stop()?;
            let received = match find(&key.table) {
                Ok(table) => {
                    check_history(target, table)?;
                    applier.apply(table, &key, &records, rejects)?
                }
                Err(_) => reject_all(&records, &|| find(&key.table).err(), rejects)?,
            };
            let sum = done.entry(key).or_default();
            sum.applied += received.applied;
            sum.other_schema += received.other_schema;
        }
        rejects.keep()?;
        applier.receiver.remember(&name, &positions)?;
    }
    let standings = applier.standings()?.into_iter();
    let selected = standings.filter(|standing| selection.contains(&standing.key.tenant, &standing.key.table));
    let applied = selected.map(|standing| {
        let Received { applied, other_schema } = done.get(&standing.key).copied().unwrap_or_default();
        AppliedTable { standing, applied, other_schema }
    });
    Ok(applied.collect())
}

/// Applies records to a sink, a table at a time, over one connection.
pub struct Applier {
    receiver: Box<dyn Receiver>,
    /// The tables that are known to take operations.
    prepared: BTreeSet<TableKey>,
}

impl Applier {
    /// Connects to a sink.
    pub fn new(target: &dyn TakesAnyOrder) -> Result<Self> {
        Ok(Self { receiver: target.receiver()?, prepared: BTreeSet::new() })
    }

    /// Applies records of one tenant's table.
    pub fn apply(
        &mut self,
        table: &'static Table,
        key: &TableKey,
        records: &[Delivered],
        rejects: &mut dyn Rejects,
    ) -> Result<Received> {
        if !self.prepared.contains(key) {
            self.receiver.prepare(table, &key.tenant)?;
            self.prepared.insert(key.clone());
        }
        self.receiver.receive(table, key, records, rejects)
    }

    /// The state of every table.
    pub fn standings(&mut self) -> Result<Vec<Standing>> {
        self.receiver.standings()
    }
}

/// Why a table takes no operations of a stream; `None` if it does. A state ends with the operation that follows it,
/// which may arrive before the one that it began with, or before one in between.
pub fn refusal(table: &Table) -> Option<&'static str> {
    let problem = "its history needs every version in its order, and a stream delivers operations in any";
    table.target.history.is_some().then_some(problem)
}

fn check_history(target: &dyn TakesAnyOrder, table: &Table) -> Result<()> {
    let Some(problem) = refusal(table) else { return Ok(()) };
    Err(Error::refused(format!("{} {}", target.display_name(), table.name), problem)
        .help("apply published files, or exports with `run --sink`; or leave the table out with --table"))
}

/// Rejects the records of a table of which there is no definition.
fn reject_all(
    records: &[Delivered],
    problem: &dyn Fn() -> Option<Error>,
    rejects: &mut dyn Rejects,
) -> Result<Received> {
    for record in records {
        problem().map_or(Ok(()), |problem| rejects.reject(record, problem))?;
    }
    Ok(Received::default())
}

/// The records of each tenant's table. Those that are of none are left to `rejects`.
pub fn by_table(
    records: Vec<Delivered>,
    selection: Selection<'_>,
    rejects: &mut dyn Rejects,
) -> Result<BTreeMap<TableKey, Vec<Delivered>>> {
    let mut by_table = BTreeMap::<TableKey, Vec<Delivered>>::new();
    for record in records {
        let key = Envelope::from_json(&record.line).ok().and_then(|envelope| key(&envelope));
        let Some(key) = key else {
            let problem = Error::refused(&*record.origin, "this is not a record of a published version")
                .help("find out who wrote it; nothing of its batch was applied");
            rejects.reject(&record, problem)?;
            continue;
        };
        if selection.contains(&key.tenant, &key.table) {
            by_table.entry(key).or_default().push(record);
        }
    }
    Ok(by_table)
}

fn key(envelope: &Envelope<'_>) -> Option<TableKey> {
    let key = TableKey { tenant: envelope.tenant.to_string(), table: envelope.table.to_string() };
    (is_name(&key.tenant) && is_name(&key.table)).then_some(key)
}

/// Lines of published parts, in any order, such as what another transport delivered.
pub struct LineStream<R> {
    lines: R,
    /// How many lines were read.
    number: u64,
}

impl<R: BufRead> LineStream<R> {
    /// The lines of a reader.
    pub fn new(lines: R) -> Self {
        Self { lines, number: 0 }
    }
}

impl<R: BufRead> OperationStream for LineStream<R> {
    fn name(&self) -> String {
        "standard input".into()
    }

    fn read(&mut self, _: &mut Positions) -> Result<Option<Vec<Delivered>>> {
        let (mut records, mut bytes) = (Vec::new(), 0);
        while bytes < BATCH {
            let mut line = Vec::new();
            let read = self.lines.read_until(b'\n', &mut line);
            if read.map_err(|error| Error::read(error, Path::new("standard input")))? == 0 {
                break;
            }
            self.number += 1;
            bytes += line.len();
            if !line.trim_ascii().is_empty() {
                let origin = format!("standard input:{}", self.number).into();
                records.push(Delivered { line, origin });
            }
        }
        Ok((bytes > 0).then_some(records))
    }
}
