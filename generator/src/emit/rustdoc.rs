//! Descriptions as doc comments. They are shown as written: nothing in them is Markdown except code between backticks
//! and links that start with `http`, and no code in them is compiled as a doctest.

use proc_macro2::TokenStream;
use quote::quote;

/// The lines of a doc comment: one per paragraph, separated by empty lines.
pub(super) fn lines(description: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in description.replace("\r\n", "\n").split("\n\n") {
        let words: Vec<&str> = paragraph.split_whitespace().collect();
        if words.is_empty() {
            continue;
        }
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(literal(&words));
    }
    lines
}

/// Lines as attributes, which are printed as a doc comment.
pub(super) fn attributes(lines: &[String]) -> TokenStream {
    let lines = lines.iter().map(|line| if line.is_empty() { String::new() } else { format!(" {line}") });
    quote! { #(#[doc = #lines])* }
}

fn literal(words: &[&str]) -> String {
    let ticks: usize = words.iter().map(|word| word.matches('`').count()).sum();
    // Unpaired or adjacent backticks would open code that never ends.
    let has_code = ticks.is_multiple_of(2) && !words.iter().any(|word| word.contains("``"));
    let mut is_code = false;
    let mut text = String::new();
    for word in words {
        if !text.is_empty() {
            text.push(' ');
        }
        match link(word).filter(|_| !is_code) {
            Some((before, url, after)) => {
                escape(before, has_code, &mut is_code, &mut text);
                text += &format!("<{url}>");
                escape(after, has_code, &mut is_code, &mut text);
            }
            None => escape(word, has_code, &mut is_code, &mut text),
        }
    }
    text
}

/// Splits a word that contains a link: the text before it, the link, and the punctuation after it.
fn link(word: &str) -> Option<(&str, &str, &str)> {
    let start = word.find("http://").or_else(|| word.find("https://"))?;
    let url = word[start..].trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '\'', '"']);
    let is_url = url.is_ascii() && !url.contains(['<', '>', '`', '\\', '[', ']']);
    is_url.then(|| (&word[..start], url, &word[start + url.len()..]))
}

fn escape(word: &str, has_code: bool, is_code: &mut bool, text: &mut String) {
    for current in word.chars() {
        match current {
            '`' if has_code => {
                *is_code = !*is_code;
                text.push('`');
            }
            '[' | ']' | '<' | '>' | '\\' | '~' | '`' if !*is_code => text.extend(['\\', current]),
            // Characters that change the text direction can hide code from a reader; the compiler rejects them.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            control if control.is_control() => {}
            // An escaped colon keeps rustdoc from warning about a bare URL.
            ':' if !*is_code && word.contains("://") => text.push_str("\\:"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn descriptions_are_shown_as_written() {
        let cases = [
            ("Order  total,\nin euros.", vec!["Order total, in euros."]),
            ("One.\n\nTwo.", vec!["One.", "", "Two."]),
            ("an [x] of <T>", vec![r"an \[x\] of \<T\>"]),
            ("the `a[0]` of it", vec!["the `a[0]` of it"]),
            ("an open ` tick [x]", vec![r"an open \` tick \[x\]"]),
            ("```\nfn main() {}\n```", vec![r"\`\`\` fn main() {} \`\`\`"]),
            ("see (https://example.com/x).", vec!["see (<https://example.com/x>)."]),
            ("\u{202e}hidden", vec!["hidden"]),
            (" \n\n ", vec![]),
        ];
        for (description, expected) in cases {
            assert_eq!(lines(description), expected, "{description}");
        }
    }
}
