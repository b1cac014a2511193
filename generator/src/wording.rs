//! "Unknown X": the nearest known one, or all of them.

/// What to say about a word that is none of the known: the nearest one, or the list when none is near.
pub(crate) fn instead_of<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
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

/// The known word that takes the fewest edits, if that is at most half of what was written.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A word from a file may be of any length; a long one resembles no name.
    const LONGEST: usize = 128;
    let word = word.to_lowercase();
    if word.len() > LONGEST {
        return None;
    }
    let limit = (word.chars().count() / 2).max(1);
    known
        .into_iter()
        .map(|name| (edits(&word, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many characters must be inserted, removed or replaced to make one word of the other (Levenshtein).
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, from) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, to) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        let types = ["boolean", "int", "bigint", "decimal", "string"];
        assert_eq!(nearest("integr", types), Some("int"));
        assert_eq!(nearest("STRING", types), Some("string"));
        assert_eq!(nearest("xyz", types), None);
        assert_eq!(instead_of("zz", ["a1", "b2"]), "known: `a1` and `b2`");
    }

    #[test]
    fn edits_are_counted() {
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("same", "same"), 0);
    }
}
