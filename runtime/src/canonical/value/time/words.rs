//! Parts of dates and times in words, without zeros in front, or that say something only together with other parts.

use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{ToSpan as _, civil};

use super::moment::DateTime;
use super::text::{digits, digits_between};

/// A part that is not digits of a fixed number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// The last two digits of a year, from 1969 to 2068 as in POSIX.
    ShortYear,
    /// The English name of a month, in any case, cut to so many letters.
    MonthName(usize),
    /// At least and at most so many digits.
    Number(Number, usize, usize),
    /// One or two digits, the first of which may be a space.
    SpacedDay,
    /// `AM` or `PM`, in any case.
    HalfDay,
    /// A word for an offset, or the name of a time zone.
    Zone,
}

/// A number that may be without zeros in front, or that needs other parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Month,
    Day,
    DayOfYear,
    Hour,
    Hour12,
    Minute,
    Second,
}

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

/// Words for an offset, with its hours: those of RFC 5322, and Europe's. Words that mean different offsets in different
/// countries, such as `IST`, are not here.
const ZONE_WORDS: [(&str, i32); 18] = [
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

impl Word {
    /// The letters after `%` in a format, and their words.
    pub(super) const LETTERS: [(&'static str, Self); 15] = [
        ("y", Self::ShortYear),
        ("B", Self::MonthName(usize::MAX)),
        ("b", Self::MonthName(3)),
        ("-m", Self::Number(Number::Month, 1, 2)),
        ("-d", Self::Number(Number::Day, 1, 2)),
        ("e", Self::SpacedDay),
        ("j", Self::Number(Number::DayOfYear, 3, 3)),
        ("-j", Self::Number(Number::DayOfYear, 1, 3)),
        ("-H", Self::Number(Number::Hour, 1, 2)),
        ("I", Self::Number(Number::Hour12, 2, 2)),
        ("-I", Self::Number(Number::Hour12, 1, 2)),
        ("p", Self::HalfDay),
        ("-M", Self::Number(Number::Minute, 1, 2)),
        ("-S", Self::Number(Number::Second, 1, 2)),
        ("Z", Self::Zone),
    ];
}

/// What a text says in parts that need others.
#[derive(Debug, Default)]
pub(super) struct Said<'t> {
    day_of_year: Option<u32>,
    hour12: Option<u32>,
    is_afternoon: bool,
    zone: Option<&'t [u8]>,
}

impl<'t> Said<'t> {
    /// Reads one part.
    pub(super) fn read(&mut self, word: Word, rest: &mut &'t [u8], moment: &mut DateTime) -> Result<(), ()> {
        match word {
            Word::ShortYear => {
                let year = digits(rest, 2)? as u16;
                moment.year = if year < 69 { 2000 + year } else { 1900 + year };
            }
            Word::MonthName(letters) => moment.month = month(rest, letters)?,
            Word::Number(number, min, max) => self.number(number, digits_between(rest, min, max)?, moment),
            Word::SpacedDay => {
                let max = if rest.first() == Some(&b' ') { 1 } else { 2 };
                *rest = rest.strip_prefix(b" ").unwrap_or(rest);
                moment.day = digits_between(rest, 1, max)? as u8;
            }
            Word::HalfDay => self.is_afternoon = half_day(rest)?,
            Word::Zone => self.zone = Some(zone(rest)),
        }
        Ok(())
    }

    fn number(&mut self, number: Number, value: u32, moment: &mut DateTime) {
        match number {
            Number::Month => moment.month = value as u8,
            Number::Day => moment.day = value as u8,
            Number::DayOfYear => self.day_of_year = Some(value),
            Number::Hour => moment.hour = value as u8,
            Number::Hour12 => self.hour12 = Some(value),
            Number::Minute => moment.minute = value as u8,
            Number::Second => moment.second = value as u8,
        }
    }

    /// The moment that all parts say together.
    pub(super) fn complete(self, mut moment: DateTime) -> Result<DateTime, ()> {
        if let Some(hour) = self.hour12 {
            let is_hour = (1..=12).contains(&hour);
            moment.hour = (hour % 12) as u8 + if self.is_afternoon { 12 } else { 0 };
            is_hour.then_some(()).ok_or(())?;
        }
        if !moment.is_valid() {
            return Err(());
        }
        if let Some(day) = self.day_of_year {
            let first = civil::date(moment.year as i16, 1, 1);
            let date = first.checked_add((i64::from(day) - 1).days()).map_err(|_| ())?;
            if date.year() != first.year() {
                return Err(());
            }
            (moment.month, moment.day) = (date.month() as u8, date.day() as u8);
        }
        if let Some(zone) = self.zone {
            moment.offset_seconds = zone_offset(zone, &moment)?;
        }
        Ok(moment)
    }
}

/// Reads the name of a month, or its first letters.
fn month(rest: &mut &[u8], letters: usize) -> Result<u8, ()> {
    for (name, number) in MONTHS.iter().zip(1..) {
        let name = &name.as_bytes()[..letters.min(name.len())];
        if let Some((head, tail)) = rest.split_at_checked(name.len())
            && head.eq_ignore_ascii_case(name)
        {
            *rest = tail;
            return Ok(number);
        }
    }
    Err(())
}

/// Reads `AM` or `PM`. Returns whether it is the afternoon.
fn half_day(rest: &mut &[u8]) -> Result<bool, ()> {
    let (head, tail) = rest.split_at_checked(2).ok_or(())?;
    *rest = tail;
    match () {
        () if head.eq_ignore_ascii_case(b"am") => Ok(false),
        () if head.eq_ignore_ascii_case(b"pm") => Ok(true),
        () => Err(()),
    }
}

/// Reads what may be the name of a zone.
fn zone<'t>(rest: &mut &'t [u8]) -> &'t [u8] {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'+' | b'-');
    let (name, tail) = rest.split_at(rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len()));
    *rest = tail;
    name
}

/// The offset of a zone at a local time, in seconds. A time that the clocks skip or show twice is refused, because
/// nothing says which instant is meant.
fn zone_offset(zone: &[u8], moment: &DateTime) -> Result<i32, ()> {
    let name = std::str::from_utf8(zone).map_err(|_| ())?;
    if let Some((_, hours)) = ZONE_WORDS.iter().find(|(word, _)| *word == name) {
        return Ok(hours * 3600);
    }
    let zone = TimeZone::get(name).ok().filter(|_| name.contains('/')).ok_or(())?;
    match zone.to_ambiguous_timestamp(moment.civil()).offset() {
        AmbiguousOffset::Unambiguous { offset } => Ok(offset.seconds()),
        AmbiguousOffset::Gap { .. } | AmbiguousOffset::Fold { .. } => Err(()),
    }
}
