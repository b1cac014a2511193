//! Checks the texts that mean NULL.

use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Escape, Source};
use crate::spec::{ColumnSpec, Spanned, Spec};
use crate::wording::excerpt;

/// Reports NULL markers that no field can contain, and repeated ones.
pub(super) fn impossible_nulls(nulls: &[Spanned<String>], source: &Source, diagnostics: &mut Vec<Diagnostic>) {
    for (index, null) in nulls.iter().enumerate() {
        let reason = if let Some(reason) = impossible(null, source) {
            reason
        } else {
            if let Some(first) = nulls[..index].iter().find(|first| first.value == null.value) {
                let message = format!("`{}` is repeated in `nulls`", excerpt(null));
                diagnostics.push(
                    Diagnostic::new(Code::RepeatedText, &null.span, message)
                        .label("repeated here")
                        .also(&first.span, "first here")
                        .help("remove one of the two"),
                );
            }
            continue;
        };
        let message = format!("no field can contain the NULL marker `{}`", excerpt(null));
        diagnostics.push(Diagnostic::new(Code::ImpossibleNull, &null.span, message).label(reason));
    }
}

/// The reason why no field can be this text.
fn impossible(null: &Spanned<String>, source: &Source) -> Option<&'static str> {
    let has_line_breaks = source.escape.is_some() || source.record_end.as_ref().is_some_and(|end| end.len() > 1);
    if null.contains('\0') || null.contains(['\n', '\r']) && !has_line_breaks {
        return Some("it contains a line break or NUL");
    }
    if source.quote.is_none() && source.escape.is_none() && null.contains(&source.delimiter()) {
        return Some("it contains the delimiter, and fields are never quoted");
    }
    let escape = source.escape?;
    let mark = char::from(escape.byte());
    if !null.contains(mark) {
        return None;
    }
    let is_null = null.strip_prefix(mark) == Some("N");
    let is_declared = !matches!(escape, Escape::Char(_)) || source.nulls.contains(&null.value);
    match (is_null, is_declared) {
        (true, true) => None,
        (true, false) => Some("an escaped `N` is NULL in all columns or in none; declare it under `source`"),
        (false, _) => Some("escapes are read first; only an escaped `N` is a NULL marker"),
    }
}

/// Warns of `\N` without an escape: its writers escape other characters, too, which would be read as they are.
pub(crate) fn unescaped_nulls(spec: &Spec, warnings: &mut Vec<Diagnostic>) {
    if spec.source.escape.is_some() {
        return;
    }
    let columns: &[ColumnSpec] = spec.columns.as_deref().map_or(&[], Vec::as_slice);
    let of_columns = columns.iter().filter_map(|column| column.nulls.as_ref());
    let nulls = spec.source.nulls.iter().chain(of_columns).flat_map(|nulls| &nulls.value);
    for null in nulls.filter(|null| null.value == "\\N") {
        let message = "`\\N` is NULL, but nothing says how the writer escapes other characters";
        let warning = Diagnostic::new(Code::UnescapedNull, &null.span, message)
            .label("its writers also put a backslash before tabs, line breaks and backslashes")
            .help(
                "declare `escape: mysql` for SELECT … INTO OUTFILE and mysqldump --tab, `escape: postgres` for COPY in \
                 text format, or `escape: none` if backslashes are never doubled",
            );
        // That of a table is also that of its tenants.
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
}
