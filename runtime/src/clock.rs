//! The only module that reads a clock. Clocks decide how soon something happens, never whether it is right.
#![expect(clippy::disallowed_methods, reason = "this is the one module that reads clocks")]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01 UTC; 0 if the machine's clock is before that.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64) + ahead_ms()
}

/// How many milliseconds a test wants this process's clock to be ahead.
#[cfg(feature = "breakpoints")]
fn ahead_ms() -> i64 {
    std::env::var("TIDEMARK_CLOCK_AHEAD_MS").ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}

#[cfg(not(feature = "breakpoints"))]
fn ahead_ms() -> i64 {
    0
}

/// A time in milliseconds since 1970 as ISO 8601 in UTC, to the millisecond.
pub(crate) fn iso_time(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds)
        .map_or_else(|_| "?".into(), |time| time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())
}

/// A time in milliseconds since 1970 for people, in UTC, to the second.
pub(crate) fn readable_time(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds)
        .map_or_else(|_| "?".into(), |time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// Reads a time in ISO 8601 as milliseconds since 1970.
pub(crate) fn from_iso(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(|time| time.as_millisecond())
}

/// How a time in milliseconds since 1970 is serialised: as ISO 8601. Records that were written as numbers are read.
pub(crate) mod iso {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Time {
        Number(i64),
        Text(String),
    }

    pub(crate) fn serialize<S: Serializer>(milliseconds: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        match jiff::Timestamp::from_millisecond(*milliseconds) {
            Ok(_) => serializer.serialize_str(&super::iso_time(*milliseconds)),
            // A clock can be set to anything.
            Err(_) => serializer.serialize_i64(*milliseconds),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        match Time::deserialize(deserializer)? {
            Time::Number(milliseconds) => Ok(milliseconds),
            Time::Text(text) => match text.parse::<jiff::Timestamp>() {
                Ok(time) => Ok(time.as_millisecond()),
                Err(error) => Err(D::Error::custom(format!("`{text}` is not a time: {error}"))),
            },
        }
    }
}

/// The same for a time that may not have come yet.
pub(crate) mod iso_option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Time(#[serde(with = "super::iso")] i64);

    pub(crate) fn serialize<S: Serializer>(time: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
        time.map(Time).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        Ok(Option::<Time>::deserialize(deserializer)?.map(|Time(milliseconds)| milliseconds))
    }
}

/// The start of a measured duration.
pub(crate) fn instant() -> Instant {
    Instant::now()
}
