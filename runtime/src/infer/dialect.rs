//! Finds delimiter, quote and escape: every candidate must split every record of a version into as many fields.
//!
//! Candidates are tried on all records that are read, so that the order of rows cannot change what is chosen. A wrong
//! one usually fails within a few lines.

mod candidates;
mod choice;
mod shape;
mod trial;

use super::reading::Frame;
use crate::error::Result;
use candidates::RARE_DELIMITERS;
pub(super) use candidates::{DELIMITERS, ends_every_line, first_texts, record_ends};
pub(super) use choice::{Choice, View};
pub(super) use shape::Shape;
pub(super) use trial::Misfit;
use trial::Trial;

/// The best dialect for the parts in this frame, or why none fits. Only a delimiter that is declared is tried.
pub(super) fn choose(view: View<'_>, frame: Frame, declared: Option<&str>) -> Result<Result<Choice, Option<Misfit>>> {
    if let Some(delimiter) = declared {
        let (choice, misfit) = best(view, frame, [delimiter])?;
        return Ok(choice.ok_or(misfit));
    }
    let (usual, misfit) = best(view, frame, DELIMITERS.iter().copied())?;
    let short = match usual {
        Some(usual) => Some(usual),
        None => best(view, frame, RARE_DELIMITERS.iter().copied())?.0,
    };
    let short = match short {
        Some(short) if !short.shape.has_long_delimiter() => return Ok(Ok(short)),
        short => short,
    };
    let delimiters = candidates::long_delimiters(view.survey);
    let (long, _) = best(view, frame, delimiters.iter().map(String::as_str))?;
    let is_whole = |long: &Choice| !long.shape.has_long_delimiter() && !long.shape.has_marks_outside();
    Ok(long.filter(is_whole).or(short).ok_or(misfit))
}

/// Of these delimiters, the one with most fields, if it has several. Of equal ones, the first.
fn best<'a>(
    view: View<'_>,
    frame: Frame,
    delimiters: impl IntoIterator<Item = &'a str>,
) -> Result<(Option<Choice>, Option<Misfit>)> {
    let (mut best, mut misfit) = (None::<Choice>, None::<Misfit>);
    for delimiter in delimiters {
        if !delimiter.bytes().all(|byte| view.survey.has(byte)) || !can_be_with(delimiter, view.record_end) {
            continue;
        }
        match (Trial { view, frame, delimiter, is_trailing: false }).choose()? {
            Ok(choice) if best.as_ref().is_none_or(|best| best.width() < choice.width()) => best = Some(choice),
            Ok(_) => {}
            Err(other) => misfit = Some(other.or(misfit)),
        }
    }
    Ok((best.filter(|best| best.width() > 1), misfit))
}

/// A delimiter does not contain the end of a record.
fn can_be_with(delimiter: &str, record_end: Option<&str>) -> bool {
    record_end.is_none_or(|end| !delimiter.contains(end))
}

/// A dialect with one field, if every record has no more. The delimiter is one that does not occur, if possible.
pub(super) fn single(view: View<'_>) -> Result<Result<Choice, Misfit>> {
    let mut delimiters = DELIMITERS.to_vec();
    // The default first, among those that do not occur.
    delimiters.reverse();
    delimiters.sort_by_key(|delimiter| view.survey.has(delimiter.as_bytes()[0]));
    let mut misfit = None;
    for delimiter in delimiters {
        match (Trial { view, frame: Frame::default(), delimiter, is_trailing: false }).choose()? {
            Ok(choice) if choice.width() < 2 => return Ok(Ok(choice)),
            Ok(_) => {}
            Err(other) => misfit = Some(other.or(misfit)),
        }
    }
    let version = &view.versions[0];
    let none = || Misfit::new(version, &version.export.parts[0], 1, "no delimiter was found".into());
    Ok(Err(misfit.unwrap_or_else(none)))
}
