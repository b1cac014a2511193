//! How fields and records are separated.

use std::sync::Arc;

use super::plain::Plain;
use super::special::Special;
use crate::epoch::SourceFormat;

/// How fields and records are separated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialect {
    pub(crate) plain: Plain,
    /// What few exports have. Without it, records are found and split in whole blocks.
    pub(super) special: Option<Arc<Special>>,
}

impl Dialect {
    /// The dialect of exports in this format.
    pub fn from_format(format: &SourceFormat) -> Self {
        let SourceFormat { delimiter, quote, multiline, .. } = *format;
        Self { plain: Plain { delimiter, quote, multiline }, special: Special::from_format(format).map(Arc::new) }
    }
}
