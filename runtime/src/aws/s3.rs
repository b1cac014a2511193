//! Lists, reads and removes objects in S3.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::config::{Builder as Config, timeout::TimeoutConfig};
use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::operation::head_object::{HeadObjectError, HeadObjectOutput};
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumMode, Delete, ObjectIdentifier};
use bytes::Bytes;

use super::{Aws, error_chain};
use crate::error::{Error, Result};

/// The largest number of objects that one call removes.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
const MAX_REMOVED: usize = 1000;

/// The timeout of a write, including the upload: half a minute, and a second for each megabyte.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
const BYTES_PER_SECOND: usize = 1_000_000;

/// How many objects are looked at at once.
const HEADS_AT_ONCE: usize = 16;

/// How often reading an object may be resumed after the connection breaks.
const MAX_RESUMES: u32 = 5;

/// A bucket and a key or key prefix in S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Uri {
    /// The bucket.
    pub bucket: String,
    /// The key, or a prefix of keys.
    pub key: String,
}

impl S3Uri {
    /// Parses `s3://BUCKET` or `s3://BUCKET/KEY`.
    pub fn parse(uri: &str) -> Option<Self> {
        let path = uri.strip_prefix("s3://")?;
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        (!bucket.is_empty()).then(|| Self { bucket: bucket.into(), key: key.into() })
    }

    /// `s3://BUCKET/KEY`
    pub fn uri(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }

    /// Appends a path to the key, after a slash.
    pub fn join(&self, path: &str) -> Self {
        let prefix = self.key.trim_end_matches('/');
        let key = if prefix.is_empty() { path.to_owned() } else { format!("{prefix}/{path}") };
        Self { bucket: self.bucket.clone(), key }
    }
}

/// An object that is read from start to end. If the connection breaks, reading resumes after the last byte, provided
/// that the object has not changed.
pub(crate) struct Object {
    aws: Arc<Aws>,
    uri: S3Uri,
    etag: Option<String>,
    size: Option<u64>,
    body: ByteStream,
    /// Bytes that were received but not read yet.
    buffered: Bytes,
    /// The number of bytes received.
    received: u64,
    /// How often reading may still be resumed.
    resumes: u32,
}

impl Object {
    pub(crate) fn open(aws: Arc<Aws>, uri: S3Uri) -> Result<Self> {
        let call = aws.s3.get_object().bucket(&uri.bucket).key(&uri.key).send();
        let object = match aws.wait(call) {
            Err(error) if is_gone(&aws, &uri, &error) => {
                return Err(Error::refused(uri.uri(), "it was removed after it was listed")
                    .help("deliver it again, then run again"));
            }
            opened => opened.map_err(|error| failed("cannot read", &uri, &error))?,
        };
        let size = object.content_length.and_then(|size| u64::try_from(size).ok());
        let (etag, body) = (object.e_tag, object.body);
        Ok(Self { aws, uri, etag, size, body, buffered: Bytes::new(), received: 0, resumes: MAX_RESUMES })
    }

    /// The next bytes; empty at the end.
    fn next(&mut self) -> Result<Bytes> {
        loop {
            let error = match self.aws.wait(self.body.next()) {
                None => return Ok(Bytes::new()),
                Some(Ok(bytes)) => {
                    self.received += bytes.len() as u64;
                    return Ok(bytes);
                }
                // After the last byte there is no range left to request.
                Some(Err(_)) if self.size == Some(self.received) => return Ok(Bytes::new()),
                Some(Err(error)) => error,
            };
            self.resumes = self.resumes.checked_sub(1).ok_or_else(|| failed("cannot read", &self.uri, &error))?;
            let range = format!("bytes={}-", self.received);
            let call = self.aws.s3.get_object().bucket(&self.uri.bucket).key(&self.uri.key);
            let call = call.range(range).set_if_match(self.etag.clone()).send();
            let object = self.aws.wait(call).map_err(|error| failed("cannot resume reading", &self.uri, &error))?;
            self.body = object.body;
        }
    }
}

/// Returns whether an object does not exist. S3 reports access denied instead to callers that may not list the whole
/// bucket.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>
fn is_gone(aws: &Aws, uri: &S3Uri, error: &SdkError<GetObjectError>) -> bool {
    match error.as_service_error() {
        Some(GetObjectError::NoSuchKey(_)) => true,
        Some(other) if other.code() == Some("AccessDenied") => {
            list_objects(aws, uri).is_ok_and(|objects| objects.iter().all(|(key, ..)| *key != uri.key))
        }
        _ => false,
    }
}

impl Read for Object {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.buffered.is_empty() {
            self.buffered = self.next().map_err(io::Error::other)?;
        }
        let length = buffer.len().min(self.buffered.len());
        buffer[..length].copy_from_slice(&self.buffered.split_to(length));
        Ok(length)
    }
}

