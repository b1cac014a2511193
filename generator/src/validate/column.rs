//! One column: its name, its type, and the options that its type has.

use super::format;
use super::readable;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Column, ColumnType, Encoding, Words};
use crate::names;
use crate::spec::{ColumnSpec, Optional, Spanned, shown, unknown_value};
use crate::suggest;

/// The types as a schema writes them.
pub(crate) const TYPES: &[&str] = &[
    "boolean",
    "tinyint",
    "smallint",
    "int",
    "bigint",
    "float",
    "double",
    "decimal",
    "char",
    "varchar",
    "string",
    "binary",
    "date",
    "timestamp",
    "timestamptz",
];

/// What other systems call them.
const FOREIGN_TYPES: &[(&str, &str)] = &[
    ("bool", "boolean"),
    ("integer", "int"),
    ("long", "bigint"),
    ("real", "float"),
    ("number", "decimal(p,s)"),
    ("numeric", "decimal(p,s)"),
    ("text", "string"),
    ("str", "string"),
    ("uuid", "string"),
    ("bytes", "binary"),
    ("blob", "binary"),
    ("datetime", "timestamp"),
];

const MAX_PRECISION: u32 = 38;
const MAX_CHAR: u32 = 255;
const MAX_VARCHAR: u32 = 65_535;

/// What a column must know of the rest of its table.
pub(super) struct Context<'a> {
    pub(super) nulls: &'a [String],
    pub(super) key: &'a [&'a str],
}

/// The model of one column; `None` without a usable name or type.
pub(super) fn column(spec: &ColumnSpec, context: &Context<'_>, found: &mut Vec<Diagnostic>) -> Option<Column> {
    if let Some(name) = &spec.name {
        invalid_column_name(name, found);
    }
    let nullable = spec.nullable.as_ref().is_some_and(|flag| flag.value);
    let ty = spec.ty.as_ref().and_then(|written| column_type(written, found));
    let ty = ty.map(|ty| {
        options_of_other_types(spec, &ty, found);
        with_options(ty, spec, context, nullable, found)
    });
    let name = spec.name.as_ref()?.value.clone();
    let column = Column {
        field: names::field(&name),
        ty: ty?,
        nullable,
        description: super::description(spec.description.as_ref()),
        compare: spec.compare.as_ref().is_none_or(|flag| flag.value),
        default: spec.default.as_ref().map(|default| default.value.clone()),
        formerly: spec.formerly.as_ref().map(|formerly| formerly.value.clone()),
        pii: spec.pii.as_ref().is_some_and(|flag| flag.value),
        trim: spec.trim.as_ref().is_some_and(|flag| flag.value),
        name,
    };
    // Of a key column the default is a mistake by itself.
    if let Some(default) = spec.default.as_ref().filter(|_| !context.key.contains(&column.name.as_str())) {
        unreadable_default(default, &column, context.nulls, found);
    }
    Some(column)
}

fn invalid_column_name(name: &Spanned<String>, found: &mut Vec<Diagnostic>) {
    if name.starts_with('_') {
        found.push(
            Diagnostic::new(Code::ReservedName, &name.span, format!("a column cannot be called `{}`", shown(name)))
                .label("names that start with `_` are kept for Tidemark's own columns")
                .help("rename the column in the export too, where its header names it"),
        );
    } else if !names::is_column_name(name) {
        let message = format!("`{}` cannot be the name of a column", shown(name));
        found.push(Diagnostic::new(Code::InvalidName, &name.span, message).help(name_pattern()));
    }
}

/// What the name of a column looks like, in words.
pub(super) fn name_pattern() -> String {
    format!("a letter, then letters, digits and `_`, all ASCII, up to {} characters", names::LONGEST)
}

/// Reads `name`, `name(n)` or `name(p,s)`.
fn column_type(written: &Spanned<String>, found: &mut Vec<Diagnostic>) -> Option<ColumnType> {
    let (name, parameters) = match written.split_once('(') {
        None => (written.trim(), None),
        Some((name, rest)) => (name.trim(), Some(rest.trim())),
    };
    if !TYPES.contains(&name) {
        found.push(unknown_type(written, name));
        return None;
    }
    let parameters = match parameters.map(numbers) {
        None => Vec::new(),
        Some(Some(numbers)) if !numbers.is_empty() => numbers,
        Some(_) => {
            found.push(type_parameters(written, name));
            return None;
        }
    };
    let result = match (name, parameters.as_slice()) {
        ("decimal", [precision]) => decimal(written, *precision, 0),
        ("decimal", [precision, scale]) => decimal(written, *precision, *scale),
        ("char", [length]) => length_within(written, *length, MAX_CHAR).map(ColumnType::Char),
        ("varchar", [length]) => length_within(written, *length, MAX_VARCHAR).map(ColumnType::Varchar),
        (_, []) => plain_type(name).ok_or_else(|| type_parameters(written, name)),
        _ => Err(type_parameters(written, name)),
    };
    result.map_err(|diagnostic| found.push(diagnostic)).ok()
}

