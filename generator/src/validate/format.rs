//! The `format` of dates and timestamps: `%Y %m %d %H %M %S %f %z %%` and ASCII literals.

use crate::diagnostic::{Code, Diagnostic};
use crate::model::ColumnType;
use crate::spec::{Spanned, shown};

/// One piece of a layout.
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

use Piece::{Day, Fraction, Hour, Literal, Minute, Month, Offset, Second, Year};

/// The pieces with the letters that stand for them.
const LETTERS: &[(char, Piece)] = &[
    ('Y', Year),
    ('m', Month),
    ('d', Day),
    ('H', Hour),
    ('M', Minute),
    ('S', Second),
    ('f', Fraction),
    ('z', Offset),
    ('%', Literal(b'%')),
];

/// The pieces of a format, or what is wrong with it.
pub(crate) fn pieces(format: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut chars = format.chars();
    while let Some(current) = chars.next() {
        if !current.is_ascii() || current.is_ascii_control() {
            return Err(format!("`{}` is no printable ASCII character", shown(&current.to_string())));
        }
        if current != '%' {
            pieces.push(Literal(current as u8));
            continue;
        }
        let letter = chars.next().ok_or("a lone `%` stands at the end; a percent sign is `%%`")?;
        let known = LETTERS.iter().find(|(known, _)| *known == letter).map(|(_, piece)| *piece);
        pieces.push(known.ok_or_else(|| format!("`%{}` is no part of a date or time", shown(&letter.to_string())))?);
    }
    Ok(pieces)
}

/// Reports a format that its type cannot be read by, or not without doubt.
pub(super) fn invalid_format(format: &Spanned<String>, ty: &ColumnType, found: &mut Vec<Diagnostic>) {
    let fault = match pieces(format) {
        Ok(pieces) => repeated(&pieces).or_else(|| unfit(&pieces, ty)).or_else(|| ambiguous(&pieces)),
        Err(fault) => Some(fault),
    };
    if let Some(fault) = fault {
        let message = format!("`{}` is no format for a `{}`", shown(format), ty.name());
        let help = match ty {
            ColumnType::Date { .. } => "a date is made of `%Y`, `%m` and `%d`: `%d.%m.%Y`",
            ColumnType::Timestamp { .. } => {
                "a timestamp needs `%Y %m %d %H %M`, and may have `%S` and `%f` (up to 6 digits): `%Y-%m-%d %H:%M:%S`"
            }
            _ => "a timestamptz needs `%Y %m %d %H %M %z`, and may have `%S` and `%f`: `%Y-%m-%dT%H:%M:%S%z`",
        };
        found.push(Diagnostic::new(Code::InvalidFormat, &format.span, message).label(fault).help(help));
    }
}

fn letter(piece: Piece) -> char {
    LETTERS.iter().find(|(_, known)| *known == piece).map_or('%', |(letter, _)| *letter)
}

fn repeated(pieces: &[Piece]) -> Option<String> {
    let parts: Vec<Piece> = pieces.iter().copied().filter(|piece| !matches!(piece, Literal(_))).collect();
    let again = parts.iter().enumerate().find(|(index, part)| parts[..*index].contains(part));
    again.map(|(_, part)| format!("`%{}` stands in it twice", letter(*part)))
}

/// A part that the type needs and the format lacks, or the other way round.
fn unfit(pieces: &[Piece], ty: &ColumnType) -> Option<String> {
    let (needed, optional): (&[Piece], &[Piece]) = match ty {
        ColumnType::Date { .. } => (&[Year, Month, Day], &[]),
        ColumnType::Timestamp { .. } => (&[Year, Month, Day, Hour, Minute], &[Second, Fraction]),
        _ => (&[Year, Month, Day, Hour, Minute, Offset], &[Second, Fraction]),
    };
    if let Some(missing) = needed.iter().find(|part| !pieces.contains(part)) {
        return Some(format!("it lacks `%{}`", letter(*missing)));
    }
    let is_out_of_place =
        |piece: &&Piece| !matches!(piece, Literal(_)) && !needed.contains(piece) && !optional.contains(piece);
    if let Some(extra) = pieces.iter().find(is_out_of_place) {
        return Some(format!("a `{}` has no `%{}`", ty.name(), letter(*extra)));
    }
    // A fraction of what, one would have to guess.
    (pieces.contains(&Fraction) && !pieces.contains(&Second)).then(|| "it has `%f` without `%S`".to_owned())
}

/// `%f` and `%z` take as many characters as they can, so what follows must not look like more of them.
fn ambiguous(pieces: &[Piece]) -> Option<String> {
    pieces.windows(2).find_map(|pair| {
        let takes_digits = match pair[1] {
            Literal(byte) => byte.is_ascii_digit(),
            Offset => false,
            _ => true,
        };
        let is_ambiguous = match pair[0] {
            Fraction => takes_digits,
            Offset => takes_digits || pair[1] == Literal(b':'),
            _ => false,
        };
        is_ambiguous.then(|| format!("where `%{}` ends cannot be told from what follows it", letter(pair[0])))
    })
}
