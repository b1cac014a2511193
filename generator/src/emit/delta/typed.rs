//! The SQL expression of one column: from the text in an export to the canonical text.
//!
//! The grammars are those of the runtime, written as regular expressions that are tested before any cast, because a
//! cast alone would round, trim and guess.

use serde::Serialize;

use super::sql::{literal, literals, matches};
use super::{decimal, epoch};
use crate::date_format::{self, Piece};
use crate::model::{Column, ColumnType, Encoding, Table};

/// A `CASE` expression.
#[derive(Serialize)]
pub(super) struct ColumnExpression {
    comment: String,
    arms: Vec<Arm>,
    otherwise: String,
}

#[derive(Serialize)]
struct Arm {
    when: String,
    then: String,
}

impl ColumnExpression {
    /// The length of the expression in bytes.
    pub(super) fn len(&self) -> usize {
        self.otherwise.len() + self.arms.iter().map(|arm| arm.when.len() + arm.then.len()).sum::<usize>()
    }
}

/// The expression for a column whose raw text is `raw`.
pub(super) fn column(table: &Table, column: &Column, raw: String) -> ColumnExpression {
    let unreadable = format!("chr(0) || {raw}");
    let is_key = table.key_columns().any(|key| key.name == column.name);
    let mut arms: Vec<Arm> = null(table, column, is_key, &raw).into_iter().collect();
    if column.ty.is_text() && table.columns[0].name == column.name {
        // A byte order mark, as where files were joined.
        arms.push(Arm { when: format!("starts_with({raw}, chr(65279))"), then: unreadable.clone() });
    }
    arms.extend(values(column, &raw).into_iter().map(|(when, then)| Arm { when, then }));
    ColumnExpression { comment: format!("{}  {}", column.name, described(column)), arms, otherwise: unreadable }
}

fn described(column: &Column) -> String {
    let format = column.ty.format().map(|format| format!(" like {format}")).unwrap_or_default();
    format!("{}{format}{}", column.ty.name(), if column.nullable { ", nullable" } else { "" })
}

/// The arm for texts that mean NULL. In a column that is not nullable they are unreadable, except for the empty text in
/// a text column outside the key.
fn null(table: &Table, column: &Column, is_key: bool, text: &str) -> Option<Arm> {
    let is_value = |null: &String| null.is_empty() && column.ty.is_text() && !is_key && !column.nullable;
    let nulls: Vec<String> = table.nulls_of(column).iter().filter(|null| !is_value(null)).cloned().collect();
    if nulls.is_empty() {
        return None;
    }
    let then = if column.nullable { "NULL".to_owned() } else { format!("chr(0) || {text}") };
    Some(Arm { when: format!("{text} IN ({})", literals(&nulls)), then })
}

/// The conditions under which a text is a value, each with the canonical text.
fn values(column: &Column, text: &str) -> Vec<(String, String)> {
    match &column.ty {
        ColumnType::Boolean { words: None } => vec![
            (matches(text, "^([tT][rR][uU][eE]|[tT]|1)$"), "'true'".into()),
            (matches(text, "^([fF][aA][lL][sS][eE]|[fF]|0)$"), "'false'".into()),
        ],
        ColumnType::Boolean { words: Some(words) } => {
            [(&words.true_values, "'true'"), (&words.false_values, "'false'")]
                .into_iter()
                .filter(|(words, _)| !words.is_empty())
                .map(|(words, value)| (format!("{text} IN ({})", literals(words)), value.to_owned()))
                .collect()
        }
        ColumnType::Tinyint => integer(text, "tinyint"),
        ColumnType::Smallint => integer(text, "smallint"),
        ColumnType::Int => integer(text, "integer"),
        ColumnType::Bigint => integer(text, "bigint"),
        ColumnType::Float => float(text, "real"),
        ColumnType::Double => float(text, "double"),
        ColumnType::Decimal { precision, scale } => decimal::values(text, *precision, *scale),
        ColumnType::Char(length) | ColumnType::Varchar(length) => {
            vec![(format!("length({text}) <= {length} AND strpos({text}, chr(65533)) = 0"), text.into())]
        }
        ColumnType::String => vec![(format!("strpos({text}, chr(65533)) = 0"), text.into())],
        ColumnType::Binary(Encoding::Hex) => hex(text, column.prefix.as_deref()),
        ColumnType::Binary(Encoding::Base64) => {
            // The unused bits of the last digit are zero.
            let grammar = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$";
            vec![(matches(text, grammar), format!("lower(to_hex(from_base64({text})))"))]
        }
        ColumnType::Date { format } => date(text, &layout(format.as_deref(), "%Y-%m-%d")),
        ColumnType::Timestamp { format: Some(format) } if is_epoch(format) => epoch::values(text, format, ""),
        ColumnType::Timestamptz { format: Some(format) } if is_epoch(format) => epoch::values(text, format, " || 'Z'"),
        ColumnType::Timestamp { format } => timestamp(text, &layout(format.as_deref(), ISO_TIMESTAMP)),
        ColumnType::Timestamptz { format } => timestamptz(text, &layout(format.as_deref(), ISO_TIMESTAMPTZ)),
    }
}

