//! Decides the type and the options of a column.

use super::column::Facts;
use super::texts::{number_options, quoted, type_name};
use super::words::{self, Kind, TEXT_NULLS, WORDS, Words};
use crate::epoch::NumberFormat;
use crate::table::{Escape, Type};
use crate::wording::plural;

/// The longest text that is a code, such as `EUR`, a number with leading zeros, or a checksum.
const MAX_CODE: usize = 64;

/// What the columns together say about NULL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct NullPolicy {
    /// Whether a quoted word is a value.
    pub(super) quoted_are_values: bool,
    /// Whether the empty text is a value among texts, because NULL has a word of its own.
    pub(super) empty_is_text: bool,
    /// Whether backslashes are escapes.
    pub(super) has_escape: bool,
}

/// A column as a schema will describe it.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) header: Option<String>,
    pub(super) ty: Type,
    pub(super) format: Option<&'static str>,
    pub(super) numbers: Option<NumberFormat>,
    pub(super) words: Option<(Vec<String>, Vec<String>)>,
    /// The words that are NULL in it.
    pub(super) nulls: Vec<&'static str>,
    /// Whether it is in the key although some of its texts are empty: none of its texts is NULL.
    pub(super) has_no_nulls: bool,
    /// Whether words in quotes are values in it.
    pub(super) has_quoted_values: bool,
    pub(super) trim: bool,
    pub(super) distinct: Option<usize>,
    pub(super) max_chars: usize,
    pub(super) has_replacement: bool,
    /// What was seen, and what the files cannot tell.
    pub(super) seen: String,
    pub(super) choices: Vec<String>,
}

impl Column {
    pub(super) fn is_nullable(&self) -> bool {
        !self.nulls.is_empty() && !self.has_no_nulls
    }

    /// Returns whether equal values are read from equal texts, so that hashes of values can be compared.
    pub(super) fn reads_like(&self, other: &Self) -> bool {
        let is_integer = |ty: Type| matches!(ty, Type::Int | Type::Bigint);
        let is_text = |ty: Type| matches!(ty, Type::String | Type::Char(_));
        let alike = |test: fn(Type) -> bool| test(self.ty) && test(other.ty);
        let has_type = self.ty == other.ty || alike(is_integer) || alike(is_text);
        let words = |column: &Self| (column.format, column.numbers.clone(), column.words.clone());
        let nulls = |column: &Self| (column.nulls.clone(), column.has_no_nulls, column.trim);
        has_type && words(self) == words(other) && nulls(self) == nulls(other)
    }

    /// Returns whether it has more than one value, NULL included.
    pub(super) fn differs(&self) -> bool {
        self.distinct.is_none_or(|distinct| distinct + usize::from(!self.nulls.is_empty()) > 1)
    }

    /// Turns it into text in which nothing is NULL.
    pub(super) fn make_plain_text(&mut self) {
        self.has_no_nulls = !self.nulls.is_empty();
        self.make_text();
    }

    /// Turns it into text.
    pub(super) fn make_text(&mut self) {
        (self.ty, self.format, self.numbers, self.words, self.trim) = (Type::String, None, None, None, false);
    }
}

/// What the words in all columns say about NULL. Writers that escape have a word for it even where it does not occur.
pub(super) fn policy(columns: &[Facts], escape: Option<Escape>) -> NullPolicy {
    let is_text = |facts: &&Facts| matches!(facts.kind(), Kind::Text | Kind::Nothing);
    let typed = || columns.iter().filter(|facts| !is_text(facts));
    let both = |facts: &Facts| facts.words[..TEXT_NULLS].iter().any(|(plain, quoted)| *plain > 0 && *quoted > 0);
    let any_quoted = |facts: &Facts| facts.words.iter().any(|(_, quoted)| *quoted > 0);
    let has_word = columns.iter().any(|facts| facts.words[1..TEXT_NULLS].iter().any(|(plain, _)| *plain > 0));
    let has_own_null = matches!(escape, Some(Escape::Mysql | Escape::Postgres));
    NullPolicy {
        quoted_are_values: columns.iter().filter(is_text).any(both) && !typed().any(any_quoted),
        has_escape: escape.is_some(),
        empty_is_text: (has_word || has_own_null) && !typed().any(|facts| facts.has_word(0) || facts.blank > 0),
    }
}

/// Decides about one column.
pub(super) fn column(name: String, header: Option<String>, facts: &Facts, policy: NullPolicy) -> Column {
    let mut facts = facts.clone();
    let nulls = take_nulls(&mut facts, policy);
    let mut column = Column {
        name,
        header,
        ty: Type::String,
        format: None,
        numbers: None,
        words: None,
        has_no_nulls: false,
        has_quoted_values: policy.quoted_are_values,
        trim: false,
        distinct: facts.distinct(),
        max_chars: facts.max_chars,
        has_replacement: facts.has_replacement,
        seen: String::new(),
        choices: Vec::new(),
        nulls,
    };
    match facts.kind() {
        Kind::Nothing => column.choices.push("no value was seen, so any type is possible".into()),
        Kind::Text => text(&mut column, &facts, policy),
        Kind::Time => time(&mut column, &facts),
        Kind::Other => other(&mut column, &facts),
    }
    if matches!(facts.kind(), Kind::Time | Kind::Other) {
        column.trim = facts.is_padded || facts.blank > 0;
        if facts.blank > 0 && !column.nulls.contains(&"") {
            column.nulls.push("");
            column.nulls.sort_unstable();
        }
    }
    summarise(&mut column, &facts);
    column
}

