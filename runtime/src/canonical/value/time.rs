//! The layouts and the canonical text of dates and timestamps.

use jiff::SignedDuration;
use jiff::civil;

use crate::canonical::value::number;
use crate::table::{Column, Type};

/// The largest offset from UTC that a timestamptz may have, in minutes: 14 hours, as in Trino.
const MAX_OFFSET_MINUTES: i32 = 14 * 60;

/// A date and time of day as it was read, with its offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DateTime {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    micros: u32,
    offset_minutes: i32,
}

/// One piece of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
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
    /// An integer number of units since 1970, in UTC; a unit is a second divided by ten to this power.
    Epoch(u32),
    Literal(u8),
    /// `T` or a space, in ISO 8601.
    DateTimeSeparator,
    /// A point and a fraction, or nothing, in ISO 8601.
    OptionalFraction,
}

/// How a column's dates or timestamps are laid out: its `format`, or ISO 8601.
#[derive(Debug, Default)]
pub(crate) struct Layout(Vec<Piece>);

impl Layout {
    /// The layout of a column; empty for other types.
    pub(crate) fn from_column(column: &Column) -> Self {
        match (column.format, column.ty) {
            (Some(format), Type::Date | Type::Timestamp | Type::Timestamptz) => Self(parse_format(format)),
            (None, Type::Date) => Self(iso_date_pieces()),
            (None, Type::Timestamp) => Self(iso_timestamp_pieces()),
            (None, Type::Timestamptz) => {
                let mut pieces = iso_timestamp_pieces();
                pieces.push(Piece::Offset);
                Self(pieces)
            }
            _ => Self::default(),
        }
    }

    /// Reads the whole text.
    pub(crate) fn read(&self, text: &[u8]) -> Result<DateTime, ()> {
        let mut moment =
            DateTime { year: 1, month: 1, day: 1, hour: 0, minute: 0, second: 0, micros: 0, offset_minutes: 0 };
        let mut rest = text;
        for piece in &self.0 {
            piece.read(&mut rest, &mut moment)?;
        }
        if rest.is_empty() && moment.is_valid() { Ok(moment) } else { Err(()) }
    }
}

impl Piece {
    fn read(self, rest: &mut &[u8], moment: &mut DateTime) -> Result<(), ()> {
        match self {
            Piece::Year => moment.year = digits(rest, 4)? as u16,
            Piece::Month => moment.month = digits(rest, 2)? as u8,
            Piece::Day => moment.day = digits(rest, 2)? as u8,
            Piece::Hour => moment.hour = digits(rest, 2)? as u8,
            Piece::Minute => moment.minute = digits(rest, 2)? as u8,
            Piece::Second => moment.second = digits(rest, 2)? as u8,
            Piece::Fraction => moment.micros = fraction(rest)?,
            Piece::Offset => moment.offset_minutes = offset(rest)?,
            Piece::Epoch(digits) => *moment = since_1970(std::mem::take(rest), digits)?,
            Piece::Literal(literal) => one(rest, |byte| byte == literal)?,
            Piece::DateTimeSeparator => one(rest, |byte| matches!(byte, b'T' | b' '))?,
            Piece::OptionalFraction => {
                if let [b'.', tail @ ..] = *rest {
                    *rest = tail;
                    moment.micros = fraction(rest)?;
                }
            }
        }
        Ok(())
    }
}

impl DateTime {
    fn is_valid(&self) -> bool {
        self.year >= 1
            && civil::Date::new(self.year as i16, self.month as i8, self.day as i8).is_ok()
            && self.hour < 24
            && self.minute < 60
            && self.second < 60
    }

    /// Date and time of day, without the offset.
    pub(crate) fn civil(&self) -> civil::DateTime {
        civil::date(self.year as i16, self.month as i8, self.day as i8).at(
            self.hour as i8,
            self.minute as i8,
            self.second as i8,
            (self.micros * 1000) as i32,
        )
    }

    /// The same instant at offset zero. Fails if that is outside of the years 0001 to 9999.
    pub(crate) fn to_utc(self) -> Result<Self, ()> {
        if self.offset_minutes == 0 {
            return Ok(self);
        }
        let utc =
            self.civil().checked_sub(SignedDuration::from_mins(i64::from(self.offset_minutes))).map_err(|_| ())?;
        if utc.year() < 1 {
            return Err(());
        }
        Ok(Self {
            year: utc.year() as u16,
            month: utc.month() as u8,
            day: utc.day() as u8,
            hour: utc.hour() as u8,
            minute: utc.minute() as u8,
            offset_minutes: 0,
            ..self
        })
    }
}

/// Reads `YYYY-MM-DD`.
pub(crate) fn iso_date(text: &str) -> Option<DateTime> {
    Layout(iso_date_pieces()).read(text.as_bytes()).ok()
}

/// Reads an ISO 8601 timestamp without a zone.
pub(crate) fn iso_timestamp(text: &str) -> Option<DateTime> {
    Layout(iso_timestamp_pieces()).read(text.as_bytes()).ok()
}

/// Reads an ISO 8601 timestamp with an offset, in UTC.
pub(crate) fn iso_timestamptz(text: &str) -> Option<DateTime> {
    let mut pieces = iso_timestamp_pieces();
    pieces.push(Piece::Offset);
    Layout(pieces).read(text.as_bytes()).ok()?.to_utc().ok()
}

/// Appends `YYYY-MM-DD`.
pub(crate) fn write_date(moment: &DateTime, out: &mut Vec<u8>) {
    write_digits(u32::from(moment.year), 4, out);
    out.push(b'-');
    write_digits(u32::from(moment.month), 2, out);
    out.push(b'-');
    write_digits(u32::from(moment.day), 2, out);
}

