//! Exports in S3: BUCKET/TENANT/TABLE/VERSION/FILE.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use super::local::MAX_SIDECAR;
use super::{Entry, EntryKind, Folder, IGNORE_FILE, Listing, Part, Snapshots, ignore};
use crate::aws::Aws;
use crate::aws::s3::{Object, S3Uri, as_path, beginning, checksums, failed, list_objects, size};
use crate::error::{Error, Result};
use crate::name::{is_visible_text, natural_cmp};
use crate::telemetry::check_stop;

/// A tree of exports in S3.
#[derive(Debug, Clone)]
pub struct S3 {
    aws: Arc<Aws>,
    root: S3Uri,
}

/// The folder of an export in S3.
#[derive(Debug, Clone)]
pub struct S3Folder {
    aws: Arc<Aws>,
    uri: S3Uri,
}

impl S3 {
    /// A tree of exports below `root`.
    pub fn new(aws: Arc<Aws>, root: S3Uri) -> Self {
        Self { aws, root: S3Uri { key: root.key.trim_end_matches('/').into(), ..root } }
    }

    fn below(&self, names: &[&str]) -> S3Uri {
        names.iter().fold(self.root.clone(), |uri, name| uri.join(name))
    }
}

impl Snapshots for S3 {
    fn root(&self) -> Result<String> {
        Ok(self.root.uri())
    }

    fn list(&self, folder: &[&str], only: Option<&str>, visit: &mut dyn FnMut(Entry<'_>)) -> Result<()> {
        let parent = self.below(folder);
        let prefix = if parent.key.is_empty() { String::new() } else { format!("{}/", parent.key) };
        // With a delimiter, a whole folder is one entry of the listing, however much is in it.
        let listed = format!("{prefix}{}", only.map(|name| format!("{name}/")).unwrap_or_default());
        let call = self.aws.s3.list_objects_v2().bucket(&parent.bucket).prefix(&listed);
        if let Some(name) = only {
            let page = self.aws.wait(call.max_keys(1).send());
            let page = page.map_err(|error| failed("cannot list", &parent.join(name), &error))?;
            if page.key_count().unwrap_or_default() > 0 {
                visit(Entry { name, kind: EntryKind::Folder });
            }
            return Ok(());
        }
        let mut pages = call.delimiter("/").into_paginator().send();
        while let Some(page) = self.aws.wait(pages.next()) {
            check_stop()?;
            let page = page.map_err(|error| failed("cannot list", &parent, &error))?;
            let objects = page.contents().iter().filter_map(|object| object.key());
            let folders = page.common_prefixes().iter().filter_map(|prefix| prefix.prefix());
            for key in objects.chain(folders) {
                // The console creates an empty object for a folder: its name is empty.
                match key[prefix.len()..].strip_suffix('/') {
                    Some(name) => visit(Entry { name, kind: EntryKind::Folder }),
                    None if key.len() == prefix.len() => {}
                    None => visit(Entry { name: &key[prefix.len()..], kind: EntryKind::File }),
                }
            }
        }
        Ok(())
    }

    fn ignore_file(&self) -> Result<Option<String>> {
        let uri = self.root.join(IGNORE_FILE);
        match size(&self.aws, &uri)? {
            None => Ok(None),
            // No range of an empty object can be read.
            Some(0) => Ok(Some(String::new())),
            Some(_) => read_text(&self.aws, &uri).map(Some).map_err(|error| ignore::unreadable(error, &as_path(&uri))),
        }
    }

    fn path(&self, below: &[&str]) -> PathBuf {
        as_path(&self.below(below))
    }

    fn folder(&self, tenant: &str, table: &str, version: &str) -> Arc<dyn Folder> {
        Arc::new(S3Folder::new(Arc::clone(&self.aws), self.root.join(tenant).join(table).join(version)))
    }
}

impl S3Folder {
    /// The objects below a URI.
    pub fn new(aws: Arc<Aws>, uri: S3Uri) -> Self {
        Self { aws, uri: S3Uri { key: uri.key.trim_end_matches('/').into(), ..uri } }
    }
}

impl Folder for S3Folder {
    fn list(&self) -> Result<Listing> {
        list(&self.aws, &self.uri)
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + Send>> {
        Object::open(Arc::clone(&self.aws), self.uri.join(name)).map(|object| Box::new(object) as _)
    }

    fn read_sidecar(&self, name: &str) -> io::Result<String> {
        read_text(&self.aws, &self.uri.join(name))
    }

    fn path(&self, name: &str) -> PathBuf {
        as_path(&self.uri.join(name))
    }

    fn stored_checksums(&self, parts: &[&Part]) -> Result<Vec<Option<String>>> {
        let objects: Vec<(&str, &str)> =
            parts.iter().map(|part| (part.name.as_str(), part.identity.as_str())).collect();
        checksums(&self.aws, &self.uri, &objects)
    }

    fn s3(&self) -> Option<String> {
        Some(self.uri.uri())
    }
}

/// The text of a small object.
fn read_text(aws: &Aws, uri: &S3Uri) -> io::Result<String> {
    let text = beginning(aws, uri, MAX_SIDECAR + 1).map_err(io::Error::other)?;
    if text.len() as u64 > MAX_SIDECAR {
        return Err(io::Error::other("larger than 16 MiB"));
    }
    String::from_utf8(text).map_err(|_| io::Error::other("not UTF-8"))
}

/// The files of an export. A part's identity is its ETag.
pub fn list(aws: &Aws, export: &S3Uri) -> Result<Listing> {
    let mut listing = Listing::default();
    let prefix = format!("{}/", export.key.trim_end_matches('/'));
    for (key, size, identity) in list_objects(aws, &S3Uri { bucket: export.bucket.clone(), key: prefix.clone() })? {
        let name = key[prefix.len()..].to_owned();
        let unusable =
            |problem: &str, help: &str| Err(Error::export(&as_path(&export.join(&name)), problem).help(help));
        if name.is_empty() {
            // The empty object that the console creates for a folder.
        } else if name.starts_with(['_', '.']) && !name.contains('/') {
            listing.sidecars.push(name);
        } else if name.contains('/') {
            if !name.starts_with(['_', '.']) {
                return unusable("a folder inside an export", "an export holds files only; move it away");
            }
        } else if !is_visible_text(&name) {
            return unusable("the file's name has characters that cannot be shown", "rename or remove it");
        } else {
            listing.parts.push(Part::listed(name, size, identity));
        }
    }
    listing.parts.sort_by(|a, b| natural_cmp(&a.name, &b.name));
    listing.sidecars.sort();
    Ok(listing)
}
