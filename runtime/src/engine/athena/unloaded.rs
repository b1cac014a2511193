//! From the lines that a query writes to operations, counts and rejects.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::canonical::row::Layout;
use crate::change_set::LineSink;
use crate::engine::output::{Layouts, Output, OutputTotals, check_conserved};
use crate::engine::request::{DeltaError, DeltaSummary};
use crate::error::{Error, IoContext as _, Result};
use crate::operation::Head;
use crate::plan::{Comparison, Findings};
use crate::reject::{Offender, Reason, Rejects, explain, repetition};
use crate::table::{Column, Table};

/// The reasons that a query gives; Athena's readers hide the others.
const REASONS: [Reason; 6] = [
    Reason::FieldCount,
    Reason::RepeatedHeader,
    Reason::NotUtf8,
    Reason::NullKey,
    Reason::NullValue,
    Reason::UnreadableValue,
];

/// Reads the output of a query, file by file.
pub struct Unloaded<'a> {
    layout: &'a Layout,
    head: &'a Head,
    output: Output<'a>,
    before: ExportTotals,
    after: ExportTotals,
    duplicates: u64,
    bytes: u64,
}

/// Totals over the files that were read, from which the reading can be resumed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    before: ExportTotals,
    after: ExportTotals,
    duplicates: u64,
    #[serde(rename = "written")]
    output: OutputTotals,
}

/// Totals over the rows of one export.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct ExportTotals {
    rows: u64,
    #[serde(with = "crate::operation::as_text")]
    fingerprint: i128,
    rejects: Rejects,
}

/// One line. Where it stands for several keys, its hashes are sums.
#[derive(Debug, Deserialize)]
struct Line {
    op: String,
    /// The row bytes of the key; `None` if the line stands for several keys.
    key: Option<String>,
    /// For rejected rows, each bad value as `COLUMN REASON`: the position of its column from 1, or 0 for the whole row,
    /// and the code of the reason.
    #[serde(default)]
    reasons: Vec<String>,
    /// The number of keys that the line stands for.
    keys: u64,
    /// The number of rows of the baseline.
    olds: u64,
    /// The number of rows of the snapshot.
    news: u64,
    old_hash: Option<String>,
    new_hash: Option<String>,
    /// The row bytes of the old columns outside the key.
    before: Option<String>,
    /// The row bytes of the new columns outside the key.
    after: Option<String>,
    old_samples: Option<Vec<Sample>>,
    new_samples: Option<Vec<Sample>>,
}

/// A rejected row: its part, then the raw text of the value for each reason.
type Sample = Vec<Option<String>>;

impl ExportTotals {
    /// Counts rejected rows, and keeps the first of them.
    fn reject(&mut self, reason: Reason, rows: u64, offenders: Vec<Offender>) {
        self.rejects.merge(Rejects { offenders, totals: BTreeMap::from([(reason, rows)]) });
    }
}

impl<'a> Unloaded<'a> {
    /// Operations go to `lines`. `totals` are those of the files that were read before; the default for none.
    pub fn new(layout: &'a Layout, head: &'a Head, totals: Totals, lines: &'a mut dyn LineSink) -> Self {
        let mut output = Output::new(Layouts { before: layout, after: layout }, head, lines);
        let Totals { before, after, duplicates, output: written } = totals;
        output.totals = written;
        Self { layout, head, output, before, after, duplicates, bytes: 0 }
    }

    /// The number of uncompressed bytes that were read, without those behind the totals given to [`Unloaded::new`].
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The totals so far, without values of `pii` columns: the registry keeps them until the next call.
    pub fn into_totals(self) -> Totals {
        let output = self.output.totals.without_personal_values();
        Totals { before: self.before, after: self.after, duplicates: self.duplicates, output }
    }

    /// Reads a file of lines, which is decompressed already. `name` is its name in errors.
    pub fn read(&mut self, file: impl BufRead, name: &str) -> Result<()> {
        for (number, text) in file.lines().enumerate() {
            let text = text.at("cannot read", Path::new(name))?;
            self.bytes += text.len() as u64 + 1;
            let line = serde_json::from_str(&text).map_err(|error| error.to_string());
            let written = line.and_then(|line| self.add(line));
            written.map_err(|problem| {
                let problem = format!("line {} is not a line of the generated query: {problem}", number + 1);
                Error::refused(name, problem).help("generate the code again, deploy it, and run again")
            })??;
        }
        Ok(())
    }

    /// Adds one line. The outer error says how it differs from the lines of a generated query.
    fn add(&mut self, line: Line) -> Result<Result<()>, String> {
        match line.op.as_str() {
            "REJECT" => self.add_rejects(&line).map(Ok),
            "CONFLICT" => self.add_repetition(&line, Reason::ConflictingDuplicate).map(Ok),
            "REPEAT" => self.add_repetition(&line, Reason::RepeatedRow).map(Ok),
            _ => self.add_keys(&line),
        }
    }

