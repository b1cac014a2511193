//! Change sets in S3: ROOT/TENANT/TABLE/VERSION/TOKEN-FENCE/part-00000.ndjson.gz and on.
//!
//! S3 knows no rename, so that a change set has its name from the beginning: a token that no other has, and the fence. It
//! exists for others once a version's record names it.

use std::io::{Read, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::config::{Builder as Config, timeout::TimeoutConfig};
use aws_sdk_s3::primitives::ByteStream;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{ChangeSets, Draft, fence_of, part_name};
use crate::aws::s3::{self, S3Uri};
use crate::aws::{Aws, token, why};
use crate::error::{Error, IoContext as _, Result};
use crate::store::Version;

/// How long the answer to a part may take, which is sent before: half a minute, and a second for each so many bytes.
const ANSWER: Duration = Duration::from_secs(30);
const BYTES_A_SECOND: usize = 1_000_000;

/// Change sets below a place in S3.
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

    fn place(&self, version: &Version) -> S3Uri {
        self.home(version).join(version.changes.as_deref().unwrap_or("none"))
    }
}

impl ChangeSets for S3 {
    fn root(&self) -> Result<String> {
        Ok(self.root.uri())
    }

    fn draft(&self, version: &Version, fence: u64, begun: Option<&str>) -> Result<Arc<dyn Draft>> {
        let name = begun.map_or_else(|| format!("{}-{fence}", token()), str::to_owned);
        let place = self.home(version).join(&name);
        Ok(Arc::new(Upload { aws: Arc::clone(&self.aws), place, name }))
    }

    fn is_whole(&self, version: &Version) -> Result<bool> {
        if version.changes.is_none() {
            return Ok(false);
        }
        // An empty one leaves nothing that could be looked for.
        let parts = version.plan.as_ref().map_or(0, |plan| plan.parts);
        let names: Vec<String> = s3::names(&self.aws, &self.place(version))?;
        Ok((0..parts).all(|part| names.contains(&part_name(part))))
    }

    fn is_there(&self, version: &Version) -> Result<bool> {
        // An empty change set leaves nothing that could be looked for.
        let is_empty = version.plan.as_ref().is_some_and(|plan| plan.parts == 0);
        Ok(is_empty || !s3::names(&self.aws, &self.place(version))?.is_empty())
    }

    fn open(&self, version: &Version, part: u32) -> Result<Box<dyn Read + Send>> {
        s3::open(&self.aws, &self.place(version).join(&part_name(part))).map(|object| Box::new(object) as _)
    }

    fn path(&self, version: &Version, part: Option<u32>) -> PathBuf {
        let place = self.place(version);
        PathBuf::from(part.map_or_else(|| place.uri(), |part| place.join(&part_name(part)).uri()))
    }

    fn remove_leftovers(&self, version: &Version, fence: u64) {
        let home = self.home(version);
        for name in s3::folders(&self.aws, &home).unwrap_or_default() {
            let is_older = fence_of(&name).is_some_and(|of| of <= fence);
            if is_older && version.changes.as_ref() != Some(&name) {
                let removed = s3::remove(&self.aws, &home.join(&name).join(""));
                tracing::debug!(%version, folder = name, ?removed, "Removed what was planned before.");
            }
        }
    }
}

/// A change set that is being written.
#[derive(Debug)]
struct Upload {
    aws: Arc<Aws>,
    place: S3Uri,
    name: String,
}

impl Draft for Upload {
    fn name(&self) -> String {
        self.name.clone()
    }

    /// A part is compressed in memory, at most [some megabytes](super::writer), and written by one call.
    fn write(&self, part: u32, blocks: &mut dyn Iterator<Item = Vec<u8>>) -> Result<()> {
        let place = self.place.join(&part_name(part));
        let path = PathBuf::from(place.uri());
        let mut out = GzEncoder::new(Vec::new(), Compression::fast());
        for block in blocks {
            out.write_all(&block).at("cannot compress", &path)?;
        }
        let bytes = out.finish().at("cannot compress", &path)?;
        let most = ANSWER + Duration::from_secs((bytes.len() / BYTES_A_SECOND) as u64);
        let body = ByteStream::from(bytes);
        let call = self.aws.s3.put_object().bucket(&place.bucket).key(&place.key).body(body);
        let call = call
            .customize()
            .config_override(Config::new().timeout_config(TimeoutConfig::builder().read_timeout(most).build()));
        match self.aws.wait(call.send()) {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::aws(format!("cannot write {}", place.uri()), why(&error))
                .help("look at the bucket and at the right to write to it; the next run begins the plan anew")),
        }
    }

    fn clear(&self) -> Result<()> {
        s3::remove(&self.aws, &self.place.join(""))
    }

    fn finish(&self, _: &str) -> Result<String> {
        Ok(self.name.clone())
    }

    fn abandon(&self) {
        // The error that is on its way says more than one about the leftover would.
        let _ = s3::remove(&self.aws, &self.place.join(""));
    }
}
