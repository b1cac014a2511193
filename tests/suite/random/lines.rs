//! The lines of a part that are not rows.

use runtime::table::Source;

use super::source::TRAILERS;
use super::{FileDice, pick};

/// What is above the header and below the rows, where no line is read.
const OTHERS: [&str; 5] = ["", "Report of \"March", "a,b;c\td|e", "'", "100"];

/// Returns whether a part has the lines at the beginning, and those at the end. Of a file that was split, only the
/// first and the last part have them.
pub(super) fn has_ends(source: &Source, dice: &FileDice, part: usize) -> (bool, bool) {
    let is_split = source.first_part_header;
    (!is_split || part == 0, !is_split || part + 1 == dice.parts)
}

/// The lines above the header.
pub(super) fn first(source: &Source, dice: &FileDice) -> Vec<String> {
    others(source.skip_first, dice)
}

fn others(count: u32, dice: &FileDice) -> Vec<String> {
    (0..count as usize).map(|at| pick(&OTHERS, dice.order[at]).to_owned()).collect()
}

/// The lines below so many rows.
pub(super) fn last(source: &Source, dice: &FileDice, rows: usize) -> Vec<String> {
    let [counting, selected, _] = TRAILERS;
    let trailer = source.trailer.map(|trailer| match trailer {
        trailer if trailer == counting => format!("TRL|{rows:0width$}", width = usize::from(dice.order[0] % 9)),
        trailer if trailer == selected => format!("{rows} rows selected."),
        _ => "END OF \"DATA, 7".into(),
    });
    let blank = trailer.is_some() && dice.order[1].is_multiple_of(3);
    trailer.into_iter().chain(blank.then(String::new)).chain(others(source.skip_last, dice)).collect()
}

/// The lines before a row that are not rows: a comment, a blank line, the header again.
pub(super) fn before_row(source: &Source, dice: &FileDice, row: usize, header: Option<&String>) -> Vec<String> {
    let die = dice.order[row % dice.order.len()];
    let has_blank = dice.style >> 2 & 4 != 0 && die.is_multiple_of(5);
    let comment = source.comment.filter(|_| (die / 5).is_multiple_of(4)).map(|comment| comment_line(comment, die));
    let repeated = header.filter(|_| source.skip_repeated_header && (die / 20).is_multiple_of(7)).cloned();
    has_blank.then(String::new).into_iter().chain(comment).chain(repeated).collect()
}

/// A comment; quotes have no meaning in it.
fn comment_line(comment: &str, die: u16) -> String {
    format!("{comment}{}", pick(&["", " a \"comment", " it's, not; a\trow|"], die))
}
