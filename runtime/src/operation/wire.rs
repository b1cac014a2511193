//! Operations as text: one JSON object a line, written straight from row bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

use crate::canonical::row::Layout;
use crate::canonical::row_bytes::{Segment, segments, write_text};
use crate::canonical::value::from_hex;
use crate::float::special_name;
use crate::table::{Column, Type};

/// What every operation of a change set says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Whose table it is.
    pub tenant: String,
    /// The table's name.
    pub table: String,
    /// The version of the snapshot.
    pub version: String,
    /// The version of the baseline; `None` without one.
    pub previous: Option<String>,
    /// `table@hash` of the schema.
    pub schema: String,
}

/// The three kinds of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only the snapshot has the key.
    Insert,
    /// Both have it, with different compared columns.
    Update,
    /// Only the baseline has it.
    Delete,
}

/// An operation in row bytes.
#[derive(Debug, Clone, Copy)]
pub struct Planned<'a> {
    /// Its kind.
    pub kind: Kind,
    /// The key columns.
    pub key: &'a [u8],
    /// The columns outside the key in the baseline; empty for INSERT.
    pub before: &'a [u8],
    /// The columns outside the key in the snapshot; empty for DELETE.
    pub after: &'a [u8],
    /// The row hash in the baseline; not looked at for INSERT.
    pub previous_hash: i64,
    /// The row hash in the snapshot; not looked at for DELETE.
    pub hash: i64,
}

/// Writes the operations of one change set.
#[derive(Debug)]
pub struct Encoder<'l> {
    layout: &'l Layout,
    head: Head,
    /// `"tenant":…,"table":…,"sequence":0,"version":…,"previous":…,"key":`
    head_json: String,
    tail_json: String,
    identity: Vec<u8>,
}

impl Kind {
    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Insert => "INSERT",
            Kind::Update => "UPDATE",
            Kind::Delete => "DELETE",
        }
    }
}

