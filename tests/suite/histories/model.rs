//! A history as it is lived: the real command line on one side, what a hand would expect on the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use proptest::test_runner::TestCaseError;
use runtime::breakpoint::Breakpoint;
use serde_json::{Value, json};

use super::consumer::Consumer;
use super::{Edit, Flaw, Step};
use crate::breakpoints::{LATER, Stopped};
use crate::world::{World, gzip};

/// The columns of a row outside its key; the second is there in one of the two schemas only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Row {
    value: String,
    tag: Option<String>,
}

/// Which of the two schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Columns {
    has_tag: bool,
}

type Rows = BTreeMap<i64, Row>;

/// What lies in the folder of a version.
#[derive(Clone)]
struct Delivery {
    rows: Rows,
    columns: Columns,
    flaw: Flaw,
}

/// A version in the registry, in short.
struct Known {
    number: u32,
    status: String,
    sequence: Option<u64>,
    hash: Option<String>,
    schema: Option<String>,
}

pub(super) struct History {
    world: World,
    deliveries: BTreeMap<u32, Delivery>,
    /// What the versions had when they began to be published.
    published: BTreeMap<u32, (Rows, Columns)>,
    /// Versions that somebody looked at and let go.
    approved: BTreeSet<u32>,
    columns: Columns,
    /// The schemas by their hash.
    schemas: BTreeMap<String, Columns>,
    stalled: Option<Stopped>,
    consumer: Consumer,
}

/// Says what was expected, with the history so far.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(TestCaseError::fail(format!($($message)+)));
        }
    };
}

type Lived<T = ()> = Result<T, TestCaseError>;

impl Row {
    pub(super) fn of(after: &Value) -> Self {
        Self { value: after["value"].as_str().unwrap().into(), tag: after["tag"].as_str().map(Into::into) }
    }
}

impl Columns {
    /// The row with these columns only.
    pub(super) fn of(self, row: &Row) -> Row {
        Row { value: row.value.clone(), tag: row.tag.clone().filter(|_| self.has_tag) }
    }

    fn schema(self) -> String {
        let tag = if self.has_tag { "  - { name: tag, type: string, nullable: true }\n" } else { "" };
        format!(
            "table: t\ndescription: A table.\nprimary_key: [id]\ncolumns:\n  - {{ name: id, type: int }}\n  - {{ name: value, type: string }}\n{tag}guards: {{ min_baseline_rows: 4 }}\n"
        )
    }
}

impl History {
    /// Lives through the steps, then brings things in order as an operator would. Gives how many versions were
    /// published.
    pub(super) fn live(steps: &[Step]) -> Lived<usize> {
        let mut history = Self {
            world: World::of_schemas().in_memory(),
            deliveries: BTreeMap::new(),
            published: BTreeMap::new(),
            approved: BTreeSet::new(),
            columns: Columns::default(),
            schemas: BTreeMap::new(),
            stalled: None,
            consumer: Consumer::default(),
        };
        history.write_schema();
        for step in steps {
            history.step(step)?;
            history.observe()?;
        }
        history.settle()?;
        Ok(history.published.len())
    }

    fn step(&mut self, step: &Step) -> Lived {
        match step {
            Step::Deliver { edits, skip, flaw } => {
                let next = self.newest() + 1 + u32::from(*skip);
                self.deliver(next, edits, *flaw);
            }
            Step::DeliverLate { edits } => {
                let free = (1..self.newest()).rev().find(|number| !self.deliveries.contains_key(number));
                if let Some(number) = free {
                    self.deliver(number, edits, Flaw::None);
                }
            }
            Step::Redeliver { version, edits, flaw } => self.redeliver(*version, edits, *flaw),
            Step::Vanish { version } => {
                if let Some(number) = self.pick(*version) {
                    self.deliveries.get_mut(&number).unwrap().flaw = Flaw::NoFile;
                    self.write(number);
                }
            }
            Step::ChangeSchema => {
                self.columns.has_tag = !self.columns.has_tag;
                self.write_schema();
            }
            Step::Run => self.run()?,
            Step::Kill { place, nth } => {
                if let Some(stopped) = self.stop(*place, *nth) {
                    stopped.kill();
                }
            }
            Step::Stall { place, nth } => {
                if self.stalled.is_none() {
                    self.stalled = self.stop(*place, *nth);
                }
            }
            Step::Wake => self.wake()?,
            Step::Approve => self.decide("approve")?,
            Step::Reject => self.decide("reject")?,
            Step::Retry => {
                for failed in self.known().into_iter().filter(|known| known.status == "FAILED") {
                    self.command(&["retry", &failed.path()])?;
                }
            }
            Step::Resync => drop(self.world.tidemark(&["resync", "acme/t"])),
            Step::Replay { version } => {
                if let Some(number) = self.pick(*version) {
                    self.world.tidemark_with(&["replay", &format!("acme/t/V{number}")], &[LATER]);
                }
            }
        }
        Ok(())
    }

