//! What was published into S3.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use crate::aws::Aws;
use crate::aws::s3::{self, S3Uri};
use crate::error::Result;
use crate::sink::PublishedFolder;

/// A prefix of published parts in S3.
#[derive(Debug)]
pub struct S3PublishedFolder {
    aws: Arc<Aws>,
    uri: S3Uri,
}

impl S3PublishedFolder {
    /// The objects below this prefix.
    pub fn new(aws: Arc<Aws>, uri: S3Uri) -> Self {
        Self { aws, uri }
    }
}

impl PublishedFolder for S3PublishedFolder {
    fn names(&self) -> Result<Vec<String>> {
        s3::object_names(&self.aws, &self.uri)
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + Send>> {
        s3::open(&self.aws, &self.uri.join(name)).map(|object| Box::new(object) as _)
    }

    fn path(&self, name: &str) -> PathBuf {
        s3::as_path(&self.uri.join(name))
    }
}