/// The numbers of `12,2)`.
fn numbers(text: &str) -> Option<Vec<u32>> {
    text.strip_suffix(')')?.split(',').map(|number| number.trim().parse().ok()).collect()
}

fn plain_type(name: &str) -> Option<ColumnType> {
    Some(match name {
        "boolean" => ColumnType::Boolean { words: None },
        "tinyint" => ColumnType::Tinyint,
        "smallint" => ColumnType::Smallint,
        "int" => ColumnType::Int,
        "bigint" => ColumnType::Bigint,
        "float" => ColumnType::Float,
        "double" => ColumnType::Double,
        "string" => ColumnType::String,
        "binary" => ColumnType::Binary(Encoding::Base64),
        "date" => ColumnType::Date { format: None },
        "timestamp" => ColumnType::Timestamp { format: None },
        "timestamptz" => ColumnType::Timestamptz { format: None },
        _ => return None,
    })
}

fn unknown_type(written: &Spanned<String>, name: &str) -> Diagnostic {
    let diagnostic =
        Diagnostic::new(Code::UnknownType, &written.span, format!("unknown column type `{}`", shown(written)));
    let foreign = FOREIGN_TYPES.iter().find(|(foreign, _)| name.eq_ignore_ascii_case(foreign)).map(|(_, ours)| *ours);
    match foreign.or_else(|| suggest::nearest(name, TYPES.iter().copied())) {
        Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
        None => diagnostic.help(format!("the types are {}", suggest::list(TYPES))),
    }
}

fn type_parameters(written: &Spanned<String>, name: &str) -> Diagnostic {
    let (form, help) = match name {
        "decimal" => {
            ("decimal(p,s)", "p is the number of digits, s how many of them stand behind the point: `decimal(12,2)`")
        }
        "char" => ("char(n)", "n is the largest number of characters"),
        "varchar" => ("varchar(n)", "n is the largest number of characters"),
        plain => (plain, "the type takes no parameters"),
    };
    let message = if written.contains('(') {
        format!("`{}` cannot be read as a type", shown(written))
    } else {
        format!("the type `{name}` lacks its parameters")
    };
    Diagnostic::new(Code::TypeParameters, &written.span, message).label(format!("write `{form}`")).help(help)
}

fn decimal(written: &Spanned<String>, precision: u32, scale: u32) -> Result<ColumnType, Diagnostic> {
    let label = if !(1..=MAX_PRECISION).contains(&precision) {
        format!("{precision} digits; 1 to {MAX_PRECISION} can be kept")
    } else if scale > precision {
        format!("{scale} digits behind the point, of {precision} in all")
    } else {
        return Ok(ColumnType::Decimal { precision: precision as u8, scale: scale as u8 });
    };
    Err(Diagnostic::new(Code::DecimalBounds, &written.span, format!("`{}` is out of bounds", shown(written)))
        .label(label)
        .help(format!("in `decimal(p,s)`, p is 1 to {MAX_PRECISION} and s is 0 to p")))
}

fn length_within(written: &Spanned<String>, length: u32, longest: u32) -> Result<u32, Diagnostic> {
    if (1..=longest).contains(&length) {
        return Ok(length);
    }
    let message = format!("`{}` is out of bounds", shown(written));
    Err(Diagnostic::new(Code::LengthBounds, &written.span, message)
        .label(format!("1 to {longest} characters"))
        .help("use `string` for text of any length"))
}

/// Reports each option that stands beside a type which has no such option.
fn options_of_other_types(spec: &ColumnSpec, ty: &ColumnType, found: &mut Vec<Diagnostic>) {
    let is_boolean = matches!(ty, ColumnType::Boolean { .. });
    let is_time = matches!(ty, ColumnType::Date { .. } | ColumnType::Timestamp { .. } | ColumnType::Timestamptz { .. });
    let is_binary = matches!(ty, ColumnType::Binary(_));
    let spans = [
        ("format", "`date`, `timestamp` and `timestamptz`", is_time, spec.format.as_ref().map(|it| &it.span)),
        ("true_values", "`boolean`", is_boolean, spec.true_values.as_ref().map(|it| &it.span)),
        ("false_values", "`boolean`", is_boolean, spec.false_values.as_ref().map(|it| &it.span)),
        ("encoding", "`binary`", is_binary, spec.encoding.as_ref().map(|it| &it.span)),
    ];
    for (option, owners, fits, span) in spans {
        if let Some(span) = span.filter(|_| !fits) {
            let message = format!("a column of type `{}` has no `{option}`", ty.name());
            found.push(
                Diagnostic::new(Code::OptionOfOtherType, span, message).label(format!("`{option}` is for {owners}")),
            );
        }
    }
}

