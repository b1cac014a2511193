//! Opens what the command line names on AWS: `s3://…`, `dynamodb:…`, `kinesis:…`. Without AWS support, every attempt is
//! an error that says which program has it.

#[cfg(feature = "aws")]
pub(super) use with_aws::{
    caller, changes, engines, export, exports, files, published_folder, sink, start_execution, store, stream,
};
#[cfg(not(feature = "aws"))]
pub(super) use without_aws::{
    caller, changes, engines, export, exports, files, published_folder, sink, start_execution, store, stream,
};

/// What Athena needs to know, besides its statements.
#[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "without AWS there is no Athena"))]
pub(super) struct AthenaNames {
    pub(super) database: String,
    pub(super) workgroup: String,
    pub(super) results: Option<String>,
}

#[cfg(feature = "aws")]
mod with_aws {
    use std::num::NonZero;
    use std::sync::{Arc, OnceLock};

    use super::AthenaNames;
    use crate::aws::s3::S3Uri;
    use crate::aws::{Aws, flow};
    use crate::change_set::{self, ChangeSets};
    use crate::delta;
    use crate::engine::athena::{Athena, StatementSource};
    use crate::engine::{Choice, Engines};
    use crate::error::{Error, Result};
    use crate::name::TableKey;
    use crate::sink::any_order::OperationStream;
    use crate::sink::kinesis::Stream;
    use crate::sink::kinesis::reader::StreamReader;
    use crate::sink::s3::{S3Files, S3PublishedFolder};
    use crate::sink::{PublishedFiles, PublishedFolder, Sink};
    use crate::snapshot::s3::{S3, S3Folder};
    use crate::snapshot::{Export, Snapshots};
    use crate::store::Registry;
    use crate::store::dynamodb::Dynamodb;

    /// The clients of this process.
    fn aws() -> Result<Arc<Aws>> {
        static AWS: OnceLock<Arc<Aws>> = OnceLock::new();
        if let Some(aws) = AWS.get() {
            return Ok(Arc::clone(aws));
        }
        let aws = Arc::new(Aws::from_environment()?);
        Ok(Arc::clone(AWS.get_or_init(|| aws)))
    }

    fn parse(uri: &str) -> Result<S3Uri> {
        S3Uri::parse(uri).ok_or_else(|| {
            Error::usage(uri, "no bucket is named").help("write it as s3://BUCKET or s3://BUCKET/PREFIX")
        })
    }

    pub(in crate::cli) fn exports(root: &str) -> Result<Box<dyn Snapshots>> {
        Ok(Box::new(S3::new(aws()?, parse(root)?)))
    }

    pub(in crate::cli) fn changes(root: &str) -> Result<Box<dyn ChangeSets>> {
        Ok(Box::new(change_set::s3::S3::new(aws()?, parse(root)?)))
    }

    pub(in crate::cli) fn store(name: &str) -> Result<Registry> {
        match name.strip_prefix("dynamodb:").filter(|table| !table.is_empty()) {
            Some(table) => Ok(Registry::new(Dynamodb::open(aws()?, table)?)),
            None => Err(Error::usage(name, "not a registry on AWS").help("write it as dynamodb:TABLE")),
        }
    }

    pub(in crate::cli) fn caller() -> Result<String> {
        aws()?.caller()
    }

    pub(in crate::cli) fn start_execution(machine: &str, registry: &str, key: &TableKey, pending: u64) -> Result<()> {
        flow::start_execution(&*aws()?, machine, registry, key, ["#pending", &pending.to_string()])
    }

    pub(in crate::cli) fn sink(name: &str) -> Result<Box<dyn Sink>> {
        Ok(Box::new(Stream::new(aws()?, name)?))
    }

    pub(in crate::cli) fn stream(name: &str) -> Result<Box<dyn OperationStream>> {
        Ok(Box::new(StreamReader::new(aws()?, name)?))
    }

    pub(in crate::cli) fn files(root: &str, threads: NonZero<usize>) -> Result<Box<dyn PublishedFiles>> {
        Ok(Box::new(S3Files::new(aws()?, parse(root)?, threads)))
    }

    pub(in crate::cli) fn published_folder(uri: &str) -> Result<Box<dyn PublishedFolder>> {
        Ok(Box::new(S3PublishedFolder::new(aws()?, parse(uri)?)))
    }

    pub(in crate::cli) fn export(uri: &str) -> Result<Export> {
        delta::folder_export(uri.trim_end_matches('/').into(), Arc::new(S3Folder::new(aws()?, parse(uri)?)))
    }

    pub(in crate::cli) fn engines(
        choice: Choice,
        names: AthenaNames,
        statements: Arc<dyn StatementSource>,
    ) -> Result<Engines> {
        let AthenaNames { database, workgroup, results } = names;
        let results = results.as_deref().map(parse).transpose()?;
        let athena =
            Athena { aws: aws()?, statements, database, workgroup, results, account: None, cutoff: None, budget: None };
        Ok(Engines { choice, athena: Some(athena) })
    }
}

#[cfg(not(feature = "aws"))]
mod without_aws {
    use std::num::NonZero;
    use std::sync::Arc;

    use super::AthenaNames;
    use crate::change_set::ChangeSets;
    use crate::engine::athena::StatementSource;
    use crate::engine::{Choice, Engines};
    use crate::error::{Error, Result};
    use crate::name::TableKey;
    use crate::sink::any_order::OperationStream;
    use crate::sink::{PublishedFiles, PublishedFolder, Sink};
    use crate::snapshot::{Export, Snapshots};
    use crate::store::Registry;

    pub(in crate::cli) fn changes(_: &str) -> Result<Box<dyn ChangeSets>> {
        Err(Error::without_aws("S3"))
    }

    pub(in crate::cli) fn store(_: &str) -> Result<Registry> {
        Err(Error::without_aws("DynamoDB"))
    }

    pub(in crate::cli) fn caller() -> Result<String> {
        Err(Error::without_aws("STS"))
    }

    pub(in crate::cli) fn start_execution(_: &str, _: &str, _: &TableKey, _: u64) -> Result<()> {
        Err(Error::without_aws("Step Functions"))
    }

    pub(in crate::cli) fn sink(_: &str) -> Result<Box<dyn Sink>> {
        Err(Error::without_aws("Kinesis"))
    }

    pub(in crate::cli) fn stream(_: &str) -> Result<Box<dyn OperationStream>> {
        Err(Error::without_aws("Kinesis"))
    }

    pub(in crate::cli) fn files(_: &str, _: NonZero<usize>) -> Result<Box<dyn PublishedFiles>> {
        Err(Error::without_aws("S3"))
    }

    pub(in crate::cli) fn published_folder(_: &str) -> Result<Box<dyn PublishedFolder>> {
        Err(Error::without_aws("S3"))
    }

    pub(in crate::cli) fn exports(_: &str) -> Result<Box<dyn Snapshots>> {
        Err(Error::without_aws("S3"))
    }

    pub(in crate::cli) fn export(_: &str) -> Result<Export> {
        Err(Error::without_aws("S3"))
    }

    pub(in crate::cli) fn engines(_: Choice, _: AthenaNames, _: Arc<dyn StatementSource>) -> Result<Engines> {
        Err(Error::without_aws("S3"))
    }
}
