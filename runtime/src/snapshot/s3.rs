//! Exports in S3: BUCKET/TENANT/TABLE/VERSION/FILE.

use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};

use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use super::Part;
use crate::aws::Aws;
use crate::error::{Error, IoContext as _, Result};
use crate::name::natural_cmp;

/// How many objects one call removes. <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
const REMOVED_AT_ONCE: usize = 1000;

/// A place in S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The bucket.
    pub bucket: String,
    /// The key, or the first part of keys.
    pub key: String,
}

impl Place {
    /// A place from `s3://BUCKET/KEY`.
    pub fn parse(uri: &str) -> Option<Self> {
        let (bucket, key) = uri.strip_prefix("s3://")?.split_once('/')?;
        (!bucket.is_empty()).then(|| Self { bucket: bucket.into(), key: key.into() })
    }

    /// `s3://BUCKET/KEY`
    pub fn uri(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }

    /// The same place, further down.
    pub fn join(&self, rest: &str) -> Self {
        Self { bucket: self.bucket.clone(), key: format!("{}/{rest}", self.key.trim_end_matches('/')) }
    }
}

/// The parts of an export, in the natural order of their names. What changes when one is written again is its ETag.
pub fn list(aws: &Aws, export: &Place) -> Result<Vec<Part>> {
    let prefix = format!("{}/", export.key.trim_end_matches('/'));
    let mut parts = Vec::new();
    for (key, size, etag) in keys(aws, &Place { bucket: export.bucket.clone(), key: prefix.clone() })? {
        let name = key[prefix.len()..].to_owned();
        if name.contains('/') {
            return Err(Error::refused(export.join(&name).uri(), "a folder below an export")
                .help("parts stand in the version's own folder"));
        }
        if !name.starts_with(['_', '.']) {
            parts.push(Part { name, size, identity: etag, checksum: None, rows: None });
        }
    }
    parts.sort_by(|a, b| natural_cmp(&a.name, &b.name));
    Ok(parts)
}

/// Every object below a prefix: its key, size and ETag.
fn keys(aws: &Aws, prefix: &Place) -> Result<Vec<(String, u64, String)>> {
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

/// The first bytes of an object, as many as there are up to `most`.
pub fn beginning(aws: &Aws, place: &Place, most: u64) -> Result<Vec<u8>> {
    let range = format!("bytes=0-{}", most - 1);
    let call = aws.s3.get_object().bucket(&place.bucket).key(&place.key).range(range).send();
    let object = aws.wait(call).map_err(|error| failed("cannot read", place, &error))?;
    let body = aws.wait(object.body.collect()).map_err(|error| failed("cannot read", place, &error))?;
    Ok(body.into_bytes().to_vec())
}

/// Copies an object into a nameless file, and goes to its beginning.
pub fn fetch(aws: &Aws, place: &Place) -> Result<std::fs::File> {
    let folder = std::env::temp_dir();
    let mut file = tempfile::tempfile_in(&folder).at("cannot create a file in", &folder)?;
    let call = aws.s3.get_object().bucket(&place.bucket).key(&place.key).send();
    let mut object = aws.wait(call).map_err(|error| failed("cannot read", place, &error))?;
    while let Some(bytes) = aws.wait(object.body.next()) {
        let bytes = bytes.map_err(|error| failed("cannot read", place, &error))?;
        file.write_all(&bytes).at("cannot write to", &folder)?;
    }
    file.rewind().at("cannot read from", &folder)?;
    Ok(file)
}

/// Removes every object below a prefix.
pub fn remove(aws: &Aws, prefix: &Place) -> Result<()> {
    let keys = keys(aws, prefix)?;
    for keys in keys.chunks(REMOVED_AT_ONCE) {
        let objects = keys.iter().filter_map(|(key, ..)| ObjectIdentifier::builder().key(key).build().ok());
        let delete = Delete::builder().set_objects(Some(objects.collect())).quiet(true).build();
        let delete = delete.map_err(|error| Error::aws("cannot remove what a statement left", error))?;
        let call = aws.s3.delete_objects().bucket(&prefix.bucket).delete(delete).send();
        aws.wait(call).map_err(|error| failed("cannot remove", prefix, &error))?;
    }
    Ok(())
}

fn failed<E: std::error::Error>(doing: &str, place: &Place, error: &E) -> Error {
    Error::aws(format!("{doing} {}", place.uri()), DisplayErrorContext(error))
}

/// A place as a path, for errors that name a file.
pub(crate) fn shown(place: &Place) -> PathBuf {
    Path::new(&place.uri()).into()
}