/// The type together with the options that it has.
fn with_options(
    ty: ColumnType,
    spec: &ColumnSpec,
    context: &Context<'_>,
    nullable: bool,
    found: &mut Vec<Diagnostic>,
) -> ColumnType {
    let format = |found| {
        if let Some(format) = &spec.format {
            format::invalid_format(format, &ty, found);
        }
        spec.format.as_ref().map(|format| format.value.clone())
    };
    match ty {
        ColumnType::Boolean { .. } => ColumnType::Boolean { words: words(spec, context.nulls, nullable, found) },
        ColumnType::Binary(default) => ColumnType::Binary(encoding(spec.encoding.as_ref(), found).unwrap_or(default)),
        ColumnType::Date { .. } => ColumnType::Date { format: format(found) },
        ColumnType::Timestamp { .. } => ColumnType::Timestamp { format: format(found) },
        ColumnType::Timestamptz { .. } => ColumnType::Timestamptz { format: format(found) },
        other => other,
    }
}

fn encoding(written: Option<&Spanned<String>>, found: &mut Vec<Diagnostic>) -> Option<Encoding> {
    let written = written?;
    match written.as_str() {
        "base64" => Some(Encoding::Base64),
        "hex" => Some(Encoding::Hex),
        _ => {
            found.push(unknown_value("encoding", written, &["base64", "hex"]));
            None
        }
    }
}

fn words(spec: &ColumnSpec, nulls: &[String], nullable: bool, found: &mut Vec<Diagnostic>) -> Option<Words> {
    let (Some(yes), Some(no)) = (&spec.true_values, &spec.false_values) else {
        unpaired_words(spec, found);
        return None;
    };
    empty_words("true_values", &spec.true_values, found);
    empty_words("false_values", &spec.false_values, found);
    let mut seen: Vec<&Spanned<String>> = Vec::new();
    for word in yes.value.iter().chain(&no.value) {
        if let Some(first) = seen.iter().find(|first| first.value == word.value) {
            found.push(
                Diagnostic::new(Code::RepeatedText, &word.span, format!("`{}` stands here twice", shown(word)))
                    .label("again")
                    .also(&first.span, "the first time")
                    .help("each word is true or false, once"),
            );
        }
        if nullable && nulls.contains(&word.value) {
            let message = format!("`{}` already means NULL", shown(word));
            found.push(
                Diagnostic::new(Code::RepeatedText, &word.span, message)
                    .label("one of the `nulls` of this table")
                    .help("remove it here, or set `nulls` under `source`"),
            );
        }
        seen.push(word);
    }
    Some(Words { true_values: super::source::sorted(yes), false_values: super::source::sorted(no) })
}

fn unpaired_words(spec: &ColumnSpec, found: &mut Vec<Diagnostic>) {
    let (alone, missing) = match (&spec.true_values, &spec.false_values) {
        (Some(yes), None) => (("true_values", &yes.span), "false_values"),
        (None, Some(no)) => (("false_values", &no.span), "true_values"),
        _ => return,
    };
    let (name, span) = alone;
    found.push(
        Diagnostic::new(Code::UnpairedWords, span, format!("`{name}` stands without `{missing}`"))
            .help(format!("add `{missing}`: a column with words of its own has no others")),
    );
}

fn empty_words(name: &str, words: &Optional<Vec<Spanned<String>>>, found: &mut Vec<Diagnostic>) {
    if let Some(words) = words.as_ref().filter(|words| words.is_empty()) {
        found.push(
            Diagnostic::new(Code::EmptyList, &words.span, format!("`{name}` is empty")).help("name at least one word"),
        );
    }
}

fn unreadable_default(default: &Spanned<String>, column: &Column, nulls: &[String], found: &mut Vec<Diagnostic>) {
    if let Err(reason) = readable::check(default, column, nulls) {
        let message = format!("the default `{}` of `{}` cannot be read", shown(default), shown(&column.name));
        found.push(
            Diagnostic::new(Code::UnreadableDefault, &default.span, message)
                .label(reason)
                .help("write it as it would stand in an export"),
        );
    }
}
