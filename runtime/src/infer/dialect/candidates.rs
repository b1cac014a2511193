//! Texts that could separate fields and records, from the first lines of the parts.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::infer::bytes::Survey;

/// The usual delimiters. Of those that give as many fields, the one that is rarer in values comes first.
pub(in crate::infer) const DELIMITERS: &[&str] = &["\t", "|", ";", ","];

/// Other delimiters, which are tried if none of the usual ones gives more than one field.
pub(super) const RARE_DELIMITERS: &[&str] =
    &["\x1F", "\x01", "\x02", "\x1E", "\x03", "\x04", "\x05", "\x06", "\x07", "\x14", "\x1C", "\x1D", "~", "^", "#"];

/// Control characters that can be the end of a record where there are no line breaks.
const CONTROL_ENDS: &[&str] = &["\x1E", "\x1D", "\x1C", "\x02", "\x03", "\x04"];

/// What the end of a record can be made of, before its line break.
const END_MARKS: &str = "|~#^$&*!@;:%<>";

/// How many lines are looked at, and how many delimiters are tried.
const LINES: usize = 20;
const MAX_DELIMITERS: usize = 16;

/// The longest part of a run of punctuation that is tried, and the longest run.
const MAX_PART: usize = 4;
const MAX_RUN: usize = 16;

/// The first lines of all parts.
pub(in crate::infer) fn first_texts(survey: &Survey) -> impl Iterator<Item = &str> {
    survey.ends.iter().flatten().map(|ends| ends.first.as_str())
}

/// Delimiters of several characters, or of one beyond ASCII: those that are in more lines, and longer ones, first.
pub(super) fn long_delimiters(survey: &Survey) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for line in first_texts(survey).flat_map(str::lines).filter(|line| !line.is_empty()).take(LINES) {
        for delimiter in in_line(line) {
            *counts.entry(delimiter).or_default() += 1;
        }
    }
    let mut delimiters: Vec<(String, usize)> = counts.into_iter().collect();
    delimiters.sort_by_key(|(text, lines)| (Reverse(*lines), Reverse(text.len())));
    delimiters.into_iter().map(|(text, _)| text).take(MAX_DELIMITERS).collect()
}

fn in_line(line: &str) -> BTreeSet<String> {
    let runs = line.split(|c| !separates(c)).filter(|run| !run.is_empty());
    let mut delimiters = BTreeSet::new();
    for run in runs {
        let chars: Vec<char> = run.chars().collect();
        if chars.len() <= MAX_RUN {
            delimiters.insert(run.to_owned());
            for length in 1..=MAX_PART.min(chars.len()) {
                delimiters.extend(chars.windows(length).map(|part| part.iter().collect::<String>()));
            }
        }
    }
    delimiters.retain(|text| text.len() > 1);
    delimiters
}

fn separates(c: char) -> bool {
    !c.is_alphanumeric() && !matches!(c, '"' | '\'' | '\\' | ' ' | '+' | '-' | '.' | '_' | '\r' | '\0' | '\u{FEFF}')
}

/// The ends of records to try, in this order; `None` is LF or CR LF.
pub(in crate::infer) fn record_ends(survey: &Survey) -> Vec<Option<String>> {
    let own = |end: &str| Some(end.to_owned());
    if survey.has(b'\n') {
        let marked = marked_ends(survey, "\r\n").into_iter().chain(marked_ends(survey, "\n")).map(Some);
        // Where lines end in CR LF, an LF alone can be part of a text.
        let strict = first_texts(survey).any(|text| text.contains("\r\n")).then(|| own("\r\n"));
        return marked.chain([None]).chain(strict).collect();
    }
    if survey.has(b'\r') {
        return vec![own("\r")];
    }
    let control =
        CONTROL_ENDS.iter().filter(|end| survey.bytes[usize::from(end.as_bytes()[0])] > 1).map(|end| own(end));
    control.chain(marked_ends(survey, "").into_iter().map(Some)).chain([None]).collect()
}

/// Ends with several punctuation marks, such as `|#|` and a line break. Marks that are all the same can be delimiters
/// between empty fields.
fn marked_ends(survey: &Survey, line_break: &str) -> Vec<String> {
    let Some(text) = first_texts(survey).find(|text| !text.is_empty()) else { return Vec::new() };
    let count = |end: &str| first_texts(survey).map(|text| text.matches(end).count()).sum::<usize>();
    let mut ends: Vec<String> = Vec::new();
    // The first line can end within a text.
    let lines: Vec<&str> =
        if line_break.is_empty() { vec![text] } else { text.split(line_break).take(LINES).collect() };
    for line in lines {
        let marks = &line[line.trim_end_matches(|c| END_MARKS.contains(c)).len()..];
        let of_line = (0..marks.len().saturating_sub(1)).map(|at| &marks[at..]).filter(|end| end.len() <= MAX_PART);
        let has_several = |end: &&str| end.bytes().any(|byte| byte != end.as_bytes()[0]);
        for end in of_line.filter(has_several).map(|end| format!("{end}{line_break}")) {
            if !ends.contains(&end) && count(&end) > 1 {
                ends.push(end);
            }
        }
    }
    ends
}

/// Returns whether every line of the beginnings ends like this.
pub(in crate::infer) fn ends_every_line(survey: &Survey, end: &str) -> bool {
    let lines = |text: &str| text.matches('\n').count();
    first_texts(survey).all(|text| lines(text) == text.matches(end).count() * lines(end))
}
