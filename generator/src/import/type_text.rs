//! A type as a definition spells it, in parts: `NUMBER(10, 2)`, `character varying(20)[]`, `int(10) unsigned`.

/// The parts of a type.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TypeText {
    /// Its words in lower case, without quotes, schema, parameters and signedness: `timestamp with time zone`.
    pub(super) name: String,
    /// What is in the first parentheses, split at its commas.
    pub(super) parameters: Vec<String>,
    pub(super) is_unsigned: bool,
    /// Whether a value is a list, a mapping or a structure.
    pub(super) is_nested: bool,
}

impl TypeText {
    pub(super) fn parse(text: &str) -> Self {
        let mut parts = Self::default();
        let mut words: Vec<String> = Vec::new();
        let mut rest = text.trim();
        while let Some(first) = rest.chars().next() {
            let after = &rest[first.len_utf8()..];
            rest = match first {
                '(' => {
                    let (inside, after) = to_end(after, '(', ')');
                    if parts.parameters.is_empty() {
                        parts.parameters = split_at_commas(inside);
                    }
                    after
                }
                '<' => {
                    parts.is_nested = true;
                    to_end(after, '<', '>').1
                }
                '[' if !after.starts_with(char::is_alphabetic) => {
                    parts.is_nested = true;
                    to_end(after, '[', ']').1
                }
                '.' => {
                    words.pop();
                    after
                }
                c if is_part(c) => {
                    let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                    words.push(rest[..end].to_lowercase());
                    &rest[end..]
                }
                _ => after,
            };
        }
        parts.take(words);
        parts
    }

    fn take(&mut self, words: Vec<String>) {
        self.is_nested |= words.iter().any(|word| word == "array");
        self.is_unsigned = words.iter().any(|word| matches!(word.as_str(), "unsigned" | "zerofill"));
        let flags = ["unsigned", "signed", "zerofill", "array"];
        let words: Vec<String> = words.into_iter().filter(|word| !flags.contains(&word.as_str())).collect();
        self.name = words.join(" ");
    }

    /// The number in the parentheses at `index`, without a unit such as `CHAR`.
    pub(super) fn number(&self, index: usize) -> Option<i64> {
        self.parameters.get(index)?.split_whitespace().next()?.parse().ok()
    }
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '#') || !c.is_ascii() && !c.is_whitespace()
}

/// What is before the closing bracket, and what is after it.
fn to_end(text: &str, open: char, close: char) -> (&str, &str) {
    let mut depth = 1;
    let mut is_quoted = false;
    for (at, c) in text.char_indices() {
        is_quoted ^= c == '\'';
        if is_quoted {
            continue;
        }
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return (&text[..at], &text[at + c.len_utf8()..]);
            }
        }
    }
    (text, "")
}

fn split_at_commas(text: &str) -> Vec<String> {
    let mut is_quoted = false;
    let parts = text.split(|c| {
        is_quoted ^= c == '\'';
        c == ',' && !is_quoted
    });
    parts.map(|part| part.trim().to_owned()).collect()
}
