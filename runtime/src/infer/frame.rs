//! Finds lines that are not rows: above the header, at the end, and comments.
//!
//! A line is skipped only if it cannot be a row, since it has another number of fields than all rows. A last line must
//! also look like a trailer: otherwise it may be a row that was cut.

use regex::Regex;

use super::bytes::Survey;
use super::dialect::{Choice, DELIMITERS, Misfit, View, choose, ends_every_line, first_texts, record_ends, single};
use super::inputs::Version;
use super::lookalikes::{TRAILER_WORDS, begins_like_a_head, begins_like_a_trailer, is_report_ruler, is_ruler};
use super::reading::Frame;
use crate::error::{Error, Fault, Result};
use crate::telemetry::Watch;

/// What a line of dashes begins with.
const RULER: &str = "--";

/// How many lines above a header are tried.
const MAX_FIRST: u32 = 10;

/// Finds the dialect and the lines that are not rows.
pub(super) fn find(versions: &[Version], survey: &Survey, watch: &Watch) -> Result<Choice> {
    let ends = record_ends(survey);
    let (mut best, mut refusal) = (None::<Choice>, None);
    for end in &ends {
        if end.is_none() && best.as_ref().is_some_and(|best| best.width() > 1 && ends_each_line(survey, best)) {
            break;
        }
        let own = end.as_deref().map(|end| survey.with_record_end(end));
        let view = View { versions, survey: own.as_ref().unwrap_or(survey), record_end: end.as_deref(), watch };
        match with_ends(view) {
            // Whole lines come first, unless they have fewer fields.
            Ok(choice) if end.is_none() && choice.fields() > 1 && choice.holds_as_much_as(best.as_ref()) => {
                return Ok(choice);
            }
            // Where there is one column in any case, an end of records that all texts have is not part of them.
            Ok(choice) if end.is_none() && best.is_none() => return Ok(choice),
            Ok(choice) if choice.width() < 2 && end.as_ref().is_some_and(|end| !is_of_all(survey, end)) => {}
            Ok(_) if end.is_none() => break,
            Ok(choice) if ends.len() == 1 => return Ok(choice),
            Ok(choice) if choice.fits_better_than(best.as_ref()) => best = Some(choice),
            Ok(_) => {}
            Err(error) if error.fault() != Fault::Input => return Err(error),
            // What is wrong with the usual lines is easier to understand.
            Err(error) if end.is_none() || refusal.is_none() => refusal = Some(error),
            Err(_) => {}
        }
    }
    best.ok_or_else(|| refusal.unwrap_or_else(|| no_rows(versions)))
}

/// Returns whether each line ends like the records of this choice. Otherwise the end may be that of a few texts.
fn ends_each_line(survey: &Survey, choice: &Choice) -> bool {
    choice.format.dialect.record_end.as_ref().is_none_or(|end| is_of_all(survey, end))
}

/// Returns whether every line ends like this, if records have line breaks at their ends.
fn is_of_all(survey: &Survey, end: &str) -> bool {
    !end.contains('\n') || ends_every_line(survey, end)
}

/// An export without a row has no schema.
pub(super) fn no_rows(versions: &[Version]) -> Error {
    Error::export(versions[0].export.label.as_ref(), "there is no row in it").help("name an export with rows")
}

/// The same with records that end in one way. A line of dashes under the header is a comment.
fn with_ends(view: View<'_>) -> Result<Choice> {
    let choice = with_rulers(view)?;
    let delimiter = &choice.format.dialect.delimiter;
    let frame = choice.format.frame;
    let is_ruled = |line: &str| is_ruler(line) && line.starts_with(RULER);
    let has_ruler = |text: &str| {
        let mut lines = text.lines().skip(frame.skip_first as usize).filter(|line| !line.is_empty());
        let second = lines.nth(1).filter(|line| is_ruled(line));
        second.is_some_and(|ruler| ruler.split(delimiter.as_str()).count() == choice.fields())
    };
    if choice.fields() > 1 && frame.comment.is_none() && first_texts(view.survey).any(has_ruler) {
        return Ok(choose(view, Frame { comment: Some(RULER), ..frame }, None)?.unwrap_or(choice));
    }
    Ok(choice)
}

fn with_rulers(view: View<'_>) -> Result<Choice> {
    let none = Frame::default();
    if let Some(delimiter) = declared_delimiter(view.survey) {
        let frame = Frame { skip_first: 1, ..none };
        if let Ok(choice) = choose(view, frame, Some(&delimiter))? {
            return Ok(choice);
        }
    }
    let misfit = match choose(view, none, None)? {
        Ok(choice) if has_counting_trailer(&choice, view.survey) => {
            let frame = Frame { has_trailer: true, ..none };
            return Ok(choose(view, frame, None)?.unwrap_or(choice));
        }
        Ok(choice) => return Ok(choice),
        Err(misfit) => misfit,
    };
    for frame in frames(view.survey) {
        if let Ok(choice) = choose(view, frame, None)?
            && is_plausible(&choice, view.survey)
        {
            return Ok(choice);
        }
    }
    if let Some(misfit) = misfit.filter(|_| is_common_delimiter(view.survey)) {
        return Err(misfit.into_error());
    }
    if first_texts(view.survey).flat_map(str::lines).any(is_report_ruler) {
        let label = view.versions[0].export.label.as_ref();
        let problem = "it looks like a report, with columns of fixed width and lines of dashes";
        return Err(Error::export(label, problem).help("export it with a delimiter between fields"));
    }
    single(view)?.map_err(Misfit::into_error)
}

