//! Checks what the schema says about the headers of exports.

use crate::diagnostic::{Code, Diagnostic};
use crate::spec::{ColumnSpec, HeaderSpec, SourceSpec, Spanned};
use crate::wording::excerpt;

/// Checks the options and the names of headers.
pub(super) fn headers(source: &SourceSpec, columns: &[ColumnSpec], diagnostics: &mut Vec<Diagnostic>) {
    without_header(source, columns, diagnostics);
    repeated_headers(source, columns, diagnostics);
}

/// Reports what has no meaning without a header.
fn without_header(source: &SourceSpec, columns: &[ColumnSpec], diagnostics: &mut Vec<Diagnostic>) {
    let Some(none) = source.header.as_ref().filter(|header| header.value == HeaderSpec::Flag(false)) else { return };
    let options = [&source.header_case, &source.repeated_header];
    let names = columns.iter().map(|column| &column.header);
    for option in options.into_iter().chain(names).flatten() {
        diagnostics.push(
            Diagnostic::new(Code::Contradiction, &option.span, "there is no header")
                .label("it is about a header")
                .also(&none.span, "the parts have none")
                .help("remove one of the two"),
        );
    }
}

/// Reports two columns that have the same name in a header. Of two names, one at least is a `header`.
fn repeated_headers(source: &SourceSpec, columns: &[ColumnSpec], diagnostics: &mut Vec<Diagnostic>) {
    let ignores_case = source.header_case.as_ref().is_some_and(|word| word.value == "ignore");
    let folded = |name: &str| if ignores_case { name.to_lowercase().to_uppercase() } else { name.to_owned() };
    let in_header = |column: &&ColumnSpec| column.header.clone().or_else(|| column.name.clone());
    let is_own = |column: &ColumnSpec| column.header.is_some();
    let mut earlier: Vec<(Spanned<String>, bool)> = Vec::new();
    for column in columns {
        let Some(name) = in_header(&column) else { continue };
        let first = earlier.iter().find(|(other, _)| folded(other) == folded(&name));
        if let Some((first, _)) = first.filter(|(_, other_is_own)| *other_is_own || is_own(column)) {
            let message = format!("two columns are `{}` in a header", excerpt(&name));
            diagnostics.push(
                Diagnostic::new(Code::DuplicateColumn, &name.span, message)
                    .label("the second")
                    .also(&first.span, "the first"),
            );
        }
        earlier.push((name, is_own(column)));
    }
}
