//! A stream's name, as the API takes it.

use std::fmt;

use crate::aws::error_chain;
use crate::error::Error;

/// A stream, named by its name or its ARN.
#[derive(Debug, Clone)]
pub(super) struct StreamName {
    pub(super) name: Option<String>,
    pub(super) arn: Option<String>,
}

impl StreamName {
    pub(super) fn new(stream: &str) -> Self {
        match stream.starts_with("arn:") {
            true => Self { name: None, arn: Some(stream.to_owned()) },
            false => Self { name: Some(stream.to_owned()), arn: None },
        }
    }

    /// The error of a failed call. `action` reads like `cannot write to`.
    pub(super) fn failed(&self, action: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::aws(format!("{action} {self}"), error_chain(&error))
            .help("check the stream's name, the region and your permissions for it, then run again; nothing is lost")
            .caused_by(error)
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_deref().or(self.arn.as_deref()).unwrap_or_default())
    }
}
