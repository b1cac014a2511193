//! Texts that are canonical as they stand, or nearly, which is what most texts are: a look at a block of bytes instead
//! of a conversion.
//!
//! A `false` says nothing: then the grammar decides. A `true` must be right, for every type; tests hold it against the
//! grammar.

use wide::u8x16;

use crate::canonical::field::Field;
use crate::canonical::row_bytes::{write_block, write_text};
use crate::canonical::value::number;
use crate::table::{Column, Type};

/// What a column's texts look like when they are canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    /// Nothing that a look could tell.
    Never,
    /// So many digits, or fewer: any number of them is in range.
    Integer(usize),
    /// So many digits or fewer, and behind the point exactly so many.
    Decimal { whole: usize, scale: usize },
    /// A number of a few digits.
    Double,
    /// ASCII, of so many bytes or fewer.
    Text(usize),
    /// `true` and `false`.
    Boolean,
    /// `YYYY-MM-DD`.
    Date,
    /// `YYYY-MM-DD`, `T` or a blank, `HH:MM:SS`, with six digits of a fraction or none; then a `Z` if it has a zone.
    Timestamp { zone: bool },
}

/// Texts up to so many bytes are looked at in one block.
const SHORT: usize = 16;

impl Plain {
    /// What a look can tell of a column.
    pub(super) fn of(column: &Column) -> Self {
        let iso = column.format.is_none();
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
            Type::Boolean if column.true_values.is_empty() && column.false_values.is_empty() => Self::Boolean,
            Type::Date if iso => Self::Date,
            Type::Timestamp if iso => Self::Timestamp { zone: false },
            Type::Timestamptz if iso => Self::Timestamp { zone: true },
            _ => Self::Never,
        }
    }

    /// Appends the row bytes of a text that is not empty, if a look can tell them.
    #[inline(always)]
    pub(super) fn write(self, field: Field<'_>, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Never => false,
            Self::Integer(most) => write_if(field, out, |short| short.is_integer(most)),
            Self::Decimal { whole, scale } => write_if(field, out, |short| short.is_decimal(whole, scale)),
            Self::Double => write_double(field.text(), out),
            Self::Text(most) => write_ascii(field, most, out),
            Self::Boolean => write_if(field, out, |short| short.is_boolean()),
            Self::Date => write_if(field, out, |short| short.is_date()),
            Self::Timestamp { zone } => write_timestamp(field, zone, out),
        }
    }
}

/// Appends a short text that is canonical.
#[inline(always)]
fn write_if(field: Field<'_>, out: &mut Vec<u8>, is_canonical: impl FnOnce(&Short<'_>) -> bool) -> bool {
    let Some(block) = field.block() else { return false };
    let is_canonical = is_canonical(&Short { block, length: field.len() });
    if is_canonical {
        write_block(block, field.len(), out);
    }
    is_canonical
}

/// Appends ASCII.
#[inline(always)]
fn write_ascii(field: Field<'_>, most: usize, out: &mut Vec<u8>) -> bool {
    if field.len() > most {
        return false;
    }
    match field.block() {
        Some(block) => {
            let is_ascii = u8x16::new(*block).to_bitmask() & first(field.len()) == 0;
            if is_ascii {
                write_block(block, field.len(), out);
            }
            is_ascii
        }
        None => {
            let is_ascii = field.text().is_ascii();
            if is_ascii {
                write_text(field.text(), out);
            }
            is_ascii
        }
    }
}

fn write_double(text: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(value) = number::short(text) else { return false };
    out.extend_from_slice(b"16:");
    number::write_bits(value, out);
    true
}

/// A text of up to [`SHORT`] bytes, and what stands behind it.
struct Short<'a> {
    block: &'a [u8; SHORT],
    length: usize,
}

