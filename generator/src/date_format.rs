//! The `format` of dates and timestamps: the directives of strftime that are listed here, and ASCII literals.

use crate::wording::excerpt;

/// One piece of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    Directive(&'static Directive),
    Literal(u8),
}

/// A directive, such as `%Y`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Directive {
    /// The letters after `%`.
    pub(crate) letters: &'static str,
    pub(crate) part: Part,
    pub(crate) shape: Shape,
}

/// The part of a date or time that a directive stands for. A format has each part at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Year,
    Month,
    Day,
    DayOfYear,
    Hour,
    HalfDay,
    Minute,
    Second,
    Fraction,
    Offset,
}

/// How a part is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// At least and at most so many digits.
    Digits(usize, usize),
    /// The last two digits of a year: `69` to `99` are in the 20th century, `00` to `68` in the 21st.
    ShortYear,
    /// An hour from 1 to 12, with so many digits.
    Hour12(usize, usize),
    /// One or two digits; a space may be before a single one.
    SpacedDigits,
    /// The English name of a month, in any case.
    MonthName,
    /// Its first three letters.
    MonthAbbreviation,
    /// `AM` or `PM`, in any case.
    AmPm,
    /// One to six digits, and zeros.
    Fraction,
    /// The same after a point, or nothing.
    OptionalFraction,
    /// `Z`, `±HH`, `±HHMM` or `±HH:MM`.
    Offset,
    /// A word for an offset, or the name of a zone.
    Zone,
}

const DIRECTIVES: &[Directive] = &[
    directive("Y", Part::Year, Shape::Digits(4, 4)),
    directive("y", Part::Year, Shape::ShortYear),
    directive("m", Part::Month, Shape::Digits(2, 2)),
    directive("-m", Part::Month, Shape::Digits(1, 2)),
    directive("B", Part::Month, Shape::MonthName),
    directive("b", Part::Month, Shape::MonthAbbreviation),
    directive("d", Part::Day, Shape::Digits(2, 2)),
    directive("-d", Part::Day, Shape::Digits(1, 2)),
    directive("e", Part::Day, Shape::SpacedDigits),
    directive("j", Part::DayOfYear, Shape::Digits(3, 3)),
    directive("-j", Part::DayOfYear, Shape::Digits(1, 3)),
    directive("H", Part::Hour, Shape::Digits(2, 2)),
    directive("-H", Part::Hour, Shape::Digits(1, 2)),
    directive("I", Part::Hour, Shape::Hour12(2, 2)),
    directive("-I", Part::Hour, Shape::Hour12(1, 2)),
    directive("p", Part::HalfDay, Shape::AmPm),
    directive("M", Part::Minute, Shape::Digits(2, 2)),
    directive("-M", Part::Minute, Shape::Digits(1, 2)),
    directive("S", Part::Second, Shape::Digits(2, 2)),
    directive("-S", Part::Second, Shape::Digits(1, 2)),
    directive("f", Part::Fraction, Shape::Fraction),
    directive(".f", Part::Fraction, Shape::OptionalFraction),
    directive("z", Part::Offset, Shape::Offset),
    directive("Z", Part::Offset, Shape::Zone),
];

const fn directive(letters: &'static str, part: Part, shape: Shape) -> Directive {
    Directive { letters, part, shape }
}

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
    let mut rest = format;
    while let Some(current) = rest.chars().next() {
        if !current.is_ascii() || current.is_ascii_control() {
            return Err(format!("`{}` is not a printable ASCII character", excerpt(&current.to_string())));
        }
        rest = &rest[1..];
        pieces.push(if current == '%' { after_percent(&mut rest)? } else { Piece::Literal(current as u8) });
    }
    Ok(pieces)
}

fn after_percent(rest: &mut &str) -> Result<Piece, String> {
    if let Some(tail) = rest.strip_prefix('%') {
        *rest = tail;
        return Ok(Piece::Literal(b'%'));
    }
    if let Some(known) = DIRECTIVES.iter().find(|known| rest.starts_with(known.letters)) {
        *rest = &rest[known.letters.len()..];
        return Ok(Piece::Directive(known));
    }
    let length = if rest.starts_with(['-', '.']) { 2 } else { 1 };
    let letters: String = rest.chars().take(length).collect();
    match letters.as_str() {
        "" => Err("incomplete `%` at the end; write `%%` for a percent sign".to_owned()),
        unknown => Err(format!("unknown `%{}`", excerpt(unknown))),
    }
}

/// Returns whether Athena's query can read the directive: by one regular expression, and rearranging what it found.
pub(crate) fn is_in_sql(directive: &Directive) -> bool {
    match directive.shape {
        Shape::Digits(min, max) => min == max && directive.part != Part::DayOfYear,
        Shape::Fraction | Shape::OptionalFraction | Shape::Offset => true,
        _ => false,
    }
}

/// The directives of a format that only the native engine has.
pub(crate) fn not_in_sql(format: &str) -> Option<&'static Directive> {
    let pieces = parse(format).ok().filter(|_| epoch_digits(format).is_none())?;
    pieces.into_iter().find_map(|piece| match piece {
        Piece::Directive(directive) if !is_in_sql(directive) => Some(directive),
        _ => None,
    })
}
