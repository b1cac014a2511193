//! From the lines that a statement leaves to operations, counts and rejects.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::canonical::row::Layout;
use crate::change_set::LineSink;
use crate::engine::output::{Layouts, Output, OutputTotals, check_conserved};
use crate::engine::{DeltaSummary, Failed, Side};
use crate::error::{Error, IoContext as _, Result};
use crate::operation::Head;
use crate::plan::Comparison;
use crate::reject::{Offender, Reason, Rejects};
use crate::table::Column;

/// Reads the lines of a statement, file by file.
pub struct Unloaded<'a> {
    layout: &'a Layout,
    head: &'a Head,
    output: Output<'a>,
    before: Seen,
    after: Seen,
    duplicates: u64,
    bytes: u64,
}

/// What was found beside operations, for whoever reads on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    before: Seen,
    after: Seen,
    duplicates: u64,
    written: OutputTotals,
}

/// What was seen of one export.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    rows: u64,
    #[serde(with = "crate::operation::as_text")]
    fingerprint: i128,
    rejects: Rejects,
}

/// One line. Hashes are sums where a line stands for several keys.
#[derive(Debug, Deserialize)]
struct Line {
    op: String,
    /// The key's row bytes; none where a line stands for several.
    key: Option<String>,
    /// Of refused rows, for each value that is none: the place of its column from 1, 0 for the whole row; and why.
    #[serde(default)]
    reasons: Vec<String>,
    /// How many keys it stands for, and how many rows of either export.
    keys: u64,
    olds: u64,
    news: u64,
    old_hash: Option<String>,
    new_hash: Option<String>,
    /// The row bytes of the columns outside the key.
    before: Option<String>,
    after: Option<String>,
    old_samples: Option<Vec<Sample>>,
    new_samples: Option<Vec<Sample>>,
}

/// A refused row: its part, and the raw text for each reason.
type Sample = Vec<Option<String>>;

impl Seen {
    /// Counts refused rows, and keeps the first of them.
    fn refuse(&mut self, reason: Reason, rows: u64, offenders: Vec<Offender>) {
        self.rejects.merge(Rejects { offenders, totals: BTreeMap::from([(reason, rows)]) });
    }
}

impl<'a> Unloaded<'a> {
    /// Operations go to `lines`. `totals` is what was found before.
    pub fn new(layout: &'a Layout, head: &'a Head, totals: Totals, lines: &'a mut dyn LineSink) -> Self {
        let mut output = Output::new(Layouts { before: layout, after: layout }, head, lines);
        let Totals { before, after, duplicates, written } = totals;
        output.written = written;
        Self { layout, head, output, before, after, duplicates, bytes: 0 }
    }

    /// How many bytes were read, from the beginning or from where the others ended.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What was found so far.
    pub fn pause(self) -> Totals {
        Totals { before: self.before, after: self.after, duplicates: self.duplicates, written: self.output.written }
    }

    /// Reads a file of lines, which are no longer compressed. `name` is what an error calls it.
    pub fn read(&mut self, file: impl BufRead, name: &str) -> Result<()> {
        for (number, text) in file.lines().enumerate() {
            let text = text.at("cannot read", Path::new(name))?;
            self.bytes += text.len() as u64 + 1;
            let taken = serde_json::from_str(&text).map_err(|error| error.to_string()).and_then(|line| self.take(line));
            taken.map_err(|problem| {
                let problem = format!("line {} is not what the statement writes: {problem}", number + 1);
                Error::refused(name, problem).help("compare the statement with the generated one, and run again")
            })??;
        }
        Ok(())
    }

    /// A problem is that the line is none of the statement's.
    fn take(&mut self, line: Line) -> Result<Result<()>, String> {
        let hash = |hash: &Option<String>| match hash {
            Some(text) => text.parse::<i128>().map_err(|_| format!("`{text}` is no hash")),
            None => Ok(0),
        };
        let (old_hash, new_hash) = (hash(&line.old_hash)?, hash(&line.new_hash)?);
        let has = |is_there: bool| if is_there { line.keys } else { 0 };
        match line.op.as_str() {
            "REJECT" => return self.reject(&line).map(Ok),
            "CONFLICT" => return self.conflict(&line).map(Ok),
            _ => {}
        }
        self.before.rows += has(line.olds > 0);
        self.after.rows += has(line.news > 0);
        self.before.fingerprint += old_hash;
        self.after.fingerprint += new_hash;
        self.duplicates += line.news - has(line.news > 0);
        if line.op == "SAME" {
            return Ok(Ok(()));
        }
        let narrow = |hash: i128| i64::try_from(hash).map_err(|_| format!("{hash} is no hash of one row"));
        let (old_hash, new_hash) = (narrow(old_hash)?, narrow(new_hash)?);
        let bytes = |text: &'_ Option<String>| text.as_ref().map(|text| text.as_bytes().to_vec()).unwrap_or_default();
        let (key, before, after) = (bytes(&line.key), bytes(&line.before), bytes(&line.after));
        Ok(match line.op.as_str() {
            "INSERT" => self.output.insert(&key, (new_hash, &after)),
            "UPDATE" => self.output.update(&key, (old_hash, &before), (new_hash, &after)),
            "DELETE" => self.output.delete(&key, (old_hash, &before)),
            other => return Err(format!("`{other}` is no operation")),
        })
    }

