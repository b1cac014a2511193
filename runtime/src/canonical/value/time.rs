//! The layouts and the canonical text of dates and timestamps.

mod moment;
mod text;
mod words;

use jiff::SignedDuration;
use jiff::civil;

use self::text::{digits, fraction, offset, one};
use self::words::{Said, Word};
use crate::canonical::value::number;
use crate::table::Type;
pub(crate) use moment::DateTime;

/// One piece of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    /// One to six digits, and zeros.
    Fraction,
    /// `Z`, `±HH`, `±HHMM` or `±HH:MM`.
    Offset,
    /// An integer number of units since 1970, in UTC; a unit is a second divided by ten to this power.
    Epoch(u32),
    Literal(u8),
    /// `T` or a space, in ISO 8601.
    DateTimeSeparator,
    /// A point and a fraction, or nothing.
    OptionalFraction,
    /// What is written in words, without zeros in front, or as a part of another part.
    Word(Word),
}

/// How a column's dates or timestamps are laid out: its `format`, or ISO 8601.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    pieces: Vec<Piece>,
    /// Whether one of the pieces is a word.
    has_words: bool,
}

impl Layout {
    fn from_pieces(pieces: Vec<Piece>) -> Self {
        Self { has_words: pieces.iter().any(|piece| matches!(piece, Piece::Word(_))), pieces }
    }

    /// The layout of a type with a format, or in ISO 8601; empty for other types.
    pub(crate) fn new(ty: Type, format: Option<&str>) -> Self {
        match (format, ty) {
            (Some(format), Type::Date | Type::Timestamp | Type::Timestamptz) => Self::from_pieces(parse_format(format)),
            (None, Type::Date) => Self::from_pieces(iso_date_pieces()),
            (None, Type::Timestamp) => Self::from_pieces(iso_timestamp_pieces()),
            (None, Type::Timestamptz) => {
                let mut pieces = iso_timestamp_pieces();
                pieces.push(Piece::Offset);
                Self::from_pieces(pieces)
            }
            _ => Self::default(),
        }
    }

    /// Reads the whole text.
    pub(crate) fn read(&self, text: &[u8]) -> Result<DateTime, ()> {
        let mut rest = text;
        if self.has_words {
            let moment = self.read_words(&mut rest)?;
            return if rest.is_empty() { Ok(moment) } else { Err(()) };
        }
        let mut moment = DateTime::FIRST;
        for piece in &self.pieces {
            piece.read(&mut rest, &mut moment)?;
        }
        if rest.is_empty() && moment.is_valid() { Ok(moment) } else { Err(()) }
    }

    /// Reads a text whose parts say something only together.
    fn read_words(&self, rest: &mut &[u8]) -> Result<DateTime, ()> {
        let (mut moment, mut said) = (DateTime::FIRST, Said::default());
        for piece in &self.pieces {
            match piece {
                Piece::Word(word) => said.read(*word, rest, &mut moment)?,
                piece => piece.read(rest, &mut moment)?,
            }
        }
        said.complete(moment)
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
            Piece::Offset => moment.offset_seconds = offset(rest)? * 60,
            Piece::Epoch(digits) => *moment = since_1970(std::mem::take(rest), digits)?,
            Piece::Literal(literal) => one(rest, |byte| byte == literal)?,
            Piece::DateTimeSeparator => one(rest, |byte| matches!(byte, b'T' | b' '))?,
            Piece::OptionalFraction => {
                if let [b'.', tail @ ..] = *rest {
                    *rest = tail;
                    moment.micros = fraction(rest)?;
                }
            }
            Piece::Word(_) => unreachable!("a layout with words is read by `read_words`"),
        }
        Ok(())
    }
}

/// Reads `YYYY-MM-DD`.
pub(crate) fn iso_date(text: &str) -> Option<DateTime> {
    Layout::from_pieces(iso_date_pieces()).read(text.as_bytes()).ok()
}

/// Reads an ISO 8601 timestamp without a zone.
pub(crate) fn iso_timestamp(text: &str) -> Option<DateTime> {
    Layout::from_pieces(iso_timestamp_pieces()).read(text.as_bytes()).ok()
}

/// Reads an ISO 8601 timestamp with an offset, in UTC.
pub(crate) fn iso_timestamptz(text: &str) -> Option<DateTime> {
    let mut pieces = iso_timestamp_pieces();
    pieces.push(Piece::Offset);
    Layout::from_pieces(pieces).read(text.as_bytes()).ok()?.to_utc().ok()
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
    let mut rest = format;
    while let Some(byte) = rest.bytes().next() {
        rest = &rest[1..];
        pieces.push(if byte == b'%' { directive(&mut rest) } else { Piece::Literal(byte) });
    }
    pieces
}

/// The piece of what follows `%`.
fn directive(rest: &mut &str) -> Piece {
    if let Some((letters, word)) = Word::LETTERS.iter().find(|(letters, _)| rest.starts_with(letters)) {
        *rest = &rest[letters.len()..];
        return Piece::Word(*word);
    }
    if let Some(tail) = rest.strip_prefix(".f") {
        *rest = tail;
        return Piece::OptionalFraction;
    }
    let letter = rest.bytes().next().unwrap_or(b'%');
    *rest = rest.get(1..).unwrap_or_default();
    match letter {
        b'Y' => Piece::Year,
        b'm' => Piece::Month,
        b'd' => Piece::Day,
        b'H' => Piece::Hour,
        b'M' => Piece::Minute,
        b'S' => Piece::Second,
        b'f' => Piece::Fraction,
        b'z' => Piece::Offset,
        literal => Piece::Literal(literal),
    }
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
        offset_seconds: 0,
    })
}
