//! Plays a history: runs the real command line, and compares its output with a simple model.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use proptest::test_runner::TestCaseError;
use runtime::breakpoint::Breakpoint;
use serde_json::{Value, json};

use super::consumer::Consumer;
use super::databases::Database;
use super::registries::{Backup, RegisteredVersion};
use super::rows::{Columns, Row, Rows, apply_edits, difference, first_rows};
use super::{Defect, Edit, Step};
use crate::breakpoints::{ONE_HOUR_AHEAD, StoppedProcess};
use crate::workspace::{CommandOutput, Workspace, gunzip, gzip, ndjson};

/// The export of a version.
#[derive(Clone)]
struct Delivery {
    rows: Rows,
    columns: Columns,
    defect: Defect,
}

pub(super) struct History {
    pub(super) workspace: Workspace,
    deliveries: BTreeMap<u32, Delivery>,
    /// The rows and columns of each version when its publication began.
    pub(super) published: BTreeMap<u32, (Rows, Columns)>,
    /// The versions that were approved.
    pub(super) approved: BTreeSet<u32>,
    columns: Columns,
    /// The columns of each schema by its hash.
    schemas: BTreeMap<String, Columns>,
    pub(super) stalled: Option<StoppedProcess>,
    pub(super) consumer: Consumer,
    pub(super) backup: Option<Backup>,
    /// Whether a registry was lost, or another one has adopted the output, so that runs adopt it.
    pub(super) adopts: bool,
    /// How often another registry published into the output.
    pub(super) intrusions: usize,
    /// The highest sequence when the last registry was lost, or of another one.
    pub(super) floor: u64,
    /// Where the rows go, too.
    pub(super) database: Database,
}

/// Fails the test case unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(TestCaseError::fail(format!($($message)+)));
        }
    };
}

pub(super) type CaseResult<T = ()> = Result<T, TestCaseError>;

impl History {
    /// Plays the steps, then resolves open problems as an operator would. Returns the number of published versions, and
    /// how often another registry published.
    pub(super) fn play(steps: &[Step], database: Database) -> CaseResult<(usize, usize)> {
        let mut history = Self {
            workspace: Workspace::from_schemas().in_memory(),
            deliveries: BTreeMap::new(),
            published: BTreeMap::new(),
            approved: BTreeSet::new(),
            columns: Columns::default(),
            schemas: BTreeMap::new(),
            stalled: None,
            consumer: Consumer::default(),
            backup: None,
            adopts: false,
            intrusions: 0,
            floor: 0,
            database,
        };
        history.write_schema();
        for step in steps {
            history.step(step)?;
            history.observe()?;
        }
        history.settle()?;
        Ok((history.published.len(), history.intrusions))
    }

    fn step(&mut self, step: &Step) -> CaseResult {
        match step {
            Step::Deliver { edits, skip, defect } => {
                let next = self.newest() + 1 + u32::from(*skip);
                self.deliver(next, edits, *defect);
            }
            Step::DeliverLate { edits } => self.deliver_late(edits),
            Step::Redeliver { version, edits, defect } => self.redeliver(*version, edits, *defect),
            Step::Vanish { version } => self.vanish(*version),
            Step::ChangeSchema => {
                self.columns.has_tag = !self.columns.has_tag;
                self.write_schema();
            }
            Step::Run => self.run()?,
            Step::Kill { breakpoint, nth } => {
                if let Some(stopped) = self.stop(*breakpoint, *nth) {
                    stopped.kill();
                }
            }
            Step::Stall { breakpoint, nth } => {
                if self.stalled.is_none() {
                    self.stalled = self.stop(*breakpoint, *nth);
                }
            }
            Step::Resume => self.resume()?,
            Step::Approve => self.review("approve")?,
            Step::Reject => self.review("reject")?,
            Step::Retry => self.retry()?,
            Step::Retire => self.retire()?,
            Step::Resync => drop(self.workspace.tidemark(&["resync", "acme/t"])),
            Step::Replay { version } => self.replay(*version),
            Step::Others { who } => self.let_others_run(*who)?,
            Step::BackUp => self.back_up(),
            Step::Lose { loss } => self.lose(*loss)?,
        }
        Ok(())
    }

