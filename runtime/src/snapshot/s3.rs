//! Exports in S3: BUCKET/TENANT/TABLE/VERSION/FILE.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use bytes::Bytes;

use super::local::MAX_NOTE;
use super::{Folder, Found, Listing, Part, Snapshots, Stray};
use crate::aws::{Aws, why};
use crate::error::{Error, Result};
use crate::name::{NAME_RULE, is_name, is_visible_text, natural_cmp};
use crate::telemetry::check_stop;

/// How many objects one call removes. <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
const REMOVED_AT_ONCE: usize = 1000;

/// How often the connection may break while an object is read.
const TRIES: u32 = 5;

/// A place in S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The bucket.
    pub bucket: String,
    /// The key, or the first part of keys.
    pub key: String,
}

impl Place {
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

/// A bucket of exports: BUCKET/TENANT/TABLE/VERSION/FILE.
#[derive(Debug, Clone)]
pub struct S3 {
    aws: Arc<Aws>,
    root: Place,
}

/// The objects of an export.
#[derive(Debug, Clone)]
pub struct S3Folder {
    aws: Arc<Aws>,
    place: Place,
}

impl S3 {
    /// A tree of exports below `root`.
    pub fn new(aws: Arc<Aws>, root: Place) -> Self {
        Self { aws, root: Place { key: root.key.trim_end_matches('/').into(), ..root } }
    }

    /// The names that stand directly below a place, as folders do; what can be no tenant, table or version is a stray.
    fn names(&self, place: &Place, strays: &mut Vec<Stray>) -> Result<Vec<String>> {
        let prefix = if place.key.is_empty() { String::new() } else { format!("{}/", place.key) };
        let call = self.aws.s3.list_objects_v2().bucket(&place.bucket).prefix(&prefix).delimiter("/");
        let mut pages = call.into_paginator().send();
        let mut names = Vec::new();
        while let Some(page) = self.aws.wait(pages.next()) {
            check_stop()?;
            let page = page.map_err(|error| failed("cannot list", place, &error))?;
            let objects = page.contents().iter().filter_map(|object| object.key());
            let folders = page.common_prefixes().iter().filter_map(|prefix| prefix.prefix());
            for key in objects.chain(folders) {
                let name = &key[prefix.len()..];
                let path = || shown(&Place { bucket: place.bucket.clone(), key: key.to_owned() });
                if name.is_empty() || name.starts_with(['_', '.']) {
                    // What a console puts there for a folder that somebody made, or somebody else's.
                    continue;
                }
                match name.strip_suffix('/') {
                    None => {
                        let problem = "not a folder; exports lie at TENANT/TABLE/VERSION/FILE";
                        strays.push((path(), problem.into(), None));
                    }
                    Some(name) if is_name(name) => names.push(name.to_owned()),
                    Some(_) => strays.push((path(), format!("not a usable name; it takes {NAME_RULE}"), None)),
                }
            }
        }
        names.sort_by(|a, b| natural_cmp(a, b));
        Ok(names)
    }
}

impl Snapshots for S3 {
    fn root(&self) -> Result<String> {
        Ok(self.root.uri())
    }

    fn discover(&self, wanted: &dyn Fn(&str, &str) -> bool) -> Result<Found> {
        let mut found = Found::default();
        for tenant in self.names(&self.root, &mut found.strays)? {
            let of_tenant = self.root.join(&tenant);
            for table in self.names(&of_tenant, &mut found.strays)? {
                if !wanted(&tenant, &table) {
                    continue;
                }
                for version in self.names(&of_tenant.join(&table), &mut found.strays)? {
                    found.versions.push((tenant.clone(), table.clone(), version));
                }
            }
        }
        Ok(found)
    }

    fn path(&self, tenant: &str, table: &str) -> PathBuf {
        shown(&self.root.join(tenant).join(table))
    }

