//! The numbers of a column: whether all of its texts are numbers, in which way of writing, and how many digits they
//! have.

use std::sync::LazyLock;

use generator::hints::MARKS;

use crate::epoch::NumberFormat;
use crate::table::{Sign, Type};

/// The digits that a decimal can have.
const MAX_DIGITS: u32 = 38;

/// Every way of writing but the ordinary one. Groups between underscores are rather parts of a code.
static FORMATS: LazyLock<Vec<NumberFormat>> = LazyLock::new(|| {
    let signs = [Sign::Leading, Sign::Trailing, Sign::Parentheses];
    let marks = MARKS.iter().filter(|(_, group_mark)| *group_mark != Some('_'));
    let all = signs.iter().flat_map(|sign| marks.clone().map(move |marks| (*sign, *marks))).skip(1);
    all.map(|(sign, (decimal_mark, group_mark))| NumberFormat { decimal_mark, group_mark, sign, strip: Vec::new() })
        .collect()
});

/// The numbers of a column. Those that are written alike in several formats are counted once for all of them.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    /// Digits alone, which every format reads.
    integers: Digits,
    /// Digits with a point, which every format with that decimal mark reads.
    pointed: Digits,
    /// The other numbers; `None` if a text is not a number.
    ordinary: Option<Digits>,
    /// The same for each of the formats.
    others: Vec<Option<Digits>>,
}

/// What all numbers of a column need.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Digits {
    whole: u32,
    /// The digits of the fraction as written, and those without zeros at the end.
    written: u32,
    fraction: u32,
    has_fraction: bool,
    has_exponent: bool,
    has_special: bool,
    is_beyond_int: bool,
    is_beyond_bigint: bool,
    is_beyond_double: bool,
    /// The shortest and the longest number, in digits before the point.
    pub(super) min_length: u32,
    pub(super) max_length: u32,
    count: u64,
    /// How many have a plus and enough digits for a telephone number.
    calls: u64,
}

impl Default for Numbers {
    fn default() -> Self {
        Self {
            integers: Digits::default(),
            pointed: Digits::default(),
            ordinary: Some(Digits::default()),
            others: vec![Some(Digits::default()); FORMATS.len()],
        }
    }
}

/// How much of a text every format reads alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    Digits,
    Pointed,
    Any,
}

impl Writing {
    fn from_text(text: &str) -> Self {
        let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.split_once('.') {
            None if are_digits(text) => Self::Digits,
            Some((whole, fraction)) if are_digits(whole) && are_digits(fraction) => Self::Pointed,
            _ => Self::Any,
        }
    }
}

impl Numbers {
    pub(super) fn add(&mut self, text: &str) {
        if self.is_over() {
            return;
        }
        let writing = Writing::from_text(text);
        let is_number = match writing {
            Writing::Digits => self.integers.add(text),
            Writing::Pointed => self.pointed.add(text),
            Writing::Any => self.ordinary.as_mut().is_some_and(|digits| digits.add(text)),
        };
        match (writing, is_number) {
            (Writing::Digits, true) => return,
            (Writing::Digits, false) => self.others.clear(),
            _ => {}
        }
        if !is_number {
            self.ordinary = None;
        }
        for (digits, format) in self.others.iter_mut().zip(FORMATS.iter()) {
            let reads = |digits: &mut Digits| match writing {
                Writing::Pointed if format.decimal_mark == '.' => is_number,
                _ => format.ordinary(text.as_bytes()).is_ok_and(|number| digits.add(&number)),
            };
            if digits.as_mut().is_some_and(|digits| !reads(digits)) {
                *digits = None;
            }
        }
        if self.others.iter().all(Option::is_none) {
            self.others.clear();
        }
    }

    /// Returns whether the texts are no numbers, whatever follows.
    pub(super) fn is_over(&self) -> bool {
        self.ordinary.is_none() && self.others.is_empty()
    }