fn is_epoch(format: &str) -> bool {
    date_format::epoch_digits(format).is_some()
}

fn hex(text: &str, prefix: Option<&str>) -> Vec<(String, String)> {
    let Some(prefix) = prefix else {
        return vec![(matches(text, "^([0-9a-fA-F]{2})*$"), format!("lower({text})"))];
    };
    let grammar = format!("^{}([0-9a-fA-F]{{2}})*$", prefix.replace('\\', "\\\\"));
    vec![(matches(text, &grammar), format!("lower(substr({text}, {}))", prefix.len() + 1))]
}

fn integer(text: &str, ty: &str) -> Vec<(String, String)> {
    let is_in_range = format!("{} AND try_cast({text} AS {ty}) IS NOT NULL", matches(text, "^[+-]?[0-9]+$"));
    vec![(is_in_range, format!("CAST(CAST({text} AS {ty}) AS varchar)"))]
}

/// The bits of a double, with a single NaN and no negative zero.
fn float(text: &str, ty: &str) -> Vec<(String, String)> {
    let grammar = "^[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][+-]?[0-9]+)?$";
    let value = format!("CAST(CAST({text} AS {ty}) AS double)");
    let is_finite = format!("{} AND is_finite({value})", matches(text, grammar));
    let infinity = "([iI][nN][fF]([iI][nN][iI][tT][yY])?)$";
    vec![
        (is_finite, format!("lower(to_hex(to_ieee754_64({value} + 0e0)))")),
        (matches(text, "^[+-]?[nN][aA][nN]$"), "'7ff8000000000000'".into()),
        (matches(text, &format!("^[+]?{infinity}")), "'7ff0000000000000'".into()),
        (matches(text, &format!("^-{infinity}")), "'fff0000000000000'".into()),
    ]
}

/// ISO 8601 in the letters of a format. `%T` is `T` or a space, `%E` an optional decimal point with a fraction.
const ISO_TIMESTAMP: &str = "%Y-%m-%d%T%H:%M:%S%E";
const ISO_TIMESTAMPTZ: &str = "%Y-%m-%d%T%H:%M:%S%E%z";

/// The regular expression of a format, and the part that each of its groups captures.
struct Layout {
    pattern: String,
    parts: Vec<char>,
}

/// Builds the layout of a format, or of `default` for a column without a format.
fn layout(format: Option<&str>, default: &str) -> Layout {
    let mut layout = Layout { pattern: "^".into(), parts: Vec::new() };
    let Some(format) = format else {
        let mut letters = default.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '%' => layout.part(letters.next().unwrap_or('%')),
                literal => layout.literal(literal),
            }
        }
        layout.pattern.push('$');
        return layout;
    };
    for piece in date_format::parse(format).expect("validation has checked the format") {
        match piece {
            Piece::Directive(directive) if directive.letters == ".f" => layout.part('E'),
            Piece::Directive(directive) => layout.part(directive.letters.chars().next().unwrap_or('%')),
            Piece::Literal(byte) => layout.literal(char::from(byte)),
        }
    }
    layout.pattern.push('$');
    layout
}

