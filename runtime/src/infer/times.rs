//! The formats of dates and timestamps that fit all values of a column.

use std::sync::LazyLock;

use generator::hints::time_formats;
use generator::model::ColumnType;

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

/// The years that digits alone can mean. 9999 is the end of time.
const COMPACT_YEARS: std::ops::RangeInclusive<u16> = 1900..=2199;

static FORMATS: LazyLock<Vec<TimeFormat>> = LazyLock::new(formats);

fn formats() -> Vec<TimeFormat> {
    let iso = [Type::Date, Type::Timestamp, Type::Timestamptz];
    let types = [
        (Type::Date, ColumnType::Date { format: None }),
        (Type::Timestamp, ColumnType::Timestamp { format: None }),
        (Type::Timestamptz, ColumnType::Timestamptz { format: None }),
    ];
    let others = types.iter().flat_map(|(ty, known)| time_formats(known).iter().map(|format| (*ty, Some(*format))));
    let formats = iso.map(|ty| (ty, None)).into_iter().chain(others);
    let formats: Vec<TimeFormat> = formats.map(|(ty, format)| time_format(ty, format)).collect();
    assert!(formats.len() <= WORDS * 64, "a bit for each format");
    formats
}

fn time_format(ty: Type, format: Option<&'static str>) -> TimeFormat {
    let is_compact = format.is_some_and(|format| format.starts_with("%Y%m%d"));
    let order = match format.unwrap_or("%Y").trim_start_matches(['%', '-']).as_bytes()[0] {
        b'd' => Order::Day,
        b'm' => Order::Month,
        _ => Order::Year,
    };
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

/// How many words have a bit for each format.
const WORDS: usize = 4;

/// The formats that fit all values so far, as bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times([u64; WORDS]);

impl Default for Times {
    fn default() -> Self {
        Self([u64::MAX; WORDS])
    }
}

impl Times {
    pub(super) fn add(&mut self, text: &[u8]) {
        let can_be = (8..=40).contains(&text.len()) && text[0].is_ascii_digit();
        if !can_be {
            self.0 = [0; WORDS];
        }
        for (index, word) in self.0.iter_mut().enumerate() {
            let mut left = *word;
            while left != 0 {
                let bit = left & left.wrapping_neg();
                let format = FORMATS.get(64 * index + bit.trailing_zeros() as usize);
                if !format.is_some_and(|format| format.reads(text)) {
                    *word &= !bit;
                }
                left &= !bit;
            }
        }
    }

    /// All formats that fit, best first.
    pub(super) fn formats(self) -> impl Iterator<Item = &'static TimeFormat> {
        let is_alive = move |index: usize| self.0[index / 64] >> (index % 64) & 1 == 1;
        FORMATS.iter().enumerate().filter(move |(index, _)| is_alive(*index)).map(|(_, format)| format)
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
    /// Returns whether years have two digits.
    pub(super) fn has_short_year(&self) -> bool {
        self.format.is_some_and(|format| format.contains("%y"))
    }

    /// Returns whether the texts are digits alone.
    pub(super) fn is_digits(&self) -> bool {
        matches!(self.format, Some("%Y%m%d" | "%Y%m%d%H%M%S" | "%Y%m%d%H%M%S%f"))
    }
}
