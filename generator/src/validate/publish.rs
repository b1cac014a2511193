//! Checks the columns that are not published.

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::spec::{ColumnSpec, Spanned};
use crate::wording::excerpt;

/// Reports an unpublished column in the key, and the options that have no meaning without publication.
pub(super) fn unpublished_columns(columns: &[ColumnSpec], key: &[&str], diagnostics: &mut Vec<Diagnostic>) {
    for column in columns {
        let Some(publish) = column.publish.as_ref().filter(|flag| !flag.value) else { continue };
        if let Some(name) = column.name.as_ref().filter(|name| key.contains(&name.as_str())) {
            diagnostics.push(unpublished_key(name, publish));
        }
        let options = [
            ("compare", column.compare.as_ref().map(|it| &it.span), "a column that is not published is never compared"),
            ("default", column.default.as_ref().map(|it| &it.span), "no row is sent with it"),
            ("formerly", column.formerly.as_ref().map(|it| &it.span), "consumers have the column under no name"),
        ];
        for (option, span, reason) in options {
            diagnostics.extend(span.map(|span| option_without_meaning(option, span, reason, publish)));
        }
    }
}

fn unpublished_key(name: &Spanned<String>, publish: &Spanned<bool>) -> Diagnostic {
    let message = format!("key column `{}` is not published", excerpt(name));
    Diagnostic::new(Code::UnpublishedKey, &publish.span, message)
        .label("consumers identify rows by their key")
        .also(&name.span, "part of the key")
        .help("remove `publish: false`, or remove the column from the primary key")
}

fn option_without_meaning(option: &str, span: &Span, reason: &str, publish: &Spanned<bool>) -> Diagnostic {
    Diagnostic::new(Code::Contradiction, span, format!("`{option}` contradicts `publish: false`"))
        .label(reason)
        .also(&publish.span, "the column is not published")
        .help("remove one of the two")
}
