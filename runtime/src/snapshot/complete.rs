//! Whether an export is all there. Nothing is compared before it is.

use serde::Deserialize;

use super::{Listing, Part};
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

/// The parts of a complete export, or what it waits for. `read_note` gives the text of a file among `listing.notes`.
pub fn complete(
    rule: Completeness,
    listing: &Listing,
    read_note: impl FnOnce(&str) -> std::io::Result<String>,
) -> Result<Vec<Part>, Missing> {
    let parts = &listing.parts;
    let has = |name: &str| listing.notes.iter().any(|note| note == name);
    match rule {
        Completeness::Single => exactly(1, parts),
        Completeness::Count(count) => exactly(count as usize, parts),
        Completeness::Marker(marker) if !has(marker) => missing(format!("the marker {marker}")),
        Completeness::Marker(_) if parts.is_empty() => missing("its first part; only the marker is there".into()),
        Completeness::Marker(_) => Ok(parts.clone()),
        Completeness::Manifest if !has(MANIFEST) => missing(MANIFEST.into()),
        Completeness::Manifest => match read_note(MANIFEST) {
            Ok(text) => as_promised(&text, parts),
            Err(error) => missing(format!("{MANIFEST} to be readable: {error}")),
        },
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
        Err(error) => return missing(format!("{MANIFEST} to be whole: {error}")),
    };
    let mut checked = Vec::with_capacity(parts.len());
    for promised in &manifest.parts {
        let Some(part) = parts.iter().find(|part| part.name == promised.name) else {
            return missing(format!("{}, which {MANIFEST} names", promised.name));
        };
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

fn missing<T>(what: String) -> Result<T, Missing> {
    Err(Missing(what))
}