    /// Adds a line about rows that can be read.
    fn add_keys(&mut self, line: &Line) -> Result<Result<()>, String> {
        let (old_hash, new_hash) = (hash(line.old_hash.as_ref())?, hash(line.new_hash.as_ref())?);
        let keys_of = |rows: u64| if rows > 0 { line.keys } else { 0 };
        self.before.rows += keys_of(line.olds);
        self.after.rows += keys_of(line.news);
        self.before.fingerprint += old_hash;
        self.after.fingerprint += new_hash;
        self.duplicates += line.news - keys_of(line.news);
        if line.op == "SAME" {
            return Ok(Ok(()));
        }
        let row_hash = |hash: i128| i64::try_from(hash).map_err(|_| format!("{hash} is not the hash of one row"));
        let (old_hash, new_hash) = (row_hash(old_hash)?, row_hash(new_hash)?);
        let bytes = |text: &Option<String>| text.as_ref().map(|text| text.as_bytes().to_vec()).unwrap_or_default();
        let (key, before, after) = (bytes(&line.key), bytes(&line.before), bytes(&line.after));
        Ok(match line.op.as_str() {
            "INSERT" => self.output.insert(&key, (new_hash, &after)),
            "UPDATE" => self.output.update(&key, (old_hash, &before), (new_hash, &after)),
            "DELETE" => self.output.delete(&key, (old_hash, &before)),
            other => return Err(format!("`{other}` is not an operation")),
        })
    }

    fn add_rejects(&mut self, line: &Line) -> Result<(), String> {
        let layout = self.layout;
        let columns = layout.key_columns().chain(layout.value_columns()).chain(layout.checked_columns());
        let columns: Vec<&'static Column> = columns.collect();
        let sides = [(&mut self.before, line.olds, &line.old_samples), (&mut self.after, line.news, &line.new_samples)];
        for (totals, rows, samples) in sides {
            for (number, text) in line.reasons.iter().enumerate().filter(|_| rows > 0) {
                let (column, reason) = rejected_value(text, &columns)?;
                let samples = samples.iter().flatten();
                let offenders = samples.map(|sample| offender(layout.table, sample, number, column, reason)).collect();
                totals.reject(reason, rows, offenders);
            }
        }
        Ok(())
    }

    fn add_repetition(&mut self, line: &Line, reason: Reason) -> Result<(), String> {
        let key = line.key.as_ref().ok_or("a repeated row without a key")?.as_bytes();
        for (totals, rows) in [(&mut self.before, line.olds), (&mut self.after, line.news)] {
            if rows > 0 {
                let offender = Offender {
                    part: String::new(),
                    line: 0,
                    column: None,
                    reason,
                    message: repetition(&self.layout.shown_key(key), reason),
                };
                totals.reject(reason, rows, vec![offender]);
            }
        }
        Ok(())
    }

    /// The result, once every file is read. `labels` are the names of baseline and snapshot in errors.
    pub fn finish(self, labels: (&str, &str)) -> Result<DeltaSummary, DeltaError> {
        let totals = self.output.totals;
        if !self.after.rejects.is_empty() {
            return Err(DeltaError::snapshot(Error::rejected(labels.1, self.after.rejects)));
        }
        if !self.before.rejects.is_empty() {
            return Err(DeltaError::baseline(Error::rejected(labels.0, self.before.rejects)));
        }
        check_conserved(self.head, self.before.fingerprint, self.after.fingerprint, totals.difference)?;
        let mut counts = totals.counts;
        (counts.baseline_rows, counts.rows) = (self.before.rows, self.after.rows);
        counts.duplicates = self.duplicates;
        let findings = Findings { comparison: Comparison::Athena, ..totals.findings() };
        Ok(DeltaSummary {
            counts,
            baseline_fingerprint: self.before.fingerprint,
            fingerprint: self.after.fingerprint,
            findings,
            sum_of_ids: totals.sum_of_ids,
            baseline_parts: Vec::new(),
            snapshot_parts: Vec::new(),
        })
    }
}

fn hash(text: Option<&String>) -> Result<i128, String> {
    text.map_or(Ok(0), |text| text.parse().map_err(|_| format!("`{text}` is not a hash")))
}

/// Parses `COLUMN REASON`. The column is `None` for the whole row.
fn rejected_value(text: &str, columns: &[&'static Column]) -> Result<(Option<&'static Column>, Reason), String> {
    let (position, code) = text.split_once(' ').ok_or_else(|| format!("`{text}` is not a column and a reason"))?;
    let reason = Reason::from_code(code).filter(|reason| REASONS.contains(reason));
    let reason = reason.ok_or_else(|| format!("`{code}` is not a reason"))?;
    let column = match position.parse::<usize>().map_err(|_| format!("`{position}` is not a column's position"))? {
        0 => None,
        position => Some(*columns.get(position - 1).ok_or_else(|| format!("there is no column {position}"))?),
    };
    Ok((column, reason))
}

/// The offender in a sample. Athena does not know line numbers.
fn offender(
    table: &Table,
    sample: &Sample,
    number: usize,
    column: Option<&'static Column>,
    reason: Reason,
) -> Offender {
    let part = sample.first().cloned().flatten().unwrap_or_default();
    let raw = sample.get(number + 1).cloned().flatten().unwrap_or_default();
    Offender {
        part: part.rsplit('/').next().unwrap_or_default().into(),
        line: 0,
        column: column.map(|column| column.name.into()),
        reason,
        message: match column {
            Some(column) => explain(table, column, raw.as_bytes(), reason),
            None => "the number of fields differs from the number of columns".into(),
        },
    }
}
