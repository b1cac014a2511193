//! Reads a field's text as a canonical value or NULL, or rejects it with a reason.

use runtime::table::{Column, Encoding, Table, Type};
use serde_json::Value as Json;

use super::csv::Field;
use super::pattern::matches;
use super::value::Value;
use super::{number, time};

/// Reads a field of a column, or returns the reason why it cannot be read.
pub fn read(table: &Table, column: &Column, field: &Field) -> Result<Value, &'static str> {
    let text = std::str::from_utf8(&field.bytes).map_err(|_| "not-utf8")?;
    if table.athena && text.contains('\u{FFFD}') {
        return Err("not-utf8");
    }
    let text = if column.trim { text.trim_matches([' ', '\t']) } else { text };
    let nulls = column.nulls.unwrap_or(table.source.nulls);
    let means_null = nulls.contains(&text) && (table.source.quoted_nulls || !field.quoted);
    let is_string = matches!(column.ty, Type::String | Type::Varchar(_) | Type::Char(_));
    match () {
        () if !means_null => parse(column, text).ok_or("unreadable-value"),
        () if table.is_key(column) => Err("null-key"),
        () if column.nullable => Ok(Value::NULL),
        () if text.is_empty() && is_string => Ok(Value::new(String::new(), Json::from(""))),
        () => Err("null-value"),
    }
}

fn parse(column: &Column, text: &str) -> Option<Value> {
    match column.ty {
        Type::Boolean => boolean(column, text),
        Type::Tinyint => number::integer(text, 8),
        Type::Smallint => number::integer(text, 16),
        Type::Int => number::integer(text, 32),
        Type::Bigint => number::integer(text, 64),
        Type::Float => number::float(text),
        Type::Double => number::double(text),
        Type::Decimal { precision, scale } => number::decimal(text, precision, scale),
        Type::Char(length) | Type::Varchar(length) => string(text, length as usize),
        Type::String => string(text, usize::MAX),
        Type::Binary(Encoding::Hex) => binary(from_hex(text.strip_prefix(column.prefix.unwrap_or(""))?)?),
        Type::Binary(Encoding::Base64) => binary(from_base64(text)?),
        Type::Date => time::date(text, column.format),
        Type::Timestamp => time::timestamp(text, column.format),
        Type::Timestamptz => time::timestamptz(text, column.format),
    }
}

fn boolean(column: &Column, text: &str) -> Option<Value> {
    let is = |own: &[&str], usual: &str| {
        if own.is_empty() { matches(usual, text) } else { own.contains(&text) }
    };
    let value = if is(column.true_values, "(?i-u:true|t|1)") {
        true
    } else if is(column.false_values, "(?i-u:false|f|0)") {
        false
    } else {
        return None;
    };
    Some(Value::new(value.to_string(), Json::from(value)))
}

fn string(text: &str, length: usize) -> Option<Value> {
    (text.chars().count() <= length).then(|| Value::new(text.into(), Json::from(text)))
}

fn binary(bytes: Vec<u8>) -> Option<Value> {
    let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(Value::new(hex, Json::from(to_base64(&bytes))))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !matches("([0-9a-fA-F]{2})*", text) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Decodes base64, and refuses any text but the canonical encoding of its bytes: wrong padding, or unused bits that are
/// set.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    if !matches("([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", text) {
        return None;
    }
    let digits = text.trim_end_matches('=').bytes();
    let sextets = digits.filter_map(|digit| BASE64.iter().position(|other| *other == digit));
    let bits: String = sextets.map(|sextet| format!("{sextet:06b}")).collect();
    let whole = bits.len() / 8 * 8;
    let bytes: Option<Vec<u8>> =
        (0..whole).step_by(8).map(|at| u8::from_str_radix(&bits[at..at + 8], 2).ok()).collect();
    bytes.filter(|bytes| to_base64(bytes) == text)
}

fn to_base64(bytes: &[u8]) -> String {
    let group = |chunk: &[u8]| {
        let bits: String = chunk.iter().map(|byte| format!("{byte:08b}")).collect();
        let digits = (chunk.len() * 8).div_ceil(6);
        let digit = |at: usize| {
            let sextet = format!("{:0<6}", &bits[at * 6..bits.len().min(at * 6 + 6)]);
            let index = usize::from_str_radix(&sextet, 2).expect("six binary digits");
            char::from(BASE64[index])
        };
        (0..digits).map(digit).chain(std::iter::repeat_n('=', 4 - digits)).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}