impl Short<'_> {
    #[inline]
    fn digits(&self) -> u32 {
        digits(self.block)
    }

    /// Whether it begins with `-`, as a number of places.
    #[inline]
    fn sign(&self) -> usize {
        usize::from(self.block[0] == b'-')
    }

    /// Digits without a leading zero, perhaps behind a sign.
    #[inline]
    fn is_integer(&self, most: usize) -> bool {
        let sign = self.sign();
        let count = self.length - sign;
        let are_digits = (self.digits() | sign as u32) & first(self.length) == first(self.length);
        are_digits && (1..=most).contains(&count) && (self.block[sign] != b'0' || self.length == 1)
    }

    /// The same, then a point and so many digits. Less than one below zero is left to the grammar: it may be `-0.00`.
    #[inline]
    fn is_decimal(&self, most: usize, scale: usize) -> bool {
        let sign = self.sign();
        let Some(point) = self.length.checked_sub(scale + 1).filter(|point| *point > sign) else { return false };
        let others = sign as u32 | 1 << point;
        let are_digits = (self.digits() | others) & first(self.length) == first(self.length);
        let whole = point - sign;
        are_digits
            && self.block[point] == b'.'
            && whole <= most
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
fn write_timestamp(field: Field<'_>, zone: bool, out: &mut Vec<u8>) -> bool {
    const SECONDS: usize = 19;
    const MICROS: usize = 26;
    const DIGITS: u32 = pattern(b"0000-00-00T00:00:00.000000");
    let Some(block) = field.block::<32>() else { return false };
    let (halves, _) = block.as_chunks::<SHORT>();
    let found = digits(&halves[0]) | digits(&halves[1]) << SHORT;
    let length = field.len() - usize::from(zone);
    let has_zone = !zone || block[length] == b'Z';
    let is_time = matches!(block[10], b'T' | b' ')
        && (block[13], block[16]) == (b':', b':')
        && (block[11] < b'2' || block[11] == b'2' && block[12] < b'4')
        && block[14] < b'6'
        && block[17] < b'6';
    let is_whole = length == SECONDS || length == MICROS && block[SECONDS] == b'.';
    let is_plain =
        is_whole && has_zone && found & first(length) == DIGITS & first(length) && is_time && is_day(&halves[0]);
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
    out.extend_from_slice(&text);
    out.truncate(out.len() - usize::from(!zone));
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

/// A bit for each of the first places; there are at most 32.
#[inline]
fn first(places: usize) -> u32 {
    if places >= 32 { u32::MAX } else { (1 << places) - 1 }
}

/// Of eight digits in `YYYY-MM-DD`: a day of the calendar, but for the 29th of February, which is left to it.
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

    /// Columns of every type that a look is tried on.
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

    /// Every text of up to four of these characters, and every one of these with a character put in somewhere.
    fn texts() -> Vec<Vec<u8>> {
        const CHARACTERS: &[u8] = b"019-+. :/\xc3";
        let mut texts: Vec<Vec<u8>> = vec![Vec::new()];
        let mut from = 0;
        for _ in 0..4 {
            let to = texts.len();
            for place in from..to {
                let shorter = texts[place].clone();
                texts.extend(CHARACTERS.iter().map(|byte| [&shorter[..], &[*byte]].concat()));
            }
            from = to;
        }
        let long = [
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
        for text in long {
            texts.push(text.into());
            for place in 0..=text.len() {
                texts.extend(
                    CHARACTERS
                        .iter()
                        .map(|byte| [&text.as_bytes()[..place], &[*byte], &text.as_bytes()[place..]].concat()),
                );
            }
        }
        texts
    }

    #[test]
    fn what_a_look_takes_for_canonical_is_what_the_grammar_makes_of_it() {
        let written = SourceFormat::of(&Source::DEFAULT);
        for column in &COLUMNS {
            let reader = Reader::new(column, &written, false, true);
            let mut taken = 0;
            for text in texts() {
                // What stands behind a text must not matter.
                for behind in
                    ["", "0000000000000000000000000000000000000000", ",,,,\"---- abc\u{e4}Z:::::::::::::::::::::::"]
                {
                    let (memory, mut plain) = ([&text[..], behind.as_bytes()].concat(), Vec::new());
                    if !reader.write_plain(Field::within(&memory, 0, text.len() as u32, false), &mut plain) {
                        assert_eq!(plain, b"", "what was not written leaves nothing behind");
                        continue;
                    }
                    let (mut canonical, mut bytes) = (Vec::new(), Vec::new());
                    let shown = String::from_utf8_lossy(&text);
                    assert_eq!(reader.read(&text, false, &mut canonical), Ok(Value::Text), "{:?} {shown}", column.ty);
                    write_text(&canonical, &mut bytes);
                    assert_eq!(plain, bytes, "{:?} {shown}", column.ty);
                    taken += 1;
                }
            }
            assert!(taken > 0, "{:?} is never taken", column.ty);
        }
    }
}
