//! What is read, and the dialect that reads it.

use super::shape::Shape;
use crate::infer::bytes::Survey;
use crate::infer::inputs::Version;
use crate::infer::reading::Format;
use crate::telemetry::Watch;

/// A dialect that reads every record, and what it reads.
#[derive(Debug)]
pub(in crate::infer) struct Choice {
    pub(in crate::infer) format: Format,
    pub(in crate::infer) shape: Shape,
}

/// What is read, with records that end like this.
#[derive(Debug, Clone, Copy)]
pub(in crate::infer) struct View<'a> {
    pub(in crate::infer) versions: &'a [Version],
    pub(in crate::infer) survey: &'a Survey,
    pub(in crate::infer) record_end: Option<&'a str>,
    pub(in crate::infer) watch: &'a Watch,
}

impl Choice {
    /// The number of fields in the newest version.
    pub(in crate::infer) fn fields(&self) -> usize {
        self.shape.fields.last().copied().unwrap_or(0)
    }

    /// The number of fields with the empty one that a delimiter at the end seems to begin.
    pub(in crate::infer) fn width(&self) -> usize {
        self.fields() + usize::from(self.format.dialect.trailing_delimiter)
    }

    /// Returns whether there are as many fields as in the other, and no more lines are left out above them.
    pub(in crate::infer) fn holds_as_much_as(&self, other: Option<&Self>) -> bool {
        let skips_more = |other: &Self| self.format.frame.skip_first > other.format.frame.skip_first;
        self.width() >= other.map_or(0, Self::width) && !other.is_some_and(skips_more)
    }

    /// Returns whether the end of records seems to be the right one: nothing of it is left in fields.
    pub(in crate::infer) fn fits_better_than(&self, other: Option<&Self>) -> bool {
        let is_whole = !self.shape.has_long_delimiter() && !self.shape.has_marks_outside();
        is_whole && self.width() > other.map_or(0, Self::width)
    }
}
