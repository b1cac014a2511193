//! Values as JSON, written straight from row bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::canonical::row::Layout;
use crate::canonical::row_bytes::{Segment, segments};
use crate::canonical::value::from_hex;
use crate::float;
use crate::table::{Column, Type};

/// The columns of an object.
#[derive(Debug)]
pub(super) struct ObjectFields(Vec<ObjectField>);

#[derive(Debug)]
struct ObjectField {
    /// Its name as it is in the object, from the character before it to the colon after it.
    label: Vec<u8>,
    ty: Type,
}

/// The `key` object of a row's operations, from the key's row bytes.
pub(crate) fn key_json(layout: &Layout, key: &[u8]) -> Vec<u8> {
    let mut json = Vec::new();
    ObjectFields::new(layout.key_columns()).write(key, &mut json);
    json
}

/// The JSON value of a column's segment.
pub(crate) fn segment_json(column: &Column, segment: &[u8]) -> serde_json::Value {
    value_json(column, segments(segment).next().and_then(|segment| segment.text))
}

/// The JSON value of a canonical text; `None` is NULL.
pub(crate) fn value_json(column: &Column, text: Option<&[u8]>) -> serde_json::Value {
    let mut json = Vec::new();
    write_value(column.ty, Segment { text, bytes: &[] }, &mut json);
    serde_json::from_slice(&json).expect("a value of an operation is JSON")
}

impl ObjectFields {
    /// A field for each column.
    pub(super) fn new<'c>(columns: impl Iterator<Item = &'c Column>) -> Self {
        let field = |(index, column): (usize, &Column)| {
            let mut label = vec![if index == 0 { b'{' } else { b',' }];
            write_string(column.name, &mut label);
            label.push(b':');
            ObjectField { label, ty: column.ty }
        };
        Self(columns.enumerate().map(field).collect())
    }

    /// Appends the object, from the columns' row bytes.
    pub(super) fn write(&self, row_bytes: &[u8], out: &mut Vec<u8>) {
        if self.0.is_empty() {
            out.push(b'{');
        }
        for (field, segment) in self.0.iter().zip(segments(row_bytes)) {
            out.extend_from_slice(&field.label);
            write_value(field.ty, segment, out);
        }
        out.push(b'}');
    }
}

/// Appends a comma, except before the first item.
pub(super) fn write_comma(is_first: &mut bool, out: &mut Vec<u8>) {
    if !std::mem::replace(is_first, false) {
        out.push(b',');
    }
}

/// Appends a JSON string.
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a string is always JSON, and memory can be written to");
}

/// Appends integers and finite floats as numbers, booleans as such, and everything else as a string.
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
        Type::Decimal { .. } | Type::Date | Type::Timestamp | Type::Timestamptz => write_quoted(text, out),
        Type::Char(_) | Type::Varchar(_) | Type::String if needs_no_escape(text) => write_quoted(text, out),
        Type::Char(_) | Type::Varchar(_) | Type::String => {
            write_string(std::str::from_utf8(text).expect("canonical text is UTF-8"), out);
        }
    }
}

/// Appends a text in quotes that needs no escape.
fn write_quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

/// Returns whether a text is the same in a JSON string: without quotes, backslashes and control characters. Looks at
/// all bytes, which takes fewer instructions than to stop at the first.
fn needs_no_escape(text: &[u8]) -> bool {
    let special = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    let (blocks, rest) = text.as_chunks::<8>();
    let in_block = |block: &[u8; 8]| block.iter().fold(false, |any, byte| any | special(*byte));
    let in_rest = match text.last_chunk::<8>() {
        // It overlaps with the last block.
        Some(last) => in_block(last),
        None => rest.iter().any(|byte| special(*byte)),
    };
    !in_rest && !blocks.iter().any(in_block)
}

fn write_float(bits: &[u8], is_single: bool, out: &mut Vec<u8>) {
    let value = float_from_bits(bits).expect("a canonical float is 16 hex digits");
    // A `float` is written with its own digits: widened first, 0.1 would be 0.10000000149011612.
    let result = match float::name(value) {
        Some(name) => return write_string(name, out),
        None if is_single => serde_json::to_writer(out, &(value as f32)),
        None => serde_json::to_writer(out, &value),
    };
    result.expect("a finite float is JSON, and memory can be written to");
}

fn float_from_bits(bits: &[u8]) -> Option<f64> {
    let digits: &[u8; 16] = bits.try_into().ok()?;
    let value = |bits: u64, digit: &u8| Some(bits << 4 | u64::from(char::from(*digit).to_digit(16)?));
    digits.iter().try_fold(0, value).map(f64::from_bits)
}
