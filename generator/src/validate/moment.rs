//! Checks that a `default` is a date or timestamp of its column's format.

use jiff::civil::{self, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, ToSpan as _};

use crate::date_format::{self, Directive, Part, Piece, Shape};
use crate::model::ColumnType;

/// The largest offset from UTC, in minutes.
const MAX_OFFSET_MINUTES: u32 = 14 * 60;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// The words for an offset that the runtime knows, with its hours.
const ZONE_WORDS: &[(&str, i64)] = &[
    ("Z", 0),
    ("UTC", 0),
    ("UT", 0),
    ("GMT", 0),
    ("WET", 0),
    ("WEST", 1),
    ("CET", 1),
    ("CEST", 2),
    ("EET", 2),
    ("EEST", 3),
    ("EST", -5),
    ("EDT", -4),
    ("CST", -6),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
];

/// What a text says.
#[derive(Default)]
struct Moment<'t> {
    year: u32,
    month: u32,
    day: u32,
    day_of_year: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    is_afternoon: Option<bool>,
    /// Minutes, in the direction of the sign.
    offset: i64,
    zone: Option<&'t str>,
}

/// Returns whether a text is a value of a date or timestamp column that does not count from 1970.
pub(crate) fn is_moment(text: &str, ty: &ColumnType) -> bool {
    let formats: &[&str] = match (ty.format(), ty) {
        (Some(format), _) => &[format],
        (None, ColumnType::Date { .. }) => &["%Y-%m-%d"],
        (None, ColumnType::Timestamp { .. }) => &["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"],
        (None, _) => &["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f%z"],
    };
    formats.iter().any(|format| match date_format::parse(format) {
        Ok(pieces) => read(text, &pieces).is_some_and(|moment| moment.exists()),
        Err(_) => true, // the invalid format has been reported
    })
}

/// The moment of a text that has this layout.
fn read<'t>(text: &'t str, pieces: &[Piece]) -> Option<Moment<'t>> {
    let mut rest = text;
    let mut moment = Moment { year: 1, month: 1, day: 1, ..Moment::default() };
    for piece in pieces {
        match piece {
            Piece::Literal(byte) => rest = rest.strip_prefix(char::from(*byte))?,
            Piece::Directive(directive) => moment.read(directive, &mut rest)?,
        }
    }
    rest.is_empty().then_some(moment)
}

impl<'t> Moment<'t> {
    fn read(&mut self, directive: &Directive, rest: &mut &'t str) -> Option<()> {
        match directive.shape {
            Shape::Digits(min, max) => *self.part(directive.part)? = digits(rest, min, max)?,
            Shape::ShortYear => {
                let year = digits(rest, 2, 2)?;
                self.year = if year < 69 { 2000 + year } else { 1900 + year };
            }
            Shape::Hour12(min, max) => self.hour = within(digits(rest, min, max)?, 1, 12)?,
            Shape::SpacedDigits => self.day = spaced_digits(rest)?,
            Shape::MonthName => self.month = month(rest, usize::MAX)?,
            Shape::MonthAbbreviation => self.month = month(rest, 3)?,
            Shape::AmPm => self.is_afternoon = Some(am_pm(rest)?),
            Shape::Fraction => fraction(rest)?,
            Shape::OptionalFraction => {
                if let Some(tail) = rest.strip_prefix('.') {
                    *rest = tail;
                    fraction(rest)?;
                }
            }
            Shape::Offset => self.offset = offset(rest)?,
            Shape::Zone => self.zone = Some(zone(rest)),
        }
        Some(())
    }

    fn part(&mut self, part: Part) -> Option<&mut u32> {
        Some(match part {
            Part::Year => &mut self.year,
            Part::Month => &mut self.month,
            Part::Day => &mut self.day,
            Part::DayOfYear => self.day_of_year.insert(0),
            Part::Hour => &mut self.hour,
            Part::Minute => &mut self.minute,
            Part::Second => &mut self.second,
            Part::HalfDay | Part::Fraction | Part::Offset => return None,
        })
    }

    fn exists(&self) -> bool {
        self.local().is_some_and(|local| self.is_in_range(local))
    }