    fn replay(&self, version: u8) {
        if let Some(number) = self.pick(version) {
            self.workspace.tidemark_with_env(&["replay", &format!("acme/t/V{number}")], &[ONE_HOUR_AHEAD]);
        }
    }

    fn newest(&self) -> u32 {
        self.deliveries.keys().last().copied().unwrap_or_default()
    }

    fn pick(&self, number: u8) -> Option<u32> {
        let numbers: Vec<u32> = self.deliveries.keys().copied().collect();
        (!numbers.is_empty()).then(|| numbers[usize::from(number) % numbers.len()])
    }

    fn write_schema(&mut self) {
        let yaml = self.columns.schema() + self.database.schema_option();
        let table = tests::table::parse(&yaml).unwrap();
        self.schemas.insert(table.schema_id(), self.columns);
        self.workspace.write("schemas/t.yaml", yaml.as_bytes());
    }

    fn deliver(&mut self, number: u32, edits: &[Edit], defect: Defect) {
        let before = self.deliveries.range(..number).next_back().map(|(_, delivery)| delivery.rows.clone());
        let rows = apply_edits(&before.unwrap_or_else(first_rows), edits, self.columns);
        self.deliveries.insert(number, Delivery { rows, columns: self.columns, defect });
        self.write(number);
    }

    /// Delivers the newest version number below the newest that has not been used.
    fn deliver_late(&mut self, edits: &[Edit]) {
        let unused = (1..self.newest()).rev().find(|number| !self.deliveries.contains_key(number));
        if let Some(number) = unused {
            self.deliver(number, edits, Defect::None);
        }
    }

    /// Removes the file of a version.
    fn vanish(&mut self, version: u8) {
        if let Some(number) = self.pick(version) {
            self.deliveries.get_mut(&number).unwrap().defect = Defect::NoFile;
            self.write(number);
        }
    }

    fn retry(&mut self) -> CaseResult {
        for failed in self.versions().into_iter().filter(|version| version.status == "FAILED") {
            self.decide(&["retry", &failed.path()])?;
        }
        Ok(())
    }

    fn retire(&mut self) -> CaseResult {
        let newest = self.versions().into_iter().rfind(|version| version.status == "SUCCEEDED");
        newest.map_or(Ok(()), |newest| self.decide(&["retire", &newest.path()]))
    }

    fn redeliver(&mut self, version: u8, edits: &[Edit], defect: Defect) {
        let Some(number) = self.pick(version) else { return };
        let delivery = self.deliveries.get_mut(&number).unwrap();
        if !edits.is_empty() {
            let rows = apply_edits(&delivery.rows, edits, self.columns);
            let is_the_same = rows == delivery.rows && self.columns == delivery.columns;
            (delivery.rows, delivery.columns) = (rows, self.columns);
            if !is_the_same && !self.published.contains_key(&number) {
                self.approved.remove(&number);
            }
        }
        delivery.defect = defect;
        self.write(number);
    }

    /// Writes the files of a version.
    fn write(&self, number: u32) {
        let Delivery { rows, columns, defect } = &self.deliveries[&number];
        let tag = |row: &Row| {
            if columns.has_tag { format!(",{}", row.tag.clone().unwrap_or_default()) } else { String::new() }
        };
        let mut text = format!("id,value{}\n", if columns.has_tag { ",tag" } else { "" });
        for (id, row) in rows {
            text += &format!("{id},{}{}\n", row.value, tag(row));
        }
        let empty_tag = if columns.has_tag { "," } else { "" };
        match defect {
            Defect::BadValue => text += &format!("one,x{empty_tag}\n"),
            Defect::ConflictingRows => text += &format!("77,x{empty_tag}\n77,y{empty_tag}\n"),
            Defect::None | Defect::TruncatedFile | Defect::NoFile => {}
        }
        let bytes = gzip(text.as_bytes());
        let length = if *defect == Defect::TruncatedFile { bytes.len() - 5 } else { bytes.len() };
        let path = format!("exports/acme/t/V{number}/t.csv.gz");
        match defect {
            Defect::NoFile => drop(fs::remove_file(self.workspace.path(&path))),
            _ => drop(self.workspace.write(&path, &bytes[..length])),
        }
    }

