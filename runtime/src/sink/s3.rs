//! Operations in S3: s3://BUCKET/PREFIX/TENANT/TABLE/VERSION/SEQUENCE-part-00000.ndjson.gz and on, with the same names
//! and the same bytes as in a [folder](super::file).
//!
//! S3 has no rename, but it has conditional writes. A publisher first raises the table's mark, on condition that it is
//! still the mark that was read: of two publishers at once, one is refused. It reads the mark again before it writes
//! the last part, whose END marks the version as complete. A part that exists already must be the same.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>

mod mark;
mod published;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

use flate2::Compression;

use super::part::{LEVEL, published_name, sequence_in, write_part};
use super::{Frame, Mark, OnProgress, Publication, PublishedFiles, PublishedFolder, PublishedVersion, Sink};
use crate::aws::Aws;
use crate::aws::s3::{self, PutOutcome, S3Uri};
use crate::breakpoint::Breakpoint;
use crate::change_set::inflate;
use crate::error::{Error, IoContext as _, Result};
use crate::name::TableKey;
use crate::parallel;
use crate::store::Extent;
use crate::telemetry::check_stop;
pub use published::S3PublishedFolder;

/// An S3 prefix that operations are published to.
#[derive(Debug, Clone)]
pub struct S3Files {
    aws: Arc<Aws>,
    root: S3Uri,
    threads: NonZero<usize>,
}

impl S3Files {
    /// Publishes below `root` with this many threads.
    pub fn new(aws: Arc<Aws>, root: S3Uri, threads: NonZero<usize>) -> Self {
        Self { aws, root, threads }
    }

    /// Raises the mark, before anything of a version is visible. From then on, who published before is shut out.
    pub(crate) fn begin(&self, publication: Publication<'_>) -> Result<()> {
        mark::raise(&self.aws, &self.root, publication.version, publication.publisher)
    }

    /// Publishes a part that is not the last one.
    pub(crate) fn part(&self, publication: Publication<'_>, part: u32) -> Result<()> {
        let frame = Frame::new(publication.table, publication.version);
        self.put_part(&self.part_uri(&frame, publication, part), &compress(&frame, part, publication)?)
    }

    /// Publishes the last part, which holds END, once all others are there, unless another run has taken over.
    pub(crate) fn end(&self, publication: Publication<'_>) -> Result<()> {
        let frame = Frame::new(publication.table, publication.version);
        let bytes = compress(&frame, last_part(&frame), publication)?;
        mark::check(&self.aws, &self.root, publication.version, publication.publisher)?;
        self.put_part(&self.part_uri(&frame, publication, last_part(&frame)), &bytes)
    }

    fn part_uri(&self, frame: &Frame, publication: Publication<'_>, part: u32) -> S3Uri {
        self.root.join(&publication.version.path()).join(&published_name(frame.sequence, part))
    }

    /// Writes a part unless it exists; then its contents must be the same.
    fn put_part(&self, uri: &S3Uri, bytes: &[u8]) -> Result<()> {
        match s3::put_new(&self.aws, uri, bytes.to_vec())? {
            PutOutcome::Done => Ok(()),
            PutOutcome::Exists => check_same(&self.aws, uri, bytes),
        }
    }
}

impl Sink for S3Files {
    fn name(&self) -> String {
        self.root.uri()
    }

    fn display_name(&self) -> String {
        self.root.uri()
    }

    fn max_operation_bytes(&self) -> Result<Option<usize>> {
        Ok(None)
    }

    fn compression(&self) -> Compression {
        LEVEL
    }

    fn holds_marks(&self) -> bool {
        true
    }

    fn mark(&self, key: &TableKey) -> Result<Option<Mark>> {
        Ok(mark::read(&self.aws, &self.root, key)?.map(|known| known.mark))
    }

