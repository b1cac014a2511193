//! Checks what was published of a version: BEGIN, every operation once, END, and nothing else.

use std::borrow::Cow;

use serde::Deserialize;

use crate::change_set::{inflate, part_name, read_lines};
use crate::error::{Error, Result};
use crate::inspect::verify::verdict::Verdict;
use crate::operation::{Begin, End};
use crate::plan::Plan;
use crate::sink::part::{is_old_name, published_name, sequence_in};
use crate::sink::{PublishedFolder, control_records};
use crate::store::Version;
use crate::telemetry::Watch;
use crate::wording::plural;

/// Lines between checkpoints.
const CHECKPOINT_LINES: u64 = 4096;

/// Checks what was published of a version that succeeded against its plan. `folder` is OUT/TENANT/TABLE/VERSION.
///
/// Ids are neither recomputed nor stored: the plan's hash covers their sum, and ids are as good as random numbers.
pub fn published(folder: &dyn PublishedFolder, version: &Version, watch: &Watch) -> Result<Verdict> {
    Verdict::from_check(check_all(folder, version, watch))
}

fn check_all(folder: &dyn PublishedFolder, version: &Version, watch: &Watch) -> Result<Verdict> {
    let (Some(plan), Some((begin, end))) = (&version.plan, control_records(&version.key.table, version)) else {
        return Ok(Verdict::Gone);
    };
    let parts = match part_names(&folder.names()?, begin.sequence, plan.parts.max(1)) {
        Ok(parts) if parts.is_empty() => return Ok(Verdict::Gone),
        Ok(parts) => parts,
        Err(problem) => return Ok(Verdict::Different(problem)),
    };
    let mut fold = Fold { begin, end, state: State::Before, counts: [0; 3], difference: 0, sum_of_ids: 0 };
    for part in &parts {
        if let Some(problem) = fold.part(folder, part, watch)? {
            return Ok(Verdict::Different(problem));
        }
    }
    let total = fold.check_total(version, plan);
    let last = parts.last().expect("a version has a part");
    Ok(total.map_or(Verdict::Same, |problem| Verdict::Different(format!("{last}: {problem}"))))
}

/// The names of a version's parts; none if all are gone. `names` are those in its folder, where versions under other
/// sequences may be, too.
fn part_names(names: &[String], sequence: u64, number: u32) -> Result<Vec<String>, String> {
    let named: Vec<String> = (0..number).map(|part| published_name(sequence, part)).collect();
    let old: Vec<String> = (0..number).map(part_name).collect();
    let exists = |name: &String| names.contains(name);
    let expected = match named.iter().any(exists) || !old.iter().any(exists) {
        true => named,
        // An earlier release published it.
        false => old,
    };
    if !expected.iter().any(exists) {
        return Ok(Vec::new());
    }
    if let Some(missing) = expected.iter().find(|name| !exists(name)) {
        return Err(format!("{missing} is missing, of {}", plural(number.into(), "part")));
    }
    let is_its_own = |name: &&String| is_old_name(name) || sequence_in(name) == Some(sequence);
    match names.iter().find(|name| is_its_own(name) && !expected.contains(name)) {
        Some(other) => Err(format!("{other} is not one of its {}", plural(number.into(), "part"))),
        None => Ok(expected),
    }
}

/// What was read of a published version, and what it must be.
struct Fold {
    begin: Begin,
    end: End,
    state: State,
    /// INSERTs, UPDATEs and DELETEs.
    counts: [u64; 3],
    /// Σ hash − Σ previous_hash.
    difference: i128,
    sum_of_ids: u128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// BEGIN comes next.
    Before,
    /// An operation or END comes next.
    Inside,
    /// Nothing may follow.
    After,
}

/// The fields of a line that are checked.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    op: Cow<'a, str>,
    id: Option<Cow<'a, str>>,
    tenant: Cow<'a, str>,
    table: Cow<'a, str>,
    sequence: u64,
    version: Cow<'a, str>,
    previous: Option<Cow<'a, str>>,
    schema: Cow<'a, str>,
    hash: Option<Cow<'a, str>>,
    previous_hash: Option<Cow<'a, str>>,
}

impl Fold {
    /// Reads a part. Returns the first problem, with its line.
    fn part(&mut self, folder: &dyn PublishedFolder, part: &str, watch: &Watch) -> Result<Option<String>> {
        let (mut number, mut problem) = (0u64, None);
        let read = read_lines(inflate(folder.open(part)?), &folder.path(part), |line| {
            number += 1;
            if number % CHECKPOINT_LINES == 0 {
                watch.checkpoint(0)?;
            }
            // Reading goes on after a problem, but only the first one is reported.
            if problem.is_none() {
                problem = self.line(line).err().map(|problem| format!("{part}:{number}: {problem}"));
            }
            Ok(())
        });
        match read {
            Ok(()) => Ok(problem),
            // An error of the decoder is the file's fault, one of the operating system the machine's.
            Err(error) => match error.io_error().filter(|error| is_of_the_decoder(error)) {
                Some(cause) => {
                    let damaged = format!("{part}:{}: the file is damaged ({cause})", number + 1);
                    Ok(Some(problem.unwrap_or(damaged)))
                }
                None => Err(error),
            },
        }
    }