    /// An undisturbed run. The lease of a stalled one has expired by then.
    pub(super) fn run(&mut self) -> CaseResult {
        let output = self.workspace.tidemark_with_env(&self.arguments(), &[ONE_HOUR_AHEAD]);
        ensure!(output.status < 2, "the run: {}", output.transcript());
        Ok(())
    }

    fn stop(&self, breakpoint: u8, nth: u8) -> Option<StoppedProcess> {
        let breakpoint = Breakpoint::ALL[usize::from(breakpoint)];
        StoppedProcess::start_with(&self.workspace, &self.arguments(), breakpoint, u32::from(nth), &[ONE_HOUR_AHEAD])
    }

    fn resume(&mut self) -> CaseResult {
        if let Some(stalled) = self.stalled.take() {
            let CommandOutput { status, stderr, .. } = stalled.resume();
            ensure!(status < 2 || stderr.contains("took over"), "a stalled run resumed: {stderr}");
        }
        Ok(())
    }

    /// Approves or rejects every version that is HELD.
    fn review(&mut self, command: &str) -> CaseResult {
        for held in self.versions().into_iter().filter(|version| version.status == "HELD") {
            let path = held.path();
            match command {
                "approve" => {
                    self.approved.insert(held.number);
                    self.decide(&["approve", &path, &held.hash.unwrap()])?;
                }
                _ => self.decide(&["reject", &path])?,
            }
        }
        Ok(())
    }

    /// Checks the published files: versions that are unplanned or wait for a review must not be published, and
    /// published versions must match the model.
    pub(super) fn observe(&mut self) -> CaseResult {
        let mut versions = self.versions();
        versions.sort_by_key(|version| version.sequence);
        let mut previous = None;
        for version in versions {
            let records = self.records(&version);
            match version.status.as_str() {
                "PUBLISHING" | "SUCCEEDED" | "RETIRED" => {
                    let delivery = self.deliveries[&version.number].clone();
                    let columns = self.schemas[&format!("t@{}", version.schema.clone().unwrap())];
                    self.published.entry(version.number).or_insert((delivery.rows, columns));
                }
                status => ensure!(records.is_empty(), "V{} is {status}, but operations are published", version.number),
            }
            if ["SUCCEEDED", "RETIRED"].contains(&version.status.as_str()) {
                self.check(&version, &records, previous)?;
                self.consumer.read(&records).map_err(TestCaseError::fail)?;
                previous = Some(version.number);
            }
        }
        self.observe_other()
    }

    /// What is published of a version, apart from what an earlier registry published.
    pub(super) fn records(&self, version: &RegisteredVersion) -> Vec<Value> {
        let parts = self.workspace.parts(&format!("acme/t/V{}", version.number));
        let records = parts.iter().flat_map(|part| ndjson(&gunzip(part)));
        let is_its_own = |record: &Value| match (record["sequence"].as_u64(), version.sequence) {
            (sequence, Some(_)) => sequence == version.sequence,
            (sequence, None) => sequence > Some(self.floor),
        };
        records.filter(is_its_own).collect()
    }

