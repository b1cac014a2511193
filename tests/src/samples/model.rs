//! A made-up table: how its rows are created and how they change.

use super::layout::Layout;
use super::random::Random;
use super::row::Row;

/// A made-up table of a source system.
pub(super) struct Model {
    pub(super) table: &'static str,
    /// In the order of the schema.
    pub(super) columns: &'static [&'static str],
    pub(super) layout: Layout,
    /// Creates the row of a number; different numbers have different keys.
    pub(super) fresh: fn(u64, &mut Random) -> Row,
    /// Changes at least one compared column outside the key.
    pub(super) update: fn(&mut Row, &mut Random),
    /// Changes only columns that are not compared.
    pub(super) touch: fn(&mut Row, &mut Random),
    /// Spells the same values differently.
    pub(super) respell: fn(&mut Row),
}

/// What happens to a row from one export to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Delete,
    Update,
    Touch,
    Respell,
    Keep,
}

impl Model {
    /// The row after the change; `None` if it is deleted.
    pub(super) fn after(&self, fate: Fate, mut row: Row, random: &mut Random) -> Option<Row> {
        match fate {
            Fate::Delete => return None,
            Fate::Update => (self.update)(&mut row, random),
            Fate::Touch => (self.touch)(&mut row, random),
            Fate::Respell => (self.respell)(&mut row),
            Fate::Keep => (),
        }
        Some(row)
    }
}

/// Replaces the text of a field by another one: draws until it differs. `draw` has at least two outcomes.
pub(super) fn redraw(field: &mut Option<String>, random: &mut Random, draw: fn(&mut Random) -> Option<String>) {
    let mut drawn = draw(random);
    while drawn == *field {
        drawn = draw(random);
    }
    *field = drawn;
}

/// Replaces a word by the next one of `words`, ignoring case; any other text is replaced by the first word.
pub(super) fn advance(field: &mut Option<String>, words: &[&str]) {
    let index = words.iter().position(|word| field.as_deref().is_some_and(|old| old.eq_ignore_ascii_case(word)));
    let next = index.map_or(0, |index| (index + 1) % words.len());
    *field = Some(words[next].to_owned());
}

/// Rewrites the text of a field; NULL stays NULL.
pub(super) fn rewrite(field: &mut Option<String>, text: impl FnOnce(&str) -> String) {
    if let Some(old) = field {
        *old = text(old);
    }
}