/// The delimiter of a first line `sep=;`, which Excel reads.
fn declared_delimiter(survey: &Survey) -> Option<String> {
    let line = first_texts(survey).next()?.lines().next()?;
    let delimiter = line.trim_start_matches('\u{FEFF}').strip_prefix("sep=")?;
    (!delimiter.is_empty()).then(|| delimiter.to_owned())
}

/// The last line of each part that is not blank.
pub(super) fn last_lines(survey: &Survey) -> impl Iterator<Item = &str> {
    survey.ends.iter().flatten().map(|ends| ends.last.trim_end_matches(['\n', '\r']).lines().last().unwrap_or_default())
}

/// The frames that the ends of the parts suggest.
fn frames(survey: &Survey) -> Vec<Frame> {
    let trailers: &[bool] = if last_lines(survey).all(is_trailer) { &[false, true] } else { &[false] };
    let has_comment = first_texts(survey).flat_map(str::lines).any(|line| line.starts_with('#'));
    let comments: &[Option<&'static str>] = if has_comment { &[None, Some("#")] } else { &[None] };
    let mut frames = Vec::new();
    for skip_first in 0..=MAX_FIRST {
        for comment in comments.iter().filter(|comment| skip_first == 0 || comment.is_none()) {
            let with = |has_trailer: &bool| Frame { skip_first, has_trailer: *has_trailer, comment: *comment };
            frames.extend(trailers.iter().map(with));
        }
    }
    frames
}

fn is_trailer(line: &str) -> bool {
    let is_word = |word: &str| TRAILER_WORDS.contains(&word.to_ascii_lowercase().as_str());
    // The last one is the end of data in PostgreSQL's scripts.
    ["***", "---", "===", "\\."].iter().any(|mark| line.starts_with(mark))
        || line.split(|c: char| !c.is_ascii_alphanumeric()).any(is_word)
}

/// A last line with as many fields as a row is a trailer if it begins with a word for it and counts the rows.
pub(super) fn has_counting_trailer(choice: &Choice, survey: &Survey) -> bool {
    let delimiter = &choice.format.dialect.delimiter;
    let records = choice.shape.records.iter().flatten();
    let mut lines = last_lines(survey).zip(records).peekable();
    lines.peek().is_some()
        && lines.all(|(line, records)| {
            let first = line.split(delimiter).next().unwrap_or_default().to_ascii_lowercase();
            let counts = numbers(line).any(|number| number + 1 == *records || number + 2 == *records);
            TRAILER_WORDS[..5].contains(&first.as_str()) && counts
        })
}

/// What lines at the ends of the parts say that were taken for rows or a header, and perhaps are not.
pub(super) fn doubts(choice: &Choice, survey: &Survey) -> Vec<String> {
    let Frame { skip_first, has_trailer, .. } = choice.format.frame;
    let delimiter = &choice.format.dialect.delimiter;
    let first = first_texts(survey).next().and_then(|text| text.lines().next()).unwrap_or_default();
    let mut doubts = Vec::new();
    if skip_first == 0 && begins_like_a_head(first, delimiter) {
        doubts.push("the first line begins like one above the rows; if it is one, declare `skip_first: 1`".into());
    }
    if !has_trailer && last_lines(survey).any(|line| begins_like_a_trailer(line, delimiter)) {
        doubts.push("the last line begins like one below the rows; if it is one, declare `trailer`".into());
    }
    doubts
}

fn numbers(line: &str) -> impl Iterator<Item = u64> {
    line.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok())
}

/// Returns whether no skipped line could be a row, and there are more rows than skipped lines.
fn is_plausible(choice: &Choice, survey: &Survey) -> bool {
    let skipped = choice.format.frame.skip_first as usize;
    let delimiter = &choice.format.dialect.delimiter;
    let is_row = |line: &str| line.split(delimiter).count() == choice.width();
    let has_rows = choice.shape.records.iter().flatten().all(|records| *records > 1 && *records as usize >= skipped);
    has_rows
        && first_texts(survey).all(|text| !text.lines().take(skipped).any(is_row))
        && (!choice.format.frame.has_trailer || !last_lines(survey).any(is_row))
}

/// Returns whether one of the usual delimiters is in every second line, so that the table has more than one column.
fn is_common_delimiter(survey: &Survey) -> bool {
    let lines = survey.bytes[usize::from(b'\n')].max(1);
    DELIMITERS.iter().any(|delimiter| 2 * survey.bytes[usize::from(delimiter.as_bytes()[0])] >= lines)
}

/// A regular expression for the last lines: their text, with any digits in place of digits. The last number that is the
/// number of rows becomes its group. `None` if the parts differ in more than digits.
pub(super) fn trailer(survey: &Survey, rows: &[u64]) -> Option<String> {
    let mut patterns: Vec<String> =
        last_lines(survey).zip(rows).map(|(line, rows)| pattern(line, Some(*rows))).collect();
    patterns.dedup();
    if let [pattern] = &patterns[..] {
        return Some(pattern.clone());
    }
    let mut patterns: Vec<String> = last_lines(survey).map(|line| pattern(line, None)).collect();
    patterns.dedup();
    if patterns.len() == 1 { patterns.pop() } else { None }
}

fn pattern(line: &str, rows: Option<u64>) -> String {
    let digits = Regex::new("[0-9]+").expect("the expression is valid");
    let counting = digits.find_iter(line).filter(|found| rows.is_some() && found.as_str().parse().ok() == rows).last();
    let (mut pattern, mut at) = ("^".to_owned(), 0);
    for found in digits.find_iter(line) {
        pattern.push_str(&regex::escape(&line[at..found.start()]));
        let is_count = counting.is_some_and(|counting| counting.start() == found.start());
        pattern.push_str(if is_count { "([0-9]+)" } else { "[0-9]+" });
        at = found.end();
    }
    pattern + &regex::escape(&line[at..]) + "$"
}
