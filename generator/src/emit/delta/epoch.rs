//! The SQL of numbers of seconds, milliseconds or microseconds since 1970.

use super::sql::matches;
use crate::date_format::{epoch_digits, epoch_range};

/// The condition under which a text is such a number, and its canonical text. `zone` is appended to that.
pub(super) fn values(text: &str, format: &str, zone: &str) -> Vec<(String, String)> {
    let digits = epoch_digits(format).expect("the caller has checked the format");
    let (min, max) = epoch_range(digits);
    let grammar = matches(text, "^[+-]?[0-9]+$");
    let is_value = format!("{grammar} AND try_cast({text} AS bigint) BETWEEN {min} AND {max}");
    let (number, unit) = (format!("CAST({text} AS bigint)"), 10_i64.pow(digits));
    // The remainder of a negative number is negative.
    let remainder = format!("mod(mod({number}, {unit}) + {unit}, {unit})");
    let seconds = format!("({number} - {remainder}) / {unit}");
    // `date_add` takes 32 bits of seconds at most.
    let time = format!("TIMESTAMP '1970-01-01 00:00:00' + ({seconds}) * INTERVAL '1' SECOND");
    let fraction = match digits {
        0 => "'000000'".to_owned(),
        _ => format!("rpad(lpad(CAST({remainder} AS varchar), {digits}, '0'), 6, '0')"),
    };
    vec![(is_value, format!("replace(substr(CAST({time} AS varchar), 1, 19), ' ', 'T') || '.' || {fraction}{zone}"))]
}
