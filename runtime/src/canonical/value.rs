//! Canonical values: one text for each value, so that values are equal when their texts are.
//!
//! Every type has one ASCII grammar, which is checked before anything is converted:
//!
//! | type | grammar | canonical text |
//! |---|---|---|
//! | integers | `[+-]?[0-9]+`, in range | no leading zeros, no `+`, no `-0` |
//! | `decimal(p,s)` | `NUMBER`, at most p - s digits before the point, s after it | exactly `s` fraction digits |
//! | `float`, `double` | `NUMBER`, or `NAMED` in any case | 16 hex digits of the bits as a double |
//! | `boolean` | `true\|false\|t\|f\|1\|0` in any case, or the column's own words, exactly | `true`, `false` |
//! | `date` | `YYYY-MM-DD`, years 0001 to 9999, or the column's format | `YYYY-MM-DD` |
//! | `timestamp` | `YYYY-MM-DD[T ]HH:MM:SS(\.[0-9]{1,6}0*)?`, or the format | `YYYY-MM-DDTHH:MM:SS.ffffff` |
//! | `timestamptz` | the same, then `Z`, `±HH`, `±HHMM` or `±HH:MM`, up to 14 hours | the same in UTC, with `Z` |
//! | `char(n)`, `varchar(n)`, `string` | UTF-8; at most n code points | itself |
//! | `binary` | base64 (padded, strict), or hex after the column's prefix | lower-case hex |
//!
//! `NUMBER` is `[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?`. Its exponent moves the point, and then leading
//! and trailing zeros do not count as digits. `NAMED` is `[+-]?(nan|inf|infinity)`. Of a float, there is one NaN and no
//! negative zero.

mod number;
mod number_format;
mod plain;
mod time;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::canonical::field::{Field, NULL};
use crate::canonical::row_bytes::RowBytes;
use crate::epoch::{ColumnFormat, NumberFormat, SourceFormat};
use crate::reject::Reason;
use crate::table::{Column, Encoding, Type};
pub(crate) use number::write_bits;
use plain::Plain;
pub(crate) use time::Layout as TimeLayout;
pub(crate) use time::{DateTime, iso_date, iso_timestamp, iso_timestamptz};

/// Reads the text of one column.
#[derive(Debug)]
pub struct Reader {
    column: &'static Column,
    is_key: bool,
    nulls: Vec<Box<[u8]>>,
    quoted_nulls: bool,
    /// The text before the digits of hex.
    prefix: Box<[u8]>,
    /// How numbers are written, if not in the ordinary way.
    numbers: Option<NumberFormat>,
    refuse_replacement: bool,
    layout: TimeLayout,
    /// A boolean's own words for true and for false; if empty, those that every boolean has.
    words: [Vec<String>; 2],
    /// The texts that are canonical as they are. None of them is a NULL marker.
    plain: Plain,
    /// Whether the empty text is NULL; `quoted_nulls` decides about a quoted one.
    empty_is_null: bool,
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// NULL; nothing was written.
    Null,
    /// A value; its canonical text was written.
    Text,
}

impl Reader {
    /// A reader for a column of exports in this format. `athena` refuses U+FFFD, because Athena replaces each byte that
    /// is not UTF-8 by it.
    pub fn new(column: &'static Column, source: &SourceFormat, is_key: bool, athena: bool) -> Self {
        Self::written_as(column, &ColumnFormat::from_column(column), source, is_key, athena)
    }

