//! Objects in S3: listed, read, removed.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use bytes::Bytes;

use super::{Aws, why};
use crate::error::{Error, Result};

/// How many objects one call removes. <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
const REMOVED_AT_ONCE: usize = 1000;

/// How often the connection may break while an object is read.
const TRIES: u32 = 5;

/// A place in S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Uri {
    /// The bucket.
    pub bucket: String,
    /// The key, or the first part of keys.
    pub key: String,
}

impl S3Uri {
    /// A place from `s3://BUCKET` or `s3://BUCKET/KEY`.
    pub fn parse(uri: &str) -> Option<Self> {
        let rest = uri.strip_prefix("s3://")?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        (!bucket.is_empty()).then(|| Self { bucket: bucket.into(), key: key.into() })
    }

    /// `s3://BUCKET/KEY`
    pub fn uri(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }

    /// The same place, further down.
    pub fn join(&self, rest: &str) -> Self {
        let above = self.key.trim_end_matches('/');
        let key = if above.is_empty() { rest.to_owned() } else { format!("{above}/{rest}") };
        Self { bucket: self.bucket.clone(), key }
    }
}

/// An object that is read from its beginning to its end. Where the connection breaks it goes on behind the last byte, as
/// long as the object is the same.
pub(crate) struct Object {
    aws: Arc<Aws>,
    place: S3Uri,
    etag: Option<String>,
    size: Option<u64>,
    body: ByteStream,
    /// What came and was not read yet.
    piece: Bytes,
    /// How many bytes came.
    done: u64,
    /// How often the connection may break from here on.
    tries: u32,
}

impl Object {
    pub(crate) fn open(aws: Arc<Aws>, place: S3Uri) -> Result<Self> {
        let call = aws.s3.get_object().bucket(&place.bucket).key(&place.key).send();
        let object = match aws.wait(call) {
            Err(error) if is_gone(&aws, &place, &error) => {
                return Err(Error::refused(place.uri(), "it was taken away after it was found")
                    .help("deliver it again, then run again"));
            }
            opened => opened.map_err(|error| failed("cannot read", &place, &error))?,
        };
        let size = object.content_length.and_then(|size| u64::try_from(size).ok());
        let (etag, body) = (object.e_tag, object.body);
        Ok(Self { aws, place, etag, size, body, piece: Bytes::new(), done: 0, tries: TRIES })
    }

    /// The next bytes; none at the end.
    fn next(&mut self) -> Result<Bytes> {
        loop {
            let error = match self.aws.wait(self.body.next()) {
                None => return Ok(Bytes::new()),
                Some(Ok(piece)) => {
                    self.done += piece.len() as u64;
                    return Ok(piece);
                }
                // Behind the last byte there is nothing that could be asked for.
                Some(Err(_)) if self.size == Some(self.done) => return Ok(Bytes::new()),
                Some(Err(error)) => error,
            };
            self.tries = self.tries.checked_sub(1).ok_or_else(|| failed("cannot read", &self.place, &error))?;
            let range = format!("bytes={}-", self.done);
            let call = self.aws.s3.get_object().bucket(&self.place.bucket).key(&self.place.key);
            let call = call.range(range).set_if_match(self.etag.clone()).send();
            let object = self.aws.wait(call).map_err(|error| failed("cannot go on reading", &self.place, &error))?;
            self.body = object.body;
        }
    }
}

/// Whether an object is not there. To whom may list only some of the bucket, S3 says that it is forbidden.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>
fn is_gone(aws: &Aws, place: &S3Uri, error: &SdkError<GetObjectError>) -> bool {
    match error.as_service_error() {
        Some(GetObjectError::NoSuchKey(_)) => true,
        Some(other) if other.code() == Some("AccessDenied") => {
            keys(aws, place).is_ok_and(|found| found.iter().all(|(key, ..)| *key != place.key))
        }
        _ => false,
    }
}

impl Read for Object {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            self.piece = self.next().map_err(io::Error::other)?;
        }
        let length = buffer.len().min(self.piece.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}

