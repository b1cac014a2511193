//! The grammar and the canonical text of numbers.

/// `[+-]?[0-9]+` within the range, without leading zeros or `+`.
pub(super) fn integer(text: &[u8], min: i64, max: i64, out: &mut Vec<u8>) -> Result<(), ()> {
    let (negative, digits) = sign(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(());
    }
    let digits = strip_zeros(digits);
    if digits.is_empty() {
        out.push(b'0');
        return Ok(());
    }
    // 19 digits fit an i128 with room to spare, and no 64-bit integer has more.
    if digits.len() > 19 {
        return Err(());
    }
    let magnitude = digits.iter().fold(0i128, |value, digit| value * 10 + i128::from(digit - b'0'));
    let value = if negative { -magnitude } else { magnitude };
    if value < i128::from(min) || value > i128::from(max) {
        return Err(());
    }
    if negative {
        out.push(b'-');
    }
    out.extend_from_slice(digits);
    Ok(())
}

/// At most `precision - scale` significant integer digits and `scale` significant fraction digits; nothing is rounded.
pub(super) fn decimal(text: &[u8], precision: u8, scale: u8, out: &mut Vec<u8>) -> Result<(), ()> {
    let (negative, rest) = sign(text);
    let (whole, fraction) = point(rest)?;
    let whole = strip_zeros(whole);
    let fraction = &fraction[..fraction.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1)];
    let (precision, scale) = (usize::from(precision), usize::from(scale));
    if whole.len() > precision - scale || fraction.len() > scale {
        return Err(());
    }
    if negative && (!whole.is_empty() || !fraction.is_empty()) {
        out.push(b'-');
    }
    out.extend_from_slice(if whole.is_empty() { b"0" } else { whole });
    if scale > 0 {
        out.push(b'.');
        out.extend_from_slice(fraction);
        out.resize(out.len() + scale - fraction.len(), b'0');
    }
    Ok(())
}

/// A 32-bit float, rounded once from its text and then widened.
pub(super) fn float(text: &[u8], out: &mut Vec<u8>) -> Result<(), ()> {
    match special(text) {
        Some(value) => write_bits(value, out),
        None => {
            let value: f32 = finite(text)?.parse().map_err(|_| ())?;
            if value.is_infinite() {
                return Err(());
            }
            write_bits(f64::from(value), out);
        }
    }
    Ok(())
}

/// A 64-bit float.
pub(super) fn double(text: &[u8], out: &mut Vec<u8>) -> Result<(), ()> {
    match special(text) {
        Some(value) => write_bits(value, out),
        None => {
            let value: f64 = finite(text)?.parse().map_err(|_| ())?;
            if value.is_infinite() {
                return Err(());
            }
            write_bits(value, out);
        }
    }
    Ok(())
}

/// The canonical text of a float: 16 hex digits of its bits, with one NaN and no negative zero.
pub(crate) fn write_bits(value: f64, out: &mut Vec<u8>) {
    let value = if value.is_nan() {
        f64::from_bits(0x7ff8_0000_0000_0000)
    } else if value == 0.0 {
        0.0
    } else {
        value
    };
    for byte in value.to_bits().to_be_bytes() {
        out.extend_from_slice(&super::hex_digits(byte));
    }
}

fn special(text: &[u8]) -> Option<f64> {
    let (negative, word) = sign(text);
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    match () {
        () if is("nan") => Some(f64::NAN),
        () if is("inf") || is("infinity") => Some(if negative { f64::NEG_INFINITY } else { f64::INFINITY }),
        () => None,
    }
}

/// Holds the text against the grammar of a finite float. Rust's own parser takes all of it, and more.
fn finite(text: &[u8]) -> Result<&str, ()> {
    let (_, rest) = sign(text);
    let mantissa = match rest.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        None => rest,
        Some(at) => {
            let (_, exponent) = sign(&rest[at + 1..]);
            if exponent.is_empty() || !exponent.iter().all(u8::is_ascii_digit) {
                return Err(());
            }
            &rest[..at]
        }
    };
    point(mantissa)?;
    std::str::from_utf8(text).map_err(|_| ())
}

/// Splits `[0-9]+(\.[0-9]*)?|\.[0-9]+` at its point.
fn point(text: &[u8]) -> Result<(&[u8], &[u8]), ()> {
    let (whole, fraction) = match text.iter().position(|byte| *byte == b'.') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &text[text.len()..]),
    };
    let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    let some = !whole.is_empty() || !fraction.is_empty();
    if some && digits(whole) && digits(fraction) { Ok((whole, fraction)) } else { Err(()) }
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

fn strip_zeros(digits: &[u8]) -> &[u8] {
    &digits[digits.iter().position(|digit| *digit != b'0').unwrap_or(digits.len())..]
}
