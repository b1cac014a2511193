//! Change sets in S3: ROOT/TENANT/TABLE/VERSION/TOKEN-FENCE/part-00000.ndjson.gz and on.
//!
//! S3 has no rename, so a change set has its final name from the beginning: a unique token, and the fence. It becomes
//! visible once a version's record names it.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use super::{ChangeSets, Draft, fence_in, part_name, write_sealed};
use crate::aws::s3::{self, S3Uri};
use crate::aws::{Aws, token};
use crate::error::{IoContext as _, Result};
use crate::gzip::Piece;
use crate::store::Version;

/// Change sets below an S3 prefix.
#[derive(Debug, Clone)]
pub struct S3 {
    aws: Arc<Aws>,
    root: S3Uri,
}

impl S3 {
    /// Change sets below `root`.
    pub fn new(aws: Arc<Aws>, root: S3Uri) -> Self {
        Self { aws, root }
    }

    fn home(&self, version: &Version) -> S3Uri {
        self.root.join(&version.key.tenant).join(&version.key.table).join(&version.version)
    }

    fn uri(&self, version: &Version) -> S3Uri {
        self.home(version).join(version.changes.as_deref().unwrap_or("none"))
    }
}

impl ChangeSets for S3 {
    fn root(&self) -> Result<String> {
        Ok(self.root.uri())
    }

    fn draft(&self, version: &Version, fence: u64, begun: Option<&str>) -> Result<Arc<dyn Draft>> {
        let name = begun.map_or_else(|| format!("{}-{fence}", token()), str::to_owned);
        let uri = self.home(version).join(&name);
        Ok(Arc::new(Upload { aws: Arc::clone(&self.aws), uri, name }))
    }

    fn is_complete(&self, version: &Version) -> Result<bool> {
        if version.changes.is_none() {
            return Ok(false);
        }
        // An empty change set has no objects.
        let parts = version.plan.as_ref().map_or(0, |plan| plan.parts);
        let names: Vec<String> = s3::object_names(&self.aws, &self.uri(version))?;
        Ok((0..parts).all(|part| names.contains(&part_name(part))))
    }

    fn exists(&self, version: &Version) -> Result<bool> {
        // An empty change set has no objects.
        let is_empty = version.plan.as_ref().is_some_and(|plan| plan.parts == 0);
        Ok(is_empty || !s3::object_names(&self.aws, &self.uri(version))?.is_empty())
    }

    fn open(&self, version: &Version, part: u32) -> Result<Box<dyn Read + Send>> {
        s3::open(&self.aws, &self.uri(version).join(&part_name(part))).map(|object| Box::new(object) as _)
    }

    fn path(&self, version: &Version, part: Option<u32>) -> PathBuf {
        let uri = self.uri(version);
        PathBuf::from(part.map_or_else(|| uri.uri(), |part| uri.join(&part_name(part)).uri()))
    }

    fn remove_obsolete(&self, version: &Version, fence: u64) {
        let home = self.home(version);
        for name in s3::folders(&self.aws, &home).unwrap_or_default() {
            let is_older = fence_in(&name).is_some_and(|other| other <= fence);
            if is_older && version.changes.as_ref() != Some(&name) {
                let removed = s3::remove(&self.aws, &home.join(&name).join(""));
                tracing::debug!(%version, folder = name, ?removed, "Removed an obsolete change set.");
            }
        }
    }
}

/// A draft in S3.
#[derive(Debug)]
struct Upload {
    aws: Arc<Aws>,
    uri: S3Uri,
    name: String,
}

impl Draft for Upload {
    fn name(&self) -> String {
        self.name.clone()
    }

    /// Compresses a part in memory, [some megabytes](super::writer) at most, and uploads it in one call.
    fn write(&self, part: u32, sequence: u64, pieces: &mut dyn Iterator<Item = Piece>) -> Result<()> {
        let uri = self.uri.join(&part_name(part));
        let path = PathBuf::from(uri.uri());
        let bytes = write_sealed(Vec::new(), sequence, pieces).at("cannot compress", &path)?;
        s3::write(&self.aws, &uri, bytes).map_err(|error| {
            error.help("check the bucket and the permission to write to it; the next run plans the version again")
        })
    }

    fn clear(&self) -> Result<()> {
        s3::remove(&self.aws, &self.uri.join(""))
    }

    fn finish(&self, _: &str) -> Result<String> {
        Ok(self.name.clone())
    }

    fn discard(&self) {
        let _ = s3::remove(&self.aws, &self.uri.join(""));
    }
}
