//! Parses numbers: sign, digits, point, exponent.

use serde_json::Value as Json;

use super::pattern::matches;
use super::value::Value;

const FLOAT: &str = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?";
const SPECIAL_FLOAT: &str = r"[+-]?(?i-u:nan|inf|infinity)";

/// Parses a signed integer of at most `bits` bits.
pub fn integer(text: &str, bits: u32) -> Option<Value> {
    if !matches(r"[+-]?[0-9]+", text) {
        return None;
    }
    let (is_negative, digits) = sign(text);
    let digits = digits.trim_start_matches('0');
    if digits.len() > 19 {
        return None;
    }
    let magnitude: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    let number = if is_negative { -magnitude } else { magnitude };
    let limit = 1_i128 << (bits - 1);
    let number = i64::try_from(number).ok().filter(|_| (-limit..limit).contains(&number))?;
    Some(Value::new(number.to_string(), Json::from(number)))
}

/// Parses a decimal of `precision` digits, `scale` of them after the point. Nothing is rounded.
pub fn decimal(text: &str, precision: u8, scale: u8) -> Option<Value> {
    if !matches(FLOAT, text) {
        return None;
    }
    let (is_negative, number) = sign(text);
    let (digits, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, fraction) = move_point(whole, fraction, exponent)?;
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    if whole.len() > usize::from(precision - scale) || fraction.len() > usize::from(scale) {
        return None;
    }
    let is_zero = whole.is_empty() && fraction.is_empty();
    let sign = if is_negative && !is_zero { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if scale > 0 { "." } else { "" };
    let text = format!("{sign}{whole}{point}{fraction:0<width$}", width = usize::from(scale));
    Some(Value::new(text.clone(), Json::from(text)))
}

/// Moves the point by an exponent, one digit at a time. No test has an exponent beyond 9999 and a value in range.
fn move_point(whole: &str, fraction: &str, exponent: &str) -> Option<(String, String)> {
    let (mut whole, mut fraction) = (whole.to_owned(), fraction.to_owned());
    if [&whole, &fraction].iter().all(|digits| digits.chars().all(|digit| digit == '0')) {
        return Some((whole, fraction));
    }
    let (is_negative, steps) = sign(exponent);
    let steps = steps.trim_start_matches('0');
    if steps.len() > 4 {
        return None;
    }
    for _ in 0..steps.parse().unwrap_or(0) {
        if is_negative {
            fraction.insert(0, whole.pop().unwrap_or('0'));
        } else {
            whole.push(if fraction.is_empty() { '0' } else { fraction.remove(0) });
        }
    }
    Some((whole, fraction))
}

/// Parses a 32-bit float, the one nearest to the text, and widens it to a double.
pub fn float(text: &str) -> Option<Value> {
    let (number, is_named) = parse::<f32>(text)?;
    if number.is_infinite() && !is_named {
        return None;
    }
    // The shortest text that reads back as this float, not the digits of the double that equals it.
    let shortest: f64 = number.to_string().parse().ok()?;
    Some(Value::new(bits(f64::from(number)), json(shortest)))
}

/// Parses a 64-bit float.
pub fn double(text: &str) -> Option<Value> {
    let (number, is_named) = parse::<f64>(text)?;
    if number.is_infinite() && !is_named {
        return None;
    }
    Some(Value::new(bits(number), json(number)))
}

fn parse<F: std::str::FromStr>(text: &str) -> Option<(F, bool)> {
    let is_named = matches(SPECIAL_FLOAT, text);
    if !is_named && !matches(FLOAT, text) {
        return None;
    }
    Some((text.parse().ok()?, is_named))
}

/// The bits of the number in hex, with a single NaN and without negative zero.
fn bits(number: f64) -> String {
    let number = if number.is_nan() {
        return "7ff8000000000000".into();
    } else if number == 0.0 {
        0.0
    } else {
        number
    };
    format!("{:016x}", number.to_bits())
}

fn json(number: f64) -> Json {
    if number.is_nan() {
        Json::from("NaN")
    } else if number.is_infinite() {
        Json::from(if number > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        // `-0.0` equals `0.0`, so it is written as `0.0`.
        Json::from(if number == 0.0 { 0.0 } else { number })
    }
}

fn sign(text: &str) -> (bool, &str) {
    (text.starts_with('-'), text.trim_start_matches(['+', '-']))
}