impl<'l> Encoder<'l> {
    /// An encoder for operations that share a head.
    pub fn new(layout: &'l Layout, head: Head) -> Self {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let previous = head.previous.as_deref().map_or_else(|| "null".to_owned(), text);
        let head_json = format!(
            r#""tenant":{},"table":{},"sequence":0,"version":{},"previous":{previous},"key":"#,
            text(&head.tenant),
            text(&head.table),
            text(&head.version),
        );
        let tail_json = format!(r#","schema":{}}}"#, text(&head.schema));
        Self { layout, head, head_json, tail_json, identity: Vec::new() }
    }

    /// Appends the operation and a line feed, with sequence 0. Gives its id.
    pub fn write(&mut self, operation: &Planned<'_>, out: &mut Vec<u8>) -> u128 {
        let id = self.id(operation);
        let kind = operation.kind;
        out.extend_from_slice(format!(r#"{{"op":"{}","id":"{id:032x}","#, kind.name()).as_bytes());
        out.extend_from_slice(self.head_json.as_bytes());
        write_object(self.layout.key_columns(), operation.key, out);
        if kind != Kind::Insert && self.layout.table.before_image && is_readable(operation.before) {
            out.extend_from_slice(br#","before":"#);
            write_object(self.layout.value_columns(), operation.before, out);
        }
        if kind != Kind::Delete {
            out.extend_from_slice(br#","after":"#);
            write_object(self.layout.value_columns(), operation.after, out);
        }
        if kind == Kind::Update {
            self.write_changed(operation, out);
        }
        if kind != Kind::Delete {
            out.extend_from_slice(format!(r#","hash":"{}""#, operation.hash).as_bytes());
        }
        if kind != Kind::Insert {
            out.extend_from_slice(format!(r#","previous_hash":"{}""#, operation.previous_hash).as_bytes());
        }
        out.extend_from_slice(self.tail_json.as_bytes());
        out.push(b'\n');
        id
    }

    /// XXH3-128 over what the operation does and where; no path, clock or sequence enters.
    fn id(&mut self, operation: &Planned<'_>) -> u128 {
        let identity = &mut self.identity;
        identity.clear();
        for text in [
            operation.kind.name(),
            &self.head.tenant,
            &self.head.table,
            self.head.previous.as_deref().unwrap_or_default(),
            &self.head.version,
        ] {
            write_text(text.as_bytes(), identity);
        }
        write_text(operation.key, identity);
        write_text(operation.after, identity);
        xxh3_128(identity)
    }

    fn write_changed(&self, operation: &Planned<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(br#","changed":["#);
        let pairs = segments(operation.before).zip(segments(operation.after));
        let mut is_first = true;
        for (column, (old, new)) in self.layout.value_columns().zip(pairs) {
            if column.compare && old != new {
                comma(&mut is_first, out);
                write_string(column.name, out);
            }
        }
        out.push(b']');
    }
}

/// Appends a line as it is published: with its version's sequence in place of the 0 that it was planned with.
///
/// Nothing in front of the number can hold its pattern: op and id are ours, tenant and table are [names](crate::name).
pub fn stamp(line: &[u8], sequence: u64, out: &mut Vec<u8>) {
    const PLANNED: &[u8] = br#""sequence":0,"#;
    let at = memchr::memmem::find(line, PLANNED).expect("every planned line has its sequence in its head");
    out.extend_from_slice(&line[..at]);
    out.extend_from_slice(format!(r#""sequence":{sequence},"#).as_bytes());
    out.extend_from_slice(&line[at + PLANNED.len()..]);
}

/// 32 hex digits that name several words together.
#[cfg(feature = "aws")]
pub(crate) fn key_of_words(words: &[&str]) -> String {
    let mut bytes = Vec::new();
    words.iter().for_each(|word| write_text(word.as_bytes(), &mut bytes));
    format!("{:032x}", xxh3_128(&bytes))
}

/// The key of a row, in row bytes, as it stands in its operations.
pub fn key_json(layout: &Layout, key: &[u8]) -> Vec<u8> {
    let mut json = Vec::new();
    write_object(layout.key_columns(), key, &mut json);
    json
}

/// A canonical text as the value that stands in an operation; `None` is NULL.
pub fn value_json(column: &Column, text: Option<&[u8]>) -> serde_json::Value {
    let mut json = Vec::new();
    write_value(column.ty, Segment { text, bytes: &[] }, &mut json);
    serde_json::from_slice(&json).expect("a value on the wire is JSON")
}

/// A control record as its line, line feed included.
pub fn control_line(op: &'static str, record: &impl Serialize) -> Vec<u8> {
    #[derive(Serialize)]
    struct Tagged<'a, T> {
        op: &'static str,
        #[serde(flatten)]
        record: &'a T,
    }
    let mut line = serde_json::to_vec(&Tagged { op, record }).expect("a control record has string keys only");
    line.push(b'\n');
    line
}

/// Whether every old value is one of today's types. An image that is not has no typed form, and is left out.
fn is_readable(image: &[u8]) -> bool {
    segments(image).all(|segment| segment.is_readable())
}

fn write_object<'c>(columns: impl Iterator<Item = &'c Column>, image: &[u8], out: &mut Vec<u8>) {
    out.push(b'{');
    let mut is_first = true;
    for (column, segment) in columns.zip(segments(image)) {
        comma(&mut is_first, out);
        write_string(column.name, out);
        out.push(b':');
        write_value(column.ty, segment, out);
    }
    out.push(b'}');
}

fn comma(is_first: &mut bool, out: &mut Vec<u8>) {
    if !std::mem::replace(is_first, false) {
        out.push(b',');
    }
}

/// A canonical text as JSON: integers and finite floats as numbers, booleans as such, everything else as a string.
fn write_value(ty: Type, segment: Segment<'_>, out: &mut Vec<u8>) {
    let Some(text) = segment.text else {
        out.extend_from_slice(b"null");
        return;
    };
    match ty {
        Type::Boolean | Type::Tinyint | Type::Smallint | Type::Int | Type::Bigint => out.extend_from_slice(text),
        Type::Float => write_float(text, true, out),
        Type::Double => write_float(text, false, out),
        Type::Binary(_) => {
            let bytes = from_hex(text).expect("canonical binary is hex");
            write_string(&BASE64.encode(bytes), out);
        }
        Type::Decimal { .. } | Type::Date | Type::Timestamp | Type::Timestamptz => {
            out.push(b'"');
            out.extend_from_slice(text);
            out.push(b'"');
        }
        Type::Char(_) | Type::Varchar(_) | Type::String => {
            write_string(std::str::from_utf8(text).expect("canonical text is UTF-8"), out);
        }
    }
}

fn write_float(bits: &[u8], is_single: bool, out: &mut Vec<u8>) {
    let value = float_of(bits).expect("a canonical float is 16 hex digits");
    // A `float` is written as itself: widened first, 0.1 would be 0.10000000149011612.
    let written = match special_name(value) {
        Some(name) => return write_string(name, out),
        None if is_single => serde_json::to_writer(out, &(value as f32)),
        None => serde_json::to_writer(out, &value),
    };
    written.expect("a finite float is JSON, and memory can be written to");
}

fn float_of(bits: &[u8]) -> Option<f64> {
    let bytes = from_hex(bits)?;
    Some(f64::from_be_bytes(bytes.try_into().ok()?))
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a string is always JSON, and memory can be written to");
}