/// Every object below a prefix: its key, size and ETag.
pub(crate) fn keys(aws: &Aws, prefix: &S3Uri) -> Result<Vec<(String, u64, String)>> {
    let mut keys = Vec::new();
    let mut pages = aws.s3.list_objects_v2().bucket(&prefix.bucket).prefix(&prefix.key).into_paginator().send();
    while let Some(page) = aws.wait(pages.next()) {
        let page = page.map_err(|error| failed("cannot list", prefix, &error))?;
        for object in page.contents() {
            let size = u64::try_from(object.size().unwrap_or_default()).unwrap_or_default();
            keys.push((
                object.key().unwrap_or_default().into(),
                size,
                object.e_tag().unwrap_or_default().trim_matches('"').into(),
            ));
        }
    }
    Ok(keys)
}

/// The names of the objects directly below a place, as files are below a folder.
pub fn names(aws: &Aws, folder: &S3Uri) -> Result<Vec<String>> {
    let prefix = folder.join("");
    let keys = keys(aws, &prefix)?.into_iter();
    Ok(keys.filter_map(|(key, ..)| Some(key.strip_prefix(&prefix.key)?.to_owned())).collect())
}

/// The names that stand directly below a place, as folders do.
pub fn folders(aws: &Aws, folder: &S3Uri) -> Result<Vec<String>> {
    let prefix = folder.join("");
    let call = aws.s3.list_objects_v2().bucket(&prefix.bucket).prefix(&prefix.key).delimiter("/");
    let mut pages = call.into_paginator().send();
    let mut names = Vec::new();
    while let Some(page) = aws.wait(pages.next()) {
        let page = page.map_err(|error| failed("cannot list", &prefix, &error))?;
        let found = page.common_prefixes().iter().filter_map(|found| found.prefix());
        names.extend(found.filter_map(|found| Some(found.strip_prefix(&prefix.key)?.trim_end_matches('/').to_owned())));
    }
    Ok(names)
}

/// The first bytes of an object, as many as there are up to `most`.
pub fn beginning(aws: &Aws, place: &S3Uri, most: u64) -> Result<Vec<u8>> {
    let range = format!("bytes=0-{}", most - 1);
    let call = aws.s3.get_object().bucket(&place.bucket).key(&place.key).range(range).send();
    let object = aws.wait(call).map_err(|error| failed("cannot read", place, &error))?;
    let body = aws.wait(object.body.collect()).map_err(|error| failed("cannot read", place, &error))?;
    Ok(body.into_bytes().to_vec())
}

/// Opens an object to be read.
pub fn open(aws: &Arc<Aws>, place: &S3Uri) -> Result<impl Read + use<>> {
    Object::open(Arc::clone(aws), place.clone())
}

/// Removes an object, or every object below a place.
pub fn remove(aws: &Aws, prefix: &S3Uri) -> Result<()> {
    let keys = keys(aws, prefix)?;
    for keys in keys.chunks(REMOVED_AT_ONCE) {
        let objects = keys.iter().filter_map(|(key, ..)| ObjectIdentifier::builder().key(key).build().ok());
        let delete = Delete::builder().set_objects(Some(objects.collect())).quiet(true).build();
        let delete = delete.map_err(|error| Error::aws("cannot remove what a statement left", error))?;
        let call = aws.s3.delete_objects().bucket(&prefix.bucket).delete(delete).send();
        let removed = aws.wait(call).map_err(|error| failed("cannot remove", prefix, &error))?;
        if let Some(error) = removed.errors().first() {
            let place = S3Uri { bucket: prefix.bucket.clone(), key: error.key().unwrap_or_default().into() };
            return Err(Error::aws(
                format!("cannot remove {}", place.uri()),
                error.message().unwrap_or("S3 does not say why"),
            ));
        }
    }
    Ok(())
}

pub(crate) fn failed<E: std::error::Error + 'static>(doing: &str, place: &S3Uri, error: &E) -> Error {
    Error::aws(format!("{doing} {}", place.uri()), why(error))
        .help("check the name, the region and the permissions, then run again")
}

/// A place as a path, for errors that name a file.
pub(crate) fn shown(place: &S3Uri) -> PathBuf {
    Path::new(&place.uri()).into()
}
