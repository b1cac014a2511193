//! Texts that several checks share.

use crate::diagnostic::{Code, Diagnostic};
use crate::names;
use crate::spec::Spanned;
use crate::wording::{excerpt, list, suggestion};

/// The description without surrounding white space; `None` if nothing is left.
pub(super) fn description(spec: Option<&Spanned<String>>) -> Option<String> {
    let text = spec?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The texts in an order that does not depend on the schema.
pub(super) fn sorted(texts: &[Spanned<String>]) -> Vec<String> {
    let mut sorted: Vec<String> = texts.iter().map(|text| text.value.clone()).collect();
    sorted.sort();
    sorted
}

/// The pattern of column names, in words.
pub(super) fn column_name_pattern() -> String {
    format!(
        "use a letter followed by letters, digits and `_`, all of them ASCII, up to {} characters",
        names::MAX_NAME_LEN
    )
}

/// "unknown X" for a word that is not one of a fixed set.
pub(super) fn unknown_value(field: &str, word: &Spanned<String>, known: &[&str]) -> Diagnostic {
    Diagnostic::new(Code::UnknownValue, &word.span, format!("unknown `{field}` `{}`", excerpt(word)))
        .label(suggestion(word, known.iter().copied()))
        .help(format!("`{field}` is one of {}", list(known)))
}