    /// Compares the operations of a version with the rows before and after it. `previous` was published before it.
    fn check(&self, version: &RegisteredVersion, records: &[Value], previous: Option<u32>) -> CaseResult {
        let number = version.number;
        let (begin, end) = (&records[0], records.last().unwrap());
        ensure!(begin["op"] == "BEGIN" && end["op"] == "END", "V{number} is incomplete");
        ensure!(begin["sequence"].as_u64() == version.sequence, "V{number} has the wrong sequence");
        let is_reset = begin["reset"] == true;
        let previous = previous.filter(|_| !is_reset);
        let before = previous.map(|number| &self.published[&number].0);
        let previous = previous.map(|number| format!("V{number}"));
        ensure!(begin["previous"] == json!(previous), "V{number} was compared with {}", begin["previous"]);
        let (after, columns) = &self.published[&number];
        let no_rows = Rows::new();
        let before = before.unwrap_or(&no_rows);
        let expected = difference(before, after, *columns);
        let actual: BTreeMap<i64, Value> = records[1..records.len() - 1]
            .iter()
            .map(|record| (record["key"]["id"].as_i64().unwrap(), json!([record["op"], record.get("after")])))
            .collect();
        ensure!(actual.len() == records.len() - 2, "V{number} has two operations of one key");
        ensure!(actual == expected, "V{number}: {actual:?}, but {expected:?} leads from {before:?} to {after:?}");
        let deleted = expected.values().filter(|operation| operation[0] == "DELETE").count();
        let needs_approval = before.len() >= 4 && deleted * 5 > before.len();
        ensure!(
            !needs_approval || self.approved.contains(&number),
            "V{number} deletes {deleted} rows without approval"
        );
        Ok(())
    }

    /// Delivers a good version and does what an operator would do until it is published.
    fn settle(&mut self) -> CaseResult {
        self.resume()?;
        self.observe()?;
        let published = self.versions().into_iter().max_by_key(|version| version.sequence);
        let rows = published.and_then(|version| self.published.get(&version.number)).map(|(rows, _)| rows.clone());
        let last = self.newest() + 1;
        self.deliveries.insert(
            last,
            Delivery {
                rows: apply_edits(&rows.unwrap_or_else(first_rows), &[Edit::Put { key: 3, value: 9 }], self.columns),
                columns: self.columns,
                defect: Defect::None,
            },
        );
        self.write(last);
        // Each version that succeeds changes the plans of those after it, and all of them may need another approval.
        for _ in 0..self.deliveries.len() + 5 {
            self.run()?;
            self.observe()?;
            let versions = self.versions();
            match versions.last().unwrap().status.as_str() {
                "SUCCEEDED" => break,
                "HELD" => self.review("approve")?,
                _ => self.decide(&["resync", "acme/t"])?,
            }
        }
        self.observe()?;
        let (rows, columns) = self.published.get(&last).ok_or_else(|| {
            TestCaseError::fail(format!("the last version cannot be published: {}", self.workspace.run().transcript()))
        })?;
        let rows: Rows = rows.iter().map(|(key, row)| (*key, columns.project(row))).collect();
        let consumed = self.consumer.rows();
        ensure!(consumed == rows, "the consumer has {consumed:?}, but the snapshot is {rows:?}");
        self.check_database(&rows, columns.has_tag).map_err(TestCaseError::fail)?;
        ensure!(self.adopts || self.has_no_gaps(), "sequences have gaps");
        self.check_nothing_is_open()
    }

    fn has_no_gaps(&self) -> bool {
        let relative = self.workspace.sequences().unwrap();
        let sequences = self.versions().into_iter().filter_map(|version| version.sequence);
        let sequences: BTreeSet<u64> = sequences.map(|sequence| relative.relative(sequence)).collect();
        sequences.into_iter().eq(1..=self.published.len() as u64)
    }

    /// Checks that no lease is held, and that no version is left for the next run.
    fn check_nothing_is_open(&self) -> CaseResult {
        let registry = rusqlite::Connection::open(self.workspace.path(".tidemark/registry.sqlite")).unwrap();
        let free: bool = registry.query_row("SELECT owner IS NULL FROM tables", [], |row| row.get(0)).unwrap();
        ensure!(free, "a lease is still held");
        let is_open =
            |version: &&RegisteredVersion| ["REGISTERED", "PLANNED", "PUBLISHING"].contains(&version.status.as_str());
        let open = self.versions().iter().find(is_open).map(RegisteredVersion::path);
        ensure!(open.is_none(), "{open:?} is neither finished nor stopped");
        Ok(())
    }
}
