//! The options that read a number.

use crate::model::{Numbers, Sign};
use crate::validate::{is_dash, ordinary_number};

/// The marks before a fraction and between groups, the more usual ones first.
pub const MARKS: [(char, Option<char>); 13] = [
    ('.', None),
    (',', None),
    (',', Some('.')),
    ('.', Some(',')),
    (',', Some(' ')),
    (',', Some('\u{a0}')),
    (',', Some('\u{202f}')),
    ('.', Some('\'')),
    ('.', Some('\u{2019}')),
    ('.', Some(' ')),
    ('.', Some('\u{a0}')),
    ('.', Some('\u{202f}')),
    ('.', Some('_')),
];

const SIGNS: [Sign; 3] = [Sign::Leading, Sign::Trailing, Sign::Parentheses];

/// Returns whether a text is a number of any size that is written like this.
pub fn reads_number(text: &str, numbers: &Numbers) -> bool {
    number(text, numbers).is_some()
}

/// The number in the ordinary way of writing.
fn number(text: &str, numbers: &Numbers) -> Option<String> {
    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
    ordinary_number(text, numbers).filter(|number| digits(number) > 0)
}

/// The options that read a text as a number, where those that are declared do not: those that change. Whether a
/// fraction is possible decides which marks are.
pub fn number_options(text: &str, declared: &Numbers, has_fraction: bool) -> Option<Vec<String>> {
    let symbol = symbol(text).filter(|symbol| !declared.strip.iter().any(|text| text == symbol));
    let strip = symbol.map_or_else(|| declared.strip.clone(), |symbol| vec![symbol.to_owned()]);
    let all = SIGNS.iter().flat_map(|sign| MARKS.iter().map(move |marks| (*sign, *marks)));
    // As few changes as possible.
    let mut candidates: Vec<(Vec<String>, String)> = all
        .filter_map(|(sign, (decimal_mark, group_mark))| {
            let numbers = Numbers { decimal_mark, group_mark, sign, strip: strip.clone() };
            let number = number(text, &numbers)?;
            let is_possible = has_fraction || !number.contains('.');
            is_possible.then(|| (changes(declared, &numbers, has_fraction), number))
        })
        .collect();
    candidates.sort_by_key(|(changes, _)| changes.len());
    candidates.into_iter().next().map(|(changes, _)| changes).filter(|changes| !changes.is_empty())
}

fn changes(from: &Numbers, to: &Numbers, has_fraction: bool) -> Vec<String> {
    let quoted = |mark: char| match mark {
        '\u{a0}' => "\"\\u00a0\"".to_owned(),
        '\u{202f}' => "\"\\u202f\"".to_owned(),
        mark => format!("\"{mark}\""),
    };
    let mut options = Vec::new();
    if has_fraction && from.decimal_mark != to.decimal_mark {
        options.push(format!("decimal_mark: {}", quoted(to.decimal_mark)));
    }
    if from.group_mark != to.group_mark {
        options.push(format!("group_mark: {}", to.group_mark.map_or("none".into(), quoted)));
    }
    if from.sign != to.sign {
        options.push(format!("sign: {}", to.sign.name()));
    }
    if from.strip != to.strip {
        options.push(format!("strip: [{}]", serde_json::to_string(&to.strip[0]).expect("a text is JSON")));
    }
    options
}

/// The text before or after a number, without blanks: a currency or a percent sign.
pub fn symbol(text: &str) -> Option<&str> {
    let is_number = |c: char| c.is_ascii_digit() || "+-.,()'\u{2019}_".contains(c) || c.is_whitespace();
    let start = text.find(|c: char| !is_number(c))?;
    let rest = &text[start..];
    let length = rest.find(is_number).unwrap_or(rest.len());
    let symbol = &rest[..length];
    let is_symbol = symbol.chars().count() <= 4 && !matches!(symbol, "e" | "E") && !symbol.contains(is_dash);
    is_symbol.then_some(symbol)
}