/// Takes the words out of the facts that are NULL, and turns the others into values, which can change the type.
fn take_nulls(facts: &mut Facts, policy: NullPolicy) -> Vec<&'static str> {
    loop {
        let kind = facts.kind();
        let is_text = matches!(kind, Kind::Text | Kind::Nothing);
        let is_value = |word: usize| !words::is_null(word, kind) || is_text && word == 0 && policy.empty_is_text;
        let Some(word) = (0..WORDS.len()).find(|word| facts.has_word(*word) && is_value(*word)) else { break };
        facts.take_as_value(word, false);
    }
    if policy.quoted_are_values {
        (0..WORDS.len()).for_each(|word| facts.take_as_value(word, true));
    }
    let mut nulls: Vec<&'static str> =
        (0..WORDS.len()).filter(|word| facts.has_word(*word)).map(|word| WORDS[word]).collect();
    nulls.sort_unstable();
    nulls
}

fn text(column: &mut Column, facts: &Facts, policy: NullPolicy) {
    let is_code = facts.min_chars == facts.max_chars && (2..=MAX_CODE).contains(&facts.max_chars);
    if is_code && !facts.has_prose && facts.values > 1 {
        column.ty = Type::Char(facts.max_chars as u32);
    }
    if column.nulls.contains(&"") {
        column.choices.push("the empty text is NULL; with `nulls: []` it would be a value".into());
    }
    for word in column.nulls.iter().filter(|null| !null.is_empty()) {
        column.choices.push(format!("`{word}` is NULL"));
    }
    if facts.is_integer {
        column.choices.push("numbers with leading zeros or a plus stay text; as `bigint`, 007 would be 7".into());
    }
    column.choices.extend(symbol(facts));
    if facts.is_padded || facts.blank > 0 {
        column.choices.push("blanks around a text are part of it; with `trim: true` they are not".into());
    }
    if facts.has_backslash && !policy.has_escape {
        column.choices.push("backslashes are read as they are; some exporters write them as escapes".into());
    }
}

/// How to read numbers that all have the same currency or percent sign.
fn symbol(facts: &Facts) -> Option<String> {
    let (symbol, numbers) = facts.symbols.best()?;
    let mut options = vec![format!("type: {}", type_name(numbers.ty))];
    let written = numbers.format.iter().flat_map(|format| number_options(numbers.ty, format));
    options.extend(written.map(|(option, value)| format!("{option}: {value}")));
    options.push(format!("strip: [{}]", quoted(symbol)));
    Some(format!("every value is a number with `{symbol}`, which `{}` would read", options.join(", ")))
}

fn time(column: &mut Column, facts: &Facts) {
    let Some((best, other)) = facts.times.best() else { return };
    (column.ty, column.format) = (best.ty, best.format);
    if let Some(other) = other {
        column.choices.push(format!("day and month could be the other way round: `{other}`"));
    }
    if best.has_short_year() {
        column
            .choices
            .push("a year has two digits, of which 69 is 1969 and 68 is 2068; the texts could also be codes".into());
    }
    if best.is_digits() {
        column.choices.push("every value is a date, but the digits could also be a number".into());
    }
}

fn other(column: &mut Column, facts: &Facts) {
    match (facts.spellings.words(), facts.numbers.best()) {
        (Some(Words::Usual), _) => column.ty = Type::Boolean,
        (Some(Words::Own(yes, no)), _) => (column.ty, column.words) = (Type::Boolean, Some((yes, no))),
        (None, Some(best)) => {
            let (whole, fraction) = best.digits.places();
            if let Type::Decimal { .. } = best.ty {
                column.seen =
                    format!("up to {} before the point and {fraction} after it", plural(whole.into(), "digit"));
            }
            column.choices.extend(best.other.map(|other| format!("these could also be {other}")));
            if facts.spellings.are_bits() {
                column.choices.push("0 and 1 could be a boolean".into());
            }
            if best.ty == Type::Bigint && (best.digits.min_length, best.digits.max_length) == (13, 13) {
                column.choices.push("it may be a timestamp, with `format: epoch_millis`".into());
            }
            (column.ty, column.numbers) = (best.ty, best.format);
        }
        (None, None) => {}
    }
}

/// Adds what else was seen.
fn summarise(column: &mut Column, facts: &Facts) {
    let is_text = matches!(column.ty, Type::String | Type::Char(_));
    let mut seen: Vec<String> = Vec::new();
    if is_text && facts.values > 0 {
        let range = if matches!(column.ty, Type::Char(_)) { "always" } else { "up to" };
        seen.push(format!("{range} {}", plural(facts.max_chars as u64, "character")));
    }
    seen.extend(Some(std::mem::take(&mut column.seen)).filter(|text| !text.is_empty()));
    seen.extend(column.distinct.filter(|_| facts.values > 0).map(|count| format!("{count} distinct")));
    let nulls: u64 = facts.words.iter().map(|(plain, quoted)| plain + quoted).sum::<u64>()
        + if column.trim { facts.blank } else { 0 };
    seen.push(if nulls == 0 { "no NULL".into() } else { plural(nulls, "NULL") });
    for word in (TEXT_NULLS..WORDS.len()).filter(|_| is_text) {
        if facts.seen_as_value(word) {
            column.choices.push(format!("`{}` is a text here; with `nulls` it could be NULL", WORDS[word]));
        }
    }
    column.seen = seen.join(", ");
}
