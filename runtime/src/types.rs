//! The types of values in typed operations. Each reads and writes exactly the text that operations have in JSON.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::canonical::value::{DateTime, decimal_text, iso_date, iso_timestamp, iso_timestamptz};

/// An exact decimal with `S` digits after the point and up to 38 in total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Decimal<const S: u8>(i128);

/// A calendar date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date(pub jiff::civil::Date);

/// A date and time of day without a zone, to the microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(pub jiff::civil::DateTime);

/// An instant, to the microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamptz(pub jiff::Timestamp);

/// Bytes; base64 in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Binary(pub Vec<u8>);

/// A text that is not a value of the type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    expected: &'static str,
}

impl<const S: u8> Decimal<S> {
    /// The decimal `unscaled / 10^S`.
    pub const fn from_unscaled(unscaled: i128) -> Self {
        Self(unscaled)
    }

    /// The value times `10^S`.
    pub const fn unscaled(self) -> i128 {
        self.0
    }
}

impl<const S: u8> FromStr for Decimal<S> {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let canonical = decimal_text(text, 38, S).ok_or(ParseError { expected: "a decimal" })?;
        canonical.replace('.', "").parse().map(Self).map_err(|_| ParseError { expected: "a decimal" })
    }
}

impl<const S: u8> fmt::Display for Decimal<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = usize::from(S);
        let sign = if self.0 < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.0.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        if scale == 0 { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{fraction}") }
    }
}

impl FromStr for Date {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        iso_date(text).map(|moment| Self(moment.civil().date())).ok_or(ParseError { expected: "a date, YYYY-MM-DD" })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%Y-%m-%d"))
    }
}

impl FromStr for Timestamp {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        iso_timestamp(text)
            .map(|moment| Self(moment.civil()))
            .ok_or(ParseError { expected: "a timestamp, YYYY-MM-DDTHH:MM:SS.ffffff" })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%Y-%m-%dT%H:%M:%S%.6f"))
    }
}

impl FromStr for Timestamptz {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        iso_timestamptz(text)
            .as_ref()
            .map(DateTime::civil)
            .and_then(|utc| utc.to_zoned(jiff::tz::TimeZone::UTC).ok())
            .map(|zoned| Self(zoned.timestamp()))
            .ok_or(ParseError { expected: "a timestamptz, YYYY-MM-DDTHH:MM:SS.ffffffZ" })
    }
}

impl fmt::Display for Timestamptz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"))
    }
}

impl FromStr for Binary {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        BASE64.decode(text).map(Self).map_err(|_| ParseError { expected: "base64" })
    }
}

impl fmt::Display for Binary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(&self.0))
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.expected)
    }
}

impl std::error::Error for ParseError {}

/// Reads a type from a string, with its `FromStr`.
struct FromText<T>(std::marker::PhantomData<T>);

impl<T: FromStr<Err = ParseError>> Visitor<'_> for FromText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

macro_rules! serde_as_text {
    ([$($generic:tt)*], $type:ty) => {
        impl<$($generic)*> Serialize for $type {
            fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de, $($generic)*> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(FromText(std::marker::PhantomData))
            }
        }
    };
}

serde_as_text!([const S: u8], Decimal<S>);
serde_as_text!([], Date);
serde_as_text!([], Timestamp);
serde_as_text!([], Timestamptz);
serde_as_text!([], Binary);
