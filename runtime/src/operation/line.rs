//! The lines of a version: one JSON object each, whose fields come in a fixed order.
//!
//! The order is a contract. It is stated here and nowhere else; the encoder is built from it, and whatever relies on it
//! is in this file: [`stamp`] and [`key_bytes`] find a field by its first occurrence, because no field before it can
//! contain its label. `op` and `id` are written here, and tenant, table and versions are [names](crate::name), which
//! contain no quotes.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

use crate::canonical::row::Layout;
use crate::canonical::row_bytes::{segments, write_text};
use crate::canonical::value::hex_digits;
use crate::operation::record::{Begin, End};
use crate::operation::value::{ObjectFields, write_comma, write_string};

/// Declares the fields of an operation in their order: a label for each, as it is on the line, and the list of names.
macro_rules! operation_fields {
    ($($label:ident: $name:literal,)*) => {
        $(const $label: &str = concat!("\"", $name, "\":");)*

        /// The fields of an operation in their order. Each kind of operation leaves some out.
        #[cfg(test)]
        const OPERATION: &[&str] = &[$($name),*];
    };
}

operation_fields! {
    OP: "op",
    ID: "id",
    TENANT: "tenant",
    TABLE: "table",
    SEQUENCE: "sequence",
    VERSION: "version",
    PREVIOUS: "previous",
    KEY: "key",
    BEFORE: "before",
    AFTER: "after",
    CHANGED: "changed",
    HASH: "hash",
    PREVIOUS_HASH: "previous_hash",
    SCHEMA: "schema",
}

/// The length of an id, in hex digits.
const ID_DIGITS: usize = 32;

/// The fields of BEGIN after `op`, in their order. If the schema changed, [`SCHEMA_CHANGE`] follows.
const BEGIN: &[&str] = &["tenant", "table", "sequence", "version", "previous", "schema", "fingerprint", "reset"];

/// The last field of BEGIN where the schema changed. Its own fields are in the order of the type.
const SCHEMA_CHANGE: &str = "schema_change";

/// The fields of END after `op`, in their order.
const END: &[&str] = &[
    "tenant",
    "table",
    "sequence",
    "version",
    "previous",
    "schema",
    "fingerprint",
    "rows",
    "inserted",
    "updated",
    "deleted",
];

/// The fields that all operations of a change set share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The tenant.
    pub tenant: String,
    /// The table's name.
    pub table: String,
    /// The version of the snapshot.
    pub version: String,
    /// The version of the baseline; `None` without one.
    pub previous: Option<String>,
    /// `table@hash` of the schema.
    pub schema: String,
    /// The sequence under which the operations will probably be published; 0 if they are not.
    pub sequence: u64,
}

/// The three kinds of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only the snapshot has the key.
    Insert,
    /// Both exports have the key, with different compared columns.
    Update,
    /// Only the baseline has the key.
    Delete,
}

/// A change to one row, in row bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowChange<'a> {
    pub(crate) kind: Kind,
    /// The key columns.
    pub(crate) key: &'a [u8],
    /// The columns outside the key in the baseline; empty for INSERT.
    pub(crate) before: &'a [u8],
    /// The columns outside the key in the snapshot; empty for DELETE.
    pub(crate) after: &'a [u8],
    /// The row hash in the baseline; ignored for INSERT.
    pub(crate) previous_hash: i64,
    /// The row hash in the snapshot; ignored for DELETE.
    pub(crate) hash: i64,
}

/// Writes the operations of one change set.
#[derive(Debug)]
pub(crate) struct Encoder<'l> {
    layout: &'l Layout,
    key: ObjectFields,
    values: ObjectFields,
    /// What depends on the kind of an operation only, in the order of the kinds.
    kinds: [KindText; 3],
    /// From the quote after the id to the label of `key`.
    head_json: String,
    /// The schema and the closing brace.
    tail_json: String,
}

/// What all operations of a kind have in common.
#[derive(Debug)]
struct KindText {
    /// From the opening brace to the quote before the id.
    json: String,
    /// A buffer for what the id is a hash of, and how much of it is the same for every row.
    identity: Vec<u8>,
    shared: usize,
}