    fn newest(&self) -> u32 {
        self.deliveries.keys().last().copied().unwrap_or_default()
    }

    fn pick(&self, number: u8) -> Option<u32> {
        let numbers: Vec<u32> = self.deliveries.keys().copied().collect();
        (!numbers.is_empty()).then(|| numbers[usize::from(number) % numbers.len()])
    }

    fn write_schema(&mut self) {
        let yaml = self.columns.schema();
        let table = tests::table::parse(&yaml).unwrap();
        self.schemas.insert(table.schema_id(), self.columns);
        self.world.write("schemas/t.yaml", yaml.as_bytes());
    }

    fn deliver(&mut self, number: u32, edits: &[Edit], flaw: Flaw) {
        let before = self.deliveries.range(..number).next_back().map(|(_, delivery)| delivery.rows.clone());
        let rows = edited(&before.unwrap_or_else(first_rows), edits, self.columns);
        self.deliveries.insert(number, Delivery { rows, columns: self.columns, flaw });
        self.write(number);
    }

    fn redeliver(&mut self, version: u8, edits: &[Edit], flaw: Flaw) {
        let Some(number) = self.pick(version) else { return };
        let delivery = self.deliveries.get_mut(&number).unwrap();
        if !edits.is_empty() {
            delivery.rows = edited(&delivery.rows, edits, self.columns);
            delivery.columns = self.columns;
            if !self.published.contains_key(&number) {
                self.approved.remove(&number);
            }
        }
        delivery.flaw = flaw;
        self.write(number);
    }

    /// Puts the files of a version where they belong.
    fn write(&self, number: u32) {
        let Delivery { rows, columns, flaw } = &self.deliveries[&number];
        let tag = |row: &Row| {
            if columns.has_tag { format!(",{}", row.tag.clone().unwrap_or_default()) } else { String::new() }
        };
        let mut text = format!("id,value{}\n", if columns.has_tag { ",tag" } else { "" });
        for (id, row) in rows {
            text += &format!("{id},{}{}\n", row.value, tag(row));
        }
        let more = if columns.has_tag { "," } else { "" };
        match flaw {
            Flaw::BadValue => text += &format!("one,x{more}\n"),
            Flaw::TwoRowsOfOneKey => text += &format!("77,x{more}\n77,y{more}\n"),
            Flaw::None | Flaw::TruncatedFile | Flaw::NoFile => {}
        }
        let bytes = gzip(text.as_bytes());
        let whole = if *flaw == Flaw::TruncatedFile { bytes.len() - 5 } else { bytes.len() };
        let path = format!("exports/acme/t/V{number}/t.csv.gz");
        match flaw {
            Flaw::NoFile => drop(fs::remove_file(self.world.path(&path))),
            _ => drop(self.world.write(&path, &bytes[..whole])),
        }
    }

    /// An undisturbed run. What a stalled one holds has expired by then.
    fn run(&mut self) -> Lived {
        let said = self.world.tidemark_with(&["run", "exports"], &[LATER]);
        ensure!(said.status < 2, "the run: {}", said.transcript());
        Ok(())
    }

    fn command(&self, arguments: &[&str]) -> Lived {
        let said = self.world.tidemark_with(arguments, &[LATER]);
        ensure!(said.status < 2, "{arguments:?}: {}", said.transcript());
        Ok(())
    }

