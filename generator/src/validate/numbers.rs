//! Checks how numbers are written: marks, sign, and texts that are not part of a number.

use super::text::unknown_value;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{ColumnType, Numbers, Sign};
use crate::spec::{ColumnSpec, NumbersSpec, Optional, Spanned};
use crate::wording::excerpt;

const DECIMAL_MARKS: &[&str] = &[".", ","];

/// The marks between groups of digits: ASCII, the typographic apostrophe, and the two spaces that do not break.
const GROUP_MARKS: &[&str] = &["none", ".", ",", " ", "'", "\u{2019}", "_", "\u{a0}", "\u{202f}"];

const SIGNS: [Sign; 3] = [Sign::Leading, Sign::Trailing, Sign::Parentheses];

/// Returns whether the type is a number with a fraction.
pub(super) fn has_fraction(ty: &ColumnType) -> bool {
    matches!(ty, ColumnType::Decimal { .. } | ColumnType::Float | ColumnType::Double)
}

/// Returns whether the type is an integer.
pub(super) fn is_integer(ty: &ColumnType) -> bool {
    matches!(ty, ColumnType::Tinyint | ColumnType::Smallint | ColumnType::Int | ColumnType::Bigint)
}

/// Reports words of `source` that are unknown, whether or not the table has numbers.
pub(super) fn unknown_words(source: &NumbersSpec, diagnostics: &mut Vec<Diagnostic>) {
    known("decimal_mark", source.decimal_mark.as_ref(), DECIMAL_MARKS, diagnostics);
    known("group_mark", source.group_mark.as_ref(), GROUP_MARKS, diagnostics);
    known("sign", source.sign.as_ref(), &SIGNS.map(Sign::name), diagnostics);
}

/// How the numbers of a column are written; `None` for other types, and if nothing is special.
pub(super) fn numbers(
    spec: &ColumnSpec,
    ty: &ColumnType,
    source: &NumbersSpec,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Numbers> {
    if !has_fraction(ty) && !is_integer(ty) {
        return None;
    }
    let own = &spec.numbers;
    let group = own.group_mark.as_ref().or(source.group_mark.as_ref());
    let group_mark = known("group_mark", group, GROUP_MARKS, diagnostics).filter(|mark| *mark != "none");
    let decimal = own.decimal_mark.as_ref().or(source.decimal_mark.as_ref());
    let decimal_mark = if has_fraction(ty) {
        let mark = known("decimal_mark", decimal, DECIMAL_MARKS, diagnostics).unwrap_or(".");
        if let Some(group) = group.filter(|_| group_mark == Some(mark)) {
            same_marks(group, diagnostics);
        }
        mark
    } else if group_mark == Some(".") {
        ","
    } else {
        "."
    };
    let signs = SIGNS.map(Sign::name);
    let sign = known("sign", own.sign.as_ref().or(source.sign.as_ref()), &signs, diagnostics);
    let numbers = Numbers {
        decimal_mark: first(decimal_mark)?,
        group_mark: group_mark.and_then(first),
        sign: SIGNS.into_iter().find(|known| Some(known.name()) == sign).unwrap_or(Sign::Leading),
        strip: spec.strip.as_ref().map(|texts| strip(texts, diagnostics)).unwrap_or_default(),
    };
    let is_plain = numbers.group_mark.is_none() && numbers.sign == Sign::Leading && numbers.strip.is_empty();
    (!is_plain || numbers.decimal_mark != '.').then_some(numbers)
}

fn first(text: &str) -> Option<char> {
    text.chars().next()
}

/// The word, if it is one of a fixed set. A mistake in `source` is reported once, and not for each column.
fn known<'a>(
    field: &str,
    word: Option<&'a Spanned<String>>,
    all: &[&str],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<&'a str> {
    let word = word?;
    if all.contains(&word.as_str()) {
        return Some(word.as_str());
    }
    let diagnostic = unknown_value(field, word, all);
    if !diagnostics.contains(&diagnostic) {
        diagnostics.push(diagnostic);
    }
    None
}

