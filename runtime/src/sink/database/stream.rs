//! Operations that arrive in any order, as a stream delivers them: each row is that of its key's newest operation.
//!
//! What is remembered only grows, so that the outcome depends on the set of records alone, and not on their order or
//! repetitions. Each batch is a transaction. Rows are compared with the newest END by their number and by the sum of
//! their hashes, which are kept up to date with each batch.

mod changes;
mod memory;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use xxhash_rust::xxh3::xxh3_128;

use super::engine::Engine;
use super::marks::{self, Record, Rows};
use super::shape::Shape;
use super::{Database, definition, demand, tenants};
use crate::clock;
use crate::consumer::{Envelope, counts};
use crate::error::{Error, Result};
use crate::name::TableKey;
use crate::operation::{Begin, End, key_bytes};
use crate::sink::Mark;
use crate::sink::any_order::{Delivered, Positions, Received, Receiver, Standing, State, TakesAnyOrder};
use crate::store::Version;
use crate::table::Table;
use changes::Changes;
pub(super) use memory::forget;
use memory::{Memory, REGISTRY};

impl<E: Engine + 'static> TakesAnyOrder for Database<E> {
    fn receiver(&self) -> Result<Box<dyn Receiver>> {
        let place = self.place();
        let Some(mut engine) = E::connect(&self.address, self.create)? else {
            return Err(definition::refuse_own(&place, &memory::TABLES));
        };
        engine.begin(memory::STREAMS)?;
        let done = self.create_own(&mut engine, &memory::TABLES).and_then(|()| engine.commit());
        done.inspect_err(|_| engine.roll_back())?;
        Ok(Box::new(Session { engine, place }))
    }
}

/// A connection that takes operations.
struct Session<E: Engine> {
    engine: E,
    place: String,
}

impl<E: Engine> Receiver for Session<E> {
    fn positions(&mut self, stream: &str) -> Result<Positions> {
        memory::positions(&mut self.engine, stream)
    }

    fn remember(&mut self, stream: &str, positions: &Positions) -> Result<()> {
        self.engine.begin(stream)?;
        let done = memory::set_positions(&mut self.engine, stream, positions).and_then(|()| self.engine.commit());
        done.inspect_err(|_| self.engine.roll_back())
    }

    fn receive(&mut self, table: &'static Table, key: &TableKey, records: &[Delivered]) -> Result<Received> {
        self.engine.begin(&key.to_string())?;
        let done = self.take(table, key, records).and_then(|received| self.engine.commit().map(|()| received));
        done.inspect_err(|_| self.engine.roll_back())
    }

    fn standings(&mut self) -> Result<Vec<Standing>> {
        if self.engine.columns(marks::TABLE)?.is_empty() {
            return Ok(Vec::new());
        }
        let known = memory::all(&mut self.engine)?;
        Ok(known.into_iter().map(|(key, memory)| memory.standing(key)).collect())
    }
}

impl<E: Engine> Session<E> {
    fn take(&mut self, table: &'static Table, key: &TableKey, records: &[Delivered]) -> Result<Received> {
        let table = tenants::known_table_of(table.for_tenant(&key.tenant), &key.tenant);
        let shape = Shape::new::<E>(table, &Version::new(key, ""));
        let changes = Changes { shape: &shape, key };
        let known = marks::read(&mut self.engine, key)?;
        let before = self.memory(&changes, known.as_ref())?;
        let mut batch = Batch { memory: before.clone(), newest: HashMap::new(), other_schema: 0 };
        let schema = table.schema_id();
        for record in records {
            batch.add(record, &schema).ok_or_else(|| self.unreadable(key, record))?;
        }
        let applied = self.apply(&changes, &mut batch)?;
        let memory = &mut batch.memory;
        if memory.drops_after(&before) {
            memory.subtract(changes.drop_before(&mut self.engine, memory.full)?);
        }
        memory::write(&mut self.engine, key, memory)?;
        marks::write(&mut self.engine, key, &record(known.as_ref(), memory, table))?;
        Ok(Received { applied, other_schema: batch.other_schema })
    }

    /// What is known about a tenant's table. One that published files or a run filled is taken over as it is.
    fn memory(&mut self, changes: &Changes<'_>, known: Option<&Record>) -> Result<Memory> {
        if known.is_some_and(|known| known.mark.registry == REGISTRY) {
            return Ok(memory::read(&mut self.engine, changes.key)?.unwrap_or_default());
        }
        changes.forget_deleted(&mut self.engine)?;
        let rows = known.and_then(|known| known.rows.as_ref());
        if rows.is_none() && changes.has_rows(&mut self.engine)? {
            let problem = "it holds rows of the tenant, but it is not known of which version";
            return Err(Error::diverged(format!("{} {}", self.place, changes.key), problem)
                .help("delete the tenant's rows there, then run again"));
        }
        Ok(rows.map_or_else(Memory::default, Memory::from_rows))
    }