    /// The type that has all numbers exactly, how they are written, and what else they could be.
    pub(super) fn best(&self) -> Option<Best> {
        let ordinary = self.ordinary.map(|digits| digits.with(self.integers).with(self.pointed));
        if let Some(digits) = ordinary.filter(|digits| digits.count > 0) {
            let other = self.alive().find(|(format, other)| {
                format.sign == Sign::Leading && format.group_mark == Some('.') && other.whole > digits.whole
            });
            let other = other.filter(|_| digits.has_fraction).map(|_| "points between thousands: `group_mark: \".\"`");
            return Some(Best { ty: digits.ty()?, digits, format: None, other });
        }
        let mut alive = self.alive().filter(|(_, digits)| digits.count > 0);
        let (format, digits) = alive.next()?;
        let is_ambiguous = alive.any(|(other, _)| other.decimal_mark != format.decimal_mark);
        let other = (is_ambiguous && digits.has_fraction).then_some("commas between thousands: `group_mark: \",\"`");
        Some(Best { ty: digits.ty()?, digits, format: Some(format.clone()), other })
    }

    fn alive(&self) -> impl Iterator<Item = (&'static NumberFormat, Digits)> {
        let with_shared = |format: &NumberFormat, digits: Digits| match format.decimal_mark {
            '.' => digits.with(self.integers).with(self.pointed),
            _ => digits.with(self.integers),
        };
        let formats = FORMATS.iter().zip(&self.others);
        formats.filter_map(move |(format, digits)| Some((format, with_shared(format, (*digits)?))))
    }
}

/// The best way to read numbers.
#[derive(Debug, Clone)]
pub(super) struct Best {
    pub(super) ty: Type,
    pub(super) digits: Digits,
    /// `None` is the ordinary way of writing.
    pub(super) format: Option<NumberFormat>,
    /// What else the same texts could mean.
    pub(super) other: Option<&'static str>,
}

impl Digits {
    /// Adds a number in the ordinary way of writing. Returns false if it is not one, or is better kept as text.
    fn add(&mut self, text: &str) -> bool {
        let (unsigned, has_plus) = match text.as_bytes() {
            [b'-', rest @ ..] => (rest, false),
            [b'+', rest @ ..] => (rest, true),
            all => (all, false),
        };
        if is_special(unsigned) {
            (self.has_special, self.count) = (true, self.count + 1);
            return true;
        }
        let Some(number) = Number::parse(unsigned) else { return false };
        let is_code = number.whole.len() > 1 && number.whole[0] == b'0';
        if is_code {
            return false;
        }
        self.count += 1;
        self.calls += u64::from(has_plus && number.whole.len() > 6 && number.fraction.is_none());
        self.add_number(&number, text);
        true
    }

    fn add_number(&mut self, number: &Number<'_>, text: &str) {
        let length = number.whole.len() as u32;
        self.min_length = if self.max_length == 0 { length } else { self.min_length.min(length) };
        self.max_length = self.max_length.max(length);
        self.has_fraction |= number.fraction.is_some();
        self.has_exponent |= number.exponent.is_some();
        let (whole, fraction, written) = number.digits();
        self.whole = self.whole.max(whole);
        self.fraction = self.fraction.max(fraction);
        self.written = self.written.max(written);
        if number.exponent.is_some() {
            self.is_beyond_double |= !text.parse::<f64>().is_ok_and(f64::is_finite);
        } else if number.fraction.is_none() {
            let value = if whole < 20 { text.parse::<i128>().ok() } else { None };
            self.is_beyond_int |= value.is_none_or(|value| i32::try_from(value).is_err());
            self.is_beyond_bigint |= value.is_none_or(|value| i64::try_from(value).is_err());
        }
    }

