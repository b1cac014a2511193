//! The mark of a tenant's table in S3: PREFIX/.writing/TENANT/TABLE/mark.json. It is replaced only if it is still the
//! one that was read.

use std::sync::Arc;

use crate::aws::Aws;
use crate::aws::s3::{self, PutOutcome, S3Uri};
use crate::error::{Error, Result};
use crate::invocation::command;
use crate::name::TableKey;
use crate::sink::{Mark, Publisher, adopted_meanwhile, damaged_mark, foreign_mark};
use crate::store::Version;

/// How often a mark that somebody else has just replaced is read again.
const ATTEMPTS: u32 = 10;

/// A mark, and the ETag of its object.
pub(super) struct KnownMark {
    pub(super) mark: Mark,
    etag: String,
}

/// Reads a table's mark.
pub(super) fn read(aws: &Arc<Aws>, root: &S3Uri, key: &TableKey) -> Result<Option<KnownMark>> {
    let uri = uri(root, key);
    let Some((bytes, etag)) = s3::get_if_exists(aws, &uri)? else { return Ok(None) };
    match Mark::parse(&bytes) {
        Ok(mark) => Ok(Some(KnownMark { mark, etag })),
        Err(error) => Err(damaged_mark(&uri.uri(), &error)),
    }
}

/// Raises the mark to a version's sequence, before anything of the version is visible. Fails if another registry, or
/// another run of this one, has published there since.
pub(super) fn raise(aws: &Arc<Aws>, root: &S3Uri, version: &Version, publisher: Publisher<'_>) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let known = read(aws, root, &version.key)?;
        check_publisher(root, version, publisher, known.as_ref())?;
        let raised = Mark::raised(known.as_ref().map(|known| &known.mark), publisher, version);
        let mark = raised.map_err(|other| foreign_mark(&uri(root, &version.key).uri(), &other))?;
        if known.as_ref().is_some_and(|known| known.mark == mark) || write(aws, root, &version.key, &mark, known)? {
            return Ok(());
        }
    }
    Err(contended(root, &version.key))
}

/// Checks that no other run has taken over since the mark was raised.
pub(super) fn check(aws: &Arc<Aws>, root: &S3Uri, version: &Version, publisher: Publisher<'_>) -> Result<()> {
    let known = read(aws, root, &version.key)?;
    check_publisher(root, version, publisher, known.as_ref())
}

/// Replaces the mark, if it is still the one that was `seen`.
pub(super) fn replace(aws: &Arc<Aws>, root: &S3Uri, key: &TableKey, seen: Option<&Mark>, mark: &Mark) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let known = read(aws, root, key)?;
        let now = known.as_ref().map(|known| &known.mark);
        // Written before, if only the answer was lost.
        if now == Some(mark) {
            return Ok(());
        }
        if now != seen {
            return Err(adopted_meanwhile(&uri(root, key).uri()));
        }
        if write(aws, root, key, mark, known)? {
            return Ok(());
        }
    }
    Err(contended(root, key))
}

fn check_publisher(root: &S3Uri, version: &Version, publisher: Publisher<'_>, known: Option<&KnownMark>) -> Result<()> {
    let Some(KnownMark { mark, .. }) = known else { return Ok(()) };
    if mark.registry != publisher.registry {
        return Err(foreign_mark(&uri(root, &version.key).uri(), &mark.registry));
    }
    if mark.fence > publisher.fence {
        return Err(Error::lease_lost(version.to_string(), "another run took over publishing from this one")
            .help(format!("this run stopped writing; see: {}", command(&[&"status"]))));
    }
    Ok(())
}

/// Writes the mark if it is still as it was read. Returns whether it was.
fn write(aws: &Aws, root: &S3Uri, key: &TableKey, mark: &Mark, known: Option<KnownMark>) -> Result<bool> {
    let mut json = serde_json::to_vec(mark).expect("a mark has string keys only");
    json.push(b'\n');
    let uri = uri(root, key);
    let written = match known {
        None => s3::put_new(aws, &uri, json)?,
        Some(known) => s3::put_over(aws, &uri, json, &known.etag)?,
    };
    Ok(written == PutOutcome::Done)
}

fn contended(root: &S3Uri, key: &TableKey) -> Error {
    Error::refused(uri(root, key).uri(), "others keep replacing the mark").help("run again")
}

fn uri(root: &S3Uri, key: &TableKey) -> S3Uri {
    root.join(".writing").join(&key.to_string()).join("mark.json")
}
