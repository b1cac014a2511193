//! The `format` of dates and timestamps: `%Y %m %d %H %M %S %f %z %%` and ASCII literals.

use crate::wording::excerpt;

/// One piece of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    /// One to six digits.
    Fraction,
    /// `Z`, `±HH`, `±HHMM` or `±HH:MM`.
    Offset,
    Literal(u8),
}

/// The letter of each piece.
const LETTERS: &[(char, Piece)] = &[
    ('Y', Piece::Year),
    ('m', Piece::Month),
    ('d', Piece::Day),
    ('H', Piece::Hour),
    ('M', Piece::Minute),
    ('S', Piece::Second),
    ('f', Piece::Fraction),
    ('z', Piece::Offset),
    ('%', Piece::Literal(b'%')),
];

/// The formats of an integer number of units since 1970, in UTC: each with the decimal digits of its fraction of a
/// second.
pub(crate) const EPOCHS: &[(&str, u32)] = &[("epoch_seconds", 0), ("epoch_millis", 3), ("epoch_micros", 6)];

/// The digits of the fraction of a second, if the format counts units since 1970.
pub(crate) fn epoch_digits(format: &str) -> Option<u32> {
    EPOCHS.iter().find(|(name, _)| *name == format).map(|(_, digits)| *digits)
}

/// The smallest and the largest number of units since 1970 that are in the years 0001 to 9999.
pub(crate) fn epoch_range(digits: u32) -> (i64, i64) {
    let unit = 10_i64.pow(digits);
    (-62_135_596_800 * unit, 253_402_300_800 * unit - 1)
}

/// Parses a format.
///
/// # Errors
/// Returns what is wrong with it, in words for a diagnostic.
pub(crate) fn parse(format: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut chars = format.chars();
    while let Some(current) = chars.next() {
        if !current.is_ascii() || current.is_ascii_control() {
            return Err(format!("`{}` is not a printable ASCII character", excerpt(&current.to_string())));
        }
        if current != '%' {
            pieces.push(Piece::Literal(current as u8));
            continue;
        }
        let letter = chars.next().ok_or("incomplete `%` at the end; write `%%` for a percent sign")?;
        let known = LETTERS.iter().find(|(known, _)| *known == letter).map(|(_, piece)| *piece);
        pieces.push(known.ok_or_else(|| format!("unknown `%{}`", excerpt(&letter.to_string())))?);
    }
    Ok(pieces)
}

/// The letter of a piece.
pub(crate) fn letter(piece: Piece) -> char {
    LETTERS.iter().find(|(_, known)| *known == piece).map_or('%', |(letter, _)| *letter)
}