/// Appends `YYYY-MM-DDTHH:MM:SS.ffffff`.
pub(crate) fn write_timestamp(moment: &DateTime, out: &mut Vec<u8>) {
    write_date(moment, out);
    out.push(b'T');
    write_digits(u32::from(moment.hour), 2, out);
    out.push(b':');
    write_digits(u32::from(moment.minute), 2, out);
    out.push(b':');
    write_digits(u32::from(moment.second), 2, out);
    out.push(b'.');
    write_digits(moment.micros, 6, out);
}

fn write_digits(value: u32, width: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + width, b'0');
    let mut value = value;
    for digit in out[start..].iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

fn iso_date_pieces() -> Vec<Piece> {
    use Piece::{Day, Literal, Month, Year};
    vec![Year, Literal(b'-'), Month, Literal(b'-'), Day]
}

fn iso_timestamp_pieces() -> Vec<Piece> {
    use Piece::{DateTimeSeparator, Hour, Literal, Minute, OptionalFraction, Second};
    let mut pieces = iso_date_pieces();
    pieces.extend([DateTimeSeparator, Hour, Literal(b':'), Minute, Literal(b':'), Second, OptionalFraction]);
    pieces
}

/// The pieces of a format. The generator refuses every `%x` that is not listed here.
fn parse_format(format: &str) -> Vec<Piece> {
    match format {
        "epoch_seconds" => return vec![Piece::Epoch(0)],
        "epoch_millis" => return vec![Piece::Epoch(3)],
        "epoch_micros" => return vec![Piece::Epoch(6)],
        _ => {}
    }
    let mut pieces = Vec::new();
    let mut bytes = format.bytes();
    while let Some(byte) = bytes.next() {
        pieces.push(if byte != b'%' {
            Piece::Literal(byte)
        } else {
            match bytes.next() {
                Some(b'Y') => Piece::Year,
                Some(b'm') => Piece::Month,
                Some(b'd') => Piece::Day,
                Some(b'H') => Piece::Hour,
                Some(b'M') => Piece::Minute,
                Some(b'S') => Piece::Second,
                Some(b'f') => Piece::Fraction,
                Some(b'z') => Piece::Offset,
                Some(literal) => Piece::Literal(literal),
                None => Piece::Literal(b'%'),
            }
        });
    }
    pieces
}

/// Reads `[+-]?[0-9]+` as units since 1970. Fails outside the years 0001 to 9999.
fn since_1970(text: &[u8], digits: u32) -> Result<DateTime, ()> {
    const FIRST_SECOND: i64 = -62_135_596_800;
    const LAST_SECOND: i64 = 253_402_300_799;
    let mut number = Vec::new();
    number::integer(text, i64::MIN, i64::MAX, &mut number)?;
    let number: i64 = std::str::from_utf8(&number).map_err(|_| ())?.parse().map_err(|_| ())?;
    let unit = 10_i64.pow(digits);
    let (seconds, rest) = (number.div_euclid(unit), number.rem_euclid(unit));
    if !(FIRST_SECOND..=LAST_SECOND).contains(&seconds) {
        return Err(());
    }
    let time =
        civil::date(1970, 1, 1).at(0, 0, 0, 0).checked_add(SignedDuration::from_secs(seconds)).map_err(|_| ())?;
    Ok(DateTime {
        year: time.year() as u16,
        month: time.month() as u8,
        day: time.day() as u8,
        hour: time.hour() as u8,
        minute: time.minute() as u8,
        second: time.second() as u8,
        micros: rest as u32 * 10u32.pow(6 - digits),
        offset_minutes: 0,
    })
}

/// Reads one byte that is `expected`.
fn one(rest: &mut &[u8], expected: impl Fn(u8) -> bool) -> Result<(), ()> {
    match *rest {
        [byte, tail @ ..] if expected(*byte) => {
            *rest = tail;
            Ok(())
        }
        _ => Err(()),
    }
}

/// Reads exactly `width` digits.
fn digits(rest: &mut &[u8], width: usize) -> Result<u32, ()> {
    let (head, tail) = rest.split_at_checked(width).ok_or(())?;
    if !head.iter().all(u8::is_ascii_digit) {
        return Err(());
    }
    *rest = tail;
    Ok(head.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0')))
}

/// Reads one to six digits as microseconds. A seventh is left, and refused by the piece that follows.
fn fraction(rest: &mut &[u8]) -> Result<u32, ()> {
    let width = rest.iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
    if width == 0 {
        return Err(());
    }
    Ok(digits(rest, width)? * 10u32.pow(6 - width as u32))
}

/// Reads an offset from UTC, in minutes.
fn offset(rest: &mut &[u8]) -> Result<i32, ()> {
    let (&sign, tail) = rest.split_first().ok_or(())?;
    *rest = tail;
    if sign == b'Z' {
        return Ok(0);
    }
    let hours = digits(rest, 2)?;
    let has_colon = rest.first() == Some(&b':');
    if has_colon {
        *rest = &rest[1..];
    }
    let has_minutes = has_colon || rest.first().is_some_and(u8::is_ascii_digit);
    let minutes = if has_minutes { digits(rest, 2)? } else { 0 };
    let total = (hours * 60 + minutes) as i32;
    if minutes > 59 || total > MAX_OFFSET_MINUTES {
        return Err(());
    }
    match sign {
        b'+' => Ok(total),
        b'-' => Ok(-total),
        _ => Err(()),
    }
}
