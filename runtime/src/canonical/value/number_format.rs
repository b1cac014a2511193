//! Numbers that are not written like `-1234.5`: their marks, signs and the texts around them.

use crate::epoch::NumberFormat;
use crate::table::Sign;

/// The blanks between a number and a text that is stripped: spaces, a tab, and the two spaces that do not break.
const BLANKS: [char; 4] = [' ', '\t', '\u{a0}', '\u{202f}'];

/// The digits of a group.
const GROUP: usize = 3;

impl NumberFormat {
    /// The number in the ordinary way of writing, for the grammar to check. Fails if it is not written as declared.
    pub(crate) fn ordinary(&self, text: &[u8]) -> Result<String, ()> {
        let text = std::str::from_utf8(text).map_err(|_| ())?;
        let outer = self.strip(text);
        let (is_negative, unsigned) = self.sign(outer.unwrap_or(text));
        let body = match outer {
            Some(_) => unsigned,
            None => self.strip(unsigned).unwrap_or(unsigned),
        };
        let mut number = String::with_capacity(body.len() + 1);
        if is_negative {
            number.push('-');
        }
        // `nan` and `inf`
        if !body.is_empty() && body.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Ok(number + body);
        }
        let (mantissa, exponent) = body.split_at(body.find(['e', 'E']).unwrap_or(body.len()));
        let (whole, fraction) = match mantissa.split_once(self.decimal_mark) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        self.push_whole(whole, &mut number)?;
        if let Some(fraction) = fraction.map(digits) {
            number.push('.');
            number.push_str(fraction?);
        }
        Ok(number + exponent)
    }

    /// The text without one of the texts to strip; `None` if there is none.
    fn strip<'a>(&self, text: &'a str) -> Option<&'a str> {
        self.strip.iter().find_map(|strip| {
            let after = text.strip_prefix(strip.as_str()).map(|rest| rest.trim_start_matches(BLANKS));
            after.or_else(|| text.strip_suffix(strip.as_str()).map(|rest| rest.trim_end_matches(BLANKS)))
        })
    }

    /// Whether the number is negative, and the number without its sign.
    fn sign<'a>(&self, text: &'a str) -> (bool, &'a str) {
        let signs = ['+', '-'];
        match self.sign {
            Sign::Leading => (text.starts_with('-'), text.strip_prefix(signs).unwrap_or(text)),
            Sign::Trailing => (text.ends_with('-'), text.strip_suffix(signs).unwrap_or(text)),
            Sign::Parentheses => match text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
                Some(inner) => (true, inner),
                None => (false, text),
            },
        }
    }

    /// Appends the digits before the decimal mark. If there is a group mark, it is between all groups.
    fn push_whole(&self, whole: &str, number: &mut String) -> Result<(), ()> {
        let Some(mark) = self.group_mark.filter(|mark| whole.contains(*mark)) else {
            number.push_str(digits(whole)?);
            return Ok(());
        };
        for (index, group) in whole.split(mark).enumerate() {
            let has_length = if index == 0 { (1..=GROUP).contains(&group.len()) } else { group.len() == GROUP };
            if !has_length {
                return Err(());
            }
            number.push_str(digits(group)?);
        }
        Ok(())
    }
}

fn digits(text: &str) -> Result<&str, ()> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { Ok(text) } else { Err(()) }
}