    fn published(&self, key: &TableKey) -> Result<Vec<PublishedVersion>> {
        let of_table = self.root.join(&key.to_string());
        let names = s3::object_names(&self.aws, &of_table)?;
        let published = names.iter().filter_map(|name| {
            let (version, part) = name.split_once('/')?;
            Some(PublishedVersion { version: version.into(), sequence: sequence_in(part)?, is_unmarked: false })
        });
        let mut published: Vec<PublishedVersion> = published.collect();
        published.dedup();
        Ok(published)
    }

    fn adopt(&self, key: &TableKey, seen: Option<&Mark>, mark: &Mark) -> Result<()> {
        mark::replace(&self.aws, &self.root, key, seen, mark)
    }

    /// Delivered parts that still exist are not written again.
    fn publish(
        &self,
        publication: Publication<'_>,
        delivered: &BTreeMap<u32, Extent>,
        on_progress: &mut OnProgress<'_>,
    ) -> Result<()> {
        let Publication { table, version, publisher, .. } = publication;
        let frame = Frame::new(table, version);
        Breakpoint::Claimed.reached();
        mark::raise(&self.aws, &self.root, version, publisher)?;
        Breakpoint::Marked.reached();
        let folder = self.root.join(&version.path());
        let present: BTreeSet<String> = s3::object_names(&self.aws, &folder)?.into_iter().collect();
        let last = last_part(&frame);
        let name = |part: u32| published_name(frame.sequence, part);
        let is_delivered = |part: &u32| delivered.get(part) == Some(&Extent::Whole) && present.contains(&name(*part));
        let parts: Vec<u32> = (0..=last).filter(|part| !is_delivered(part)).collect();
        // The last part holds END, and is written when all others are.
        let write = |part: &u32| {
            check_stop()?;
            let bytes = compress(&frame, *part, publication)?;
            if *part == last {
                return Ok(Some(bytes));
            }
            self.put_part(&folder.join(&name(*part)), &bytes).map(|()| None)
        };
        parallel::in_order(self.threads, &parts, write, |part, last_part: Option<Vec<u8>>| {
            Breakpoint::PartWritten.reached();
            if let Some(bytes) = last_part {
                mark::check(&self.aws, &self.root, version, publisher)?;
                self.put_part(&folder.join(&name(*part)), &bytes)?;
            }
            Breakpoint::PartPublished.reached();
            on_progress(*part, Extent::Whole)?;
            Breakpoint::PartRecorded.reached();
            Ok(())
        })
    }
}

impl PublishedFiles for S3Files {
    fn folders(&self, below: &str) -> Result<Vec<String>> {
        s3::folders(&self.aws, &self.root.join(below))
    }

    fn folder(&self, version: &str) -> Box<dyn PublishedFolder> {
        Box::new(S3PublishedFolder::new(Arc::clone(&self.aws), self.root.join(version)))
    }
}

/// The part that holds END. An empty change set is one part, which holds BEGIN, too.
pub(crate) fn last_part(frame: &Frame) -> u32 {
    frame.parts.max(1) - 1
}

/// Compresses a part in memory: [some megabytes](crate::change_set::PartWriter) at most.
fn compress(frame: &Frame, part: u32, publication: Publication<'_>) -> Result<Vec<u8>> {
    let path = publication.changes.path(publication.version, Some(part));
    write_part(frame, part, publication, Vec::new(), &path)
}

/// Refuses a part that exists with other contents than these. Another release may have compressed it differently.
fn check_same(aws: &Arc<Aws>, uri: &S3Uri, bytes: &[u8]) -> Result<()> {
    let path = uri.uri();
    let contents = |part: &mut dyn Read| {
        let mut contents = Vec::new();
        part.read_to_end(&mut contents).map(|_| contents)
    };
    let there = contents(&mut inflate(s3::open(aws, uri)?)).at("cannot read", Path::new(&path))?;
    if there == contents(&mut inflate(bytes)).at("cannot read", Path::new(&path))? {
        return Ok(());
    }
    Err(Error::refused(path, "it exists with other contents, and nothing that was published is overwritten")
        .help("find out who wrote it, move it away, then run again"))
}
