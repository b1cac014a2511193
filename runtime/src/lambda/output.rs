//! Where the functions publish, step by step: each step may be another function.

use crate::error::Result;
use crate::sink::kinesis::Stream;
use crate::sink::kinesis::client::Sent;
use crate::sink::s3::{S3Files, last_part};
use crate::sink::{Frame, Publication, Sink};
use crate::store::{Extent, Registry, Version};

/// A sink that can be published to in steps.
#[derive(Debug, Clone)]
pub(super) enum Output {
    Files(S3Files),
    Stream(Stream),
}

impl Output {
    /// The name under which the registry records what has been delivered.
    pub(super) fn name(&self) -> String {
        match self {
            Output::Files(files) => files.name(),
            Output::Stream(stream) => stream.name(),
        }
    }

    pub(super) fn into_sink(self) -> Box<dyn Sink> {
        match self {
            Output::Files(files) => Box::new(files),
            Output::Stream(stream) => Box::new(stream),
        }
    }

    /// The number of parts that are published before the end. Of files, the last part is the end.
    fn parts(&self, frame: &Frame) -> u32 {
        match self {
            Output::Files(_) => last_part(frame),
            Output::Stream(_) => frame.parts,
        }
    }

    /// The parts that have to be published before the end and are not, each with how many of its lines are.
    pub(super) fn unpublished(&self, registry: &Registry, version: &Version, frame: &Frame) -> Result<Vec<(u32, u64)>> {
        let delivered = registry.delivered(version, &self.name())?;
        let rest = |part: u32| match delivered.get(&part) {
            Some(Extent::Whole) => None,
            Some(Extent::Lines(lines)) => Some((part, *lines)),
            None => Some((part, 0)),
        };
        Ok((0..self.parts(frame)).filter_map(rest).collect())
    }

    /// Begins, or begins again under another lease. Consumers of a stream need no second BEGIN once they have all
    /// operations.
    pub(super) fn begin(&self, publication: Publication<'_>, frame: &Frame, has_all_parts: bool) -> Result<()> {
        match self {
            Output::Files(files) => files.begin(publication),
            Output::Stream(_) if has_all_parts && frame.parts > 0 => Ok(()),
            Output::Stream(stream) => stream.begin(frame),
        }
    }

    /// Publishes a part, except for its first `from` lines, as far as `go_on` allows.
    pub(super) fn part(
        &self,
        publication: Publication<'_>,
        (part, from): (u32, u64),
        on_progress: &mut dyn FnMut(Extent) -> Result<()>,
        go_on: &dyn Fn() -> Result<bool>,
    ) -> Result<Sent> {
        match self {
            Output::Stream(stream) => stream.part(publication, part, from, on_progress, go_on),
            Output::Files(_) if !go_on()? => Ok(Sent::default()),
            Output::Files(files) => {
                files.part(publication, part)?;
                on_progress(Extent::Whole)?;
                Ok(Sent { is_end: true, ..Sent::default() })
            }
        }
    }

    /// Publishes the end, once all parts are published.
    pub(super) fn end(&self, publication: Publication<'_>, frame: &Frame) -> Result<()> {
        match self {
            Output::Files(files) => files.end(publication),
            Output::Stream(stream) => stream.end(frame),
        }
    }
}