/// Every object below a prefix: its key, size and ETag.
pub(crate) fn list_objects(aws: &Aws, prefix: &S3Uri) -> Result<Vec<(String, u64, String)>> {
    let mut objects = Vec::new();
    let mut pages = aws.s3.list_objects_v2().bucket(&prefix.bucket).prefix(&prefix.key).into_paginator().send();
    while let Some(page) = aws.wait(pages.next()) {
        let page = page.map_err(|error| failed("cannot list", prefix, &error))?;
        for object in page.contents() {
            let size = u64::try_from(object.size().unwrap_or_default()).unwrap_or_default();
            objects.push((
                object.key().unwrap_or_default().into(),
                size,
                object.e_tag().unwrap_or_default().trim_matches('"').into(),
            ));
        }
    }
    Ok(objects)
}

/// When each object below a prefix was written, in milliseconds since 1970, by its key.
pub(crate) fn times(aws: &Aws, prefix: &S3Uri) -> Result<Vec<(String, i64)>> {
    let mut objects = Vec::new();
    let mut pages = aws.s3.list_objects_v2().bucket(&prefix.bucket).prefix(&prefix.key).into_paginator().send();
    while let Some(page) = aws.wait(pages.next()) {
        let page = page.map_err(|error| failed("cannot list", prefix, &error))?;
        for object in page.contents() {
            // An object without a time counts as new.
            let at = object.last_modified().and_then(|at| at.to_millis().ok()).unwrap_or(i64::MAX);
            objects.push((object.key().unwrap_or_default().into(), at));
        }
    }
    Ok(objects)
}

/// The checksums that S3 keeps of objects below a prefix, each after the name of its algorithm. Objects are given by
/// name and ETag; `None` of one that has no checksum, is gone, or is not the one with this ETag any more.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>
pub(crate) fn checksums(aws: &Aws, folder: &S3Uri, objects: &[(&str, &str)]) -> Result<Vec<Option<String>>> {
    let mut checksums = Vec::with_capacity(objects.len());
    for chunk in objects.chunks(HEADS_AT_ONCE) {
        let head = |(name, _): &(&str, &str)| {
            let call = aws.s3.head_object().bucket(&folder.bucket).key(folder.join(name).key);
            call.checksum_mode(ChecksumMode::Enabled).send()
        };
        for ((name, etag), head) in chunk.iter().zip(aws.join_all(chunk.iter().map(head).collect())) {
            let head = match head {
                Err(error) if error.as_service_error().is_some_and(HeadObjectError::is_not_found) => None,
                head => Some(head.map_err(|error| failed("cannot look at", &folder.join(name), &error))?),
            };
            let head = head.filter(|head| head.e_tag().unwrap_or_default().trim_matches('"') == *etag);
            checksums.push(head.as_ref().and_then(checksum));
        }
    }
    Ok(checksums)
}

/// The checksum of an object, which has one of these unless it was written before S3 added them.
fn checksum(object: &HeadObjectOutput) -> Option<String> {
    let known = [
        ("sha256", object.checksum_sha256()),
        ("crc64nvme", object.checksum_crc64_nvme()),
        ("sha1", object.checksum_sha1()),
        ("crc32c", object.checksum_crc32_c()),
        ("crc32", object.checksum_crc32()),
    ];
    known.into_iter().find_map(|(algorithm, value)| Some(format!("{algorithm}:{}", value?)))
}

/// The size of an object in bytes, if it exists. Needs no right but to list the bucket.
pub(crate) fn size(aws: &Aws, uri: &S3Uri) -> Result<Option<u64>> {
    let call = aws.s3.list_objects_v2().bucket(&uri.bucket).prefix(&uri.key).max_keys(1);
    let page = aws.wait(call.send()).map_err(|error| failed("cannot list", uri, &error))?;
    let object = page.contents().first().filter(|object| object.key() == Some(&uri.key));
    Ok(object.map(|object| u64::try_from(object.size().unwrap_or_default()).unwrap_or_default()))
}

/// The names of the objects below a prefix, relative to it.
pub fn object_names(aws: &Aws, folder: &S3Uri) -> Result<Vec<String>> {
    let prefix = folder.join("");
    let objects = list_objects(aws, &prefix)?.into_iter();
    Ok(objects.filter_map(|(key, ..)| Some(key.strip_prefix(&prefix.key)?.to_owned())).collect())
}

/// The names directly below a prefix that are prefixes themselves, like subfolders.
pub fn folders(aws: &Aws, folder: &S3Uri) -> Result<Vec<String>> {
    let prefix = folder.join("");
    let call = aws.s3.list_objects_v2().bucket(&prefix.bucket).prefix(&prefix.key).delimiter("/");
    let mut pages = call.into_paginator().send();
    let mut names = Vec::new();
    while let Some(page) = aws.wait(pages.next()) {
        let page = page.map_err(|error| failed("cannot list", &prefix, &error))?;
        let prefixes = page.common_prefixes().iter().filter_map(|common| common.prefix());
        names
            .extend(prefixes.filter_map(|name| Some(name.strip_prefix(&prefix.key)?.trim_end_matches('/').to_owned())));
    }
    Ok(names)
}