    /// A reader for a column whose texts are written like this.
    pub(crate) fn written_as(
        column: &'static Column,
        format: &ColumnFormat,
        source: &SourceFormat,
        is_key: bool,
        athena: bool,
    ) -> Self {
        let layout = format.layout.as_deref().or(column.format).filter(|layout| !layout.is_empty());
        let words = format.words.clone().unwrap_or_else(|| {
            [column.true_values, column.false_values].map(|words| words.iter().map(|word| (*word).into()).collect())
        });
        let nulls = nulls(format.nulls.as_ref().unwrap_or(&source.nulls), source);
        Self {
            column,
            is_key,
            quoted_nulls: source.quoted_nulls,
            prefix: format.prefix.as_deref().unwrap_or_default().as_bytes().into(),
            refuse_replacement: athena,
            numbers: format.numbers.clone(),
            plain: if format.numbers.is_none() {
                Plain::from_column(column, &nulls, layout.is_none(), words.iter().all(Vec::is_empty))
            } else {
                Plain::Never
            },
            empty_is_null: column.nullable && !is_key && nulls.iter().any(|null| null.is_empty()),
            nulls,
            words,
            layout: TimeLayout::new(column.ty, layout),
        }
    }

    /// The column it reads.
    pub fn column(&self) -> &'static Column {
        self.column
    }

    /// Appends the segment of a field if its text is recognised as canonical at a glance. Otherwise returns false,
    /// having written nothing; that says nothing about the field.
    #[inline(always)]
    pub(crate) fn write_plain(&self, field: Field<'_>, out: &mut RowBytes) -> bool {
        if field.is_empty() {
            let is_null = self.empty_is_null && (self.quoted_nulls || !field.quoted);
            if is_null {
                out.push_null();
            }
            return is_null;
        }
        self.plain.write(field, out)
    }

    /// Appends the canonical text of a field to `out`. Fails with the reason if it is not a value of the column.
    pub fn read(&self, field: &[u8], quoted: bool, out: &mut Vec<u8>) -> Result<Value, Reason> {
        let text = if self.column.trim { trim(field) } else { field };
        if self.is_null(text, quoted) {
            return self.null(text);
        }
        let start = out.len();
        let result = match &self.numbers {
            Some(format) => format.ordinary(text).and_then(|number| self.canonical(number.as_bytes(), out)),
            None => self.canonical(text, out),
        };
        result.map_err(|()| {
            out.truncate(start);
            if self.is_clean(text) { Reason::UnreadableValue } else { Reason::NotUtf8 }
        })?;
        Ok(Value::Text)
    }

    fn is_null(&self, text: &[u8], quoted: bool) -> bool {
        (self.quoted_nulls || !quoted) && self.nulls.iter().any(|null| **null == *text)
    }

    /// NULL in a column that is not nullable is invalid, except that the empty text of a string outside the key is a
    /// string.
    fn null(&self, text: &[u8]) -> Result<Value, Reason> {
        if self.is_key {
            return Err(Reason::NullKey);
        }
        if self.column.nullable {
            return Ok(Value::Null);
        }
        let is_string = matches!(self.column.ty, Type::String | Type::Char(_) | Type::Varchar(_));
        if is_string && text.is_empty() { Ok(Value::Text) } else { Err(Reason::NullValue) }
    }

    fn canonical(&self, text: &[u8], out: &mut Vec<u8>) -> Result<(), ()> {
        match self.column.ty {
            Type::Boolean => self.boolean(text).map(|word| out.extend_from_slice(word)),
            Type::Tinyint => number::integer(text, i64::from(i8::MIN), i64::from(i8::MAX), out),
            Type::Smallint => number::integer(text, i64::from(i16::MIN), i64::from(i16::MAX), out),
            Type::Int => number::integer(text, i64::from(i32::MIN), i64::from(i32::MAX), out),
            Type::Bigint => number::integer(text, i64::MIN, i64::MAX, out),
            Type::Float => number::float(text, out),
            Type::Double => number::double(text, out),
            Type::Decimal { precision, scale } => number::decimal(text, precision, scale, out),
            Type::Char(length) | Type::Varchar(length) => self.string(text, Some(length), out),
            Type::String => self.string(text, None, out),
            Type::Binary(encoding) => binary(text.strip_prefix(&*self.prefix).ok_or(())?, encoding, out),
            Type::Date => self.layout.read(text).map(|moment| time::write_date(&moment, out)),
            Type::Timestamp => self.layout.read(text).map(|moment| time::write_timestamp(&moment, out)),
            Type::Timestamptz => self.layout.read(text)?.to_utc().map(|moment| {
                time::write_timestamp(&moment, out);
                out.push(b'Z');
            }),
        }
    }

    fn boolean(&self, text: &[u8]) -> Result<&'static [u8], ()> {
        let own = |words: &[String]| words.iter().any(|word| word.as_bytes() == text);
        let any_case = |words: [&str; 3]| words.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(text));
        let [true_values, false_values] = &self.words;
        let (is_true, is_false) = if true_values.is_empty() && false_values.is_empty() {
            (any_case(["true", "t", "1"]), any_case(["false", "f", "0"]))
        } else {
            (own(true_values), own(false_values))
        };
        match (is_true, is_false) {
            (true, _) => Ok(b"true"),
            (_, true) => Ok(b"false"),
            _ => Err(()),
        }
    }

    fn string(&self, text: &[u8], length: Option<u32>, out: &mut Vec<u8>) -> Result<(), ()> {
        if !self.is_clean(text) {
            return Err(());
        }
        // A text has at least as many bytes as code points, so most texts need not be counted.
        let too_long = length.is_some_and(|n| text.len() > n as usize && code_points(text) > n as usize);
        if too_long {
            return Err(());
        }
        out.extend_from_slice(text);
        Ok(())
    }

    fn is_clean(&self, text: &[u8]) -> bool {
        text.is_ascii()
            || std::str::from_utf8(text).is_ok_and(|text| !self.refuse_replacement || !text.contains('\u{FFFD}'))
    }
}

