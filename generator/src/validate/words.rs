//! Checks a boolean column's own words.

use super::text::sorted;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Source, Words};
use crate::spec::{ColumnSpec, Optional, Spanned};
use crate::wording::excerpt;

/// The column's own words, if it has any. `nulls` are the texts that mean NULL in the column.
pub(super) fn words(
    spec: &ColumnSpec,
    source: &Source,
    nulls: &[String],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Words> {
    let (Some(yes), Some(no)) = (&spec.true_values, &spec.false_values) else {
        unpaired_words(spec, diagnostics);
        return None;
    };
    empty_words("true_values", &spec.true_values, diagnostics);
    empty_words("false_values", &spec.false_values, diagnostics);
    let words: Vec<&Spanned<String>> = yes.value.iter().chain(&no.value).collect();
    repeated_words(&words, diagnostics);
    for word in words {
        null_word(word, spec, source, nulls, diagnostics);
        unreadable_word(word, spec, source, diagnostics);
    }
    Some(Words { true_values: sorted(yes), false_values: sorted(no) })
}

fn repeated_words(words: &[&Spanned<String>], diagnostics: &mut Vec<Diagnostic>) {
    for (index, word) in words.iter().enumerate() {
        if let Some(first) = words[..index].iter().find(|first| first.value == word.value) {
            diagnostics.push(
                Diagnostic::new(Code::RepeatedText, &word.span, format!("the word `{}` is repeated", excerpt(word)))
                    .label("repeated here")
                    .also(&first.span, "first here")
                    .help("each word means either true or false"),
            );
        }
    }
}

/// Reports a word that means NULL. In a column that is not nullable it would be refused wherever it occurs, unless
/// quotes distinguish it.
fn null_word(
    word: &Spanned<String>,
    spec: &ColumnSpec,
    source: &Source,
    nulls: &[String],
    diagnostics: &mut Vec<Diagnostic>,
) {
    let is_nullable = spec.nullable.as_ref().is_some_and(|flag| flag.value);
    if !nulls.contains(&word.value) || !is_nullable && !source.quoted_nulls {
        return;
    }
    let (owner, help) = match &spec.nulls {
        Some(_) => ("column", "remove it from one of the two"),
        None => ("table", "give this column `nulls` of its own: `nulls: []` if it has no NULL"),
    };
    diagnostics.push(
        Diagnostic::new(Code::RepeatedText, &word.span, format!("`{}` already means NULL", excerpt(word)))
            .label(format!("one of the `nulls` of this {owner}"))
            .help(help),
    );
}

/// Reports a word that no field can contain.
fn unreadable_word(word: &Spanned<String>, spec: &ColumnSpec, source: &Source, diagnostics: &mut Vec<Diagnostic>) {
    let is_trimmed = spec.trim.as_ref().is_some_and(|trim| trim.value);
    let has_line_breaks = source.multiline || source.escape.is_some() || source.record_end.is_some();
    let label = if word.contains('\0') || word.contains(['\n', '\r']) && !has_line_breaks {
        "it contains a line break or NUL"
    } else if source.quote.is_none() && source.escape.is_none() && word.contains(&source.delimiter()) {
        "it contains the delimiter, and fields are never quoted"
    } else if is_trimmed && word.trim_matches([' ', '\t']) != word.as_str() {
        "the column is trimmed, so its texts neither begin nor end with a space or tab"
    } else {
        return;
    };
    let message = format!("no field can contain the word `{}`", excerpt(word));
    diagnostics.push(Diagnostic::new(Code::UnreadableWord, &word.span, message).label(label));
}

fn unpaired_words(spec: &ColumnSpec, diagnostics: &mut Vec<Diagnostic>) {
    let (alone, missing) = match (&spec.true_values, &spec.false_values) {
        (Some(yes), None) => (("true_values", &yes.span), "false_values"),
        (None, Some(no)) => (("false_values", &no.span), "true_values"),
        _ => return,
    };
    let (name, span) = alone;
    diagnostics.push(
        Diagnostic::new(Code::UnpairedWords, span, format!("`{name}` needs `{missing}`"))
            .help(format!("add `{missing}`; a column with its own words accepts no others")),
    );
}

fn empty_words(name: &str, words: &Optional<Vec<Spanned<String>>>, diagnostics: &mut Vec<Diagnostic>) {
    if let Some(words) = words.as_ref().filter(|words| words.is_empty()) {
        diagnostics.push(
            Diagnostic::new(Code::EmptyList, &words.span, format!("`{name}` is empty")).help("add at least one word"),
        );
    }
}
