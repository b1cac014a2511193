//! Checks which files of an export are its parts.

use globset::GlobBuilder;

use crate::diagnostic::{Code, Diagnostic};
use crate::spec::{SourceSpec, Spanned};
use crate::wording::excerpt;

/// The maximum length of a file name on common file systems.
const MAX_FILE_NAME_LEN: usize = 255;

/// The glob of the parts' names.
pub(super) fn parts(spec: &SourceSpec, diagnostics: &mut Vec<Diagnostic>) -> Option<String> {
    let glob = spec.parts.as_ref()?;
    let label = if glob.is_empty() {
        "no file has an empty name".to_owned()
    } else if glob.contains(['/', '\\']) {
        "expected names of files, not a path".to_owned()
    } else if glob.starts_with(['_', '.']) {
        "files whose names start with `_` or `.` are never parts".to_owned()
    } else if let Err(error) = GlobBuilder::new(glob).literal_separator(true).build() {
        error.kind().to_string()
    } else {
        return Some(glob.value.clone());
    };
    let message = format!("`{}` cannot be the names of the parts", excerpt(glob));
    diagnostics.push(
        Diagnostic::new(Code::InvalidParts, &glob.span, message)
            .label(label)
            .help("for example `data_*.gz`; `*` is any text, `?` one character, `{a,b}` one of several texts"),
    );
    None
}

/// The name of a manifest that Redshift wrote.
pub(super) fn redshift_manifest(name: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> String {
    let label = if name.contains(['/', '\\']) || name.chars().any(char::is_control) {
        "expected a file name, not a path"
    } else if matches!(name.as_str(), "" | "." | "..") || name.len() > MAX_FILE_NAME_LEN {
        "a file cannot have this name"
    } else {
        return name.value.clone();
    };
    let message = format!("`{}` cannot be the manifest", excerpt(name));
    diagnostics.push(
        Diagnostic::new(Code::InvalidMarker, &name.span, message)
            .label(label)
            .help("UNLOAD TO 's3://…/data_' writes `data_manifest`"),
    );
    name.value.clone()
}
