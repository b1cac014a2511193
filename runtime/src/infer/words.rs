//! Texts that can mean NULL, and those that can be a boolean.

/// Texts that can mean NULL, which are counted apart from values.
pub(super) const WORDS: [&str; 19] = [
    "",
    "\\N",
    "NULL",
    "null",
    "NA",
    "N/A",
    "n/a",
    "#N/A",
    "None",
    "nil",
    "(null)",
    "-",
    "0000-00-00",
    "00000000",
    "0000-00-00 00:00:00",
    "00.00.0000",
    "00000000000000",
    "infinity",
    "-infinity",
];

/// The position of `\N`.
pub(super) const ESCAPED_NULL: usize = 1;

/// The words that mean NULL among texts, too: the others may be a value.
pub(super) const TEXT_NULLS: usize = 3;

/// The words from here on mean NULL among dates only.
const TIME_NULLS: usize = 12;

/// Where the values of a column leave open which words are NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// There are no other values.
    Nothing,
    Text,
    /// Dates and timestamps.
    Time,
    /// Any other type.
    Other,
}

/// The position of a word.
pub(super) fn position(text: &[u8]) -> Option<usize> {
    let can_be = text.len() <= 19 && text.first().is_none_or(|first| b"\\NnA#(-0i".contains(first));
    if can_be { WORDS.iter().position(|word| word.as_bytes() == text) } else { None }
}

/// Returns whether a word is NULL in a column of this kind.
pub(super) fn is_null(word: usize, kind: Kind) -> bool {
    match kind {
        Kind::Nothing | Kind::Text => word < TEXT_NULLS,
        Kind::Time => true,
        Kind::Other => word < TIME_NULLS,
    }
}

/// Pairs of words for true and false, in lower case.
const PAIRS: &[(&str, &str)] = &[
    ("yes", "no"),
    ("y", "n"),
    ("on", "off"),
    ("up", "down"),
    ("ja", "nein"),
    ("j", "n"),
    ("oui", "non"),
    ("o", "n"),
    ("si", "no"),
    ("s", "n"),
    ("wahr", "falsch"),
    ("vrai", "faux"),
    ("enabled", "disabled"),
    ("active", "inactive"),
];

/// How many spellings of a boolean's words are kept.
const MAX_SPELLINGS: usize = 8;

/// The texts of a column, while they can be the words of a boolean.
#[derive(Debug, Clone, Default)]
pub(super) struct Spellings {
    texts: Vec<String>,
    are_too_many: bool,
}

/// A boolean's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Words {
    /// Those that a schema need not name.
    Usual,
    /// Those for true and those for false.
    Own(Vec<String>, Vec<String>),
}

impl Spellings {
    pub(super) fn add(&mut self, text: &str) {
        if self.are_too_many || self.texts.iter().any(|known| known == text) {
            return;
        }
        self.are_too_many = text.len() > 8 || self.texts.len() == MAX_SPELLINGS;
        if !self.are_too_many {
            self.texts.push(text.into());
            self.texts.sort();
        }
    }

    /// Returns whether there is nothing but 0 and 1.
    pub(super) fn are_bits(&self) -> bool {
        !self.are_too_many && self.texts == ["0", "1"]
    }

    /// The words, if all texts are. 0 and 1 alone are numbers.
    pub(super) fn words(&self) -> Option<Words> {
        if self.are_too_many || self.texts.is_empty() {
            return None;
        }
        let lower: Vec<String> = self.texts.iter().map(|text| text.to_ascii_lowercase()).collect();
        let has = |word: &str| lower.iter().any(|text| text == word);
        if lower.iter().all(|text| ["true", "t", "1", "false", "f", "0"].contains(&text.as_str())) {
            return (has("true") || has("false") || has("t") && has("f")).then_some(Words::Usual);
        }
        let only = |yes: &str, no: &str| has(yes) && has(no) && lower.iter().all(|text| text == yes || text == no);
        let (yes, _) = PAIRS.iter().find(|(yes, no)| only(yes, no))?;
        let (yes, no) = self.texts.iter().cloned().partition(|text| text.eq_ignore_ascii_case(yes));
        Some(Words::Own(yes, no))
    }
}