    fn reject(&mut self, line: &Line) -> Result<(), String> {
        let columns: Vec<&'static Column> = self.layout.key_columns().chain(self.layout.value_columns()).collect();
        let sides = [(&mut self.before, line.olds, &line.old_samples), (&mut self.after, line.news, &line.new_samples)];
        for (seen, rows, samples) in sides {
            for (number, text) in line.reasons.iter().enumerate().filter(|_| rows > 0) {
                let (place, reason) = text.split_once(' ').ok_or_else(|| format!("`{text}` is no reason"))?;
                let reason = reason_of(reason)?;
                let column = match place.parse::<usize>().map_err(|_| format!("`{place}` is no place"))? {
                    0 => None,
                    place => Some(*columns.get(place - 1).ok_or_else(|| format!("there is no column {place}"))?),
                };
                let samples = samples.iter().flatten();
                let offenders = samples.map(|sample| offender(sample, number, column, reason)).collect();
                seen.refuse(reason, rows, offenders);
            }
        }
        Ok(())
    }

    fn conflict(&mut self, line: &Line) -> Result<(), String> {
        let key = line.key.as_ref().ok_or("a conflict has no key")?.as_bytes();
        for (seen, rows) in [(&mut self.before, line.olds), (&mut self.after, line.news)] {
            if rows > 0 {
                let offender = Offender {
                    part: String::new(),
                    line: 0,
                    column: None,
                    reason: Reason::ConflictingDuplicate,
                    message: format!("key {} appears again with another row", self.layout.shown_key(key)),
                };
                seen.refuse(Reason::ConflictingDuplicate, rows, vec![offender]);
            }
        }
        Ok(())
    }

    /// What was found, once every file is read. `labels` are what errors call the exports.
    pub fn finish(self, labels: (&str, &str)) -> Result<DeltaSummary, Failed> {
        let written = self.output.written;
        for (side, label, seen) in [(Side::Snapshot, labels.1, &self.after), (Side::Baseline, labels.0, &self.before)] {
            if !seen.rejects.is_empty() {
                let rejects = seen.rejects.clone();
                let error = Error::rejected(label, rejects);
                return Err(Failed { side, error });
            }
        }
        check_conserved(self.head, self.before.fingerprint, self.after.fingerprint, written.difference)?;
        let mut counts = written.counts;
        (counts.baseline_rows, counts.rows) = (self.before.rows, self.after.rows);
        counts.duplicates = self.duplicates;
        let mut findings = written.findings;
        findings.comparison = Comparison::Athena;
        Ok(DeltaSummary {
            counts,
            baseline_fingerprint: self.before.fingerprint,
            fingerprint: self.after.fingerprint,
            findings,
            sum_of_ids: written.sum_of_ids,
            baseline_parts: Vec::new(),
            snapshot_parts: Vec::new(),
        })
    }
}

fn reason_of(name: &str) -> Result<Reason, String> {
    let reasons = [Reason::FieldCount, Reason::NotUtf8, Reason::NullKey, Reason::NullValue, Reason::UnreadableValue];
    reasons.into_iter().find(|reason| reason.to_string() == name).ok_or_else(|| format!("`{name}` is no reason"))
}

/// Athena knows no lines.
fn offender(sample: &Sample, number: usize, column: Option<&'static Column>, reason: Reason) -> Offender {
    let part = sample.first().cloned().flatten().unwrap_or_default();
    let raw = sample.get(number + 1).cloned().flatten().unwrap_or_default();
    Offender {
        part: part.rsplit('/').next().unwrap_or_default().into(),
        line: 0,
        column: column.map(|column| column.name.into()),
        reason,
        message: match column {
            Some(column) => crate::reject::explain(column, raw.as_bytes(), reason),
            None => "another number of fields than there are columns".into(),
        },
    }
}