impl Kind {
    /// The value of `op`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Insert => "INSERT",
            Kind::Update => "UPDATE",
            Kind::Delete => "DELETE",
        }
    }
}

impl<'l> Encoder<'l> {
    /// An encoder for the operations of one change set.
    pub(crate) fn new(layout: &'l Layout, head: Head) -> Self {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let (tenant, table, version) = (text(&head.tenant), text(&head.table), text(&head.version));
        let previous = head.previous.as_deref().map_or_else(|| "null".to_owned(), text);
        let sequence = head.sequence;
        let head_json = format!(
            "\",{TENANT}{tenant},{TABLE}{table},{SEQUENCE}{sequence},{VERSION}{version},{PREVIOUS}{previous},{KEY}"
        );
        let tail_json = format!(",{SCHEMA}{}}}", text(&head.schema));
        let (key, values) = (ObjectFields::new(layout.key_columns()), ObjectFields::new(layout.value_columns()));
        let kinds = [Kind::Insert, Kind::Update, Kind::Delete].map(|kind| KindText::new(kind, &head));
        Self { layout, key, values, kinds, head_json, tail_json }
    }

    /// Appends an operation and a line feed. Returns its id.
    pub(crate) fn write(&mut self, change: &RowChange<'_>, out: &mut Vec<u8>) -> u128 {
        let kind = change.kind;
        let text = &mut self.kinds[kind as usize];
        let id = text.id(change);
        out.extend_from_slice(text.json.as_bytes());
        out.extend_from_slice(id.to_be_bytes().map(hex_digits).as_flattened());
        out.extend_from_slice(self.head_json.as_bytes());
        self.key.write(change.key, out);
        if kind != Kind::Insert && self.layout.table.before_image && is_readable(change.before) {
            write_label(BEFORE, out);
            self.values.write(change.before, out);
        }
        if kind != Kind::Delete {
            write_label(AFTER, out);
            self.values.write(change.after, out);
        }
        if kind == Kind::Update {
            self.write_changed(change, out);
        }
        if kind != Kind::Delete {
            write_hash(HASH, change.hash, out);
        }
        if kind != Kind::Insert {
            write_hash(PREVIOUS_HASH, change.previous_hash, out);
        }
        out.extend_from_slice(self.tail_json.as_bytes());
        out.push(b'\n');
        id
    }

    fn write_changed(&self, change: &RowChange<'_>, out: &mut Vec<u8>) {
        write_label(CHANGED, out);
        out.push(b'[');
        let pairs = segments(change.before).zip(segments(change.after));
        let mut is_first = true;
        for (column, (old, new)) in self.layout.value_columns().zip(pairs) {
            if column.compare && old != new {
                write_comma(&mut is_first, out);
                write_string(column.name, out);
            }
        }
        out.push(b']');
    }
}

impl KindText {
    fn new(kind: Kind, head: &Head) -> Self {
        let json = format!("{{{OP}\"{}\",{ID}\"", kind.name());
        let mut identity = Vec::new();
        for text in
            [kind.name(), &head.tenant, &head.table, head.previous.as_deref().unwrap_or_default(), &head.version]
        {
            write_text(text.as_bytes(), &mut identity);
        }
        Self { json, shared: identity.len(), identity }
    }

    /// XXH3-128 over what the operation does and to which row. No path, clock or sequence is part of it.
    fn id(&mut self, change: &RowChange<'_>) -> u128 {
        self.identity.truncate(self.shared);
        write_text(change.key, &mut self.identity);
        write_text(change.after, &mut self.identity);
        xxh3_128(&self.identity)
    }
}

/// The line of BEGIN, including its line feed.
pub(crate) fn begin_line(begin: &Begin) -> Vec<u8> {
    let mut line = control_line("BEGIN", BEGIN, begin);
    if let Some(change) = &begin.schema_change {
        line.truncate(line.len() - "}\n".len());
        line.push(b',');
        write_string(SCHEMA_CHANGE, &mut line);
        line.push(b':');
        serde_json::to_writer(&mut line, change).expect("JSON can be written to memory");
        line.extend_from_slice(b"}\n");
    }
    line
}