    /// Applies the operations of a batch that count. Returns their number.
    fn apply(&mut self, changes: &Changes<'_>, batch: &mut Batch<'_>) -> Result<u64> {
        let full = batch.memory.full;
        batch.newest.retain(|_, (sequence, _)| counts(*sequence, 0, full));
        if batch.newest.is_empty() {
            return Ok(0);
        }
        self.check_demand(batch)?;
        self.engine.run_all(&changes.create())?;
        let newest: Vec<(u128, u64, &Delivered)> =
            batch.newest.iter().map(|(key, (sequence, record))| (*key, *sequence, *record)).collect();
        let unreadable = |record: &Delivered| self::unreadable(&self.place, changes.key, record);
        changes.load(&mut self.engine, &newest, &unreadable)?;
        let applied = changes.drop_outdated(&mut self.engine, newest.len() as u64)?;
        batch.memory.subtract(changes.rows_before(&mut self.engine)?);
        batch.memory.add(changes.rows_after(&mut self.engine)?);
        changes.make(&mut self.engine)?;
        self.engine.run_all(&changes.remove())?;
        Ok(applied)
    }

    /// Checks that the database can hold the values, which the publisher did not know.
    fn check_demand(&self, batch: &Batch<'_>) -> Result<()> {
        let Some(demand) = E::DEMAND else { return Ok(()) };
        for (_, record) in batch.newest.values() {
            if let Some(problem) = demand::refusal(demand, &record.line) {
                return Err(Error::refused(format!("{} {}", self.place, record.origin), problem)
                    .help("nothing of this batch was applied; leave the table out, or apply it to SQLite"));
            }
        }
        Ok(())
    }

    fn unreadable(&self, key: &TableKey, record: &Delivered) -> Error {
        unreadable(&self.place, key, record)
    }
}

fn unreadable(place: &str, key: &TableKey, record: &Delivered) -> Error {
    Error::refused(&*record.origin, format!("this is not an operation of {key} under its schema"))
        .help(format!("find out who published it; nothing of this batch was applied to {place}"))
}

/// The newest operation of each key in a batch, and what the batch says about versions.
struct Batch<'r> {
    memory: Memory,
    /// By the hash of each key.
    newest: HashMap<u128, (u64, &'r Delivered)>,
    other_schema: u64,
}

impl<'r> Batch<'r> {
    /// Adds a record; `None` if it cannot be read.
    fn add(&mut self, record: &'r Delivered, schema: &str) -> Option<()> {
        let envelope = Envelope::from_json(&record.line).ok()?;
        match &*envelope.op {
            "BEGIN" => self.memory.begin(&serde_json::from_slice::<Begin>(&record.line).ok()?),
            "END" => self.memory.end(&serde_json::from_slice::<End>(&record.line).ok()?),
            _ => self.add_operation(&envelope, record, schema)?,
        }
        Some(())
    }

    fn add_operation(&mut self, envelope: &Envelope<'_>, record: &'r Delivered, schema: &str) -> Option<()> {
        let sequence = envelope.sequence;
        self.memory.newest = self.memory.newest.max(sequence);
        if !counts(sequence, self.memory.held, self.memory.full) {
            return Some(());
        }
        if envelope.schema != schema {
            self.other_schema += 1;
            return Some(());
        }
        match self.newest.entry(xxh3_128(key_bytes(&record.line)?)) {
            Entry::Occupied(mut known) if counts(sequence, known.get().0, 0) => drop(known.insert((sequence, record))),
            Entry::Occupied(_) => {}
            Entry::Vacant(new) => drop(new.insert((sequence, record))),
        }
        Some(())
    }
}

/// What the database remembers about its rows: a version, if they are exactly those of one.
fn record(known: Option<&Record>, memory: &Memory, table: &Table) -> Record {
    let (sequence, fence) = known.map_or((0, 0), |known| (known.mark.sequence, known.mark.fence));
    let sequence = sequence.max(memory.newest);
    let mark = Mark { registry: REGISTRY.into(), sequence, fence, plan: None, adoption: None };
    let end = memory.end.as_ref().filter(|_| memory.state() == State::Complete);
    let rows = end.map(|end| Rows {
        version: end.version.clone(),
        sequence: end.sequence,
        schema: table.schema.to_owned(),
        fingerprint: memory.fingerprint,
        count: memory.rows,
        applied_at: clock::now_ms(),
    });
    Record { mark, rows }
}
