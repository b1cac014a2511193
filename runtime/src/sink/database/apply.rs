//! One version as one transaction: its operations, what they add up to, and the mark.

use super::cell::Cell;
use super::engine::Engine;
use super::history::History;
use super::marks::{self, Record, Rows};
use super::refused;
use super::shape::Shape;
use super::statements::{OPERATIONS, Statements, totals};
use crate::breakpoint::Breakpoint;
use crate::change_set::read_parts;
use crate::clock;
use crate::error::{Error, ErrorKind, Result};
use crate::invocation::command;
use crate::operation::{ChangeLine, is_control};
use crate::plan::{Counts, Plan};
use crate::sink::{Mark, Publication, foreign_mark};
use crate::store::Version;

/// Applies a version, unless it is applied already. `place` names the database in errors. With `recompute`, all row
/// hashes of the table are added up before the commit.
pub(super) fn apply<E: Engine>(
    engine: &mut E,
    publication: Publication<'_>,
    place: &str,
    recompute: bool,
) -> Result<()> {
    engine.begin(&publication.version.key.to_string())?;
    let version = Application { recompute, ..Application::new::<E>(publication, place) };
    match version.apply(engine).and_then(|()| engine.commit()) {
        Ok(()) => {
            Breakpoint::PartPublished.reached();
            Ok(())
        }
        Err(error) => {
            engine.roll_back();
            Err(error)
        }
    }
}

/// A version that is being applied.
struct Application<'a> {
    publication: Publication<'a>,
    plan: &'a Plan,
    sequence: u64,
    shape: Shape,
    place: &'a str,
    recompute: bool,
}

/// What a change set adds up to.
#[derive(Debug, Default)]
struct Tally {
    inserted: u64,
    updated: u64,
    deleted: u64,
    /// Σ hash − Σ previous_hash.
    difference: i128,
}

impl<'a> Application<'a> {
    fn new<E: Engine>(publication: Publication<'a>, place: &'a str) -> Self {
        let version = publication.version;
        let plan = version.plan.as_ref().expect("a version that is published was planned");
        let sequence = version.sequence.expect("a version that is published has a sequence");
        Self {
            publication,
            plan,
            sequence,
            shape: Shape::new::<E>(publication.table, version),
            place,
            recompute: false,
        }
    }

