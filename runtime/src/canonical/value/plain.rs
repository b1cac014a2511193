//! Recognises texts that are canonical, or nearly, as most texts are: one comparison of a block of bytes instead of a
//! conversion.
//!
//! `true` must be right for every type, which tests check against the grammar. `false` says nothing; then the grammar
//! decides.

use wide::u8x16;

use crate::canonical::field::Field;
use crate::canonical::row_bytes::RowBytes;
use crate::canonical::value::number;
use crate::table::{Column, Type};

/// The form of a column's canonical texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    /// None that can be recognised.
    Never,
    /// At most this many digits, so that every number is in range.
    Integer(usize),
    /// At most `whole` digits before the point, and exactly `scale` digits after it.
    Decimal { whole: usize, scale: usize },
    /// A number with few digits.
    Double,
    /// ASCII of at most this many bytes.
    Text(usize),
    /// The same, unless it begins with a character of the set, as a NULL marker does.
    TextBut { max_bytes: usize, beginnings: AsciiSet },
    /// `true` and `false`.
    Boolean,
    /// `YYYY-MM-DD`.
    Date,
    /// `YYYY-MM-DD`, `T` or a space, `HH:MM:SS`, and either six fraction digits or none; with a zone, followed by `Z`.
    Timestamp { zone: bool },
}

/// A set of ASCII characters, a bit for each.
type AsciiSet = u128;

/// Texts of up to this many bytes are compared as one block.
const SHORT: usize = 16;

impl Plain {
    /// The form of a column's canonical texts that are not NULL markers, where times are in ISO 8601 and words usual.
    pub(super) fn from_column(column: &Column, nulls: &[Box<[u8]>], iso: bool, usual_words: bool) -> Self {
        let markers = || nulls.iter().filter(|null| !null.is_empty());
        match Self::from_type(column, iso, usual_words) {
            Self::Text(max_bytes) if markers().next().is_some() => {
                let beginnings = markers().filter(|null| null[0].is_ascii()).fold(0, |set, null| set | 1 << null[0]);
                Self::TextBut { max_bytes, beginnings }
            }
            form if markers().any(|null| form.has(null)) => Self::Never,
            form => form,
        }
    }

    /// The form of a column's canonical texts.
    fn from_type(column: &Column, iso: bool, usual_words: bool) -> Self {
        match column.ty {
            _ if column.trim => Self::Never,
            Type::Tinyint => Self::Integer(2),
            Type::Smallint => Self::Integer(4),
            Type::Int => Self::Integer(9),
            Type::Bigint => Self::Integer(SHORT),
            Type::Decimal { precision, scale } if scale > 0 && precision > scale => {
                Self::Decimal { whole: usize::from(precision - scale), scale: usize::from(scale) }
            }
            Type::Double => Self::Double,
            Type::Char(length) | Type::Varchar(length) => Self::Text(length as usize),
            Type::String => Self::Text(usize::MAX),
            Type::Boolean if usual_words => Self::Boolean,
            Type::Date if iso => Self::Date,
            Type::Timestamp if iso => Self::Timestamp { zone: false },
            Type::Timestamptz if iso => Self::Timestamp { zone: true },
            _ => Self::Never,
        }
    }

    /// Appends the segment of a text that is not empty, if it has this form. Returns whether it has.
    #[inline(always)]
    pub(super) fn write(self, field: Field<'_>, out: &mut RowBytes) -> bool {
        match self {
            Self::Never => false,
            Self::Integer(max_digits) => write_if(field, out, |short| short.is_integer(max_digits)),
            Self::Decimal { whole, scale } => write_if(field, out, |short| short.is_decimal(whole, scale)),
            Self::Double => write_double(field.text(), out),
            Self::Text(max_bytes) => write_ascii(field, max_bytes, out),
            Self::TextBut { max_bytes, beginnings } => {
                let can_be_null = |first: u8| first.is_ascii() && beginnings >> first & 1 == 1;
                !field.text().first().is_some_and(|first| can_be_null(*first)) && write_ascii(field, max_bytes, out)
            }
            Self::Boolean => write_if(field, out, |short| short.is_boolean()),
            Self::Date => write_if(field, out, |short| short.is_date()),
            Self::Timestamp { zone } => write_timestamp(field, zone, out),
        }
    }