impl Layout {
    fn part(&mut self, letter: char) {
        let pattern = match letter {
            'Y' => "([0-9]{4})",
            'm' | 'd' => "([0-9]{2})",
            'H' => "([01][0-9]|2[0-3])",
            'M' | 'S' => "([0-5][0-9])",
            'f' => "([0-9]{1,6})0*",
            'E' => "(?:\\.([0-9]{1,6})0*)?",
            'z' => "(Z|[+-](?:0[0-9]|1[0-3])(?::?[0-5][0-9])?|[+-]14(?::?00)?)",
            _ => "[T ]",
        };
        self.pattern += pattern;
        if letter != 'T' {
            self.parts.push(if letter == 'E' { 'f' } else { letter });
        }
    }

    fn literal(&mut self, literal: char) {
        if !literal.is_ascii_alphanumeric() && !matches!(literal, ' ' | '-' | ':' | '/') {
            self.pattern.push('\\');
        }
        self.pattern.push(literal);
    }

    /// The number of the group that captures a part, counting from 1.
    fn group(&self, letter: char) -> Option<usize> {
        self.parts.iter().position(|part| *part == letter).map(|index| index + 1)
    }

    /// The text of one part; `None` if the format does not have it.
    fn extract(&self, text: &str, letter: char) -> Option<String> {
        self.group(letter).map(|group| format!("regexp_extract({text}, {}, {group})", literal(&self.pattern)))
    }

    /// The text with its parts rearranged.
    fn rearranged(&self, text: &str, parts: &[(char, &str)]) -> String {
        let mut replacement = String::new();
        for (letter, before) in parts {
            replacement += before;
            match self.group(*letter) {
                // The separator that follows never starts with a digit, so the number of the group is unambiguous.
                Some(group) => replacement += &format!("${group}"),
                None => replacement += "00",
            }
        }
        format!("regexp_replace({text}, {}, '{replacement}')", literal(&self.pattern))
    }

    fn iso_date(&self, text: &str) -> String {
        self.rearranged(text, &[('Y', ""), ('m', "-"), ('d', "-")])
    }

    /// The date and time down to seconds.
    fn iso_date_time(&self, text: &str, separator: &str) -> String {
        self.rearranged(text, &[('Y', ""), ('m', "-"), ('d', "-"), ('H', separator), ('M', ":"), ('S', ":")])
    }

    /// The fraction of a second as six digits.
    fn micros(&self, text: &str) -> String {
        match self.extract(text, 'f') {
            Some(fraction) => format!("rpad(coalesce({fraction}, ''), 6, '0')"),
            None => "'000000'".into(),
        }
    }

    /// Matches the grammar, and checks that the date exists and is not before year 1.
    fn is_valid(&self, text: &str) -> String {
        format!("{} AND try_cast({} AS date) >= DATE '0001-01-01'", matches(text, &self.pattern), self.iso_date(text))
    }
}

fn date(text: &str, layout: &Layout) -> Vec<(String, String)> {
    vec![(layout.is_valid(text), layout.iso_date(text))]
}

fn timestamp(text: &str, layout: &Layout) -> Vec<(String, String)> {
    vec![(layout.is_valid(text), format!("{} || '.' || {}", layout.iso_date_time(text, "T"), layout.micros(text)))]
}

/// An instant, in UTC.
fn timestamptz(text: &str, layout: &Layout) -> Vec<(String, String)> {
    let offset = layout.extract(text, 'z').expect("validation requires an offset");
    // The offset is `Z`, or a sign with hours and optional minutes; the result is in minutes.
    let digits = format!("rpad(replace(substr({offset}, 2), ':', ''), 4, '0')");
    let minutes = format!("(CAST(substr({digits}, 1, 2) AS integer) * 60 + CAST(substr({digits}, 3, 2) AS integer))");
    let to_utc = format!("IF(starts_with({offset}, '-'), 1, -1) * {minutes}");
    let utc = format!("date_add('minute', {to_utc}, CAST({} AS timestamp))", layout.iso_date_time(text, " "));
    vec![(
        format!("{} AND year({utc}) BETWEEN 1 AND 9999", layout.is_valid(text)),
        format!("replace(substr(CAST({utc} AS varchar), 1, 19), ' ', 'T') || '.' || {} || 'Z'", layout.micros(text)),
    )]
}
