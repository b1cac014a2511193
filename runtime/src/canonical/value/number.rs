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
    // No 64-bit integer has more than 19 digits, and they fit into an i128.
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

/// At most `precision - scale` significant integer digits and `scale` significant fraction digits, after the exponent
/// has moved the point; nothing is rounded.
pub(super) fn decimal(text: &[u8], precision: u8, scale: u8, out: &mut Vec<u8>) -> Result<(), ()> {
    let (negative, rest) = sign(text);
    let (precision, scale) = (usize::from(precision), usize::from(scale));
    if let Some(at) = rest.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        let (whole, fraction) = point(&rest[..at])?;
        let (whole, fraction) = shifted(whole, fraction, exponent(&rest[at + 1..])?, precision - scale, scale)?;
        write_decimal(negative, &whole, &fraction, scale, out);
        return Ok(());
    }
    let (whole, fraction) = point(rest)?;
    let (whole, fraction) = (strip_zeros(whole), strip_last_zeros(fraction));
    if whole.len() > precision - scale || fraction.len() > scale {
        return Err(());
    }
    write_decimal(negative, whole, fraction, scale, out);
    Ok(())
}

/// Appends significant digits as canonical text.
fn write_decimal(negative: bool, whole: &[u8], fraction: &[u8], scale: usize, out: &mut Vec<u8>) {
    if negative && (!whole.is_empty() || !fraction.is_empty()) {
        out.push(b'-');
    }
    out.extend_from_slice(if whole.is_empty() { b"0" } else { whole });
    if scale > 0 {
        out.push(b'.');
        out.extend_from_slice(fraction);
        out.resize(out.len() + scale - fraction.len(), b'0');
    }
}

/// The significant digits before and after a point that an exponent has moved.
fn shifted(
    whole: &[u8],
    fraction: &[u8],
    exponent: i64,
    max_whole: usize,
    max_fraction: usize,
) -> Result<(Vec<u8>, Vec<u8>), ()> {
    let all = [whole, fraction].concat();
    let digits = strip_zeros(&all);
    // Where the point is, from the first significant digit.
    let at = digits.len() as i64 - fraction.len() as i64 + exponent;
    let digits = strip_last_zeros(digits);
    if digits.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    if at > max_whole as i64 || digits.len() as i64 - at > max_fraction as i64 {
        return Err(());
    }
    let digit = |at: i64| usize::try_from(at).ok().and_then(|at| digits.get(at)).copied().unwrap_or(b'0');
    Ok(((0..at).map(digit).collect(), (at..digits.len() as i64).map(digit).collect()))
}

/// `[+-]?[0-9]+`. Beyond 18 digits it is some number that no value has.
fn exponent(text: &[u8]) -> Result<i64, ()> {
    const MAX: i64 = 1_000_000_000_000_000_000;
    let (negative, digits) = sign(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(());
    }
    let digits = strip_zeros(digits);
    let magnitude = match digits.len() {
        ..=18 => digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')),
        _ => MAX,
    };
    Ok(if negative { -magnitude } else { magnitude })
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
    out.extend_from_slice(&bits(value));
}

/// The same, alone.
pub(super) fn bits(value: f64) -> [u8; 16] {
    let value = if value.is_nan() {
        f64::from_bits(0x7ff8_0000_0000_0000)
    } else if value == 0.0 {
        0.0
    } else {
        value
    };
    let bits = value.to_bits();
    let (mut text, [high, low]) = ([0; 16], [hex((bits >> 32) as u32), hex(bits as u32)]);
    text[..8].copy_from_slice(&high);
    text[8..].copy_from_slice(&low);
    text
}

/// The eight hex digits of a number, computed together: one in each byte of a word.
fn hex(number: u32) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let spread = u64::from(number);
    let spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff;
    let spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
    let spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // Adding six to a digit above nine carries into the next four bits.
    let letters = (spread + 6 * ONES) >> 4 & ONES;
    (spread + u64::from(b'0') * ONES + letters * u64::from(b'a' - b'9' - 1)).to_be_bytes()
}

/// A number of up to 15 digits, with or without a point, as most numbers are. Its digits and the power of ten are exact
/// as doubles, so one division rounds correctly (W. Clinger, How to read floating point numbers accurately, 1990).
/// `None` says nothing about the text.
pub(super) fn short(text: &[u8]) -> Option<f64> {
    const DIGITS: usize = 15;
    const POWERS: [f64; DIGITS + 1] =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let (is_negative, rest) = sign(text);
    let (mut number, mut digits, mut fraction) = (0u64, 0, None);
    for byte in rest {
        match byte {
            b'0'..=b'9' if digits < DIGITS => {
                number = number * 10 + u64::from(byte - b'0');
                digits += 1;
            }
            b'.' if fraction.is_none() => fraction = Some(digits),
            _ => return None,
        }
    }
    if digits == 0 {
        return None;
    }
    let value = number as f64 / POWERS[digits - fraction.unwrap_or(digits)];
    Some(if is_negative { -value } else { value })
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

/// Checks a text against the grammar of a finite float, which is stricter than Rust's own parser.
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

fn strip_last_zeros(digits: &[u8]) -> &[u8] {
    &digits[..digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1)]
}

#[cfg(test)]
mod tests {
    use crate::canonical::value::number::*;

    #[test]
    fn short_numbers_equal_the_parsers_result() {
        const CHARACTERS: &[u8] = b"0123456789.-+e";
        let (mut state, mut were_short) = (1u64, 0);
        for _ in 0..300_000 {
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) as usize
            };
            // Mostly digits, with other characters anywhere.
            let length = 1 + next() % 18;
            let text: Vec<u8> =
                (0..length).map(|_| CHARACTERS[next() % if next() % 8 == 0 { 14 } else { 10 }]).collect();
            if let Some(value) = short(&text) {
                were_short += 1;
                let parsed: f64 = finite(&text).unwrap().parse().unwrap();
                assert_eq!(value.to_bits(), parsed.to_bits(), "{}", String::from_utf8_lossy(&text));
            }
        }
        assert!(were_short > 100_000, "{were_short}");
    }

    #[test]
    fn bits_are_written_as_hex_digits() {
        for bits in [0x0123_4567_89ab_cdef_u64, 0x7fef_ffff_ffff_ffff, 0x3ff0_0000_0000_0000, 0x4009_21fb_5444_2d18] {
            let mut out = Vec::new();
            write_bits(f64::from_bits(bits), &mut out);
            assert_eq!(out, format!("{bits:016x}").as_bytes());
        }
    }
}