    fn folder(&self, tenant: &str, table: &str, version: &str) -> Arc<dyn Folder> {
        Arc::new(S3Folder::new(Arc::clone(&self.aws), self.root.join(tenant).join(table).join(version)))
    }
}

impl S3Folder {
    /// The objects below a place.
    pub fn new(aws: Arc<Aws>, place: Place) -> Self {
        Self { aws, place: Place { key: place.key.trim_end_matches('/').into(), ..place } }
    }
}

impl Folder for S3Folder {
    fn list(&self) -> Result<Listing> {
        list(&self.aws, &self.place)
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + Send>> {
        Object::open(Arc::clone(&self.aws), self.place.join(name)).map(|object| Box::new(object) as _)
    }

    fn read_note(&self, name: &str) -> io::Result<String> {
        let text = beginning(&self.aws, &self.place.join(name), MAX_NOTE + 1).map_err(io::Error::other)?;
        if text.len() as u64 > MAX_NOTE {
            return Err(io::Error::other("it is larger than 16 MiB"));
        }
        String::from_utf8(text).map_err(|_| io::Error::other("it is not UTF-8"))
    }

    fn path(&self, name: &str) -> PathBuf {
        shown(&self.place.join(name))
    }

    fn s3(&self) -> Option<String> {
        Some(self.place.uri())
    }
}

/// What an export holds. What changes when a part is written again is its ETag.
pub fn list(aws: &Aws, export: &Place) -> Result<Listing> {
    let mut listing = Listing::default();
    let prefix = format!("{}/", export.key.trim_end_matches('/'));
    for (key, size, identity) in keys(aws, &Place { bucket: export.bucket.clone(), key: prefix.clone() })? {
        let name = key[prefix.len()..].to_owned();
        let unusable = |problem: &str, help: &str| Err(Error::export(&shown(&export.join(&name)), problem).help(help));
        if name.is_empty() {
            // What a console puts there for a folder that somebody made.
        } else if name.starts_with(['_', '.']) && !name.contains('/') {
            listing.notes.push(name);
        } else if name.contains('/') {
            if !name.starts_with(['_', '.']) {
                return unusable("a folder inside an export", "an export holds files only; move it away");
            }
        } else if !is_visible_text(&name) {
            return unusable("the file's name has characters that cannot be shown", "rename or remove it");
        } else {
            listing.parts.push(Part { name, size, identity, checksum: None, rows: None });
        }
    }
    listing.parts.sort_by(|a, b| natural_cmp(&a.name, &b.name));
    listing.notes.sort();
    Ok(listing)
}

/// An object that is read from its beginning to its end. Where the connection breaks it goes on behind the last byte, as
/// long as the object is the same.
struct Object {
    aws: Arc<Aws>,
    place: Place,
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
    fn open(aws: Arc<Aws>, place: Place) -> Result<Self> {
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
fn is_gone(aws: &Aws, place: &Place, error: &SdkError<GetObjectError>) -> bool {
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

/// The names of the objects directly below a place, as files are below a folder.
pub fn names(aws: &Aws, folder: &Place) -> Result<Vec<String>> {
    let prefix = folder.join("");
    let keys = keys(aws, &prefix)?.into_iter();
    Ok(keys.filter_map(|(key, ..)| Some(key.strip_prefix(&prefix.key)?.to_owned())).collect())
}

/// The names that stand directly below a place, as folders do.
pub fn folders(aws: &Aws, folder: &Place) -> Result<Vec<String>> {
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
pub fn beginning(aws: &Aws, place: &Place, most: u64) -> Result<Vec<u8>> {
    let range = format!("bytes=0-{}", most - 1);
    let call = aws.s3.get_object().bucket(&place.bucket).key(&place.key).range(range).send();
    let object = aws.wait(call).map_err(|error| failed("cannot read", place, &error))?;
    let body = aws.wait(object.body.collect()).map_err(|error| failed("cannot read", place, &error))?;
    Ok(body.into_bytes().to_vec())
}

/// Opens an object to be read.
pub fn open(aws: &Arc<Aws>, place: &Place) -> Result<impl Read + use<>> {
    Object::open(Arc::clone(aws), place.clone())
}

/// Removes an object, or every object below a place.
pub fn remove(aws: &Aws, prefix: &Place) -> Result<()> {
    let keys = keys(aws, prefix)?;
    for keys in keys.chunks(REMOVED_AT_ONCE) {
        let objects = keys.iter().filter_map(|(key, ..)| ObjectIdentifier::builder().key(key).build().ok());
        let delete = Delete::builder().set_objects(Some(objects.collect())).quiet(true).build();
        let delete = delete.map_err(|error| Error::aws("cannot remove what a statement left", error))?;
        let call = aws.s3.delete_objects().bucket(&prefix.bucket).delete(delete).send();
        let removed = aws.wait(call).map_err(|error| failed("cannot remove", prefix, &error))?;
        if let Some(error) = removed.errors().first() {
            let place = Place { bucket: prefix.bucket.clone(), key: error.key().unwrap_or_default().into() };
            return Err(Error::aws(
                format!("cannot remove {}", place.uri()),
                error.message().unwrap_or("S3 does not say why"),
            ));
        }
    }
    Ok(())
}

fn failed<E: std::error::Error + 'static>(doing: &str, place: &Place, error: &E) -> Error {
    Error::aws(format!("{doing} {}", place.uri()), why(error))
        .help("check the name, the region and the permissions, then run again")
}

/// A place as a path, for errors that name a file.
pub(crate) fn shown(place: &Place) -> PathBuf {
    Path::new(&place.uri()).into()
}