    fn stop(&self, place: u8, nth: u8) -> Option<Stopped> {
        let place = Breakpoint::ALL[usize::from(place)];
        Stopped::start_with(&self.world, &["run", "exports"], place, u32::from(nth), &[LATER])
    }

    fn wake(&mut self) -> Lived {
        if let Some(stalled) = self.stalled.take() {
            let (status, stderr) = stalled.go_on();
            ensure!(status < 2 || stderr.contains("took over"), "a stalled run woke: {stderr}");
        }
        Ok(())
    }

    /// Approves or rejects every version that is HELD.
    fn decide(&mut self, word: &str) -> Lived {
        for held in self.known().into_iter().filter(|known| known.status == "HELD") {
            let path = held.path();
            match word {
                "approve" => {
                    self.approved.insert(held.number);
                    self.command(&["approve", &path, &held.hash.unwrap()])?;
                }
                _ => self.command(&["reject", &path])?,
            }
        }
        Ok(())
    }

    /// What the registry knows, in the order of versions.
    fn known(&self) -> Vec<Known> {
        let path = self.world.path(".tidemark/registry.sqlite");
        if !path.exists() {
            return Vec::new();
        }
        let registry = rusqlite::Connection::open(path).unwrap();
        let Ok(mut statement) = registry.prepare("SELECT record FROM versions ORDER BY place") else {
            return Vec::new();
        };
        let records = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        records.map(|record| Known::of(&serde_json::from_str(&record.unwrap()).unwrap())).collect()
    }

    /// Looks at what there is now: nothing may be published that nobody planned or that somebody has to look at first,
    /// and what is published must be what a hand would find.
    fn observe(&mut self) -> Lived {
        for known in self.known() {
            let records = self.world.published(&format!("acme/t/V{}", known.number));
            match known.status.as_str() {
                "PUBLISHING" | "SUCCEEDED" => {
                    let delivery = self.deliveries[&known.number].clone();
                    let columns = self.schemas[&format!("t@{}", known.schema.clone().unwrap())];
                    self.published.entry(known.number).or_insert((delivery.rows, columns));
                }
                status => ensure!(records.is_empty(), "V{} is {status}, and operations are out", known.number),
            }
            if known.status == "SUCCEEDED" {
                self.check(&known, &records)?;
                self.consumer.take(&records, self.published[&known.number].1);
            }
        }
        Ok(())
    }

    /// Holds the operations of a version against the rows before and after it.
    fn check(&self, known: &Known, records: &[Value]) -> Lived {
        let number = known.number;
        let (begin, end) = (&records[0], records.last().unwrap());
        ensure!(begin["op"] == "BEGIN" && end["op"] == "END", "V{number} is not whole");
        ensure!(begin["sequence"].as_u64() == known.sequence, "V{number} has another sequence");
        let is_reset = begin["reset"] == true;
        let before = self.published.range(..number).next_back().filter(|_| !is_reset);
        let previous = before.map(|(number, _)| format!("V{number}"));
        ensure!(begin["previous"] == json!(previous), "V{number} was compared with {}", begin["previous"]);
        let (after, columns) = &self.published[&number];
        let no_rows = Rows::new();
        let before = before.map_or(&no_rows, |(_, (rows, _))| rows);
        let expected = difference(before, after, *columns);
        let found: BTreeMap<i64, Value> = records[1..records.len() - 1]
            .iter()
            .map(|record| (record["key"]["id"].as_i64().unwrap(), json!([record["op"], record.get("after")])))
            .collect();
        ensure!(found.len() == records.len() - 2, "V{number} has two operations of one key");
        ensure!(found == expected, "V{number}: {found:?} where {expected:?} leads from {before:?} to {after:?}");
        let deleted = expected.values().filter(|operation| operation[0] == "DELETE").count();
        let is_bold = before.len() >= 4 && deleted * 5 > before.len();
        ensure!(!is_bold || self.approved.contains(&number), "V{number} deletes {deleted} rows and nobody was asked");
        Ok(())
    }

