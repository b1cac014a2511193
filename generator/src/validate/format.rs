//! Checks that a `format` fits its type and can be read unambiguously.

use crate::date_format::{self, Directive, Part, Piece, Shape};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::ColumnType;
use crate::spec::Spanned;
use crate::wording::excerpt;

use Part::{Day, DayOfYear, Fraction, HalfDay, Hour, Minute, Month, Offset, Second, Year};

/// Reports a format that is invalid, does not fit its type, or is ambiguous.
pub(super) fn invalid_format(format: &Spanned<String>, ty: &ColumnType, diagnostics: &mut Vec<Diagnostic>) {
    let is_epoch = date_format::epoch_digits(format).is_some();
    let reason = match date_format::parse(format) {
        _ if is_epoch && !matches!(ty, ColumnType::Date { .. }) => None,
        _ if is_epoch => Some("it has a time of day".to_owned()),
        Ok(pieces) => {
            let directives: Vec<&Directive> = pieces.iter().filter_map(directive).collect();
            repeated(&directives).or_else(|| unfit(&directives, ty)).or_else(|| ambiguous(&pieces))
        }
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

fn directive(piece: &Piece) -> Option<&'static Directive> {
    match piece {
        Piece::Directive(directive) => Some(directive),
        Piece::Literal(_) => None,
    }
}

fn repeated(directives: &[&Directive]) -> Option<String> {
    directives.iter().enumerate().find_map(|(index, second)| {
        let first = directives[..index].iter().find(|first| first.part == second.part)?;
        Some(if first.letters == second.letters {
            format!("`%{}` is repeated", second.letters)
        } else {
            format!("`%{}` and `%{}` are about the same part", first.letters, second.letters)
        })
    })
}

/// A part that the type needs and the format lacks, or the other way round.
fn unfit(directives: &[&Directive], ty: &ColumnType) -> Option<String> {
    let has = |part: Part| directives.iter().any(|directive| directive.part == part);
    let is_date = matches!(ty, ColumnType::Date { .. });
    let has_zone = matches!(ty, ColumnType::Timestamptz { .. });
    let day: &[(Part, &str)] = if has(DayOfYear) { &[] } else { &[(Month, "m"), (Day, "d")] };
    let time: &[(Part, &str)] = if is_date { &[] } else { &[(Hour, "H"), (Minute, "M")] };
    let zone: &[(Part, &str)] = if has_zone { &[(Offset, "z")] } else { &[] };
    let required: Vec<(Part, &str)> = [&[(Year, "Y")], day, time, zone].concat();
    if let Some((_, letters)) = required.iter().find(|(part, _)| !has(*part)) {
        return Some(format!("`%{letters}` is missing"));
    }
    let optional: &[Part] = if is_date { &[DayOfYear] } else { &[DayOfYear, HalfDay, Second, Fraction] };
    let fits = |part: Part| required.iter().any(|(known, _)| *known == part) || optional.contains(&part);
    if let Some(extra) = directives.iter().find(|directive| !fits(directive.part)) {
        let is_day = matches!(extra.part, Month | Day);
        let reason =
            if is_day { "the day of the year says it".to_owned() } else { format!("a `{}` has none", ty.name()) };
        return Some(format!("`%{}` is too much: {reason}", extra.letters));
    }
    let has_hour12 = directives.iter().any(|directive| matches!(directive.shape, Shape::Hour12(..)));
    match () {
        () if has(Fraction) && !has(Second) => Some("`%f` needs `%S`".to_owned()),
        () if has_hour12 && !has(HalfDay) => Some("`%I` needs `%p`".to_owned()),
        () if has(HalfDay) && !has_hour12 => Some("`%p` needs `%I`".to_owned()),
        () => None,
    }
}

/// Some directives take as many characters as they can, so what follows must not look like a part of them.
fn ambiguous(pieces: &[Piece]) -> Option<String> {
    pieces.windows(2).find_map(|pair| {
        let Piece::Directive(directive) = pair[0] else { return None };
        let is_ambiguous = match directive.shape {
            Shape::Digits(min, max) | Shape::Hour12(min, max) => min < max && starts_with_digit(pair[1]),
            Shape::SpacedDigits | Shape::Fraction => starts_with_digit(pair[1]),
            Shape::OptionalFraction => starts_with_digit(pair[1]) || pair[1] == Piece::Literal(b'.'),
            Shape::Offset => starts_with_digit(pair[1]) || pair[1] == Piece::Literal(b':'),
            Shape::Zone => starts_like_a_zone(pair[1]),
            Shape::ShortYear | Shape::MonthName | Shape::MonthAbbreviation | Shape::AmPm => false,
        };
        is_ambiguous.then(|| format!("the end of `%{}` is ambiguous", directive.letters))
    })
}

fn starts_with_digit(piece: Piece) -> bool {
    match piece {
        Piece::Literal(byte) => byte.is_ascii_digit(),
        Piece::Directive(directive) => matches!(
            directive.shape,
            Shape::Digits(..) | Shape::ShortYear | Shape::Hour12(..) | Shape::SpacedDigits | Shape::Fraction
        ),
    }
}

fn starts_like_a_zone(piece: Piece) -> bool {
    match piece {
        Piece::Literal(byte) => byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'+' | b'-'),
        Piece::Directive(_) => true,
    }
}
