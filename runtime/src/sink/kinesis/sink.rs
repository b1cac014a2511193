//! Operations on a stream of Kinesis: BEGIN to every shard, the parts of the change set in any order, END to every shard
//! once all of them are acknowledged.
//!
//! A stream cannot be fenced. A stalled publisher that goes on repeats what was planned, under the same ids and the same
//! sequence; a consumer takes an operation whose sequence is larger than the last one of its key, and nothing else.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::sync::{Arc, OnceLock};

use crate::aws::Aws;
use crate::breakpoint::Breakpoint;
use crate::change_set::inflate;
use crate::error::{Error, Result};
use crate::operation::stamp;
use crate::sink::kinesis::client::{Kinesis, Sent};
use crate::sink::{Frame, OnProgress, Publication, Sink};
use crate::store::Extent;
use crate::telemetry::check_stop;

/// A stream that operations are published to. Its clones are the same.
#[derive(Debug, Clone)]
pub struct Stream {
    aws: Arc<Aws>,
    /// As it was named.
    name: String,
    stream: String,
    aggregate: bool,
    /// It is looked at when it is used first.
    open: Arc<OnceLock<Kinesis>>,
}

impl Stream {
    /// A stream by its name, `kinesis:STREAM`; with `?aggregate=off` each operation is a record of its own.
    pub fn new(aws: Arc<Aws>, name: &str) -> Result<Self> {
        let (place, aggregate) = match name.split_once('?') {
            None => (name, true),
            Some((place, "aggregate=on")) => (place, true),
            Some((place, "aggregate=off")) => (place, false),
            Some((_, other)) => {
                return Err(Error::refused(name, format!("`{other}` is no option of a stream"))
                    .help("there is `?aggregate=off`, for consumers that cannot read aggregated records"));
            }
        };
        let stream = place.strip_prefix("kinesis:").filter(|stream| !stream.is_empty());
        let stream = stream.ok_or_else(|| {
            Error::refused(name, "it is no stream").help("name one as kinesis:STREAM, or a folder with --out")
        })?;
        Ok(Self { aws, name: place.into(), stream: stream.into(), aggregate, open: Arc::default() })
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

    /// Sends a part's operations behind the first `from`. `told` hears how far they are acknowledged; when `go_on` says
    /// no, what is on its way is still waited for.
    pub fn part(
        &self,
        publication: Publication<'_>,
        part: u32,
        from: u64,
        told: &mut dyn FnMut(Extent) -> Result<()>,
        go_on: &dyn Fn() -> Result<bool>,
    ) -> Result<Sent> {
        let Publication { table, version, changes, .. } = publication;
        let sequence = Frame::of(table, version).sequence;
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
        let sent = self.open()?.send(&mut next, &mut |lines| told(Extent::Lines(from + lines)), go_on)?;
        told(if sent.is_end { Extent::Whole } else { Extent::Lines(from + sent.lines) })?;
        Ok(sent)
    }
}

impl Sink for Stream {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn shown(&self) -> String {
        self.name.clone()
    }

    fn largest_operation(&self) -> Result<Option<usize>> {
        Ok(Some(self.open()?.largest_record()))
    }

    fn publish(
        &self,
        publication: Publication<'_>,
        out: &BTreeMap<u32, Extent>,
        told: &mut OnProgress<'_>,
    ) -> Result<()> {
        let frame = Frame::of(publication.table, publication.version);
        self.begin(&frame)?;
        Breakpoint::Claimed.reached();
        let go_on = || check_stop().map(|()| true);
        for part in 0..frame.parts {
            let from = match out.get(&part) {
                Some(Extent::Whole) => continue,
                Some(Extent::Lines(lines)) => *lines,
                None => 0,
            };
            self.part(publication, part, from, &mut |extent| told(part, extent), &go_on)?;
            Breakpoint::PartRecorded.reached();
        }
        self.end(&frame)
    }
}
