//! Checks that a `default` is a valid value of its column's type. The grammars are those of the runtime, which reads
//! the exports; a property test compares the two.

use super::{moment, numbers};
use crate::date_format;
use crate::model::{Column, ColumnType, Encoding};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Checks that a text is a valid value of the column.
///
/// # Errors
/// Returns why it is not.
pub(super) fn check(text: &str, column: &Column, nulls: &[String]) -> Result<(), String> {
    let text = if column.trim { text.trim_matches([' ', '\t']) } else { text };
    if nulls.iter().any(|null| null == text) {
        // As in an export, the empty text is a value in a text column that is not nullable and not in the key.
        let is_value = column.nullable || text.is_empty() && column.ty.is_text();
        return if is_value { Ok(()) } else { Err("this means NULL, but the column is not nullable".to_owned()) };
    }
    let ordinary = column.numbers.as_ref().map(|numbers| numbers::ordinary(text, numbers));
    let text = match &ordinary {
        Some(None) => return Err(format!("not a valid `{}` as this column writes it", column.ty.name())),
        Some(Some(ordinary)) => ordinary,
        None => text,
    };
    let is_readable = match &column.ty {
        ColumnType::Boolean { words: None } => {
            ["true", "t", "1", "false", "f", "0"].iter().any(|word| text.eq_ignore_ascii_case(word))
        }
        ColumnType::Boolean { words: Some(words) } => {
            words.true_values.iter().chain(&words.false_values).any(|word| word == text)
        }
        ColumnType::Tinyint => is_integer(text, i8::MIN.into(), i8::MAX.into()),
        ColumnType::Smallint => is_integer(text, i16::MIN.into(), i16::MAX.into()),
        ColumnType::Int => is_integer(text, i32::MIN.into(), i32::MAX.into()),
        ColumnType::Bigint => is_integer(text, i64::MIN.into(), i64::MAX.into()),
        ColumnType::Float => is_float(text, |text| text.parse().is_ok_and(f32::is_finite)),
        ColumnType::Double => is_float(text, |text| text.parse().is_ok_and(f64::is_finite)),
        ColumnType::Decimal { precision, scale } => is_decimal(text, (*precision).into(), (*scale).into()),
        ColumnType::Char(longest) | ColumnType::Varchar(longest) => text.chars().count() <= *longest as usize,
        ColumnType::String => true,
        ColumnType::Binary(Encoding::Base64) => STANDARD.decode(text).is_ok(),
        ColumnType::Binary(Encoding::Hex) => is_hex(text, column.prefix.as_deref().unwrap_or_default()),
        ColumnType::Date { .. } | ColumnType::Timestamp { .. } | ColumnType::Timestamptz { .. } => {
            match column.ty.format().and_then(date_format::epoch_digits).map(date_format::epoch_range) {
                Some((min, max)) => is_integer(text, min.into(), max.into()),
                None => moment::is_moment(text, &column.ty),
            }
        }
    };
    if is_readable { Ok(()) } else { Err(format!("not a valid `{}`", described(&column.ty))) }
}

/// The type, with the options that decide whether a text is valid. It goes between backticks.
fn described(ty: &ColumnType) -> String {
    match (ty, ty.format()) {
        (_, Some(format)) => format!("{}` with the format `{format}", ty.name()),
        (ColumnType::Binary(encoding), _) => format!("binary` in `{}", encoding.name()),
        _ => ty.name(),
    }
}

fn is_hex(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|digits| digits.len() % 2 == 0 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['+', '-']).unwrap_or(text)
}

fn are_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_integer(text: &str, min: i128, max: i128) -> bool {
    let digits = unsigned(text);
    let significant = digits.trim_start_matches('0');
    if digits.is_empty() || !are_digits(digits) || significant.len() > 20 {
        return false;
    }
    let value: i128 = significant.parse().unwrap_or(0);
    (min..=max).contains(&if text.starts_with('-') { -value } else { value })
}

/// Splits `[0-9]+(\.[0-9]*)?|\.[0-9]+` at the decimal point.
fn split_decimal(text: &str) -> Option<(&str, &str)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = !(whole.is_empty() && fraction.is_empty()) && are_digits(whole) && are_digits(fraction);
    is_number.then_some((whole, fraction))
}

fn is_decimal(text: &str, precision: usize, scale: usize) -> bool {
    let digits = unsigned(text);
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let Some((whole, fraction)) = split_decimal(mantissa) else { return false };
    if unsigned(exponent).is_empty() || !are_digits(unsigned(exponent)) {
        return false;
    }
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return true;
    }
    // The number of digits before the point; negative if zeros follow it.
    let Ok(exponent) = exponent.parse::<i32>() else { return false };
    let before = significant.len() as i64 - fraction.len() as i64 + i64::from(exponent);
    let after = significant.trim_end_matches('0').len() as i64 - before;
    before <= (precision - scale) as i64 && after <= scale as i64
}

fn is_float(text: &str, is_finite: impl Fn(&str) -> bool) -> bool {
    let digits = unsigned(text);
    if ["nan", "inf", "infinity"].iter().any(|word| digits.eq_ignore_ascii_case(word)) {
        return true;
    }
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let exponent = unsigned(exponent);
    split_decimal(mantissa).is_some() && !exponent.is_empty() && are_digits(exponent) && is_finite(text)
}