    /// Returns whether a text has this form.
    fn has(self, text: &[u8]) -> bool {
        let memory = [text, &[0; 2 * SHORT]].concat();
        self.write(Field::within(&memory, 0, text.len() as u32, false), &mut RowBytes::default())
    }
}

/// Appends a short text if it is canonical.
#[inline(always)]
fn write_if(field: Field<'_>, out: &mut RowBytes, is_canonical: impl FnOnce(&Short<'_>) -> bool) -> bool {
    let Some(block) = field.block() else { return false };
    let is_canonical = is_canonical(&Short { block, length: field.len() });
    if is_canonical {
        out.push_block(block, field.len());
    }
    is_canonical
}

/// Appends a text if it is ASCII.
#[inline(always)]
fn write_ascii(field: Field<'_>, max_bytes: usize, out: &mut RowBytes) -> bool {
    if field.len() > max_bytes {
        return false;
    }
    match field.block() {
        Some(block) => {
            let is_ascii = u8x16::new(*block).to_bitmask() & first(field.len()) == 0;
            if is_ascii {
                out.push_block(block, field.len());
            }
            is_ascii
        }
        None => {
            let is_ascii = field.text().is_ascii();
            if is_ascii {
                out.push_text(field.text());
            }
            is_ascii
        }
    }
}

fn write_double(text: &[u8], out: &mut RowBytes) -> bool {
    let Some(value) = number::short(text) else { return false };
    out.push(*b"16:");
    out.push(number::bits(value));
    true
}

/// A text of up to [`SHORT`] bytes, and the bytes that follow it.
struct Short<'a> {
    block: &'a [u8; SHORT],
    length: usize,
}

impl Short<'_> {
    #[inline]
    fn digits(&self) -> u32 {
        digits(self.block)
    }

    /// 1 if it begins with `-`, otherwise 0.
    #[inline]
    fn sign(&self) -> usize {
        usize::from(self.block[0] == b'-')
    }

    /// Returns whether it is an optional `-` and digits without a leading zero.
    #[inline]
    fn is_integer(&self, max_digits: usize) -> bool {
        let sign = self.sign();
        let count = self.length - sign;
        let are_digits = (self.digits() | sign as u32) & first(self.length) == first(self.length);
        are_digits && (1..=max_digits).contains(&count) && (self.block[sign] != b'0' || self.length == 1)
    }

    /// Returns whether it is an integer, a point and `scale` digits. Numbers between -1 and 0 are left to the grammar,
    /// because of `-0.00`.
    #[inline]
    fn is_decimal(&self, max_whole: usize, scale: usize) -> bool {
        let sign = self.sign();
        let Some(point) = self.length.checked_sub(scale + 1).filter(|point| *point > sign) else { return false };
        let others = sign as u32 | 1 << point;
        let are_digits = (self.digits() | others) & first(self.length) == first(self.length);
        let whole = point - sign;
        are_digits
            && self.block[point] == b'.'
            && whole <= max_whole
            && (self.block[sign] != b'0' || whole == 1 && sign == 0)
    }

    #[inline]
    fn is_boolean(&self) -> bool {
        let text = &self.block[..self.length];
        text == b"true" || text == b"false"
    }

    #[inline]
    fn is_date(&self) -> bool {
        const DIGITS: u32 = pattern(b"0000-00-00");
        self.length == 10 && self.digits() & first(10) == DIGITS && is_day(self.block)
    }
}

