//! A date and time of day.

use jiff::SignedDuration;
use jiff::civil;

/// A date and time of day as it was read, with its offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DateTime {
    pub(super) year: u16,
    pub(super) month: u8,
    pub(super) day: u8,
    pub(super) hour: u8,
    pub(super) minute: u8,
    pub(super) second: u8,
    pub(super) micros: u32,
    pub(super) offset_seconds: i32,
}

impl DateTime {
    /// The first moment there is.
    pub(super) const FIRST: Self =
        Self { year: 1, month: 1, day: 1, hour: 0, minute: 0, second: 0, micros: 0, offset_seconds: 0 };

    pub(super) fn is_valid(&self) -> bool {
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
        if self.offset_seconds == 0 {
            return Ok(self);
        }
        let utc =
            self.civil().checked_sub(SignedDuration::from_secs(i64::from(self.offset_seconds))).map_err(|_| ())?;
        if utc.year() < 1 {
            return Err(());
        }
        Ok(Self {
            year: utc.year() as u16,
            month: utc.month() as u8,
            day: utc.day() as u8,
            hour: utc.hour() as u8,
            minute: utc.minute() as u8,
            second: utc.second() as u8,
            offset_seconds: 0,
            ..self
        })
    }
}
