//! Operations: the typed records that a consumer reads, and the lines that a run writes.
//!
//! `docs/wire-format.md` specifies the lines, to the byte.

mod line;
mod record;
mod value;

pub use line::Head;
#[cfg(feature = "aws")]
pub(crate) use line::key_bytes;
pub(crate) use line::{Encoder, Kind, RowChange, begin_line, end_line, has_key, stamp};
pub(crate) use record::as_text;
pub use record::{Begin, Change, End, Operation, Record};
pub(crate) use value::{key_json, value_json};
