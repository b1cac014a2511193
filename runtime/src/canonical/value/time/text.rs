//! Pieces of text that dates and times consist of.

/// The largest offset from UTC that a timestamptz may have, in minutes: 14 hours, as in Trino.
const MAX_OFFSET_MINUTES: i32 = 14 * 60;

/// Reads one byte that is `expected`.
pub(super) fn one(rest: &mut &[u8], expected: impl Fn(u8) -> bool) -> Result<(), ()> {
    match *rest {
        [byte, tail @ ..] if expected(*byte) => {
            *rest = tail;
            Ok(())
        }
        _ => Err(()),
    }
}

/// Reads exactly `width` digits.
pub(super) fn digits(rest: &mut &[u8], width: usize) -> Result<u32, ()> {
    let (head, tail) = rest.split_at_checked(width).ok_or(())?;
    if !head.iter().all(u8::is_ascii_digit) {
        return Err(());
    }
    *rest = tail;
    Ok(head.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0')))
}

/// Reads as many digits as there are, at least and at most so many.
pub(super) fn digits_between(rest: &mut &[u8], min: usize, max: usize) -> Result<u32, ()> {
    let width = rest.iter().take(max).take_while(|byte| byte.is_ascii_digit()).count();
    if width < min { Err(()) } else { digits(rest, width) }
}

/// Reads one to six digits as microseconds, and zeros after them. Another digit is left, and refused by the piece that
/// follows.
pub(super) fn fraction(rest: &mut &[u8]) -> Result<u32, ()> {
    let width = rest.iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
    if width == 0 {
        return Err(());
    }
    let micros = digits(rest, width)? * 10u32.pow(6 - width as u32);
    let zeros = rest.iter().take_while(|byte| **byte == b'0').count();
    *rest = &rest[zeros..];
    Ok(micros)
}

/// Reads an offset from UTC, in minutes.
pub(super) fn offset(rest: &mut &[u8]) -> Result<i32, ()> {
    let (&sign, tail) = rest.split_first().ok_or(())?;
    *rest = tail;
    if sign == b'Z' {
        return Ok(0);
    }
    let hours = digits(rest, 2)?;
    let has_colon = rest.first() == Some(&b':');
    if has_colon {
        *rest = &rest[1..];
    }
    let has_minutes = has_colon || rest.first().is_some_and(u8::is_ascii_digit);
    let minutes = if has_minutes { digits(rest, 2)? } else { 0 };
    let total = (hours * 60 + minutes) as i32;
    if minutes > 59 || total > MAX_OFFSET_MINUTES {
        return Err(());
    }
    match sign {
        b'+' => Ok(total),
        b'-' => Ok(-total),
        _ => Err(()),
    }
}
