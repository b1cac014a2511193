//! Reads the files that a query wrote.

use std::io::{BufReader, Read as _};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use super::execution::{Poll, ReadPosition};
use super::query::Succeeded;
use super::unloaded::{Totals, Unloaded};
use crate::aws::Aws;
use crate::aws::s3::{self, S3Uri};
use crate::change_set::LineSink;
use crate::engine::request::{DeltaError, DeltaRequest, DeltaSummary};
use crate::error::{Error, Result};

/// The output of a query that succeeded.
pub(super) struct QueryOutput<'a> {
    aws: &'a Arc<Aws>,
    request: &'a DeltaRequest<'a>,
    /// The files, as `s3://` URIs.
    files: Vec<String>,
}

/// How much of an output was read.
pub(super) enum ReadProgress {
    All(Box<DeltaSummary>),
    Some(Box<ReadPosition>),
}

impl<'a> QueryOutput<'a> {
    /// Reads the manifest for the names of the files. A listing could show files of another query.
    pub(super) fn open(
        aws: &'a Arc<Aws>,
        request: &'a DeltaRequest<'a>,
        query: &Succeeded,
    ) -> Result<Self, DeltaError> {
        let files = query.manifest.as_deref().map_or(Ok(Vec::new()), |manifest| listed_files(aws, manifest));
        Ok(Self { aws, request, files: files.map_err(DeltaError::snapshot)? })
    }

    /// Reads every file.
    pub(super) fn read_all(self, lines: &mut dyn LineSink) -> Result<DeltaSummary, DeltaError> {
        let mut unloaded = Unloaded::new(self.request.layout, self.request.head, Totals::default(), lines);
        for file in &self.files {
            self.read(file, &mut unloaded)?;
        }
        self.finish(unloaded)
    }

    /// Reads the next files, until the limit is reached or the time is up. At least one file is read.
    pub(super) fn read_some(self, poll: Poll<'_>, lines: &mut dyn LineSink) -> Result<ReadProgress, DeltaError> {
        let position = poll.reading();
        let (first, totals) = position.map_or((0, Totals::default()), |done| (done.files, done.totals.clone()));
        let mut unloaded = Unloaded::new(self.request.layout, self.request.head, totals, lines);
        for (number, file) in self.files.iter().enumerate().skip(first) {
            if unloaded.bytes() >= poll.max_bytes || (number > first && self.request.watch.is_past_deadline()) {
                let totals = unloaded.into_totals();
                let position = ReadPosition { files: number, totals, draft: String::new(), parts: 0 };
                return Ok(ReadProgress::Some(Box::new(position)));
            }
            self.read(file, &mut unloaded)?;
        }
        self.finish(unloaded).map(|summary| ReadProgress::All(Box::new(summary)))
    }

    fn read(&self, file: &str, unloaded: &mut Unloaded<'_>) -> Result<(), DeltaError> {
        self.request.watch.checkpoint(0).map_err(DeltaError::snapshot)?;
        let object = parse(file).and_then(|uri| s3::open(self.aws, &uri)).map_err(DeltaError::snapshot)?;
        unloaded.read(BufReader::new(MultiGzDecoder::new(object)), file).map_err(DeltaError::snapshot)
    }

    fn finish(&self, unloaded: Unloaded<'_>) -> Result<DeltaSummary, DeltaError> {
        let inputs = self.request.inputs;
        let baseline = inputs.baseline.map(|export| export.label.as_str()).unwrap_or_default();
        unloaded.finish((baseline, &inputs.snapshot.label))
    }
}

fn listed_files(aws: &Arc<Aws>, manifest: &str) -> Result<Vec<String>> {
    let (mut text, manifest) = (String::new(), parse(manifest)?);
    let mut object = s3::open(aws, &manifest)?;
    object.read_to_string(&mut text).map_err(|error| Error::aws(manifest.uri(), error))?;
    Ok(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

fn parse(uri: &str) -> Result<S3Uri> {
    S3Uri::parse(uri).ok_or_else(|| Error::aws(format!("`{uri}`"), "Athena's manifest names a file outside S3"))
}