/// Appends a timestamp in ISO 8601.
#[inline]
fn write_timestamp(field: Field<'_>, zone: bool, out: &mut RowBytes) -> bool {
    const SECONDS: usize = 19;
    const MICROS: usize = 26;
    const DIGITS: u32 = pattern(b"0000-00-00T00:00:00.000000");
    let Some(block) = field.block::<32>() else { return false };
    let (halves, _) = block.as_chunks::<SHORT>();
    let digits = digits(&halves[0]) | digits(&halves[1]) << SHORT;
    let length = field.len() - usize::from(zone);
    let has_zone = !zone || block[length] == b'Z';
    let is_time = matches!(block[10], b'T' | b' ')
        && (block[13], block[16]) == (b':', b':')
        && (block[11] < b'2' || block[11] == b'2' && block[12] < b'4')
        && block[14] < b'6'
        && block[17] < b'6';
    let is_whole = length == SECONDS || length == MICROS && block[SECONDS] == b'.';
    let is_plain =
        is_whole && has_zone && digits & first(length) == DIGITS & first(length) && is_time && is_day(&halves[0]);
    if !is_plain {
        return false;
    }
    let mut text = *b"26:YYYY-MM-DDTHH:MM:SS.000000Z";
    text[1] += u8::from(zone);
    text[3..13].copy_from_slice(&block[..10]);
    text[14..22].copy_from_slice(&block[11..SECONDS]);
    if length == MICROS {
        text[22..29].copy_from_slice(&block[SECONDS..MICROS]);
    }
    out.push_first(&text, text.len() - usize::from(!zone));
    true
}

/// A bit for each byte that is a digit.
#[inline]
fn digits(block: &[u8; SHORT]) -> u32 {
    let values = u8x16::new(*block) - u8x16::splat(b'0');
    values.min(u8x16::splat(9)).simd_eq(values).to_bitmask()
}

/// A bit for each digit of a pattern.
const fn pattern(text: &[u8]) -> u32 {
    let (mut bits, mut at) = (0, 0);
    while at < text.len() {
        bits |= (text[at].is_ascii_digit() as u32) << at;
        at += 1;
    }
    bits
}

/// The lowest `count` bits; at most 32.
#[inline]
fn first(count: usize) -> u32 {
    if count >= 32 { u32::MAX } else { (1 << count) - 1 }
}

/// Returns whether eight digits in `YYYY-MM-DD` are a day of the calendar, other than February 29, which is left to the
/// calendar.
#[inline]
fn is_day(text: &[u8; SHORT]) -> bool {
    const DAYS: [u8; 13] = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, ..] = *text else { return false };
    let number = |tens: u8, ones: u8| (tens & 15) * 10 + (ones & 15);
    let days = DAYS.get(usize::from(number(m1, m2))).copied().unwrap_or(0);
    [y1, y2, y3, y4] != *b"0000" && (1..=days).contains(&number(d1, d2))
}

#[cfg(test)]
mod tests {
    use crate::canonical::field::Field;
    use crate::canonical::row_bytes::write_text;
    use crate::canonical::value::plain::*;
    use crate::canonical::value::{Reader, Value};
    use crate::epoch::SourceFormat;
    use crate::table::Source;

    /// A column of every type that has a canonical form.
    static COLUMNS: [Column; 13] = [
        Column::new("c", Type::Tinyint),
        Column::new("c", Type::Smallint),
        Column::new("c", Type::Int),
        Column::new("c", Type::Bigint),
        Column::new("c", Type::decimal(5, 2)),
        Column::new("c", Type::decimal(38, 9)),
        Column::new("c", Type::Varchar(3)),
        Column::new("c", Type::String),
        Column::new("c", Type::Boolean),
        Column::new("c", Type::Date),
        Column::new("c", Type::Timestamp),
        Column::new("c", Type::Timestamptz),
        Column::new("c", Type::Double),
    ];

