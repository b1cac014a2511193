//! Pieces of a schema that a program writes: texts, lists, and comments that say what the program cannot know.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::names;

/// The longest line that is written, but for a column's fields.
const WIDTH: usize = 118;

/// Words that YAML, or an older YAML, takes for something else than a text.
const WORDS: &[&str] = &["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf", "infinity"];

/// A list of quoted texts.
pub fn list(texts: &[impl AsRef<str>]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", texts.join(", "))
}

/// A text in double quotes. YAML reads every escape of JSON.
pub fn quoted(text: &str) -> String {
    let escape = |c: char| c.is_control() || matches!(c, '\u{a0}' | '\u{202f}' | '\u{feff}' | '\u{2028}' | '\u{2029}');
    let json = serde_json::to_string(text).expect("a text is valid JSON");
    json.chars().map(|c| if escape(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() }).collect()
}

/// A text without quotes if YAML reads it as this text everywhere, also within `{ }`.
pub fn plain(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | ' ' | '(' | ')' | '\'' | '/');
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_word = WORDS.contains(&text.to_ascii_lowercase().as_str());
    if starts && text.chars().all(is_plain) && !text.ends_with(' ') && !is_word {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// What the source of a schema leaves open, each in a comment.
pub fn choices(yaml: &mut String, indent: &str, choices: &[String]) {
    choices.iter().for_each(|choice| comment(yaml, indent, &format!("choice: {choice}")));
}

/// Adds a line with a comment at its end, or above it if both are too long for one line.
pub fn line_with_comment(yaml: &mut String, indent: &str, line: &str, text: &str) {
    let both = format!("{indent}{line}  # {}", visible(text));
    if text.is_empty() {
        let _ = writeln!(yaml, "{indent}{line}");
    } else if both.chars().count() <= WIDTH {
        let _ = writeln!(yaml, "{both}");
    } else {
        comment(yaml, indent, text);
        let _ = writeln!(yaml, "{indent}{line}");
    }
}

/// A comment, wrapped. Nothing in the text can end it.
pub fn comment(yaml: &mut String, indent: &str, text: &str) {
    let mut line = String::new();
    for word in visible(text).split(' ') {
        if !line.is_empty() && indent.len() + line.chars().count() + word.chars().count() > WIDTH - 3 {
            let _ = writeln!(yaml, "{indent}# {line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(yaml, "{indent}# {line}");
}

/// A text that is safe to show: what is not seen is escaped, so that it cannot start a line or reverse the text.
fn visible(text: &str) -> String {
    text.chars().map(|c| if is_visible(c) { c.to_string() } else { c.escape_debug().to_string() }).collect()
}

/// `escape_debug` escapes what is not printable, but also quotes, spaces of other scripts, and accents that do not
/// follow a letter.
fn is_visible(c: char) -> bool {
    let is_blank = c.is_whitespace() && !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}');
    matches!(c, '\'' | '"' | '\\') || is_blank || format!("a{c}").escape_debug().nth(1) == Some(c)
}

/// The names that columns have in a schema, one for each spelling; they are the spellings where that is possible.
pub fn column_names<'a>(spellings: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let name = |spelling: &str| {
        let base = if names::is_column_name(spelling) { spelling.to_owned() } else { identifier(spelling, "column") };
        let mut name = base.clone();
        let mut number = 2;
        while taken.contains(&name.to_lowercase()) || taken.contains(&names::field(&name)) {
            name = format!("{base}_{number}");
            number += 1;
        }
        taken.extend([name.to_lowercase(), names::field(&name)]);
        name
    };
    spellings.into_iter().map(name).collect()
}

/// A name of lower-case letters, digits and underscores that resembles a text.
pub(crate) fn identifier(text: &str, otherwise: &str) -> String {
    let mut name = String::new();
    for c in text.to_lowercase().chars() {
        match c {
            'ä' => name.push_str("ae"),
            'ö' => name.push_str("oe"),
            'ü' => name.push_str("ue"),
            'ß' => name.push_str("ss"),
            c if c.is_ascii_alphanumeric() => name.push(c),
            _ if name.ends_with('_') || name.is_empty() => {}
            _ => name.push('_'),
        }
    }
    let name = name.trim_end_matches('_');
    let name = if name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name.to_owned()
    } else {
        format!("{otherwise}_{name}")
    };
    name.trim_end_matches('_').chars().take(names::MAX_NAME_LEN - 8).collect()
}
