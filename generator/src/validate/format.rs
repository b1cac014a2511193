//! Checks that a `format` fits its type and can be read unambiguously.

use crate::date_format::{self, Piece, letter};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::ColumnType;
use crate::spec::Spanned;
use crate::wording::excerpt;

use Piece::{Day, Fraction, Hour, Literal, Minute, Month, Offset, Second, Year};

/// Reports a format that is invalid, does not fit its type, or is ambiguous.
pub(super) fn invalid_format(format: &Spanned<String>, ty: &ColumnType, diagnostics: &mut Vec<Diagnostic>) {
    let is_epoch = date_format::epoch_digits(format).is_some();
    let reason = match date_format::parse(format) {
        _ if is_epoch && !matches!(ty, ColumnType::Date { .. }) => None,
        _ if is_epoch => Some("it has a time of day".to_owned()),
        Ok(pieces) => repeated(&pieces).or_else(|| unfit(&pieces, ty)).or_else(|| ambiguous(&pieces)),
        Err(reason) => Some(reason),
    };
    if let Some(reason) = reason {
        let message = format!("`{}` is not a valid format for a `{}`", excerpt(format), ty.name());
        let help = match ty {
            ColumnType::Date { .. } => "a date needs `%Y`, `%m` and `%d`, for example `%d.%m.%Y`",
            ColumnType::Timestamp { .. } => {
                "a timestamp needs `%Y %m %d %H %M` and can have `%S` and `%f` (up to 6 digits), for example \
                 `%Y-%m-%d %H:%M:%S`"
            }
            _ => {
                "a timestamptz needs `%Y %m %d %H %M %z` and can have `%S` and `%f`, for example `%Y-%m-%dT%H:%M:%S%z`"
            }
        };
        diagnostics.push(Diagnostic::new(Code::InvalidFormat, &format.span, message).label(reason).help(help));
    }
}

fn repeated(pieces: &[Piece]) -> Option<String> {
    let parts: Vec<Piece> = pieces.iter().copied().filter(|piece| !matches!(piece, Literal(_))).collect();
    let again = parts.iter().enumerate().find(|(index, part)| parts[..*index].contains(part));
    again.map(|(_, part)| format!("`%{}` is repeated", letter(*part)))
}

/// A part that the type needs and the format lacks, or the other way round.
fn unfit(pieces: &[Piece], ty: &ColumnType) -> Option<String> {
    let (required, optional): (&[Piece], &[Piece]) = match ty {
        ColumnType::Date { .. } => (&[Year, Month, Day], &[]),
        ColumnType::Timestamp { .. } => (&[Year, Month, Day, Hour, Minute], &[Second, Fraction]),
        _ => (&[Year, Month, Day, Hour, Minute, Offset], &[Second, Fraction]),
    };
    if let Some(missing) = required.iter().find(|part| !pieces.contains(part)) {
        return Some(format!("`%{}` is missing", letter(*missing)));
    }
    let is_extra =
        |piece: &&Piece| !matches!(piece, Literal(_)) && !required.contains(piece) && !optional.contains(piece);
    if let Some(extra) = pieces.iter().find(is_extra) {
        return Some(format!("a `{}` has no `%{}`", ty.name(), letter(*extra)));
    }
    (pieces.contains(&Fraction) && !pieces.contains(&Second)).then(|| "`%f` needs `%S`".to_owned())
}

/// `%f` and `%z` take as many characters as they can, so what follows must not look like a part of them.
fn ambiguous(pieces: &[Piece]) -> Option<String> {
    pieces.windows(2).find_map(|pair| {
        let starts_with_digit = match pair[1] {
            Literal(byte) => byte.is_ascii_digit(),
            Offset => false,
            _ => true,
        };
        let is_ambiguous = match pair[0] {
            Fraction => starts_with_digit,
            Offset => starts_with_digit || pair[1] == Literal(b':'),
            _ => false,
        };
        is_ambiguous.then(|| format!("the end of `%{}` is ambiguous", letter(pair[0])))
    })
}
