//! Checks what is done with columns that the schema does not name, and with rows that repeat others.

use super::text::unknown_value;
use crate::diagnostic::{Code, Diagnostic};
use crate::spec::{HeaderSpec, SourceSpec};

/// Returns whether columns of a file that the schema does not name are skipped.
pub(super) fn skip_unlisted(spec: &SourceSpec, diagnostics: &mut Vec<Diagnostic>) -> bool {
    let Some(unlisted) = &spec.unlisted else { return false };
    let skip = match unlisted.as_str() {
        "ignore" => true,
        "refuse" => false,
        _ => {
            diagnostics.push(unknown_value("unlisted", unlisted, &["refuse", "ignore"]));
            return false;
        }
    };
    if let Some(header) = spec.header.as_ref().filter(|header| skip && header.value == HeaderSpec::Flag(false)) {
        diagnostics.push(
            Diagnostic::new(Code::Contradiction, &unlisted.span, "`unlisted: ignore` contradicts `header: false`")
                .label("only a header says which columns the schema does not name")
                .also(&header.span, "the files have no header")
                .help("remove one of the two"),
        );
    }
    skip
}

/// Returns whether a row that repeats another one in every column is refused.
pub(super) fn refuse_duplicates(spec: &SourceSpec, diagnostics: &mut Vec<Diagnostic>) -> bool {
    let Some(duplicates) = &spec.duplicates else { return false };
    if !["one", "refuse"].contains(&duplicates.as_str()) {
        diagnostics.push(unknown_value("duplicates", duplicates, &["one", "refuse"]));
    }
    duplicates.value == "refuse"
}
