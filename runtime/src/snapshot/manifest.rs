//! Manifests: files that list the parts of an export.

use serde::Deserialize;

/// A part that a manifest lists.
#[derive(Debug)]
pub(super) struct ListedPart {
    /// The name of the file.
    pub(super) name: String,
    /// The size in bytes, if the manifest says it.
    pub(super) size: Option<u64>,
    /// The number of rows, if the manifest says it.
    pub(super) rows: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    parts: Vec<OwnPart>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnPart {
    name: String,
    size: u64,
    rows: Option<u64>,
}

/// What Redshift's UNLOAD writes; with VERBOSE, there is more.
/// <https://docs.aws.amazon.com/redshift/latest/dg/r_UNLOAD.html>
#[derive(Deserialize)]
struct RedshiftManifest {
    entries: Vec<RedshiftEntry>,
}

#[derive(Deserialize)]
struct RedshiftEntry {
    url: String,
    #[serde(default)]
    meta: RedshiftMeta,
}

#[derive(Deserialize, Default)]
struct RedshiftMeta {
    content_length: Option<u64>,
    record_count: Option<u64>,
}

/// The parts in `_manifest.json`.
pub(super) fn own(text: &str) -> serde_json::Result<Vec<ListedPart>> {
    let Manifest { parts } = serde_json::from_str(text)?;
    let listed = |OwnPart { name, size, rows }| ListedPart { name, size: Some(size), rows };
    Ok(parts.into_iter().map(listed).collect())
}

/// The parts in a manifest of Redshift. An export may have been copied since, so that only the last name of each URL
/// counts.
pub(super) fn redshift(text: &str) -> serde_json::Result<Vec<ListedPart>> {
    let RedshiftManifest { entries } = serde_json::from_str(text)?;
    let listed = |RedshiftEntry { url, meta }: RedshiftEntry| ListedPart {
        name: url.rsplit('/').next().unwrap_or_default().to_owned(),
        size: meta.content_length,
        rows: meta.record_count,
    };
    Ok(entries.into_iter().map(listed).collect())
}
