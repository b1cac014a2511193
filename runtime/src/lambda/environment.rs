//! The environment variables of a function, which the templates set.

use crate::aws::s3::S3Uri;
use crate::error::{Error, Result};

pub(super) fn number_variable(name: &str) -> Result<u64> {
    let text = variable(name)?;
    text.parse().map_err(|_| Error::refused(name, format!("`{text}` is not a whole number")))
}

pub(super) fn variable(name: &str) -> Result<String> {
    optional(name).ok_or_else(|| not_set(name))
}

pub(super) fn optional(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

pub(super) fn not_set(name: &str) -> Error {
    Error::refused(name, "the environment variable is not set")
        .help("deploy with the generated templates, which set it")
}

pub(super) fn uri_variable(name: &str) -> Result<S3Uri> {
    optional_uri(name)?.ok_or_else(|| not_set(name))
}

pub(super) fn optional_uri(name: &str) -> Result<Option<S3Uri>> {
    let parse =
        |uri: String| S3Uri::parse(&uri).ok_or_else(|| Error::refused(name, format!("`{uri}` is not an S3 URI")));
    optional(name).map(parse).transpose()
}
