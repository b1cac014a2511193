//! The formats that dates and timestamps usually have.

use std::sync::LazyLock;

use crate::date_format;
use crate::model::ColumnType;
use crate::validate::is_moment;

/// Dates whose parts have all their digits. Those of ISO 8601 come first.
const DATES: [&str; 9] =
    ["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d"];

/// Other dates: without leading zeros, with names of months, with two digits of a year.
const LOOSE_DATES: [&str; 14] = [
    "%-d.%-m.%Y",
    "%-d/%-m/%Y",
    "%-m/%-d/%Y",
    "%Y-%-m-%-d",
    "%Y/%-m/%-d",
    "%d-%b-%Y",
    "%-d-%b-%Y",
    "%-d %b %Y",
    "%-d %B %Y",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d-%b-%y",
    "%-d-%b-%y",
];

const TIMES: [&str; 7] = [" %H:%M:%S", "T%H:%M:%S", " %H:%M", "T%H:%M", " %H:%M:%S.%f", "T%H:%M:%S.%f", " %H:%M:%S,%f"];

const LOOSE_TIMES: [&str; 4] = [" %-H:%M:%S", " %-H:%M", " %-I:%M:%S %p", " %-I:%M %p"];

const ZONED_TIMES: [&str; 6] =
    [" %H:%M:%S.%f%z", "T%H:%M:%S.%f%z", " %H:%M:%S%z", "T%H:%M:%S%z", " %H:%M:%S%.f %z", " %H:%M:%S%.f %Z"];

const COMPACT: [&str; 4] = ["%Y%m%d%H%M%S", "%Y%m%d%H%M%S%f", "%Y%m%d %H%M%S", "%Y%m%dT%H%M%S"];

static FORMATS: LazyLock<[Vec<&'static str>; 3]> = LazyLock::new(|| {
    let with = |dates: &[&str], times: &[&str]| -> Vec<&'static str> {
        let of = |date: &&str| times.iter().map(move |time| &*format!("{date}{time}").leak()).collect::<Vec<_>>();
        dates.iter().map(|date| (*date).to_owned()).flat_map(|date| of(&&*date)).collect()
    };
    let dates = [&DATES[1..], &LOOSE_DATES].concat();
    let half_days = with(&DATES, &LOOSE_TIMES[2..]);
    let timestamps = [with(&DATES, &TIMES), COMPACT.to_vec(), half_days, with(&LOOSE_DATES, &LOOSE_TIMES)].concat();
    [dates, timestamps, with(&DATES, &ZONED_TIMES)]
});

/// The usual formats of a date, timestamp or timestamptz that are not ISO 8601, those that are more likely first.
pub fn time_formats(ty: &ColumnType) -> &'static [&'static str] {
    match ty {
        ColumnType::Date { .. } => &FORMATS[0],
        ColumnType::Timestamp { .. } => &FORMATS[1],
        ColumnType::Timestamptz { .. } => &FORMATS[2],
        _ => &[],
    }
}

/// Returns whether Athena can read a format, too.
pub fn is_for_athena(format: &str) -> bool {
    date_format::not_in_sql(format).is_none()
}

/// Returns whether a text is a value of a type with its format.
pub fn reads_time(text: &str, ty: &ColumnType) -> bool {
    is_moment(text, ty)
}

/// Those of the usual formats that read a text as a value of this type.
pub fn times_that_read<'t>(text: &'t str, ty: &'t ColumnType) -> impl Iterator<Item = &'static str> + use<'t> {
    let with = |format: &str| match ty {
        ColumnType::Date { .. } => ColumnType::Date { format: Some(format.into()) },
        ColumnType::Timestamp { .. } => ColumnType::Timestamp { format: Some(format.into()) },
        _ => ColumnType::Timestamptz { format: Some(format.into()) },
    };
    time_formats(ty).iter().copied().filter(move |format| is_moment(text, &with(format)))
}