    fn local(&self) -> Option<DateTime> {
        within(self.year, 1, 9999)?;
        let date = match self.day_of_year {
            Some(day) => {
                let date = civil::date(self.year as i16, 1, 1).checked_add((i64::from(day) - 1).days());
                date.ok().filter(|date| date.year() == self.year as i16 && day > 0)?
            }
            None => civil::Date::new(self.year as i16, self.month as i8, self.day as i8).ok()?,
        };
        let hour = match self.is_afternoon {
            Some(is_afternoon) => self.hour % 12 + if is_afternoon { 12 } else { 0 },
            None => self.hour,
        };
        within(self.second, 0, 59)?;
        let time = civil::Time::new(hour as i8, self.minute as i8, self.second as i8, 0).ok()?;
        Some(date.to_datetime(time))
    }

    /// Returns whether the instant is known, and in the years 0001 to 9999 of UTC.
    fn is_in_range(&self, local: DateTime) -> bool {
        let seconds = match self.zone {
            Some(name) => zone_offset(name, local),
            None => Some(self.offset * 60),
        };
        let utc = seconds.and_then(|seconds| local.checked_sub(SignedDuration::from_secs(seconds)).ok());
        utc.is_some_and(|utc| utc.year() >= 1)
    }
}

/// The offset of a zone at a local time, in seconds; `None` if the clocks skip that time, or show it twice.
fn zone_offset(name: &str, local: DateTime) -> Option<i64> {
    if let Some((_, hours)) = ZONE_WORDS.iter().find(|(word, _)| *word == name) {
        return Some(hours * 3600);
    }
    let zone = TimeZone::get(name).ok().filter(|_| name.contains('/'))?;
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => Some(offset.seconds().into()),
        AmbiguousOffset::Gap { .. } | AmbiguousOffset::Fold { .. } => None,
    }
}

fn within(value: u32, min: u32, max: u32) -> Option<u32> {
    (min..=max).contains(&value).then_some(value)
}

/// Takes at least and at most so many digits.
fn digits(rest: &mut &str, min: usize, max: usize) -> Option<u32> {
    let width = rest.bytes().take(max).take_while(u8::is_ascii_digit).count();
    let (head, tail) = rest.split_at(width);
    *rest = tail;
    if width < min { None } else { head.parse().ok() }
}

fn spaced_digits(rest: &mut &str) -> Option<u32> {
    match rest.strip_prefix(' ') {
        Some(tail) => {
            *rest = tail;
            digits(rest, 1, 1)
        }
        None => digits(rest, 1, 2),
    }
}

/// Takes the name of a month, or its first letters.
fn month(rest: &mut &str, letters: usize) -> Option<u32> {
    let (index, length) = MONTHS.iter().enumerate().find_map(|(index, name)| {
        let name = &name[..letters.min(name.len())];
        let is_it = rest.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name));
        is_it.then_some((index, name.len()))
    })?;
    *rest = &rest[length..];
    Some(index as u32 + 1)
}

fn am_pm(rest: &mut &str) -> Option<bool> {
    let head = rest.get(..2)?;
    *rest = &rest[2..];
    match head.to_ascii_lowercase().as_str() {
        "am" => Some(false),
        "pm" => Some(true),
        _ => None,
    }
}

/// One to six digits, and zeros.
fn fraction(rest: &mut &str) -> Option<()> {
    digits(rest, 1, 6)?;
    *rest = rest.trim_start_matches('0');
    Some(())
}

fn zone<'t>(rest: &mut &'t str) -> &'t str {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '+' | '-');
    let (name, tail) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
    *rest = tail;
    name
}

/// `Z`, `±HH`, `±HHMM` or `±HH:MM`, in minutes.
fn offset(rest: &mut &str) -> Option<i64> {
    if let Some(tail) = rest.strip_prefix('Z') {
        *rest = tail;
        return Some(0);
    }
    let sign = match rest.bytes().next()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    *rest = &rest[1..];
    let hours = digits(rest, 2, 2)?;
    let colon = rest.strip_prefix(':');
    *rest = colon.unwrap_or(rest);
    let has_minutes = colon.is_some() || rest.starts_with(|c: char| c.is_ascii_digit());
    let minutes = if has_minutes { within(digits(rest, 2, 2)?, 0, 59)? } else { 0 };
    let total = within(hours * 60 + minutes, 0, MAX_OFFSET_MINUTES)?;
    Some(sign * i64::from(total))
}
