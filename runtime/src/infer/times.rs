//! The formats of dates and timestamps that fit all values of a column.

use std::sync::LazyLock;

use crate::canonical::value::TimeLayout;
use crate::table::Type;

/// A format that is tried.
#[derive(Debug)]
pub(super) struct TimeFormat {
    pub(super) ty: Type,
    /// `None` is ISO 8601.
    pub(super) format: Option<&'static str>,
    order: Order,
    is_compact: bool,
    layout: TimeLayout,
}

/// What a date begins with: year, day or month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Year,
    Day,
    Month,
}

const DATES: &[(&str, Order)] = &[
    ("%Y-%m-%d", Order::Year),
    ("%d.%m.%Y", Order::Day),
    ("%d/%m/%Y", Order::Day),
    ("%m/%d/%Y", Order::Month),
    ("%d-%m-%Y", Order::Day),
    ("%m-%d-%Y", Order::Month),
    ("%Y/%m/%d", Order::Year),
    ("%Y.%m.%d", Order::Year),
    ("%Y%m%d", Order::Year),
];

const TIMES: &[&str] = &[" %H:%M:%S", "T%H:%M:%S", " %H:%M", "T%H:%M", " %H:%M:%S.%f", "T%H:%M:%S.%f", " %H:%M:%S,%f"];

const COMPACT: &[&str] = &["%Y%m%d%H%M%S", "%Y%m%d%H%M%S%f", "%Y%m%d %H%M%S", "%Y%m%dT%H%M%S"];

/// The years that digits alone can mean. 9999 is the end of time.
const COMPACT_YEARS: std::ops::RangeInclusive<u16> = 1900..=2199;

static FORMATS: LazyLock<Vec<TimeFormat>> = LazyLock::new(formats);

fn formats() -> Vec<TimeFormat> {
    let iso = [Type::Date, Type::Timestamp, Type::Timestamptz].map(|ty| time_format(ty, None, Order::Year));
    let mut formats = Vec::from(iso);
    let leaked = |text: String| Some(&*text.leak());
    for (date, order) in DATES {
        if *date != "%Y-%m-%d" {
            formats.push(time_format(Type::Date, Some(date), *order));
        }
        for time in TIMES {
            formats.push(time_format(Type::Timestamp, leaked(format!("{date}{time}")), *order));
        }
        for time in &TIMES[4..6] {
            formats.push(time_format(Type::Timestamptz, leaked(format!("{date}{time}%z")), *order));
        }
        for time in &TIMES[..2] {
            formats.push(time_format(Type::Timestamptz, leaked(format!("{date}{time}%z")), *order));
        }
    }
    formats.extend(COMPACT.iter().map(|format| time_format(Type::Timestamp, Some(format), Order::Year)));
    assert!(formats.len() <= u128::BITS as usize, "a bit for each format");
    formats
}

fn time_format(ty: Type, format: Option<&'static str>, order: Order) -> TimeFormat {
    let is_compact = format.is_some_and(|format| format.starts_with("%Y%m%d"));
    TimeFormat { ty, format, order, is_compact, layout: TimeLayout::new(ty, format) }
}

impl TimeFormat {
    fn reads(&self, text: &[u8]) -> bool {
        let Ok(moment) = self.layout.read(text) else { return false };
        let year = || text.get(..4).and_then(|year| std::str::from_utf8(year).ok()).and_then(|year| year.parse().ok());
        let is_likely = !self.is_compact || year().is_some_and(|year| COMPACT_YEARS.contains(&year) || year == 9999);
        is_likely && (self.ty != Type::Timestamptz || moment.to_utc().is_ok())
    }
}

/// The formats that fit all values so far, as bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times(u128);

impl Default for Times {
    fn default() -> Self {
        Self(u128::MAX)
    }
}

impl Times {
    pub(super) fn add(&mut self, text: &[u8]) {
        let can_be = (8..=40).contains(&text.len()) && text[0].is_ascii_digit();
        if !can_be {
            self.0 = 0;
        }
        let mut left = self.0;
        while left != 0 {
            let bit = left & left.wrapping_neg();
            let fits = FORMATS.get(bit.trailing_zeros() as usize).is_some_and(|format| format.reads(text));
            if !fits {
                self.0 &= !bit;
            }
            left &= !bit;
        }
    }

    /// All formats that fit, best first.
    pub(super) fn formats(self) -> impl Iterator<Item = &'static TimeFormat> {
        FORMATS.iter().enumerate().filter(move |(index, _)| self.0 >> index & 1 == 1).map(|(_, format)| format)
    }

    /// The format to take, and another one with day and month the other way round.
    pub(super) fn best(self) -> Option<(&'static TimeFormat, Option<&'static str>)> {
        let best = self.formats().next()?;
        let other = self.formats().find(|other| {
            other.ty == best.ty && other.order != best.order && best.order != Order::Year && other.format.is_some()
        });
        Some((best, other.and_then(|other| other.format)))
    }
}

impl TimeFormat {
    /// Returns whether the texts are digits alone.
    pub(super) fn is_digits(&self) -> bool {
        matches!(self.format, Some("%Y%m%d" | "%Y%m%d%H%M%S" | "%Y%m%d%H%M%S%f"))
    }
}
