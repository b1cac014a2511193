//! How numbers are written.

/// How the numbers of a column are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    /// The character before the fraction.
    pub decimal_mark: char,
    /// The character between groups of three digits.
    pub group_mark: Option<char>,
    /// Where the sign is.
    pub sign: Sign,
    /// Texts before or after the number that are not part of it; longer ones first.
    pub strip: Vec<String>,
}

/// Where the sign of a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// `-1`
    Leading,
    /// `1-`
    Trailing,
    /// `(1)` is negative.
    Parentheses,
}

impl Sign {
    /// The name as in a schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Leading => "leading",
            Self::Trailing => "trailing",
            Self::Parentheses => "parentheses",
        }
    }
}
