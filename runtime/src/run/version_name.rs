//! What the names of versions say about their order: dates and numbers.

use jiff::civil::Date;

/// The date that a name begins with: `20260102` or `2026-01-02`, alone or followed by a time (`202601021530`,
/// `20260102T1530`) or a suffix (`20260102_V0001`).
pub(super) fn date(name: &str) -> Option<Date> {
    let bytes = name.as_bytes();
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (year, month, day) = match digits {
        // Hours, minutes and seconds may follow.
        8 | 10 | 12 | 14 => (&name[..4], &name[4..6], &name[6..8]),
        4 if bytes.len() >= 10 && bytes[4] == b'-' && bytes[7] == b'-' && bytes.get(10).is_none_or(is_no_digit) => {
            (&name[..4], &name[5..7], &name[8..10])
        }
        _ => return None,
    };
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

/// The day of a time in milliseconds since 1970, in UTC.
pub(super) fn day(milliseconds: i64) -> Option<Date> {
    let time = jiff::Timestamp::from_millisecond(milliseconds).ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).date())
}

fn is_no_digit(byte: &u8) -> bool {
    !byte.is_ascii_digit()
}

/// The number of days from one date to another.
pub(super) fn days(from: Date, to: Date) -> i64 {
    let seconds = to.duration_since(from).as_secs();
    seconds / (24 * 3600)
}

/// How much larger the first number is in which two names differ; `None` if they differ elsewhere first.
pub(super) fn distance(from: &str, to: &str) -> Option<u64> {
    let (from, to) = (pieces(from), pieces(to));
    let (a, b) = from.iter().zip(&to).find(|(a, b)| a != b)?;
    b.parse::<u64>().ok()?.checked_sub(a.parse().ok()?)
}

/// Returns whether two names differ in numbers alone, as `20260102_V1` and `20260103_V12`, but not `2026-01-02`.
pub(super) fn are_alike(a: &str, b: &str) -> bool {
    let shape = |name: &str| -> Vec<String> {
        let is_number = |piece: &str| piece.starts_with(|c: char| c.is_ascii_digit());
        pieces(name).into_iter().map(|piece| if is_number(piece) { "0" } else { piece }.to_owned()).collect()
    };
    shape(a) == shape(b)
}

/// A name as its runs of digits, and what is between them.
fn pieces(name: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let other = |c: char| c.is_ascii_digit() != first.is_ascii_digit();
        let (piece, more) = rest.split_at(rest.find(other).unwrap_or(rest.len()));
        pieces.push(piece);
        rest = more;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_found_at_the_beginning_of_names() {
        for name in ["20260102", "20260102_V0001", "2026-01-02", "2026-01-02_1", "202601021530", "20260102T153000"] {
            assert_eq!(date(name), Date::new(2026, 1, 2).ok(), "{name}");
        }
        for name in ["V20260102", "20261302", "20260230", "2026012", "202601020", "2026-1-2", "2026-01-023", "V1", "7"]
        {
            assert_eq!(date(name), None, "{name}");
        }
        assert_eq!(days(date("20251231").unwrap(), date("20270102").unwrap()), 367);
        assert_eq!(days(date("20260102").unwrap(), date("20260101").unwrap()), -1);
    }

    #[test]
    fn names_that_differ_in_numbers_alone_are_alike() {
        for (a, b, expected) in [
            ("20260102", "20260103", true),
            ("20260102_V1", "20270103_V12", true),
            ("V9", "V10", true),
            ("2026-01-02", "20260102", false),
            ("20260102", "20260102_V1", false),
            ("V1", "20260102", false),
        ] {
            assert_eq!(are_alike(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn the_distance_of_names_is_that_of_their_first_different_numbers() {
        assert_eq!(distance("V3", "V90"), Some(87));
        assert_eq!(distance("V2.9", "V2.10"), Some(1));
        assert_eq!(distance("V9", "V3"), None);
        assert_eq!(distance("a1", "b1"), None);
        assert_eq!(distance("V1", "V1"), None);
    }
}
