//! What stands after an escape.

use super::Special;
use crate::reject::Reason;
use crate::snapshot::csv::fields::FieldError;
use crate::table::Escape;

/// An escaped character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escaped {
    /// This byte, after so many bytes of the record.
    Byte(u8, usize),
    /// The escape itself, which has no meaning here.
    Literal,
}

const UNKNOWN: FieldError =
    (Reason::BadQuoting, "an escape before a character that needs none; is it another `escape`?");
const AMBIGUOUS: FieldError =
    (Reason::BadQuoting, "an escaped escape outside quotes, which can be one character or two; quote such fields");
const DANGLING: FieldError = (Reason::BadQuoting, "an escape at the end of a record");
const NUL: FieldError = (Reason::BadCharacter, "an escaped NUL byte");
const NULL_IN_TEXT: FieldError = (Reason::BadQuoting, "`\\N`, which is NULL, within a text");

impl Special {
    /// The character after an escape. `rest` begins with the escape.
    pub(super) fn escaped(&self, escape: Escape, rest: &[u8], is_quoted: bool) -> Result<Escaped, FieldError> {
        let Some(next) = rest.get(1).copied() else {
            return if self.is_literal_outside_quotes() && !is_quoted { Err(AMBIGUOUS) } else { Err(DANGLING) };
        };
        match escape {
            Escape::Char(byte) => self.single(byte, next, is_quoted),
            Escape::Mysql => mysql(next),
            Escape::Postgres => postgres(&rest[1..]),
        }
    }

    /// Writers with quotes, such as Spark, escape in quoted fields only.
    fn single(&self, escape: u8, next: u8, is_quoted: bool) -> Result<Escaped, FieldError> {
        let is_outside = self.is_literal_outside_quotes() && !is_quoted;
        let needs_escape = [Some(self.delimiter[0]), self.quote, Some(b'\r'), Some(b'\n')].contains(&Some(next))
            || self.record_end().first() == Some(&next)
            || self.quote.is_none() && matches!(next, b'"' | b'\'');
        match next {
            _ if next == escape => {
                if is_outside {
                    Err(AMBIGUOUS)
                } else {
                    Ok(Escaped::Byte(next, 2))
                }
            }
            0 => Err(NUL),
            _ if needs_escape => Ok(Escaped::Byte(next, 2)),
            _ if is_outside => Ok(Escaped::Literal),
            _ => Err(UNKNOWN),
        }
    }
}

/// <https://dev.mysql.com/doc/refman/8.4/en/load-data.html>
fn mysql(next: u8) -> Result<Escaped, FieldError> {
    let byte = match next {
        0 | b'0' => return Err(NUL),
        b'N' => return Err(NULL_IN_TEXT),
        b'b' => 8,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'Z' => 26,
        next if next.is_ascii_alphanumeric() => return Err(UNKNOWN),
        next => next,
    };
    Ok(Escaped::Byte(byte, 2))
}

/// <https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS>. `after` is not empty.
fn postgres(after: &[u8]) -> Result<Escaped, FieldError> {
    let byte = match after[0] {
        0 => return Err(NUL),
        b'N' => return Err(NULL_IN_TEXT),
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'0'..=b'7' => return number(after, 0, 3, 8),
        b'x' => return number(after, 1, 2, 16),
        next if next.is_ascii_alphanumeric() => return Err(UNKNOWN),
        next => next,
    };
    Ok(Escaped::Byte(byte, 2))
}

/// A byte in octal or hex, up to so many digits. COPY writes characters beyond ASCII as they are.
fn number(after: &[u8], from: usize, max_digits: usize, radix: u32) -> Result<Escaped, FieldError> {
    let digits = after[from..].iter().take(max_digits).take_while(|byte| char::from(**byte).is_digit(radix)).count();
    let text = str::from_utf8(&after[from..from + digits]).unwrap_or_default();
    match u8::from_str_radix(text, radix) {
        Ok(0) => Err(NUL),
        Ok(byte) if byte.is_ascii() => Ok(Escaped::Byte(byte, 1 + from + digits)),
        _ => Err(UNKNOWN),
    }
}
