//! What was published of a version: BEGIN, every operation once, END, and nothing else.

use std::borrow::Cow;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;

use crate::change_set::{inflate, part_name, read_lines};
use crate::error::{IoContext as _, Result};
use crate::fs::folder_names;
use crate::inspect::verify::Verdict;
use crate::operation::{Begin, End};
use crate::plan::Plan;
use crate::sink::control_records;
use crate::store::Version;
use crate::telemetry::Watch;

/// After how many lines a wish to stop is heard.
const CHECKPOINT_ROWS: u64 = 4096;

/// Holds what was published of a version that succeeded against its plan. `folder` is OUT/TENANT/TABLE/VERSION.
///
/// No id is computed anew, and none is kept: the plan's hash covers their sum, and each is as good as random.
pub fn published(folder: &Path, version: &Version, watch: &Watch) -> Result<Verdict> {
    let (Some(plan), Some((begin, end))) = (&version.plan, control_records(&version.key.table, version)) else {
        return Ok(Verdict::Gone);
    };
    let names = match folder_names(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Vec::new(),
        names => names.at("cannot list", folder)?,
    };
    let parts = plan.parts.max(1);
    let is_there = |part: &u32| names.contains(&part_name(*part));
    if !(0..parts).any(|part| is_there(&part)) {
        return Ok(Verdict::Gone);
    }
    if let Some(missing) = (0..parts).find(|part| !is_there(part)) {
        return Ok(Verdict::Different(format!("{} is gone, of {parts} parts", part_name(missing))));
    }
    let is_of_it = |name: &String| (0..parts).any(|part| part_name(part) == *name);
    if let Some(other) = names.iter().find(|name| name.starts_with("part-") && !is_of_it(name)) {
        return Ok(Verdict::Different(format!("{other} is none of its {parts} parts")));
    }
    let mut fold = Fold { begin, end, state: State::Before, counts: [0; 3], difference: 0, sum_of_ids: 0 };
    for part in 0..parts {
        if let Some(problem) = fold.part(folder, part, watch)? {
            return Ok(Verdict::Different(problem));
        }
    }
    Ok(fold
        .judge(version, plan)
        .map_or(Verdict::Same, |problem| Verdict::Different(format!("{}: {problem}", part_name(parts - 1)))))
}

/// What was seen of a published version, and what it must be.
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
    /// BEGIN is to come.
    Before,
    /// Operations, or END.
    Inside,
    /// END was the last.
    Behind,
}

