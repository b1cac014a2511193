//! Exports in S3: BUCKET/TENANT/TABLE/VERSION/FILE.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use super::local::MAX_SIDECAR;
use super::{Discovery, Folder, Listing, Part, Snapshots, Stray};
use crate::aws::Aws;
use crate::aws::s3::{Object, S3Uri, as_path, beginning, failed, list_objects};
use crate::error::{Error, Result};
use crate::name::{NAME_RULE, is_name, is_visible_text, natural_cmp};
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

    /// The names of the folders directly below a prefix. Whatever cannot be a tenant, table or version is a stray.
    fn names(&self, parent: &S3Uri, strays: &mut Vec<Stray>) -> Result<Vec<String>> {
        let prefix = if parent.key.is_empty() { String::new() } else { format!("{}/", parent.key) };
        let call = self.aws.s3.list_objects_v2().bucket(&parent.bucket).prefix(&prefix).delimiter("/");
        let mut pages = call.into_paginator().send();
        let mut names = Vec::new();
        while let Some(page) = self.aws.wait(pages.next()) {
            check_stop()?;
            let page = page.map_err(|error| failed("cannot list", parent, &error))?;
            let objects = page.contents().iter().filter_map(|object| object.key());
            let folders = page.common_prefixes().iter().filter_map(|prefix| prefix.prefix());
            for key in objects.chain(folders) {
                let name = &key[prefix.len()..];
                let path = || as_path(&S3Uri { bucket: parent.bucket.clone(), key: key.to_owned() });
                if name.is_empty() || name.starts_with(['_', '.']) {
                    // The empty object that the console creates for a folder, or an unrelated name.
                    continue;
                }
                match name.strip_suffix('/') {
                    None => {
                        let problem = "not a folder; exports are at TENANT/TABLE/VERSION/FILE";
                        strays.push((path(), problem.into(), None));
                    }
                    Some(name) if is_name(name) => names.push(name.to_owned()),
                    Some(_) => strays.push((path(), format!("not a valid name; expected {NAME_RULE}"), None)),
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

    fn discover(&self, filter: &dyn Fn(&str, &str) -> bool) -> Result<Discovery> {
        let mut discovery = Discovery::default();
        for tenant in self.names(&self.root, &mut discovery.strays)? {
            let tenant_root = self.root.join(&tenant);
            for table in self.names(&tenant_root, &mut discovery.strays)? {
                if !filter(&tenant, &table) {
                    continue;
                }
                for version in self.names(&tenant_root.join(&table), &mut discovery.strays)? {
                    discovery.versions.push((tenant.clone(), table.clone(), version));
                }
            }
        }
        Ok(discovery)
    }

    fn path(&self, tenant: &str, table: &str) -> PathBuf {
        as_path(&self.root.join(tenant).join(table))
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
        let text = beginning(&self.aws, &self.uri.join(name), MAX_SIDECAR + 1).map_err(io::Error::other)?;
        if text.len() as u64 > MAX_SIDECAR {
            return Err(io::Error::other("larger than 16 MiB"));
        }
        String::from_utf8(text).map_err(|_| io::Error::other("not UTF-8"))
    }

    fn path(&self, name: &str) -> PathBuf {
        as_path(&self.uri.join(name))
    }

    fn s3(&self) -> Option<String> {
        Some(self.uri.uri())
    }
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
            listing.parts.push(Part { name, size, identity, checksum: None, content: None, rows: None });
        }
    }
    listing.parts.sort_by(|a, b| natural_cmp(&a.name, &b.name));
    listing.sidecars.sort();
    Ok(listing)
}
