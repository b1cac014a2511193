//! What a made-up table holds: how a row is born and how it changes.

use super::layout::Layout;
use super::random::Random;

/// The fields of one row, in the order of the model's columns; `None` is NULL.
pub(super) type Row = Vec<Option<String>>;

/// A made-up table of a source system.
pub(super) struct Model {
    pub(super) table: &'static str,
    /// In the order of the schema.
    pub(super) columns: &'static [&'static str],
    pub(super) layout: Layout,
    /// The row that belongs to a number; different numbers have different keys.
    pub(super) fresh: fn(u64, &mut Random) -> Row,
    /// Gives at least one compared column outside the key another value.
    pub(super) update: fn(&mut Row, &mut Random),
    /// Gives columns that are not compared another value, and no other column.
    pub(super) touch: fn(&mut Row, &mut Random),
    /// Writes the same values in another way.
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
    /// The row after its fate; `None` when it is gone.
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

/// Puts another text into a field: draws until it differs. `draw` has at least two outcomes.
pub(super) fn redraw(field: &mut Option<String>, random: &mut Random, draw: fn(&mut Random) -> Option<String>) {
    let mut drawn = draw(random);
    while drawn == *field {
        drawn = draw(random);
    }
    *field = drawn;
}

/// Puts the next of `words` into a field, whatever the case of the one there; any other text becomes the first.
pub(super) fn advance(field: &mut Option<String>, words: &[&str]) {
    let place = words.iter().position(|word| field.as_deref().is_some_and(|old| old.eq_ignore_ascii_case(word)));
    let next = place.map_or(0, |place| (place + 1) % words.len());
    *field = Some(words[next].to_owned());
}

/// Writes the text of a field in another way; NULL stays.
pub(super) fn rewrite(field: &mut Option<String>, text: impl FnOnce(&str) -> String) {
    if let Some(old) = field {
        *old = text(old);
    }
}