    /// What these numbers and others need.
    fn with(self, other: Self) -> Self {
        let (one, two) = (self.max_length > 0, other.max_length > 0);
        let shorter = self.min_length.min(other.min_length);
        Self {
            whole: self.whole.max(other.whole),
            written: self.written.max(other.written),
            fraction: self.fraction.max(other.fraction),
            has_fraction: self.has_fraction || other.has_fraction,
            has_exponent: self.has_exponent || other.has_exponent,
            has_special: self.has_special || other.has_special,
            is_beyond_int: self.is_beyond_int || other.is_beyond_int,
            is_beyond_bigint: self.is_beyond_bigint || other.is_beyond_bigint,
            is_beyond_double: self.is_beyond_double || other.is_beyond_double,
            min_length: if one && two { shorter } else { self.min_length.max(other.min_length) },
            max_length: self.max_length.max(other.max_length),
            count: self.count + other.count,
            calls: self.calls + other.calls,
        }
    }

    /// The digits before and after the point.
    pub(super) fn places(&self) -> (u32, u32) {
        (self.whole, self.scale())
    }

    /// Zeros at the end of a fraction are kept if there is room for them.
    fn scale(&self) -> u32 {
        if self.whole + self.written <= MAX_DIGITS { self.written } else { self.fraction }
    }

    fn ty(&self) -> Option<Type> {
        if self.calls > 0 && self.calls == self.count {
            return None;
        }
        let is_double = (self.has_special || self.has_exponent) && !self.is_beyond_double;
        if self.has_special {
            let has_numbers = self.max_length > 0 || self.has_fraction;
            return (is_double && has_numbers).then_some(Type::Double);
        }
        if !self.has_fraction && !self.has_exponent && !self.is_beyond_bigint {
            return Some(if self.is_beyond_int { Type::Bigint } else { Type::Int });
        }
        let digits = self.whole + self.scale();
        if digits > MAX_DIGITS {
            return is_double.then_some(Type::Double);
        }
        // With room for larger numbers: as many digits as fit into 32, 64 or 128 bits.
        let precision = [9, 18, 38].into_iter().find(|room| u32::from(*room) >= digits).unwrap_or(38);
        Some(Type::Decimal { precision, scale: self.scale() as u8 })
    }
}

fn is_special(text: &[u8]) -> bool {
    ["nan", "inf", "infinity"].iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()))
}

/// A number without its sign.
struct Number<'a> {
    whole: &'a [u8],
    fraction: Option<&'a [u8]>,
    exponent: Option<i64>,
}

impl<'a> Number<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        let at = text.iter().position(|byte| matches!(byte, b'e' | b'E'));
        let (mantissa, exponent) = match at {
            None => (text, None),
            Some(at) => (&text[..at], Some(exponent(&text[at + 1..])?)),
        };
        let (whole, fraction) = match mantissa.iter().position(|byte| *byte == b'.') {
            None => (mantissa, None),
            Some(at) => (&mantissa[..at], Some(&mantissa[at + 1..])),
        };
        let digits = || whole.iter().chain(fraction.unwrap_or_default());
        let is_number = digits().next().is_some() && digits().all(u8::is_ascii_digit);
        is_number.then_some(Self { whole, fraction, exponent })
    }

    /// The digits before the point, those that a fraction needs, and those as written.
    fn digits(&self) -> (u32, u32, u32) {
        let fraction = self.fraction.unwrap_or_default();
        let exponent = self.exponent.unwrap_or(0);
        let all = [self.whole, fraction].concat();
        let zeros = all.iter().take_while(|digit| **digit == b'0').count();
        let last_zeros = all.iter().rev().take_while(|digit| **digit == b'0').count();
        let limit = |digits: i64| digits.clamp(0, 1_000) as u32;
        let written = limit(fraction.len() as i64 - exponent);
        if zeros == all.len() {
            return (0, 0, written);
        }
        let whole = self.whole.len() as i64 - zeros as i64 + exponent;
        (limit(whole), limit(fraction.len() as i64 - last_zeros as i64 - exponent), written)
    }
}

/// An exponent; any beyond five digits is one that no decimal has.
fn exponent(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        all => (1, all),
    };
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let value = || digits.iter().fold(0, |value: i64, digit| (value * 10 + i64::from(digit - b'0')).min(100_000));
    is_number.then(|| sign * value())
}
