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