/// Of a line, what is held against the registry.
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
    /// Takes a part. What is wrong with it comes with its line.
    fn part(&mut self, folder: &Path, part: u32, watch: &Watch) -> Result<Option<String>> {
        let (mut number, mut problem) = (0u64, None);
        let path = folder.join(part_name(part));
        let file = File::open(&path).at("cannot open", &path)?;
        let read = read_lines(inflate(file), &path, |line| {
            number += 1;
            if number % CHECKPOINT_ROWS == 0 {
                watch.checkpoint(0)?;
            }
            // The rest is still inflated, which tells whether the file is whole; but the first problem is the one.
            if problem.is_none() {
                problem = self.line(line).err().map(|what| format!("{}:{number}: {what}", part_name(part)));
            }
            Ok(())
        });
        match read {
            Ok(()) => Ok(problem),
            // What the decoder refuses is the file's fault, what the system refuses the machine's.
            Err(error) => match error.io_error().filter(|error| error.raw_os_error().is_none()) {
                Some(cause) => {
                    let damaged = format!("{}:{}: the file is damaged ({cause})", part_name(part), number + 1);
                    Ok(Some(problem.unwrap_or(damaged)))
                }
                None => Err(error),
            },
        }
    }

    fn line(&mut self, text: &[u8]) -> Result<(), String> {
        let line: Line<'_> = serde_json::from_slice(text).map_err(no_record)?;
        self.head(&line)?;
        match (self.state, &*line.op) {
            (State::Before, "BEGIN") => {
                self.state = State::Inside;
                same_begin(&serde_json::from_slice(text).map_err(no_record)?, &self.begin)
            }
            (State::Before, _) => Err("a record stands in front of BEGIN".into()),
            (State::Inside, "BEGIN") => Err("a second BEGIN".into()),
            (State::Inside, "END") => {
                self.state = State::Behind;
                self.end(&serde_json::from_slice(text).map_err(no_record)?)
            }
            (State::Inside, _) => self.operation(&line),
            (State::Behind, _) => Err("a record stands behind END".into()),
        }
    }

    /// What every line says of its version.
    fn head(&self, line: &Line<'_>) -> Result<(), String> {
        let known = &self.begin;
        same("tenant", &*line.tenant, &*known.tenant)?;
        same("table", &*line.table, &*known.table)?;
        same("version", &*line.version, &*known.version)?;
        same("previous", line.previous.as_deref().unwrap_or("null"), known.previous.as_deref().unwrap_or("null"))?;
        same("sequence", line.sequence, known.sequence)?;
        same("schema", &*line.schema, &*known.schema)
    }

    fn operation(&mut self, line: &Line<'_>) -> Result<(), String> {
        let (kind, has_hash, has_previous) = match &*line.op {
            "INSERT" => (0, true, false),
            "UPDATE" => (1, true, true),
            "DELETE" => (2, false, true),
            other => return Err(format!("`{}` is no operation", other.escape_debug())),
        };
        self.counts[kind] += 1;
        let (hash, previous_hash) =
            (hash(line.hash.as_deref(), has_hash)?, hash(line.previous_hash.as_deref(), has_previous)?);
        self.difference += i128::from(hash) - i128::from(previous_hash);
        let id = line.id.as_deref().filter(|id| id.len() == 32).and_then(|id| u128::from_str_radix(id, 16).ok());
        self.sum_of_ids = self.sum_of_ids.wrapping_add(id.ok_or("it has no id of 32 hex digits")?);
        Ok(())
    }

    /// END says what the registry does, and that is what stands in front of it.
    fn end(&self, end: &End) -> Result<(), String> {
        let known = &self.end;
        same("fingerprint", end.fingerprint, known.fingerprint)?;
        same("rows", end.rows, known.rows)?;
        same("inserted", end.inserted, known.inserted)?;
        same("updated", end.updated, known.updated)?;
        same("deleted", end.deleted, known.deleted)?;
        for (word, found, known) in [
            ("INSERT", self.counts[0], known.inserted),
            ("UPDATE", self.counts[1], known.updated),
            ("DELETE", self.counts[2], known.deleted),
        ] {
            if found != known {
                return Err(format!("it says {known} of {word}, and {found} stand in front of it"));
            }
        }
        if self.begin.fingerprint + self.difference != end.fingerprint {
            return Err("the operations in front of it do not lead from BEGIN's fingerprint to its own".into());
        }
        Ok(())
    }

    /// What is wrong with the whole, once every line of it is right.
    fn judge(&self, version: &Version, plan: &Plan) -> Option<String> {
        if self.state != State::Behind {
            return Some("END is missing".into());
        }
        let is_planned = plan.matches(&version.key, &version.version, self.sum_of_ids);
        (!is_planned).then(|| "the ids are not those of the plan: one is another, or is there twice".into())
    }
}

fn no_record(error: serde_json::Error) -> String {
    format!("it is no record ({error})")
}

fn same_begin(begin: &Begin, known: &Begin) -> Result<(), String> {
    same("fingerprint", begin.fingerprint, known.fingerprint)?;
    same("reset", begin.reset, known.reset)
}

fn same<T: PartialEq + std::fmt::Display>(name: &str, found: T, known: T) -> Result<(), String> {
    if found == known {
        return Ok(());
    }
    Err(format!("its `{name}` is {found}, where the registry says {known}"))
}

/// The row hash in an operation, which stands there exactly when its kind has one.
fn hash(text: Option<&str>, is_wanted: bool) -> Result<i64, String> {
    match text {
        Some(text) if is_wanted => text.parse().map_err(|_| "a hash of it is no number".into()),
        None if !is_wanted => Ok(0),
        Some(_) => Err("it has a hash that its kind does not have".into()),
        None => Err("it lacks a hash".into()),
    }
}
