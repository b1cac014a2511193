//! Texts that are canonical as they stand, which is what most texts are: told by a look instead of a conversion.
//!
//! A `false` says nothing: then the grammar decides. A `true` must be right, for every type; tests hold it against the
//! grammar.

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
    /// ASCII, of so many bytes or fewer.
    Text(usize),
    /// `true` and `false`.
    Boolean,
    /// `YYYY-MM-DD`.
    Date,
}

impl Plain {
    /// What a look can tell of a column. `iso` is whether its dates are in ISO 8601.
    pub(super) fn of(column: &Column) -> Self {
        match column.ty {
            _ if column.trim => Self::Never,
            Type::Tinyint => Self::Integer(2),
            Type::Smallint => Self::Integer(4),
            Type::Int => Self::Integer(9),
            Type::Bigint => Self::Integer(18),
            Type::Decimal { precision, scale } if scale > 0 && precision > scale => {
                Self::Decimal { whole: usize::from(precision - scale), scale: usize::from(scale) }
            }
            Type::Char(length) | Type::Varchar(length) => Self::Text(length as usize),
            Type::String => Self::Text(usize::MAX),
            Type::Boolean if column.true_values.is_empty() && column.false_values.is_empty() => Self::Boolean,
            Type::Date if column.format.is_none() => Self::Date,
            _ => Self::Never,
        }
    }

    /// Whether the text, which is not empty, is canonical.
    #[inline]
    pub(super) fn is_canonical(self, text: &[u8]) -> bool {
        match self {
            Self::Never => false,
            Self::Integer(most) => is_whole(text.strip_prefix(b"-").unwrap_or(text), most) && text != b"-0",
            Self::Decimal { whole, scale } => is_decimal(text, whole, scale),
            Self::Text(most) => text.len() <= most && text.is_ascii(),
            Self::Boolean => text == b"true" || text == b"false",
            Self::Date => is_date(text),
        }
    }
}

/// Digits without a leading zero.
#[inline]
fn is_whole(digits: &[u8], most: usize) -> bool {
    match digits {
        [] => false,
        [b'0', _, ..] => false,
        _ => digits.len() <= most && all_digits(digits),
    }
}

#[inline]
fn is_decimal(text: &[u8], most: usize, scale: usize) -> bool {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let Some((whole, rest)) = unsigned.split_at_checked(unsigned.len().wrapping_sub(scale + 1)) else { return false };
    let is_zero = || unsigned.iter().all(|byte| matches!(byte, b'0' | b'.'));
    rest[0] == b'.' && all_digits(&rest[1..]) && is_whole(whole, most) && (text.len() == unsigned.len() || !is_zero())
}

/// A day that every month has; the others are left to the calendar.
#[inline]
pub(super) fn is_date(text: &[u8]) -> bool {
    let Ok(&[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2]) = <&[u8; 10]>::try_from(text) else { return false };
    all_digits(&[y1, y2, y3, y4, m1, m2, d1, d2])
        && [y1, y2, y3, y4] != *b"0000"
        && matches!([m1, m2], [b'0', b'1'..=b'9'] | [b'1', b'0'..=b'2'])
        && matches!([d1, d2], [b'0', b'1'..=b'9'] | [b'1', _] | [b'2', b'0'..=b'8'])
}

/// `HH:MM:SS`.
#[inline]
pub(super) fn is_time(text: &[u8]) -> bool {
    let Ok(&[h1, h2, b':', m1, m2, b':', s1, s2]) = <&[u8; 8]>::try_from(text) else { return false };
    all_digits(&[h1, h2, m1, m2, s1, s2, b'0', b'0'])
        && (h1 < b'2' || (h1 == b'2' && h2 < b'4'))
        && m1 < b'6'
        && s1 < b'6'
}

/// Whether every byte is a digit: eight at a time, and at the end eight that overlap those before.
#[inline]
fn all_digits(text: &[u8]) -> bool {
    let eight = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("there are eight"));
    // A digit has 3 in its upper half, and still has it when 6 is added.
    let are_digits = |word: u64| {
        const UPPER: u64 = 0xf0f0_f0f0_f0f0_f0f0;
        const THREES: u64 = 0x3030_3030_3030_3030;
        word & UPPER == THREES && word.wrapping_add(0x0606_0606_0606_0606) & UPPER == THREES
    };
    match text.len() {
        0..8 => text.iter().all(u8::is_ascii_digit),
        length => text.chunks_exact(8).all(|chunk| are_digits(eight(chunk))) && are_digits(eight(&text[length - 8..])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::Written;
    use crate::table::Source;
    use crate::value::{Reader, Value};

    /// Columns of every type that a look is tried on.
    static COLUMNS: [Column; 10] = [
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
        let written = Written::of(&Source::DEFAULT);
        for column in &COLUMNS {
            let reader = Reader::new(column, &written, false, true);
            let mut taken = 0;
            for text in texts().iter().filter(|text| reader.is_canonical(text)) {
                let mut canonical = Vec::new();
                let shown = String::from_utf8_lossy(text);
                assert_eq!(reader.read(text, false, &mut canonical), Ok(Value::Text), "{:?} {shown}", column.ty);
                assert_eq!(canonical, *text, "{:?} {shown}", column.ty);
                taken += 1;
            }
            assert!(taken > 0, "{:?} is never taken", column.ty);
        }
    }
}
