//! What is known of one column after all of its texts were read, in memory that does not grow with them.

use std::collections::BTreeSet;

use xxhash_rust::xxh3::xxh3_64;

use super::numbers::Numbers;
use super::reading::ESCAPED_NULL;
use super::symbols::Symbols;
use super::times::Times;
use super::words::{self, Kind, Spellings, WORDS};
use crate::canonical::field::NULL;

/// How many different values are counted.
const MAX_DISTINCT: usize = 32;

/// The texts of one column.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// The number of values, without the words that can mean NULL.
    pub(super) values: u64,
    /// For each word, how often it occurs without and with quotes.
    pub(super) words: [(u64, u64); WORDS.len()],
    pub(super) numbers: Numbers,
    pub(super) symbols: Symbols,
    pub(super) times: Times,
    pub(super) spellings: Spellings,
    /// Whether there are blanks around a value, and how many values are blank.
    pub(super) is_padded: bool,
    pub(super) blank: u64,
    /// The shortest and the longest value, in characters.
    pub(super) min_chars: usize,
    pub(super) max_chars: usize,
    pub(super) has_replacement: bool,
    pub(super) has_backslash: bool,
    /// Whether a value has a character that codes do not have.
    pub(super) has_prose: bool,
    /// Whether every value is digits, perhaps with a sign.
    pub(super) is_integer: bool,
    distinct: BTreeSet<u64>,
    has_many: bool,
    /// The words that turned out to be values.
    words_as_values: [bool; WORDS.len()],
}

impl Facts {
    /// Adds a field.
    pub(super) fn add(&mut self, text: &str, quoted: bool) {
        match words::position(text.as_bytes()) {
            Some(word) if quoted => self.words[word].1 += 1,
            Some(word) => self.words[word].0 += 1,
            None => self.add_value(text),
        }
    }

    /// Adds a field of an export with escapes: `\N` is NULL only as an escape, and otherwise a text.
    pub(super) fn add_escaped(&mut self, text: &str, quoted: bool) {
        match text.as_bytes() {
            NULL => self.words[words::ESCAPED_NULL].0 += 1,
            text_of_null if text_of_null == ESCAPED_NULL.as_bytes() => self.add_value(text),
            _ => self.add(text, quoted),
        }
    }

    /// Adds a text that is a value.
    pub(super) fn add_value(&mut self, text: &str) {
        let chars = text.chars().count();
        self.min_chars = if self.values == 0 { chars } else { self.min_chars.min(chars) };
        self.max_chars = self.max_chars.max(chars);
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        self.is_integer = is_integer && (self.is_integer || self.values == 0);
        self.values += 1;
        self.has_replacement |= text.contains('\u{FFFD}');
        self.has_backslash |= text.contains('\\');
        self.has_prose = self.has_prose || !is_code_like(text);
        if !self.has_many {
            self.distinct.insert(xxh3_64(text.as_bytes()));
            self.has_many = self.distinct.len() > MAX_DISTINCT;
        }
        let trimmed = text.trim_matches([' ', '\t']);
        if trimmed.is_empty() && !text.is_empty() {
            self.blank += 1;
            return;
        }
        self.is_padded |= trimmed.len() != text.len();
        self.numbers.add(trimmed);
        self.symbols.add(trimmed);
        self.times.add(trimmed.as_bytes());
        self.spellings.add(trimmed);
    }

    /// The number of different values, if they are few.
    pub(super) fn distinct(&self) -> Option<usize> {
        (!self.has_many).then_some(self.distinct.len())
    }

    /// Returns whether a text is one of the values, if they are few.
    pub(super) fn has_value(&self, text: &str) -> bool {
        !self.has_many && self.distinct.contains(&xxh3_64(text.as_bytes()))
    }

    /// Returns whether nothing was seen but empty texts.
    pub(super) fn is_empty(&self) -> bool {
        self.values == 0 && self.words[1..].iter().all(|count| *count == (0, 0))
    }

    /// What the values are, apart from the words.
    pub(super) fn kind(&self) -> Kind {
        if self.values == 0 {
            Kind::Nothing
        } else if self.times.best().is_some() && self.values > self.blank {
            Kind::Time
        } else if self.spellings.words().is_some() || self.numbers.best().is_some() {
            Kind::Other
        } else {
            Kind::Text
        }
    }

    /// Returns whether a word occurs.
    pub(super) fn has_word(&self, word: usize) -> bool {
        self.words[word] != (0, 0)
    }

    /// Turns a word into values.
    pub(super) fn take_as_value(&mut self, word: usize, quoted_only: bool) {
        let (plain, quoted) = self.words[word];
        self.words[word] = if quoted_only { (plain, 0) } else { (0, 0) };
        let count = if quoted_only { quoted } else { plain + quoted };
        if count > 0 {
            self.words_as_values[word] = true;
            self.add_value(WORDS[word]);
            self.values += count - 1;
        }
    }

    /// Returns whether a word turned out to be a value.
    pub(super) fn seen_as_value(&self, word: usize) -> bool {
        self.words_as_values[word]
    }

    /// Returns whether a text would be a value like the others: the opposite speaks for a header.
    pub(super) fn is_like(&self, text: &str) -> bool {
        let mut with = self.clone();
        with.add(text, false);
        with.kind() == self.kind()
    }
}

/// How long a text in lower case is at least if it is a code, such as a checksum.
const MIN_HASH: usize = 16;

/// Codes have letters in upper case, digits and a few marks; checksums and UUIDs also those in lower case.
fn is_code_like(text: &str) -> bool {
    let is_long = text.len() >= MIN_HASH;
    let can_be = |byte: u8| match byte {
        b'a'..=b'z' => is_long,
        byte => byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"-_./:+".contains(&byte),
    };
    text.bytes().all(can_be)
}
