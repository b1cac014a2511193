//! Pieces of messages: counts, quoted lists, suggestions for a misspelled word, and excerpts from a file.

use strsim::levenshtein;

/// A number with its noun: `1 schema`, `6 schemas`.
pub fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Suggests a replacement for an unknown word: the nearest known word, or all of them if none is near.
pub(crate) fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(word, known.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("known: {}", list(&known)),
    }
}

/// `a`, `b` and `c`, each between backticks.
pub(crate) fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [init @ .., last] => format!("{} and {last}", init.join(", ")),
    }
}

/// Returns the known word with the smallest edit distance, if the distance is at most half the length of `word`.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A word from a file can have any length, and the distance takes quadratic time. No name is this long.
    const MAX_WORD_LEN: usize = 128;
    let word = word.to_lowercase();
    if word.len() > MAX_WORD_LEN {
        return None;
    }
    let limit = (word.chars().count() / 2).max(1);
    known
        .into_iter()
        .map(|name| (levenshtein(&word, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Text from a file, fit for a message: one line, no control characters, limited in length.
pub(crate) fn excerpt(text: &str) -> String {
    const MAX_CHARS: usize = 60;
    if text.is_empty() {
        return "\"\"".to_owned();
    }
    let mut excerpt = String::new();
    for current in text.chars().take(MAX_CHARS) {
        match current {
            '\\' | '"' | '\'' => excerpt.push(current),
            other => excerpt.extend(other.escape_debug()),
        }
    }
    if text.chars().nth(MAX_CHARS).is_some() {
        excerpt.push('…');
    }
    excerpt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_a_distant_one_is_not() {
        let types = ["boolean", "int", "bigint", "decimal", "string"];
        assert_eq!(nearest("integr", types), Some("int"));
        assert_eq!(nearest("STRING", types), Some("string"));
        assert_eq!(nearest("xyz", types), None);
        assert_eq!(suggestion("zz", ["a1", "b2"]), "known: `a1` and `b2`");
    }

    #[test]
    fn a_word_is_near_if_at_most_half_of_it_is_edited() {
        assert_eq!(nearest("kitten", ["sitting"]), Some("sitting"), "three edits of six letters");
        assert_eq!(nearest("kite", ["sitting"]), None);
        assert_eq!(nearest("same", ["some", "same"]), Some("same"));
        assert_eq!(nearest("", ["abc"]), None);
    }
}