/// The canonical text of a decimal; `None` if the text is not one.
pub(crate) fn decimal_text(text: &str, precision: u8, scale: u8) -> Option<String> {
    let mut out = Vec::new();
    number::decimal(text.as_bytes(), precision, scale, &mut out).ok()?;
    String::from_utf8(out).ok()
}

/// The texts of fields that are NULL, of those that a column declares. With an escape, `\N` is NULL in all columns or
/// in none, and the text `\\N` is another one here.
fn nulls(declared: &[String], source: &SourceFormat) -> Vec<Box<[u8]>> {
    let texts = |is_null: &dyn Fn(&str) -> bool| -> Vec<Box<[u8]>> {
        declared.iter().filter(|null| is_null(null)).map(|null| null.as_bytes().into()).collect()
    };
    let Some(escape) = source.escape else { return texts(&|_| true) };
    let is_escaped = |null: &str| null.as_bytes() == [escape.byte(), b'N'];
    let mut nulls = texts(&|null| !is_escaped(null));
    if source.has_escaped_null() {
        nulls.push(NULL.into());
    }
    nulls
}

pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = text.iter().position(|byte| !is_blank(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
    &text[start..end]
}

fn code_points(utf8: &[u8]) -> usize {
    utf8.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}

fn binary(text: &[u8], encoding: Encoding, out: &mut Vec<u8>) -> Result<(), ()> {
    match encoding {
        Encoding::Hex => {
            if !text.len().is_multiple_of(2) || !text.iter().all(u8::is_ascii_hexdigit) {
                return Err(());
            }
            out.extend(text.iter().map(u8::to_ascii_lowercase));
        }
        Encoding::Base64 => {
            for byte in BASE64.decode(text).map_err(|_| ())? {
                out.extend_from_slice(&hex_digits(byte));
            }
        }
    }
    Ok(())
}

/// The two lower-case hex digits of a byte.
pub(crate) fn hex_digits(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

/// The bytes that canonical hex stands for; `None` if it is not hex.
pub(crate) fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    text.chunks(2)
        .map(|pair| match pair {
            [high, low] => Some((digit(*high)? * 16 + digit(*low)?) as u8),
            _ => None,
        })
        .collect()
}
