//! Which files of an export are its parts.

use globset::{GlobBuilder, GlobMatcher};

use super::Listing;
use crate::epoch::SourceFormat;

/// The listing without the files that are not parts of an export in this format. A manifest is a sidecar, whatever its
/// name.
pub(crate) fn only_parts(mut listing: Listing, format: &SourceFormat) -> Listing {
    if let Some(manifest) = &format.manifest {
        let is_manifest = |name: &str| name == manifest;
        if listing.parts.iter().any(|part| is_manifest(&part.name)) {
            listing.parts.retain(|part| !is_manifest(&part.name));
            listing.sidecars.push(manifest.clone());
        }
    }
    if let Some(glob) = format.parts.as_deref().map(matcher) {
        listing.parts.retain(|part| glob.is_match(&part.name));
    }
    listing
}

fn matcher(glob: &str) -> GlobMatcher {
    let glob = GlobBuilder::new(glob).literal_separator(true).build();
    glob.expect("the generator has checked the glob").compile_matcher()
}
