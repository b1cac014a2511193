//! Operations on a Kinesis stream: BEGIN to every shard, the parts of the change set in any order, and END to every
//! shard once all parts are acknowledged.
//!
//! A stream cannot be fenced. A stalled publisher that continues repeats planned operations, under the same ids and the
//! same sequence; a consumer applies an operation only if its sequence is larger than the last one of its key.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::sync::{Arc, OnceLock};

use super::client::{Kinesis, Sent};
use crate::aws::Aws;
use crate::breakpoint::Breakpoint;
use crate::change_set::inflate;
use crate::error::{Error, Result};
use crate::name::TableKey;
use crate::operation::stamp;
use crate::sink::{Frame, Mark, OnProgress, Publication, PublishedVersion, Sink};
use crate::store::Extent;
use crate::telemetry::check_stop;

/// A stream that operations are published to. Clones share one connection.
#[derive(Debug, Clone)]
pub struct Stream {
    aws: Arc<Aws>,
    /// `kinesis:STREAM`
    name: String,
    stream: String,
    aggregate: bool,
    /// Opened on first use.
    open: Arc<OnceLock<Kinesis>>,
}

impl Stream {
    /// A stream by its name, `kinesis:STREAM`; with `?aggregate=off`, each operation gets its own record.
    pub fn new(aws: Arc<Aws>, name: &str) -> Result<Self> {
        let (base, aggregate) = match name.split_once('?') {
            None => (name, true),
            Some((base, "aggregate=on")) => (base, true),
            Some((base, "aggregate=off")) => (base, false),
            Some((_, other)) => {
                return Err(Error::refused(name, format!("unknown stream option `{other}`"))
                    .help("use `?aggregate=off` for consumers that cannot read aggregated records, or leave it out"));
            }
        };
        let stream = base.strip_prefix("kinesis:").filter(|stream| !stream.is_empty());
        let stream = stream.ok_or_else(|| {
            Error::refused(name, "this is not a stream").help("name a stream as kinesis:STREAM, or a folder with --out")
        })?;
        Ok(Self { aws, name: base.into(), stream: stream.into(), aggregate, open: Arc::default() })
    }

    fn open(&self) -> Result<&Kinesis> {
        if let Some(open) = self.open.get() {
            return Ok(open);
        }
        let open = Kinesis::open(Arc::clone(&self.aws), &self.stream, self.aggregate)?;
        Ok(self.open.get_or_init(|| open))
    }

    /// Sends BEGIN.
    pub fn begin(&self, frame: &Frame) -> Result<()> {
        self.open()?.control(&frame.begin)
    }

    /// Sends END.
    pub fn end(&self, frame: &Frame) -> Result<()> {
        self.open()?.control(&frame.end)
    }

    /// Sends a part's operations, except for the first `from`. `on_progress` is called with how much of the part is
    /// acknowledged. Sending stops after the current round if `go_on` returns false.
    pub fn part(
        &self,
        publication: Publication<'_>,
        part: u32,
        from: u64,
        on_progress: &mut dyn FnMut(Extent) -> Result<()>,
        go_on: &dyn Fn() -> Result<bool>,
    ) -> Result<Sent> {
        let Publication { table, version, changes, .. } = publication;
        let sequence = Frame::new(table, version).sequence;
        let path = changes.path(version, Some(part));
        let mut lines = inflate(changes.open(version, part)?);
        let mut line = Vec::new();
        let mut read = |stamped: &mut Vec<u8>| -> Result<bool> {
            line.clear();
            let is_line = lines.read_until(b'\n', &mut line).map_err(|error| Error::read(error, &path))? > 0;
            if is_line {
                stamp(&line, sequence, stamped);
            }
            Ok(is_line)
        };
        for _ in 0..from {
            read(&mut Vec::new())?;
        }
        let mut next = || {
            let mut stamped = Vec::new();
            Ok(read(&mut stamped)?.then_some(stamped))
        };
        let sent = self.open()?.send(&mut next, &mut |lines| on_progress(Extent::Lines(from + lines)), go_on)?;
        on_progress(if sent.is_end { Extent::Whole } else { Extent::Lines(from + sent.lines) })?;
        Ok(sent)
    }
}

impl Sink for Stream {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn display_name(&self) -> String {
        self.name.clone()
    }

    fn max_operation_bytes(&self) -> Result<Option<usize>> {
        Ok(Some(self.open()?.max_operation_bytes()))
    }

    fn holds_marks(&self) -> bool {
        false
    }

    fn mark(&self, _: &TableKey) -> Result<Option<Mark>> {
        Ok(None)
    }

    fn published(&self, _: &TableKey) -> Result<Vec<PublishedVersion>> {
        Ok(Vec::new())
    }

    fn adopt(&self, key: &TableKey, _: Option<&Mark>, _: &Mark) -> Result<()> {
        Err(Error::refused(format!("{} {key}", self.name), "a stream cannot hold a mark"))
    }

    fn publish(
        &self,
        publication: Publication<'_>,
        delivered: &BTreeMap<u32, Extent>,
        on_progress: &mut OnProgress<'_>,
    ) -> Result<()> {
        let frame = Frame::new(publication.table, publication.version);
        self.begin(&frame)?;
        Breakpoint::Claimed.reached();
        let go_on = || check_stop().map(|()| true);
        for part in 0..frame.parts {
            let from = match delivered.get(&part) {
                Some(Extent::Whole) => continue,
                Some(Extent::Lines(lines)) => *lines,
                None => 0,
            };
            self.part(publication, part, from, &mut |extent| on_progress(part, extent), &go_on)?;
            Breakpoint::PartRecorded.reached();
        }
        self.end(&frame)
    }
}
