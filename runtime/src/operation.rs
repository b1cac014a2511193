//! Operations: the typed records that a consumer reads, and the lines that a run writes.
//!
//! `docs/wire-format.md` specifies the lines, to the byte.

#[cfg(feature = "pipeline")]
mod change;
#[cfg(feature = "pipeline")]
mod line;
mod record;
mod schema_change;
#[cfg(feature = "pipeline")]
mod value;

#[cfg(feature = "pipeline")]
pub(crate) use change::{ChangeLine, Fields, Scalar};
#[cfg(feature = "pipeline")]
pub use line::Head;
#[cfg(feature = "pipeline")]
pub(crate) use line::{Encoder, Kind, RowChange, begin_line, end_line, has_key, id, is_control, key_bytes, stamp};
#[cfg(feature = "pipeline")]
pub(crate) use record::as_text;
pub use record::{Begin, Change, End, Operation, Record};
pub use schema_change::{AddedColumn, RenamedColumn, RetypedColumn, SchemaChange};
#[cfg(feature = "pipeline")]
pub(crate) use value::{key_json, segment_json, value_json};