fn same_marks(group: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) {
    let diagnostic = Diagnostic::new(Code::Contradiction, &group.span, "the decimal mark is also the group mark")
        .label(format!("`{}` would have two meanings", excerpt(group)))
        .help("declare `decimal_mark`, too: `\".\"` or `\",\"`");
    if !diagnostics.contains(&diagnostic) {
        diagnostics.push(diagnostic);
    }
}

/// The texts to strip, longer ones first so that none is mistaken for the beginning of another.
fn strip(texts: &Spanned<Vec<Spanned<String>>>, diagnostics: &mut Vec<Diagnostic>) -> Vec<String> {
    if texts.is_empty() {
        diagnostics
            .push(Diagnostic::new(Code::EmptyList, &texts.span, "`strip` is empty").help("add at least one text"));
    }
    for text in texts.iter() {
        let is_number = |letter: char| letter.is_numeric() || "+-.,()".contains(letter) || is_dash(letter);
        if text.trim().is_empty()
            || text.starts_with(is_number)
            || text.ends_with(|last| is_number(last) && last != '.')
        {
            let message = format!("`{}` cannot be stripped from numbers", excerpt(text));
            diagnostics.push(
                Diagnostic::new(Code::InvalidStrip, &text.span, message)
                    .label("it is blank, or could be a part of the number")
                    .help("for example `strip: [EUR, \"%\"]`"),
            );
        }
    }
    let mut strip: Vec<String> = texts.iter().map(|text| text.value.clone()).collect();
    strip.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
    strip
}

/// A character that looks like a minus sign: without it, the number would be another.
pub(crate) fn is_dash(letter: char) -> bool {
    matches!(letter, '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}')
}

/// The options of a column or of `source` that change how numbers are written.
pub(super) fn declared(numbers: &NumbersSpec) -> [(&'static str, &Optional<String>); 3] {
    let NumbersSpec { decimal_mark, group_mark, sign } = numbers;
    [("decimal_mark", decimal_mark), ("group_mark", group_mark), ("sign", sign)]
}

/// The number in the ordinary way of writing; `None` if it is not written as declared.
pub(crate) fn ordinary(text: &str, numbers: &Numbers) -> Option<String> {
    let (text, is_stripped) = stripped(text, numbers);
    let (sign, text) = match numbers.sign {
        Sign::Leading if text.starts_with(['+', '-']) => text.split_at(1),
        Sign::Trailing if text.ends_with(['+', '-']) => (&text[text.len() - 1..], &text[..text.len() - 1]),
        Sign::Parentheses => match text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
            Some(inner) => ("-", inner),
            None => ("", text),
        },
        _ => ("", text),
    };
    let text = if is_stripped { text } else { stripped(text, numbers).0 };
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Some(format!("{sign}{text}"));
    }
    let (mantissa, exponent) = text.split_at(text.find(['e', 'E']).unwrap_or(text.len()));
    let (whole, fraction) = match mantissa.split_once(numbers.decimal_mark) {
        Some((whole, fraction)) => (whole, format!(".{fraction}")),
        None => (mantissa, String::new()),
    };
    let groups: Vec<&str> = numbers.group_mark.map_or_else(|| vec![whole], |mark| whole.split(mark).collect());
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let are_groups =
        groups.len() == 1 || (1..=3).contains(&groups[0].len()) && groups[1..].iter().all(|group| group.len() == 3);
    let is_number =
        are_groups && groups.iter().all(|group| are_digits(group)) && are_digits(fraction.trim_start_matches('.'));
    is_number.then(|| format!("{sign}{}{fraction}{exponent}", groups.concat()))
}

/// The text without one of the texts to strip, and whether there was one.
fn stripped<'a>(text: &'a str, numbers: &Numbers) -> (&'a str, bool) {
    const BLANKS: [char; 4] = [' ', '\t', '\u{a0}', '\u{202f}'];
    for strip in &numbers.strip {
        if let Some(rest) = text.strip_prefix(strip.as_str()) {
            return (rest.trim_start_matches(BLANKS), true);
        }
        if let Some(rest) = text.strip_suffix(strip.as_str()) {
            return (rest.trim_end_matches(BLANKS), true);
        }
    }
    (text, false)
}