/// The first bytes of an object, at most `max_bytes`.
pub fn beginning(aws: &Aws, uri: &S3Uri, max_bytes: u64) -> Result<Vec<u8>> {
    let range = format!("bytes=0-{}", max_bytes - 1);
    let call = aws.s3.get_object().bucket(&uri.bucket).key(&uri.key).range(range).send();
    let object = aws.wait(call).map_err(|error| failed("cannot read", uri, &error))?;
    let body = aws.wait(object.body.collect()).map_err(|error| failed("cannot read", uri, &error))?;
    Ok(body.into_bytes().to_vec())
}

/// Opens an object for reading.
pub fn open(aws: &Arc<Aws>, uri: &S3Uri) -> Result<impl Read + use<>> {
    Object::open(Arc::clone(aws), uri.clone())
}

/// The outcome of a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PutOutcome {
    /// The object is written.
    Done,
    /// The condition does not hold: the object exists, or is another one than expected.
    Exists,
}

/// Writes an object.
pub(crate) fn write(aws: &Aws, uri: &S3Uri, bytes: Vec<u8>) -> Result<()> {
    put(aws, uri, bytes, |call| call).map(|_| ())
}

/// Writes an object unless one with this key exists.
pub(crate) fn put_new(aws: &Aws, uri: &S3Uri, bytes: Vec<u8>) -> Result<PutOutcome> {
    put(aws, uri, bytes, |call| call.if_none_match("*"))
}

/// Writes an object over the one with this ETag.
pub(crate) fn put_over(aws: &Aws, uri: &S3Uri, bytes: Vec<u8>, etag: &str) -> Result<PutOutcome> {
    put(aws, uri, bytes, |call| call.if_match(etag))
}

/// Reads an object and its ETag; `None` if it does not exist.
pub(crate) fn get_if_exists(aws: &Aws, uri: &S3Uri) -> Result<Option<(Vec<u8>, String)>> {
    let call = aws.s3.get_object().bucket(&uri.bucket).key(&uri.key).send();
    let object = match aws.wait(call) {
        Err(error) if is_gone(aws, uri, &error) => return Ok(None),
        opened => opened.map_err(|error| failed("cannot read", uri, &error))?,
    };
    let etag = object.e_tag.unwrap_or_default();
    let body = aws.wait(object.body.collect()).map_err(|error| failed("cannot read", uri, &error))?;
    Ok(Some((body.to_vec(), etag)))
}

fn put(
    aws: &Aws,
    uri: &S3Uri,
    bytes: Vec<u8>,
    condition: impl FnOnce(PutObjectFluentBuilder) -> PutObjectFluentBuilder,
) -> Result<PutOutcome> {
    let timeout = RESPONSE_TIMEOUT + Duration::from_secs((bytes.len() / BYTES_PER_SECOND) as u64);
    let timeout = TimeoutConfig::builder().read_timeout(timeout).build();
    let call = aws.s3.put_object().bucket(&uri.bucket).key(&uri.key).body(ByteStream::from(bytes));
    let call = condition(call).customize().config_override(Config::new().timeout_config(timeout));
    match aws.wait(call.send()) {
        Ok(_) => Ok(PutOutcome::Done),
        Err(error) if is_condition(&error) => Ok(PutOutcome::Exists),
        Err(error) => Err(failed("cannot write", uri, &error).caused_by(error)),
    }
}

/// Returns whether a conditional write was refused: the condition does not hold, or another write with a condition was
/// under way.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-write-requests.html>
fn is_condition(error: &SdkError<PutObjectError>) -> bool {
    let code = error.as_service_error().and_then(|error| error.code());
    matches!(code, Some("PreconditionFailed" | "ConditionalRequestConflict" | "NoSuchKey"))
}

/// Removes every object whose key starts with a prefix.
pub fn remove(aws: &Aws, prefix: &S3Uri) -> Result<()> {
    let objects = list_objects(aws, prefix)?;
    for chunk in objects.chunks(MAX_REMOVED) {
        let objects = chunk.iter().filter_map(|(key, ..)| ObjectIdentifier::builder().key(key).build().ok());
        let delete = Delete::builder().set_objects(Some(objects.collect())).quiet(true).build();
        let delete = delete.map_err(|error| Error::aws("cannot remove the results of a query", error))?;
        let call = aws.s3.delete_objects().bucket(&prefix.bucket).delete(delete).send();
        let removed = aws.wait(call).map_err(|error| failed("cannot remove", prefix, &error))?;
        if let Some(error) = removed.errors().first() {
            let uri = S3Uri { bucket: prefix.bucket.clone(), key: error.key().unwrap_or_default().into() };
            return Err(Error::aws(
                format!("cannot remove {}", uri.uri()),
                error.message().unwrap_or("S3 gave no reason"),
            ));
        }
    }
    Ok(())
}

/// The error of a failed call. `action` reads like `cannot read`.
pub(crate) fn failed<E: std::error::Error + 'static>(action: &str, uri: &S3Uri, error: &E) -> Error {
    Error::aws(format!("{action} {}", uri.uri()), error_chain(error))
        .help("check the name, the region and the permissions, then run again")
}

/// A URI as a path, for errors that name a file.
pub(crate) fn as_path(uri: &S3Uri) -> PathBuf {
    Path::new(&uri.uri()).into()
}