    /// Texts with every feature of the grammars, and some that violate them.
    const LONG_TEXTS: &[&str] = &[
        "true",
        "false",
        "2024-02-29",
        "2023-02-29",
        "2024-01-31",
        "2024-04-30",
        "2024-04-31",
        "2024-00-01",
        "2024-13-01",
        "2024-06-00",
        "2024-12-31",
        "0000-01-01",
        "0001-01-01",
        "999.99",
        "-0.00",
        "127",
        "128",
        "32767",
        "2147483647",
        "2147483648",
        "9223372036854775807",
        "9223372036854775808",
        "123456789012345678",
        "99999999999999999999999999999.123456789",
        "1.123456789",
        "abc",
        "äbc",
        "abcd",
        "a text that is longer than any block of sixteen or thirty-two bytes",
        "2024-02-28T23:59:59",
        "2024-02-28 00:00:00",
        "2024-02-28T24:00:00",
        "2024-02-28T23:60:00",
        "2024-02-28T23:59:60",
        "2024-02-28T23:59:59.123456",
        "2024-02-28T23:59:59.1234567",
        "2024-02-28T23:59:59Z",
        "2024-02-28 23:59:59.000001Z",
        "-0.0",
        "1.3964",
        "-12345.678901234",
        "1e5",
        "NaN",
    ];

    /// Every text of up to four of these characters, and each long text with one of them inserted anywhere.
    fn texts() -> Vec<Vec<u8>> {
        const CHARACTERS: &[u8] = b"019-+. :/\xc3";
        let mut texts: Vec<Vec<u8>> = vec![Vec::new()];
        let mut from = 0;
        for _ in 0..4 {
            let to = texts.len();
            for index in from..to {
                let shorter = texts[index].clone();
                texts.extend(CHARACTERS.iter().map(|byte| [&shorter[..], &[*byte]].concat()));
            }
            from = to;
        }
        for text in LONG_TEXTS.iter().map(|text| text.as_bytes()) {
            texts.push(text.into());
            for (before, after) in (0..=text.len()).map(|at| text.split_at(at)) {
                texts.extend(CHARACTERS.iter().map(|byte| [before, &[*byte], after].concat()));
            }
        }
        texts
    }

    #[test]
    fn a_text_is_canonical_only_if_the_grammar_agrees() {
        let markers: [&[&str]; 4] = [&[""], &["\\N", "NULL"], &["", "0000-00-00", "0", "-", "999.99"], &["abc", "ä"]];
        for nulls in markers {
            let nulls = nulls.iter().map(|null| (*null).to_owned()).collect();
            assert_canonical(&SourceFormat { nulls, ..SourceFormat::from_source(&Source::DEFAULT) });
        }
    }

    fn assert_canonical(format: &SourceFormat) {
        for column in &COLUMNS {
            let reader = Reader::new(column, format, false, true);
            let is_left_out = reader.plain == Plain::Never;
            let mut recognised = 0;
            for text in texts() {
                // The bytes that follow a text must not matter.
                for following in
                    ["", "0000000000000000000000000000000000000000", ",,,,\"---- abc\u{e4}Z:::::::::::::::::::::::"]
                {
                    let (memory, mut plain) = ([&text[..], following.as_bytes()].concat(), RowBytes::default());
                    if !reader.write_plain(Field::within(&memory, 0, text.len() as u32, false), &mut plain) {
                        assert_eq!(plain.as_slice(), b"", "nothing is written for a text that is not recognised");
                        continue;
                    }
                    let (mut canonical, mut bytes) = (Vec::new(), Vec::new());
                    let shown = String::from_utf8_lossy(&text);
                    assert_eq!(reader.read(&text, false, &mut canonical), Ok(Value::Text), "{:?} {shown}", column.ty);
                    write_text(&canonical, &mut bytes);
                    assert_eq!(plain.as_slice(), bytes, "{:?} {shown}", column.ty);
                    recognised += 1;
                }
            }
            assert!(recognised > 0 || is_left_out, "no text of {:?} is recognised", column.ty);
        }
    }
}
