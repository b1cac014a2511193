//! Checks how columns are published.

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::model::Publish;
use crate::spec::{ColumnSpec, PublishSpec, Spanned, Spec};
use crate::wording::excerpt;

/// How operations show a column: as it is, unless the schema says otherwise.
pub(super) fn publish(spec: &ColumnSpec) -> Publish {
    match spec.publish.as_ref().map(|publish| publish.value) {
        None | Some(PublishSpec::Flag(true)) => Publish::Clear,
        Some(PublishSpec::Flag(false)) => Publish::Never,
        Some(PublishSpec::Hmac) => Publish::Hmac,
    }
}

/// Reports an unpublished column in the key, and the options that have no meaning without the values.
pub(super) fn unpublished_columns(columns: &[ColumnSpec], key: &[&str], diagnostics: &mut Vec<Diagnostic>) {
    for column in columns {
        let Some(publish) = &column.publish else { continue };
        match publish.value {
            PublishSpec::Flag(true) => {}
            PublishSpec::Flag(false) => unpublished_column(column, publish, key, diagnostics),
            PublishSpec::Hmac => diagnostics.extend(default_of_pseudonyms(column, publish)),
        }
    }
}

fn unpublished_column(
    column: &ColumnSpec,
    publish: &Spanned<PublishSpec>,
    key: &[&str],
    diagnostics: &mut Vec<Diagnostic>,
) {
    if let Some(name) = column.name.as_ref().filter(|name| key.contains(&name.as_str())) {
        diagnostics.push(unpublished_key(name, publish));
    }
    let options = [
        ("compare", column.compare.as_ref().map(|it| &it.span), "a column that is not published is never compared"),
        ("default", column.default.as_ref().map(|it| &it.span), "no row is sent with it"),
        ("formerly", column.formerly.as_ref().map(|it| &it.span), "consumers have the column under no name"),
    ];
    for (option, span, reason) in options {
        diagnostics.extend(span.map(|span| {
            let message = format!("`{option}` contradicts `publish: false`");
            option_without_meaning(message, span, reason).also(&publish.span, "the column is not published")
        }));
    }
}

fn unpublished_key(name: &Spanned<String>, publish: &Spanned<PublishSpec>) -> Diagnostic {
    let message = format!("key column `{}` is not published", excerpt(name));
    Diagnostic::new(Code::UnpublishedKey, &publish.span, message)
        .label("consumers identify rows by their key")
        .also(&name.span, "part of the key")
        .help("remove `publish: false`, or remove the column from the primary key; `publish: hmac` works in a key")
}

/// Databases fill in defaults, and have no key for pseudonyms.
fn default_of_pseudonyms(column: &ColumnSpec, publish: &Spanned<PublishSpec>) -> Option<Diagnostic> {
    let default = column.default.as_ref()?;
    let message = "`default` contradicts `publish: hmac`".to_owned();
    let diagnostic = option_without_meaning(message, &default.span, "everybody who reads the schema knows this value");
    Some(diagnostic.also(&publish.span, "the values are not for everybody"))
}

fn option_without_meaning(message: String, span: &Span, reason: &str) -> Diagnostic {
    Diagnostic::new(Code::Contradiction, span, message).label(reason).help("remove one of the two")
}

/// Warns of private values that are published as they are, where nothing says that they should be.
pub(crate) fn private_in_clear(spec: &Spec, warnings: &mut Vec<Diagnostic>) {
    let columns: &[ColumnSpec] = spec.columns.as_deref().map_or(&[], Vec::as_slice);
    for column in columns.iter().filter(|column| column.publish.is_none()) {
        let (Some(pii), Some(name)) = (column.pii.as_ref().filter(|flag| flag.value), &column.name) else { continue };
        let message = format!("the private values of `{}` are published as they are", excerpt(name));
        warnings.push(
            Diagnostic::new(Code::PrivateInClear, &pii.span, message)
                .label("masks them for people, but not for consumers")
                .help(
                    "declare `publish: hmac` for pseudonyms, `publish: false` to keep them back, or `publish: true` if \
                     consumers need them",
                ),
        );
    }
}
