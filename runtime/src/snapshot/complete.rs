//! Checks that an export is complete. Nothing is compared before it is.

use std::collections::HashMap;

use serde::Deserialize;

use super::{Listing, Part};
use crate::name::{is_visible_text, printable};
use crate::reject;
use crate::table::Completeness;
use crate::wording::plural;

/// The file that lists the parts of an export, with `complete: manifest`.
const MANIFEST: &str = "_manifest.json";

/// What an export is waiting for, as text for `status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing(pub String);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    parts: Vec<ManifestPart>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestPart {
    name: String,
    size: u64,
    rows: Option<u64>,
}

/// The parts of a complete export, or what it is waiting for. `read_sidecar` returns the text of one of the listing's
/// sidecars.
pub(crate) fn complete(
    rule: Completeness,
    listing: &Listing,
    read_sidecar: impl FnOnce(&str) -> std::io::Result<String>,
) -> Result<Vec<Part>, Missing> {
    let parts = &listing.parts;
    let has = |name: &str| listing.sidecars.iter().any(|sidecar| sidecar == name);
    match rule {
        Completeness::Single => exactly(1, parts),
        Completeness::Count(count) => exactly(count as usize, parts),
        Completeness::Marker(marker) if !has(marker) => missing(format!("the marker {}", sidecar(marker, listing))),
        Completeness::Marker(_) if parts.is_empty() => missing("its first part; only the marker is there".into()),
        Completeness::Marker(_) => Ok(parts.clone()),
        Completeness::Manifest if !has(MANIFEST) => missing(sidecar(MANIFEST, listing)),
        Completeness::Manifest => match read_sidecar(MANIFEST) {
            Ok(text) => as_in_manifest(&text, parts),
            Err(error) => missing(format!("{MANIFEST} to be readable: {error}")),
        },
    }
}

/// Why the manifest of an export cannot be read although it is there.
pub(crate) fn unreadable_manifest(
    rule: Completeness,
    read_sidecar: impl FnOnce(&str) -> std::io::Result<String>,
) -> Option<(&'static str, std::io::Error)> {
    let error = if rule == Completeness::Manifest { read_sidecar(MANIFEST).err()? } else { return None };
    // A link is not followed, and what is wrong with the text is no error of the operating system.
    let is_of_the_file = error.raw_os_error().is_none_or(|code| code == libc::ELOOP);
    (error.kind() != std::io::ErrorKind::NotFound && !is_of_the_file).then_some((MANIFEST, error))
}

/// A marker or a manifest that does not exist, or is not a regular file.
fn sidecar(name: &str, listing: &Listing) -> String {
    match listing.irregular_sidecars.iter().find(|(sidecar, _)| sidecar == name) {
        None => name.into(),
        Some((_, what)) => format!("{name} to be a regular file; it is {what}"),
    }
}

fn exactly(count: usize, parts: &[Part]) -> Result<Vec<Part>, Missing> {
    match parts.len() {
        present if present == count => Ok(parts.to_vec()),
        0 => missing(if count == 1 { "its file".into() } else { format!("its {count} parts") }),
        present if present < count => missing(format!("{} of {count} parts", count - present)),
        present => {
            missing(format!("{} to be removed: {present} parts are there, `complete` says {count}", present - count))
        }
    }
}

/// All parts if they are those in the manifest, with the sizes in it.
fn as_in_manifest(manifest: &str, parts: &[Part]) -> Result<Vec<Part>, Missing> {
    let manifest: Manifest = match serde_json::from_str(manifest) {
        Ok(manifest) => manifest,
        Err(error) => return missing(format!("{MANIFEST} to be valid: {}", truncated(&error.to_string()))),
    };
    let mut unlisted: HashMap<&str, &Part> = parts.iter().map(|part| (part.name.as_str(), part)).collect();
    let mut checked: HashMap<&str, Part> = HashMap::with_capacity(parts.len());
    for listed in &manifest.parts {
        let Some(part) = unlisted.remove(listed.name.as_str()) else {
            // The name is only compared with those of the parts; it is never opened as a path.
            let is_repeated = checked.contains_key(listed.name.as_str());
            return missing(if is_repeated { repeated(&listed.name) } else { absent(&listed.name) });
        };
        if part.size != listed.size {
            let (name, size, expected) = (&part.name, part.size, listed.size);
            return missing(format!("{name} to have {}, as in {MANIFEST}; it has {size}", plural(expected, "byte")));
        }
        checked.insert(&part.name, Part { rows: listed.rows, ..part.clone() });
    }
    if let Some(other) = parts.iter().find(|part| unlisted.contains_key(part.name.as_str())) {
        return missing(format!("{} to be listed in {MANIFEST} or removed", other.name));
    }
    if checked.is_empty() {
        return missing(format!("{MANIFEST} to list a part"));
    }
    let mut checked: Vec<Part> = checked.into_values().collect();
    checked.sort_by(|a, b| crate::name::natural_cmp(&a.name, &b.name));
    Ok(checked)
}

fn repeated(name: &str) -> String {
    format!("{MANIFEST} to list {name} only once")
}

/// A part that the manifest lists, and that does not exist or cannot exist.
fn absent(name: &str) -> String {
    if name.is_empty() || name.starts_with(['_', '.']) || name.contains('/') || !is_visible_text(name) {
        return format!("{MANIFEST} to list parts only; {} cannot be one", reject::excerpt(name.as_bytes(), false));
    }
    format!("{}, which {MANIFEST} lists", truncated(name))
}

/// Truncates a text that can be as long as a manifest: a name, or a parser's message that quotes its input.
fn truncated(message: &str) -> String {
    const MAX_CHARACTERS: usize = 200;
    let text: String = message.chars().take(MAX_CHARACTERS).collect();
    if text.len() < message.len() { text + "…" } else { text }
}

fn missing<T>(what: String) -> Result<T, Missing> {
    Err(Missing(printable(&what)))
}
