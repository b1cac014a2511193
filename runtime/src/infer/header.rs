//! Decides whether parts begin with a header, and names the columns.

use std::collections::BTreeSet;

use super::column::Facts;
use super::dialect::Shape;
use super::words::Kind;
use crate::name::is_column_name;

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
        let is_number = |name: &String| name.parse::<f64>().is_ok();
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
    let mut used = BTreeSet::new();
    let name = |(index, header): (usize, &Vec<u8>)| {
        if !has_header {
            return (format!("column_{}", index + 1), None);
        }
        let header = String::from_utf8_lossy(header).into_owned();
        let name = unused(cleaned(&header), &mut used);
        let header = (header != name).then_some(header);
        (name, header)
    };
    candidate.names.iter().enumerate().map(name).collect()
}

/// Names must differ in more than case and underscores, since fields of structs are made from them.
fn unused(name: String, used: &mut BTreeSet<String>) -> String {
    let folded = |name: &str| name.replace('_', "").to_ascii_lowercase();
    let mut unused = name.clone();
    let mut number = 2;
    while !used.insert(folded(&unused)) {
        unused = format!("{name}_n{number}");
        number += 1;
    }
    unused
}

/// A name for a header that no column can have.
fn cleaned(header: &str) -> String {
    if is_column_name(header) {
        return header.into();
    }
    let mut name = String::new();
    for c in header.chars() {
        match c {
            'ä' => name.push_str("ae"),
            'ö' => name.push_str("oe"),
            'ü' => name.push_str("ue"),
            'Ä' => name.push_str("Ae"),
            'Ö' => name.push_str("Oe"),
            'Ü' => name.push_str("Ue"),
            'ß' => name.push_str("ss"),
            c if c.is_ascii_alphanumeric() => name.push(c),
            _ if name.ends_with('_') => {}
            _ => name.push('_'),
        }
    }
    let name = name.trim_matches('_');
    let name: String = name.chars().take(100).collect();
    match name.chars().next() {
        None => "column".into(),
        Some(first) if first.is_ascii_digit() => format!("c_{name}"),
        Some(_) => name,
    }
}