    fn line(&mut self, text: &[u8]) -> Result<(), String> {
        let line: Line<'_> = serde_json::from_slice(text).map_err(not_a_record)?;
        self.head(&line)?;
        match (self.state, &*line.op) {
            (State::Before, "BEGIN") => {
                self.state = State::Inside;
                check_begin(&serde_json::from_slice(text).map_err(not_a_record)?, &self.begin)
            }
            (State::Before, _) => Err("a record precedes BEGIN".into()),
            (State::Inside, "BEGIN") => Err("a second BEGIN".into()),
            (State::Inside, "END") => {
                self.state = State::After;
                self.end(&serde_json::from_slice(text).map_err(not_a_record)?)
            }
            (State::Inside, _) => self.operation(&line),
            (State::After, _) => Err("a record follows END".into()),
        }
    }

    /// Checks what every line says about its version.
    fn head(&self, line: &Line<'_>) -> Result<(), String> {
        let known = &self.begin;
        check("tenant", &*line.tenant, &*known.tenant)?;
        check("table", &*line.table, &*known.table)?;
        check("version", &*line.version, &*known.version)?;
        check("previous", line.previous.as_deref().unwrap_or("null"), known.previous.as_deref().unwrap_or("null"))?;
        check("sequence", line.sequence, known.sequence)?;
        check("schema", &*line.schema, &*known.schema)
    }

    fn operation(&mut self, line: &Line<'_>) -> Result<(), String> {
        let (kind, has_hash, has_previous) = match &*line.op {
            "INSERT" => (0, true, false),
            "UPDATE" => (1, true, true),
            "DELETE" => (2, false, true),
            other => return Err(format!("unknown operation `{}`", other.escape_debug())),
        };
        self.counts[kind] += 1;
        let (hash, previous_hash) =
            (hash(line.hash.as_deref(), has_hash)?, hash(line.previous_hash.as_deref(), has_previous)?);
        self.difference += i128::from(hash) - i128::from(previous_hash);
        let id = line.id.as_deref().filter(|id| id.len() == 32).and_then(|id| u128::from_str_radix(id, 16).ok());
        self.sum_of_ids = self.sum_of_ids.wrapping_add(id.ok_or("it lacks an id of 32 hex digits")?);
        Ok(())
    }

    /// Checks END against the registry and against the operations before it.
    fn end(&self, end: &End) -> Result<(), String> {
        let known = &self.end;
        check("fingerprint", end.fingerprint, known.fingerprint)?;
        check("rows", end.rows, known.rows)?;
        check("inserted", end.inserted, known.inserted)?;
        check("updated", end.updated, known.updated)?;
        check("deleted", end.deleted, known.deleted)?;
        for (op, actual, known) in [
            ("INSERT", self.counts[0], known.inserted),
            ("UPDATE", self.counts[1], known.updated),
            ("DELETE", self.counts[2], known.deleted),
        ] {
            if actual != known {
                return Err(format!("END counts {known} {op}, but {actual} precede it"));
            }
        }
        if self.begin.fingerprint + self.difference != end.fingerprint {
            return Err("the operations do not lead from BEGIN's fingerprint to END's".into());
        }
        Ok(())
    }

    /// Checks what only the last line completes.
    fn check_total(&self, version: &Version, plan: &Plan) -> Option<String> {
        if self.state != State::After {
            return Some("END is missing".into());
        }
        let is_planned = plan.matches(&version.key, &version.version, self.sum_of_ids);
        (!is_planned).then(|| "the ids do not match the plan: one differs or appears twice".into())
    }
}

/// Returns whether neither the operating system nor S3 caused an error.
fn is_of_the_decoder(error: &std::io::Error) -> bool {
    error.raw_os_error().is_none() && !error.get_ref().is_some_and(|cause| cause.is::<Error>())
}

fn not_a_record(error: serde_json::Error) -> String {
    format!("not a record ({error})")
}

fn check_begin(begin: &Begin, known: &Begin) -> Result<(), String> {
    check("fingerprint", begin.fingerprint, known.fingerprint)?;
    check("reset", begin.reset, known.reset)?;
    match begin.schema_change == known.schema_change {
        true => Ok(()),
        false => Err("its `schema_change` is not the one in the registry".into()),
    }
}

fn check<T: PartialEq + std::fmt::Display>(name: &str, actual: T, known: T) -> Result<(), String> {
    if actual == known {
        return Ok(());
    }
    Err(format!("its `{name}` is {actual}, but the registry says {known}"))
}

/// Parses a row hash, which must be present or absent as the operation requires.
fn hash(text: Option<&str>, is_required: bool) -> Result<i64, String> {
    match text {
        Some(text) if is_required => text.parse().map_err(|_| "a hash is not a number".into()),
        None if !is_required => Ok(0),
        Some(_) => Err("it has a hash that its kind of operation does not have".into()),
        None => Err("it lacks a hash".into()),
    }
}