    fn version(&self) -> &'a Version {
        self.publication.version
    }

    fn apply<E: Engine>(&self, engine: &mut E) -> Result<()> {
        let known = marks::read(engine, &self.version().key)?;
        if self.is_applied(known.as_ref())? {
            return Ok(());
        }
        Breakpoint::Claimed.reached();
        let rows = known.as_ref().and_then(|known| known.rows.as_ref());
        let before = self.rows_before(rows)?;
        let history = History::new::<E>(self.publication, &self.shape, self.sequence);
        let newest = history.as_ref().map(|history| history.begin(engine, rows)).transpose()?.flatten();
        let tally = match before {
            None => self.fill(engine)?,
            Some(_) => self.change(engine)?,
        };
        Breakpoint::PartWritten.reached();
        self.check_fingerprint(before.map_or(0, |rows| rows.fingerprint) + tally.difference)?;
        if self.recompute {
            self.check_rows(engine)?;
        }
        if let Some(history) = history {
            let counts = (tally.updated + tally.deleted, tally.inserted + tally.updated);
            if !history.follow(engine, newest, (before, rows), &self.plan.schema, counts)? {
                return Err(self.diverged("the states in its history are not those of its rows".into()));
            }
        }
        marks::write(engine, &self.version().key, &self.record(known.as_ref()))?;
        Breakpoint::Marked.reached();
        Ok(())
    }

    /// Returns whether the version is applied already. Fails if it may not be applied by this run.
    fn is_applied(&self, known: Option<&Record>) -> Result<bool> {
        let Some(Record { mark, rows, .. }) = known else { return Ok(false) };
        let publisher = self.publication.publisher;
        if mark.registry != publisher.registry {
            return Err(foreign_mark(&self.subject(), &mark.registry));
        }
        if mark.fence > publisher.fence {
            return Err(Error::lease_lost(self.subject(), "another run took over publishing from this one")
                .help(format!("this run stopped writing; see: {}", command(&[&"status"]))));
        }
        if mark.sequence == self.sequence && mark.plan.as_ref().is_some_and(|plan| *plan != self.plan.hash) {
            return Err(foreign_mark(&self.subject(), &format!("{}, in another copy", mark.registry)));
        }
        let is_held = |rows: &Rows| {
            (rows.sequence == self.sequence && rows.schema == self.plan.schema) || rows.sequence > self.sequence
        };
        Ok(!self.publication.replaces && rows.as_ref().is_some_and(is_held))
    }

    /// The rows that the version changes; `None` if it is published in full. Fails if the operations do not belong to
    /// the rows that are there.
    fn rows_before<'r>(&self, known: Option<&'r Rows>) -> Result<Option<&'r Rows>> {
        let Some(previous) = &self.plan.previous else { return Ok(None) };
        let Some(rows) = known.filter(|rows| rows.version == *previous) else {
            let held = known.map_or("no version", |rows| rows.version.as_str());
            let problem =
                format!("it holds {held}, but the operations lead from {previous} to {}", self.version().version);
            return Err(Error::refused(self.subject(), problem).help("run again: it is brought up to date first"));
        };
        if rows.fingerprint != self.plan.baseline_fingerprint {
            let (actual, planned) = (rows.fingerprint, self.plan.baseline_fingerprint);
            return Err(self.diverged(format!("the fingerprint of its rows is {actual}, but BEGIN's is {planned}")));
        }
        Ok(Some(rows))
    }

    /// Replaces the tenant's rows by those of a version that is published in full.
    fn fill<E: Engine>(&self, engine: &mut E) -> Result<Tally> {
        let statements = self.statements();
        if self.plan.reset.is_some() {
            engine.run(&statements.delete_all())?;
        } else if statements.has_rows(engine)? {
            return Err(self.diverged("it holds rows of the tenant before the first version".into()));
        }
        let mut columns: Vec<&str> = self.shape.names().collect();
        columns.extend([r#""_tenant""#, r#""_sequence""#, r#""_hash""#]);
        let tenant = &self.version().key.tenant;
        engine.run_all("SAVEPOINT changes")?;
        let loaded = self.load(engine, &self.shape.table, &columns, |line, cells| {
            let hash = line.hash()?;
            cells.extend([
                Cell::Text(tenant.clone().into()),
                Cell::Integer(self.sequence.cast_signed()),
                Cell::Integer(hash),
            ]);
            Some(())
        });
        let tally = loaded.map_err(|error| {
            // Rows are loaded many at a time, so the one that was refused has to be found.
            let again = |engine: &mut E| {
                engine.run_all("ROLLBACK TO SAVEPOINT changes")?;
                self.load_changes(engine)?;
                engine.run_all("SAVEPOINT changes")
            };
            match error.kind() == ErrorKind::Diverged && again(engine).is_ok() {
                true => self.with_key(engine, "INSERT", error),
                false => error,
            }
        })?;
        self.check_tally(&tally)?;
        Ok(tally)
    }

    /// Changes the tenant's rows from those of the previous version.
    fn change<E: Engine>(&self, engine: &mut E) -> Result<Tally> {
        let statements = self.statements();
        let tally = self.load_changes(engine)?;
        self.check_tally(&tally)?;
        engine.run_all("SAVEPOINT changes")?;
        let number = |op: &str| match op {
            "DELETE" => tally.deleted,
            "UPDATE" => tally.updated,
            _ => tally.inserted,
        };
        for op in OPERATIONS {
            let changed = engine.run(&statements.change(op)).map_err(|error| self.with_key(engine, op, error))?;
            let expected = number(op);
            if changed != expected {
                engine.run_all("ROLLBACK TO SAVEPOINT changes")?;
                let key = statements.first_misfit(engine, op)?;
                return Err(self.misfit(op, expected - changed.min(expected), key));
            }
        }
        Ok(tally)
    }

    /// Loads the operations into a temporary table.
    fn load_changes<E: Engine>(&self, engine: &mut E) -> Result<Tally> {
        engine.run_all(&self.statements().create_changes())?;
        let mut columns: Vec<&str> = self.shape.names().collect();
        columns.extend([r#""_op""#, r#""_hash""#, r#""_previous_hash""#]);
        self.load(engine, Statements::CHANGES, &columns, |line, cells| {
            let (hash, previous) = (line.hash(), line.previous_hash());
            let number = |number: Option<i64>| number.map_or(Cell::Null, Cell::Integer);
            cells.extend([Cell::Text(line.op.clone()), number(hash), number(previous)]);
            (hash.is_some() || previous.is_some()).then_some(())
        })
    }

    /// Adds the key of the row that the table refuses to the error that says so.
    fn with_key<E: Engine>(&self, engine: &mut E, op: &str, error: Error) -> Error {
        if error.kind() != ErrorKind::Diverged {
            return error;
        }
        match refused::key(engine, &self.statements(), op) {
            Ok(Some(key)) => error.add(&format!("; it is the {op} of {}", self.shape.shown_key(&key))),
            // It may be about no row of its own, or another problem is in the way.
            _ => error,
        }
    }

    /// Loads the operations into a table. `complete` adds what follows the columns of the schema.
    fn load<E: Engine>(
        &self,
        engine: &mut E,
        table: &str,
        columns: &[&str],
        complete: impl for<'l> Fn(&ChangeLine<'l>, &mut Vec<Cell<'l>>) -> Option<()>,
    ) -> Result<Tally> {
        let Publication { version, changes, .. } = self.publication;
        let mut tally = Tally::default();
        engine.load(table, columns, &mut |push| {
            read_parts(changes, version, self.plan.parts, |text| {
                if is_control(text) {
                    return Ok(());
                }
                let line = ChangeLine::parse(text);
                let read = line.as_ref().and_then(|line| {
                    let mut cells = self.shape.cells(line)?;
                    complete(line, &mut cells)?;
                    tally.add(line)?;
                    Some(cells)
                });
                push(&read.ok_or_else(|| self.unreadable_change())?)
            })
        })?;
        Ok(tally)
    }

    /// Checks the change set against its plan.
    fn check_tally(&self, tally: &Tally) -> Result<()> {
        let Counts { inserted, updated, deleted, .. } = self.plan.counts;
        match [tally.inserted, tally.updated, tally.deleted] == [inserted, updated, deleted] {
            true => Ok(()),
            false => Err(self.unreadable_change()),
        }
    }

    /// Checks what the rows add up to against END.
    fn check_fingerprint(&self, fingerprint: i128) -> Result<()> {
        let planned = self.plan.fingerprint;
        if fingerprint == planned {
            return Ok(());
        }
        Err(self.diverged(format!("the fingerprint of its rows would be {fingerprint}, but END's is {planned}")))
    }

    /// Counts all rows, and adds up the hashes that are stored with them.
    fn check_rows<E: Engine>(&self, engine: &mut E) -> Result<()> {
        let (count, fingerprint) = totals(engine, &self.statements().all_rows(), "")?;
        let planned = self.plan.counts.rows;
        if count != planned {
            return Err(self.diverged(format!("it would have {count} rows, but END has {planned}")));
        }
        self.check_fingerprint(fingerprint)
    }

    /// What the database remembers once the version is applied.
    fn record(&self, known: Option<&Record>) -> Record {
        let publisher = self.publication.publisher;
        let own = Mark {
            registry: publisher.registry.into(),
            sequence: self.sequence,
            fence: publisher.fence,
            plan: Some(self.plan.hash.clone()),
            adoption: None,
        };
        // After an adoption, the sequence is above those of the versions before.
        let higher = known.map(|known| &known.mark).filter(|mark| mark.sequence > self.sequence);
        let mark = higher.map_or(own, |mark| Mark { fence: publisher.fence, ..mark.clone() });
        let rows = Rows {
            version: self.version().version.clone(),
            sequence: self.sequence,
            schema: self.plan.schema.clone(),
            fingerprint: self.plan.fingerprint,
            count: self.plan.counts.rows,
            applied_at: clock::now_ms(),
        };
        Record { mark, rows: Some(rows), schema: None }
    }

    fn statements(&self) -> Statements<'_> {
        Statements { shape: &self.shape, tenant: &self.version().key.tenant, sequence: self.sequence }
    }

    fn subject(&self) -> String {
        format!("{} {}", self.place, self.version().key)
    }

    fn misfit(&self, op: &str, number: u64, key: Option<Vec<Cell<'static>>>) -> Error {
        let problem = match op {
            "INSERT" => "rows that it should not have yet are there",
            _ => "rows that the version changes are not there, or were changed",
        };
        let example = key.map(|key| format!(", such as {}", self.shape.shown_key(&key))).unwrap_or_default();
        self.diverged(format!("{number} {problem}{example}"))
    }

    fn diverged(&self, problem: String) -> Error {
        let key = self.version().key.to_string();
        let reconcile = command(&[&"reconcile", &key, &"--to", &self.place, &"--repair"]);
        let name = &self.version().version;
        let problem = format!("the table is not what was published into it: {problem}; nothing of {name} was applied");
        Error::diverged(self.subject(), problem)
            .help(format!("to put it right: {reconcile}; without --repair, it shows what differs"))
    }

    fn unreadable_change(&self) -> Error {
        let path = self.publication.changes.path(self.version(), None);
        Error::not_conserved(self.subject(), format!("the change set {} is not what was planned", path.display()))
            .help("restore it from a backup")
    }
}

impl Tally {
    /// Adds an operation; `None` if it is none.
    fn add(&mut self, line: &ChangeLine<'_>) -> Option<()> {
        match &*line.op {
            "INSERT" => self.inserted += 1,
            "UPDATE" => self.updated += 1,
            "DELETE" => self.deleted += 1,
            _ => return None,
        }
        self.difference += i128::from(line.hash().unwrap_or_default());
        self.difference -= i128::from(line.previous_hash().unwrap_or_default());
        Some(())
    }
}
