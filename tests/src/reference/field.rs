//! Reads a field's text as a canonical value or NULL, or rejects it with a reason.

use runtime::table::{Column, Encoding, Escape, Numbers, Sign, Table, Type};
use serde_json::Value as Json;

use super::csv::Field;
use super::pattern::{captures, matches};
use super::value::Value;
use super::{dialect, number, time};

/// Reads a field of a column, or returns the reason why it cannot be read.
pub fn read(table: &Table, column: &Column, field: &Field) -> Result<Value, &'static str> {
    let text = std::str::from_utf8(&field.bytes).map_err(|_| "not-utf8")?;
    if table.athena && text.contains('\u{FFFD}') {
        return Err("not-utf8");
    }
    let text = if column.trim { text.trim_matches([' ', '\t']) } else { text };
    let nulls = column.nulls.unwrap_or(table.source.nulls);
    let is_declared = |text: &str| match table.source.escape {
        Some(Escape::Char(byte)) => nulls.contains(&text) && text.as_bytes() != [byte, b'N'],
        Some(_) => nulls.contains(&text) && text != "\\N",
        None => nulls.contains(&text),
    };
    let means_null = is_declared(text) && (table.source.quoted_nulls || !field.quoted) || field.bytes == dialect::NULL;
    let is_string = matches!(column.source_type(), Type::String | Type::Varchar(_) | Type::Char(_));
    match () {
        () if !means_null => ordinary(column, text).and_then(|text| parse(column, &text)).ok_or("unreadable-value"),
        () if table.is_key(column) => Err("null-key"),
        () if column.nullable => Ok(Value::NULL),
        () if text.is_empty() && is_string => Ok(Value::new(String::new(), Json::from(""))),
        () => Err("null-value"),
    }
}

/// The text of a number in the ordinary way of writing; any other text as it is.
fn ordinary(column: &Column, text: &str) -> Option<String> {
    let Some(Numbers { decimal_mark, group_mark, sign, strip }) = column.numbers else { return Some(text.into()) };
    let symbols = strip.iter().map(|text| regex::escape(text)).collect::<Vec<_>>().join("|");
    let (before, after) = if strip.is_empty() {
        (String::new(), String::new())
    } else {
        (format!("(?:(?<b>{symbols})[ \t\u{a0}\u{202f}]*)?"), format!("(?:[ \t\u{a0}\u{202f}]*(?<a>{symbols}))?"))
    };
    let escaped = |mark: char| regex::escape(&mark.to_string());
    let groups = group_mark.map_or(String::new(), |mark| format!("|[0-9]{{1,3}}({}[0-9]{{3}})+", escaped(mark)));
    let number = format!(
        "(?<w>[0-9]*{groups})({}(?<f>[0-9]*))?(?<e>[eE][+-]?[0-9]+)?|(?<n>(?i-u:nan|infinity|inf))",
        escaped(decimal_mark)
    );
    let forms = |sign: &str, number: &str| {
        let inner = |number: &str| number.replace("(?<b>", "(?<c>").replace("(?<a>", "(?<d>");
        let symbol = inner(&format!("{before}(?:{number}){after}"));
        format!("{before}{}{after}", sign.replace('#', &symbol))
    };
    let pattern = match sign {
        Sign::Leading => forms("(?<s>[+-]?)(?:#)", &number),
        Sign::Trailing => forms("(?:#)(?<s>[+-]?)", &number),
        Sign::Parentheses => forms("(?:(?<p>[(])(?:#)[)]|(?:@))", &number).replace("(?:@)", &{
            let plain = forms("#", &number);
            "bcadwfen".chars().fold(plain, |plain, name| plain.replace(&format!("(?<{name}>"), &format!("(?<{name}2>")))
        }),
    };
    let groups = captures(&pattern, text)?;
    let group = |name: &str| groups.get(name).or_else(|| groups.get(&format!("{name}2"))).cloned().unwrap_or_default();
    if ["a", "b", "c", "d"].iter().filter(|name| !group(name).is_empty()).count() > 1 {
        return None;
    }
    let sign = if group("p").is_empty() { group("s") } else { "-".into() };
    let whole: String = group("w").chars().filter(char::is_ascii_digit).collect();
    let has_fraction = groups.contains_key("f") || groups.contains_key("f2");
    let point = if has_fraction { "." } else { "" };
    Some(format!("{sign}{whole}{point}{}{}{}", group("f"), group("e"), group("n")))
}

fn parse(column: &Column, text: &str) -> Option<Value> {
    match column.source_type() {
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
