//! Decides whether parts begin with a header, and names the columns.

use std::collections::BTreeSet;

use generator::schema_text::column_names;

use super::column::Facts;
use super::dialect::Shape;
use super::words::Kind;

/// Where a header is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    None,
    EachPart,
    FirstPart,
}

/// The names that a header may have, and the versions whose parts have it.
#[derive(Debug)]
pub(super) struct Candidate {
    /// The fields of the first record of the newest version.
    pub(super) names: Vec<Vec<u8>>,
    pub(super) header: Header,
    /// Whether two names are equal, so that no schema can describe them as a header.
    pub(super) repeats: bool,
    /// For each version, whether it has the same columns.
    pub(super) has_same: Vec<bool>,
}

/// What the first records can be at most; `None` if there is no record.
pub(super) fn candidate(shape: &Shape) -> Option<Candidate> {
    let newest = shape.firsts.last()?;
    let names = newest.iter().flatten().next()?.clone();
    let set: BTreeSet<&Vec<u8>> = names.iter().collect();
    let is_same = |first: &Option<Vec<Vec<u8>>>| match first {
        Some(first) => first.len() == names.len() && first.iter().collect::<BTreeSet<_>>() == set,
        None => false,
    };
    let all_parts = |parts: &Vec<Option<Vec<Vec<u8>>>>| parts.iter().all(is_same);
    let header = match newest.first() {
        _ if set.len() != names.len() || set.contains(&Vec::new()) && names.len() == 1 => Header::None,
        _ if all_parts(newest) => Header::EachPart,
        Some(first) if is_same(first) && newest.len() > 1 => Header::FirstPart,
        _ => Header::None,
    };
    let has_same = match header {
        Header::None => shape.fields.iter().map(|fields| *fields == names.len()).collect(),
        Header::EachPart => shape.firsts.iter().map(all_parts).collect(),
        Header::FirstPart => shape.firsts.iter().map(|parts| parts.first().is_some_and(is_same)).collect(),
    };
    let repeats = set.len() != names.len();
    Some(Candidate { repeats, header, has_same, names: names.clone() })
}

/// Returns whether the first record is a header, and whether that is beyond doubt.
pub(super) fn is_header(candidate: &Candidate, columns: &[Facts]) -> (bool, bool) {
    let names: Vec<String> = candidate.names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let (mut fits, mut differs) = (false, false);
    for (name, facts) in names.iter().zip(columns) {
        if matches!(facts.kind(), Kind::Time | Kind::Other) {
            let is_like = facts.is_like(name);
            fits |= is_like;
            differs |= !is_like;
        }
    }
    if fits || differs {
        let is_number = |name: &String| name.trim().parse::<f64>().is_ok();
        return (differs && !fits && !names.iter().any(is_number), true);
    }
    let is_value = names.iter().zip(columns).any(|(name, facts)| facts.has_value(name));
    let is_likely = candidate.header == Header::EachPart && !is_value;
    (is_likely && names.iter().all(|name| is_name_like(name)), false)
}

/// A name has a letter, and is short.
fn is_name_like(name: &str) -> bool {
    name.chars().count() <= 64 && name.contains(|c: char| c.is_alphabetic()) && !name.contains(['\n', '\r'])
}

/// A column's name, and its name in the header if that is another.
pub(super) fn names(candidate: &Candidate, has_header: bool) -> Vec<(String, Option<String>)> {
    if !has_header {
        return (1..=candidate.names.len()).map(|number| (format!("column_{number}"), None)).collect();
    }
    let headers: Vec<String> = candidate.names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let names = column_names(headers.iter().map(String::as_str));
    names.into_iter().zip(headers).map(|(name, header)| (name.clone(), (header != name).then_some(header))).collect()
}
