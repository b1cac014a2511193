//! Whether an export is all there. Nothing is compared before it is.

use serde::Deserialize;

use super::{Listing, Part};
use crate::name::{is_visible_text, shown};
use crate::reject;
use crate::table::Completeness;

/// The file that names the parts of an export which is complete by `manifest`.
pub const MANIFEST: &str = "_manifest.json";

/// What an export lacks, in words for `status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing(pub String);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    parts: Vec<Promised>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Promised {
    name: String,
    size: u64,
    rows: Option<u64>,
}

/// The parts of a complete export, or what it waits for. `read_sidecar` gives the text of a file among `listing.notes`.
pub fn complete(
    rule: Completeness,
    listing: &Listing,
    read_sidecar: impl FnOnce(&str) -> std::io::Result<String>,
) -> Result<Vec<Part>, Missing> {
    let parts = &listing.parts;
    let has = |name: &str| listing.notes.iter().any(|note| note == name);
    match rule {
        Completeness::Single => exactly(1, parts),
        Completeness::Count(count) => exactly(count as usize, parts),
        Completeness::Marker(marker) if !has(marker) => missing(format!("the marker {}", note(marker, listing))),
        Completeness::Marker(_) if parts.is_empty() => missing("its first part; only the marker is there".into()),
        Completeness::Marker(_) => Ok(parts.clone()),
        Completeness::Manifest if !has(MANIFEST) => missing(note(MANIFEST, listing)),
        Completeness::Manifest => match read_sidecar(MANIFEST) {
            Ok(text) => as_promised(&text, parts),
            Err(error) => missing(format!("{MANIFEST} to be readable: {error}")),
        },
    }
}

/// A marker or a manifest that is not there, or is there as something that is not read.
fn note(name: &str, listing: &Listing) -> String {
    match listing.odd_notes.iter().find(|(odd, _)| odd == name) {
        None => name.into(),
        Some((_, what)) => format!("{name} to be a regular file; it is {what}"),
    }
}

fn exactly(count: usize, parts: &[Part]) -> Result<Vec<Part>, Missing> {
    match parts.len() {
        found if found == count => Ok(parts.to_vec()),
        0 => missing(if count == 1 { "its file".into() } else { format!("its {count} parts") }),
        found if found < count => missing(format!("{} of {count} parts", count - found)),
        found => {
            missing(format!("{} to be taken away: {found} parts are there, `complete` says {count}", found - count))
        }
    }
}

/// Every part the manifest names, at the size it says, and no other.
fn as_promised(manifest: &str, parts: &[Part]) -> Result<Vec<Part>, Missing> {
    let manifest: Manifest = match serde_json::from_str(manifest) {
        Ok(manifest) => manifest,
        Err(error) => return missing(format!("{MANIFEST} to be whole: {}", cut(&error.to_string()))),
    };
    let mut checked: Vec<Part> = Vec::with_capacity(parts.len());
    for promised in &manifest.parts {
        let Some(part) = parts.iter().find(|part| part.name == promised.name) else {
            // It was looked for among the parts; it is never opened as a path.
            return missing(absent(&promised.name));
        };
        if checked.iter().any(|part| part.name == promised.name) {
            return missing(format!("{MANIFEST} to name {} only once", part.name));
        }
        if part.size != promised.size {
            let (name, found, size) = (&part.name, part.size, promised.size);
            return missing(format!("{name} to have {size} bytes, as {MANIFEST} says; it has {found}"));
        }
        checked.push(Part { rows: promised.rows, ..part.clone() });
    }
    if let Some(other) = parts.iter().find(|part| !manifest.parts.iter().any(|promised| promised.name == part.name)) {
        return missing(format!("{} to be named by {MANIFEST} or taken away", other.name));
    }
    if checked.is_empty() {
        return missing(format!("{MANIFEST} to name a part"));
    }
    checked.sort_by(|a, b| crate::name::natural_cmp(&a.name, &b.name));
    Ok(checked)
}

/// A part that a manifest names and that is not there, or can never be.
fn absent(name: &str) -> String {
    if name.is_empty() || name.starts_with(['_', '.']) || name.contains('/') || !is_visible_text(name) {
        return format!("{MANIFEST} to name parts only; {} cannot be one", reject::shown(name.as_bytes(), false));
    }
    format!("{}, which {MANIFEST} names", cut(name))
}

/// A text that may be as long as a manifest: a name, or what a parser says, which quotes what it was given.
fn cut(message: &str) -> String {
    const LONGEST: usize = 200;
    let cut: String = message.chars().take(LONGEST).collect();
    if cut.len() < message.len() { cut + "…" } else { cut }
}

fn missing<T>(what: String) -> Result<T, Missing> {
    Err(Missing(shown(&what)))
}
