//! The delta in this process.
//!
//! Where both exports list their rows in the same order, `merge_join` compares them in one pass. It needs the memory of
//! a few batches if the keys ascend, and eight bytes per row if they do not. Whether the order holds shows only while
//! the exports are read; if it does not, `hash_join` starts over and matches rows by the hashes of their keys: in one
//! pass as far as the rows fit into memory, otherwise in two. All use `scan`, which decompresses, splits and
//! canonicalises the rows.

mod hash_join;
mod merge_join;
mod scan;
mod seen_keys;

use crate::canonical::row::Layout;
use crate::change_set::LineSink;
use crate::engine::output::{Layouts, Output};
use crate::engine::request::{DeltaError, DeltaRequest, DeltaSummary};
pub use hash_join::{Summary, summarise};
pub use scan::{FoundRow, find};

/// Computes a delta. Writes one line per operation to `lines`, in no particular order.
pub fn delta(request: &DeltaRequest<'_>, lines: &mut dyn LineSink) -> Result<DeltaSummary, DeltaError> {
    let epoch = request.inputs.baseline.and_then(|baseline| baseline.epoch.as_ref());
    let before = epoch.map(|epoch| Layout::for_epoch(request.layout.table, epoch).with_key(request.layout.key()));
    let before = request.before.or(before.as_ref()).unwrap_or(request.layout);
    let layouts = Layouts { before, after: request.layout };
    if let Some(summary) = merge_join::delta(request, layouts, Output::new(layouts, request.head, lines))? {
        return Ok(summary);
    }
    lines.restart().map_err(DeltaError::snapshot)?;
    if let Some(summary) = hash_join::one_pass::delta(request, layouts, Output::new(layouts, request.head, lines))? {
        return Ok(summary);
    }
    lines.restart().map_err(DeltaError::snapshot)?;
    hash_join::delta(request, layouts, Output::new(layouts, request.head, lines))
}
