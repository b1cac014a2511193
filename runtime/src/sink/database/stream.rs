//! Operations that arrive in any order, as a stream delivers them: each row is that of its key's newest operation.
//!
//! What is remembered only grows, so that the outcome depends on the set of records alone, and not on their order or
//! repetitions. Each batch is a transaction. Rows are compared with the newest END by their number and by the sum of
//! their hashes, which are kept up to date with each batch.

mod carry;
mod changes;
mod memory;
mod reread;

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
use crate::sink::any_order::{Delivered, Positions, Received, Receiver, Rejects, Standing, State, TakesAnyOrder};
use crate::store::Version;
use crate::table::Table;
use carry::Carry;
use changes::{Changes, Newest};
pub(super) use memory::forget;
use memory::{Memory, REGISTRY};

impl<E: Engine + 'static> TakesAnyOrder for Database<E> {
    fn receiver(&self) -> Result<Box<dyn Receiver>> {
        let place = self.place();
        let Some(mut engine) = E::connect(&self.address, self.options.create)? else {
            return Err(definition::refuse_own(&place, &memory::TABLES));
        };
        engine.begin(memory::STREAMS)?;
        let done = self.create_own(&mut engine, &memory::TABLES).and_then(|()| engine.commit());
        done.inspect_err(|_| engine.roll_back())?;
        let database = Self::new(self.address.clone(), self.options);
        Ok(Box::new(Session { database, engine, place }))
    }
}

/// A connection that takes operations.
struct Session<E: Engine> {
    database: Database<E>,
    engine: E,
    place: String,
}

impl<E: Engine> Receiver for Session<E> {
    fn prepare(&mut self, table: &'static Table, tenant: &str) -> Result<()> {
        let (table, statements) = self.database.definition(table, tenant)?;
        self.database.prepare_on(&mut self.engine, table, statements)
    }

    fn positions(&mut self, stream: &str) -> Result<Positions> {
        memory::positions(&mut self.engine, stream)
    }

    fn remember(&mut self, stream: &str, positions: &Positions) -> Result<()> {
        self.engine.begin(stream)?;
        let done = memory::set_positions(&mut self.engine, stream, positions).and_then(|()| self.engine.commit());
        done.inspect_err(|_| self.engine.roll_back())
    }

    fn receive(
        &mut self,
        table: &'static Table,
        key: &TableKey,
        records: &[Delivered],
        rejects: &mut dyn Rejects,
    ) -> Result<Received> {
        self.engine.begin(&key.to_string())?;
        let taken = self.take(table, key, records, rejects);
        let done = taken.and_then(|received| self.engine.commit().map(|()| received));
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
    fn take(
        &mut self,
        table: &'static Table,
        key: &TableKey,
        records: &[Delivered],
        rejects: &mut dyn Rejects,
    ) -> Result<Received> {
        let table = tenants::known_table_of(table.for_tenant(&key.tenant), &key.tenant);
        let shape = Shape::new::<E>(table, &Version::new(key, ""));
        let changes = Changes { shape: &shape, key };
        let known = marks::read(&mut self.engine, key)?;
        let mut before = self.memory(&changes, known.as_ref())?;
        // What was published under the schema of then is read as today's, because most of it is not sent again.
        if known.as_ref().and_then(|known| known.schema.as_ref()).is_some_and(|schema| *schema != table.schema) {
            before.replace(reread::reread(&mut self.engine, &changes, table)?);
        }
        let mut batch = Batch { memory: before.clone(), newest: HashMap::new(), other_schema: 0, carry: None };
        let schema = table.schema_id();
        for record in records {
            if batch.add(record, (table, &schema), &shape).is_none() {
                rejects.reject(record, unreadable(&self.place, key, record))?;
            }
        }
        let applied = self.apply(&changes, &mut batch, rejects)?;
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
    fn apply(&mut self, changes: &Changes<'_>, batch: &mut Batch<'_>, rejects: &mut dyn Rejects) -> Result<u64> {
        let full = batch.memory.full;
        batch.newest.retain(|_, newest| counts(newest.sequence, 0, full));
        self.drop_refused(batch, rejects)?;
        if batch.newest.is_empty() {
            return Ok(0);
        }
        self.engine.run_all(&changes.create())?;
        let place = &self.place;
        let loaded = changes.load(&mut self.engine, &batch.newest, &mut |record| {
            rejects.reject(record, unreadable(place, changes.key, record))
        })?;
        let applied = changes.drop_outdated(&mut self.engine, loaded)?;
        batch.memory.subtract(changes.rows_before(&mut self.engine)?);
        batch.memory.add(changes.rows_after(&mut self.engine)?);
        changes.make(&mut self.engine)?;
        self.engine.run_all(&changes.remove())?;
        Ok(applied)
    }

    /// Drops the operations whose values the database cannot hold, which the publisher did not know.
    fn drop_refused<'r>(&self, batch: &mut Batch<'r>, rejects: &mut dyn Rejects) -> Result<()> {
        let Some(demand) = E::DEMAND else { return Ok(()) };
        let refused = |(key, newest): (&u128, &Newest<'r>)| {
            Some((*key, newest.record, demand::refusal(demand, &newest.record.line)?))
        };
        let refused: Vec<_> = batch.newest.iter().filter_map(refused).collect();
        for (key, record, problem) in refused {
            let error = Error::refused(format!("{} {}", self.place, record.origin), problem)
                .help("nothing of this batch was applied; leave the table out, or apply it to SQLite");
            rejects.reject(record, error)?;
            batch.newest.remove(&key);
        }
        Ok(())
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
    newest: HashMap<u128, Newest<'r>>,
    other_schema: u64,
    /// Carries operations over to today's schema, once there are any of another one.
    carry: Option<Carry>,
}

impl<'r> Batch<'r> {
    /// Adds a record; `None` if it cannot be read.
    fn add(&mut self, record: &'r Delivered, today: (&'static Table, &str), shape: &Shape) -> Option<()> {
        let envelope = Envelope::from_json(&record.line).ok()?;
        match &*envelope.op {
            "BEGIN" => self.memory.begin(&serde_json::from_slice::<Begin>(&record.line).ok()?),
            "END" => self.memory.end(&serde_json::from_slice::<End>(&record.line).ok()?),
            _ => self.add_operation(&envelope, record, today, shape)?,
        }
        Some(())
    }

    fn add_operation(
        &mut self,
        envelope: &Envelope<'_>,
        record: &'r Delivered,
        (table, schema): (&'static Table, &str),
        shape: &Shape,
    ) -> Option<()> {
        let sequence = envelope.sequence;
        self.memory.newest = self.memory.newest.max(sequence);
        if !counts(sequence, self.memory.held, self.memory.full) {
            return Some(());
        }
        let mut carried = None;
        if envelope.schema != schema {
            carried = self.carry.get_or_insert_with(|| Carry::new(table)).cells(shape, &record.line);
            if carried.is_none() {
                self.other_schema += 1;
                return Some(());
            }
        }
        let newest = Newest { sequence, record, carried };
        match self.newest.entry(xxh3_128(key_bytes(&record.line)?)) {
            Entry::Occupied(mut known) if counts(sequence, known.get().sequence, 0) => drop(known.insert(newest)),
            Entry::Occupied(_) => {}
            Entry::Vacant(new) => drop(new.insert(newest)),
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
    Record { mark, rows, schema: Some(table.schema.to_owned()) }
}