/// The line of END, including its line feed.
pub(crate) fn end_line(end: &End) -> Vec<u8> {
    control_line("END", END, end)
}

/// Appends a line as it is published: with its version's sequence in place of the one that was expected.
pub(crate) fn stamp(line: &[u8], sequence: u64, out: &mut Vec<u8>) {
    static FINDER: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(SEQUENCE));
    let at = FINDER.find(line).expect("every planned operation has a sequence") + SEQUENCE.len();
    let digits = line[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    out.extend_from_slice(&line[..at]);
    out.extend_from_slice(sequence.to_string().as_bytes());
    out.extend_from_slice(&line[at + digits..]);
}

/// Returns whether a line is a BEGIN or an END.
pub(crate) fn is_control(line: &[u8]) -> bool {
    let op = line.strip_prefix(b"{").and_then(|rest| rest.strip_prefix(OP.as_bytes()));
    op.is_some_and(|op| op.starts_with(b"\"BEGIN\"") || op.starts_with(b"\"END\""))
}

/// The id of an operation, of which nothing else is read; `None` if the line does not begin like one.
pub(crate) fn id(line: &[u8]) -> Option<u128> {
    let op = line.strip_prefix(b"{")?.strip_prefix(OP.as_bytes())?.strip_prefix(b"\"")?;
    let kinds = [Kind::Insert, Kind::Update, Kind::Delete];
    let rest = kinds.iter().find_map(|kind| op.strip_prefix(kind.name().as_bytes()))?.strip_prefix(b"\",")?;
    let (digits, after) = rest.strip_prefix(ID.as_bytes())?.strip_prefix(b"\"")?.split_at_checked(ID_DIGITS)?;
    let is_id = after.starts_with(b"\"") && digits.iter().all(u8::is_ascii_hexdigit);
    u128::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| is_id)?, 16).ok()
}

/// The bytes of an operation's `key` object, as they are on its line; `None` if the line does not have one.
pub(crate) fn key_bytes(line: &[u8]) -> Option<&[u8]> {
    let mut values = serde_json::Deserializer::from_slice(from_key(line)?).into_iter::<&serde_json::value::RawValue>();
    values.next()?.ok().map(|key| key.get().as_bytes())
}

/// Returns whether an operation's `key` object is this one, which [`key_json`](crate::operation::key_json) wrote.
pub(crate) fn has_key(line: &[u8], key: &[u8]) -> bool {
    from_key(line).is_some_and(|rest| rest.starts_with(key))
}

/// The rest of a line from its `key` object on.
fn from_key(line: &[u8]) -> Option<&[u8]> {
    static FINDER: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(KEY));
    FINDER.find(line).map(|at| &line[at + KEY.len()..])
}

/// A control record as its line, with these fields after `op`.
fn control_line(op: &str, fields: &[&str], record: &impl Serialize) -> Vec<u8> {
    let record = serde_json::to_value(record).expect("a control record is an object with simple fields");
    let mut line = format!(r#"{{{OP}"{op}""#).into_bytes();
    for name in fields {
        line.push(b',');
        write_string(name, &mut line);
        line.push(b':');
        serde_json::to_writer(&mut line, &record[name]).expect("JSON can be written to memory");
    }
    line.extend_from_slice(b"}\n");
    line
}

/// Appends a hash as a string: not every JSON reader keeps 64 bits of a number.
fn write_hash(label: &str, hash: i64, out: &mut Vec<u8>) {
    write_label(label, out);
    out.push(b'"');
    serde_json::to_writer(&mut *out, &hash).expect("a number can be written to memory");
    out.push(b'"');
}

fn write_label(label: &str, out: &mut Vec<u8>) {
    out.push(b',');
    out.extend_from_slice(label.as_bytes());
}

/// Returns whether every old value is one of today's types. Otherwise the image has no typed form, and is left out.
fn is_readable(image: &[u8]) -> bool {
    segments(image).all(|segment| segment.is_readable())
}

#[cfg(test)]
mod tests;