    /// What an operator does in the end: a good delivery, and whatever the tool says is the way on.
    fn settle(&mut self) -> Lived {
        self.wake()?;
        self.observe()?;
        let rows = self.published.values().next_back().map(|(rows, _)| rows.clone());
        let last = self.newest() + 1;
        self.deliveries.insert(
            last,
            Delivery {
                rows: edited(&rows.unwrap_or_else(first_rows), &[Edit::Put { key: 3, value: 9 }], self.columns),
                columns: self.columns,
                flaw: Flaw::None,
            },
        );
        self.write(last);
        for _ in 0..5 {
            self.run()?;
            self.observe()?;
            let known = self.known();
            let now = known.last().unwrap();
            match now.status.as_str() {
                "SUCCEEDED" => break,
                "HELD" => self.decide("approve")?,
                _ => self.command(&["resync", "acme/t"])?,
            }
        }
        self.observe()?;
        let (rows, columns) = self.published.get(&last).ok_or_else(|| {
            TestCaseError::fail(format!("the last version cannot be published: {}", self.world.run().transcript()))
        })?;
        let rows: Rows = rows.iter().map(|(key, row)| (*key, columns.of(row))).collect();
        let held = self.consumer.rows();
        ensure!(held == rows, "the consumer holds {held:?}, and the snapshot {rows:?}");
        let sequences: BTreeSet<u64> = self.known().iter().filter_map(|known| known.sequence).collect();
        ensure!(sequences.into_iter().eq(1..=self.published.len() as u64), "sequences have gaps");
        self.nothing_is_left()
    }

    /// No lease, and no version that the next run would go on with.
    fn nothing_is_left(&self) -> Lived {
        let registry = rusqlite::Connection::open(self.world.path(".tidemark/registry.sqlite")).unwrap();
        let free: bool = registry.query_row("SELECT owner IS NULL FROM tables", [], |row| row.get(0)).unwrap();
        ensure!(free, "a lease is left");
        let is_open = |known: &&Known| ["REGISTERED", "PLANNED", "PUBLISHING"].contains(&known.status.as_str());
        let open = self.known().iter().find(is_open).map(Known::path);
        ensure!(open.is_none(), "{open:?} is neither done nor stopped");
        Ok(())
    }
}

impl Known {
    fn of(record: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Self {
            number: record["version"].as_str().unwrap()[1..].parse().unwrap(),
            status: text(&record["status"]).unwrap(),
            sequence: record["sequence"].as_u64(),
            hash: text(&record["plan"]["hash"]),
            schema: text(&record["plan"]["schema"]),
        }
    }

    fn path(&self) -> String {
        format!("acme/t/V{}", self.number)
    }
}

fn first_rows() -> Rows {
    (0..8).map(|key| (key, Row { value: "v0".into(), tag: None })).collect()
}

fn edited(rows: &Rows, edits: &[Edit], columns: Columns) -> Rows {
    let mut rows = rows.clone();
    for edit in edits {
        match *edit {
            Edit::Put { key, value } => {
                let tag = (value % 2 == 1).then(|| format!("t{value}"));
                rows.insert(i64::from(key), Row { value: format!("v{value}"), tag });
            }
            Edit::Remove { key } => drop(rows.remove(&i64::from(key))),
            Edit::Cut { below } => rows.retain(|key, _| *key < i64::from(below)),
        }
    }
    rows.values_mut().for_each(|row| *row = columns.of(row));
    rows
}

/// The operations from one set of rows to another, as the columns of the newer schema see them.
fn difference(before: &Rows, after: &Rows, columns: Columns) -> BTreeMap<i64, Value> {
    let json = |row: &Row| match columns.has_tag {
        true => json!({"value": row.value, "tag": row.tag}),
        false => json!({"value": row.value}),
    };
    let mut operations = BTreeMap::new();
    for (key, row) in after {
        match before.get(key).map(|old| columns.of(old)) {
            None => drop(operations.insert(*key, json!(["INSERT", json(row)]))),
            Some(old) if old != columns.of(row) => drop(operations.insert(*key, json!(["UPDATE", json(row)]))),
            Some(_) => {}
        }
    }
    for key in before.keys().filter(|key| !after.contains_key(key)) {
        operations.insert(*key, json!(["DELETE", null]));
    }
    operations
}
