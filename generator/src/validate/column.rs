//! Checks one column: its name, its type, and the options of its type.

use super::text::{column_name_pattern, description, sorted, unknown_value};
use super::{format, numbers, publish, readable, words};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Column, ColumnType, Encoding, Publish, Source};
use crate::names;
use crate::spec::{ColumnSpec, NumbersSpec, Spanned};
use crate::wording::{excerpt, list, nearest};

/// The names of the types.
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

/// The names of types in other systems, with ours.
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

/// The prefixes of hex digits: PostgreSQL's and SQL Server's.
const PREFIXES: &[&str] = &["\\x", "0x"];

const MAX_PRECISION: u32 = 38;
const MAX_CHAR: u32 = 255;
const MAX_VARCHAR: u32 = 65_535;

/// The parts of the table that the checks of a column need.
pub(super) struct Context<'a> {
    pub(super) source: &'a Source,
    /// How numbers are written where a column does not say it.
    pub(super) numbers: &'a NumbersSpec,
    pub(super) key: &'a [&'a str],
}

/// Builds the model of one column; `None` without a name or a valid type.
pub(super) fn column(spec: &ColumnSpec, context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Column> {
    if let Some(name) = &spec.name {
        invalid_column_name(name, diagnostics);
    }
    let nullable = spec.nullable.as_ref().is_some_and(|flag| flag.value);
    let nulls = nulls(spec, context.source, diagnostics);
    let ty = spec.ty.as_ref().and_then(|spec| column_type(spec, diagnostics));
    let ty = ty.map(|ty| {
        options_of_other_types(spec, &ty, diagnostics);
        with_options(ty, spec, context.source, nulls.as_deref(), diagnostics)
    });
    let prefix = prefix(spec, ty.as_ref(), diagnostics);
    let numbers = ty.as_ref().and_then(|ty| numbers::numbers(spec, ty, context.numbers, diagnostics));
    let publish = publish::publish(spec);
    let name = spec.name.as_ref()?.value.clone();
    let column = Column {
        field: names::field(&name),
        header: spec.header.as_ref().map(|header| header.value.clone()).filter(|header| *header != name),
        ty: ty?,
        nullable,
        nulls,
        description: description(spec.description.as_ref()),
        compare: publish != Publish::Never && spec.compare.as_ref().is_none_or(|flag| flag.value),
        default: spec.default.as_ref().map(|default| default.value.clone()),
        formerly: spec.formerly.as_ref().map(|formerly| formerly.value.clone()),
        pii: spec.pii.as_ref().is_some_and(|flag| flag.value),
        trim: spec.trim.as_ref().is_some_and(|flag| flag.value),
        prefix,
        numbers,
        publish,
        name,
    };
    // On a key column, any default is a mistake, which `key` reports.
    if let Some(default) = spec.default.as_ref().filter(|_| !context.key.contains(&column.name.as_str())) {
        let nulls = column.nulls.as_ref().unwrap_or(&context.source.nulls);
        unreadable_default(default, &column, nulls, diagnostics);
    }
    Some(column)
}

/// The column's own NULL markers; `None` if they are those of the source.
fn nulls(spec: &ColumnSpec, source: &Source, diagnostics: &mut Vec<Diagnostic>) -> Option<Vec<String>> {
    let nulls = spec.nulls.as_ref()?;
    super::nulls::impossible_nulls(nulls, source, diagnostics);
    if spec.trim.as_ref().is_some_and(|trim| trim.value) {
        trimmed_nulls(nulls, diagnostics);
    }
    let nulls = sorted(nulls);
    (nulls != source.nulls).then_some(nulls)
}

/// Reports NULL markers that begin or end with what `trim` removes.
fn trimmed_nulls(nulls: &[Spanned<String>], diagnostics: &mut Vec<Diagnostic>) {
    for null in nulls.iter().filter(|null| null.trim_matches([' ', '\t']) != null.as_str()) {
        let message = format!("no field can contain the NULL marker `{}`", excerpt(null));
        diagnostics.push(
            Diagnostic::new(Code::ImpossibleNull, &null.span, message)
                .label("the column is trimmed, so its texts neither begin nor end with a space or tab"),
        );
    }
}

fn invalid_column_name(name: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) {
    if name.starts_with('_') {
        diagnostics.push(
            Diagnostic::new(
                Code::ReservedName,
                &name.span,
                format!("`{}` cannot be the name of a column", excerpt(name)),
            )
            .label("names that start with `_` are reserved for Tidemark")
            .help("rename the column; if a header has this name, declare `header` for the column"),
        );
    } else if !names::is_column_name(name) {
        let message = format!("`{}` cannot be the name of a column", excerpt(name));
        let help = column_name_pattern() + "; if a header has this name, declare `header` for the column";
        diagnostics.push(Diagnostic::new(Code::InvalidName, &name.span, message).help(help));
    }
}

/// Reads `name`, `name(n)` or `name(p,s)`.
fn column_type(spec: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> Option<ColumnType> {
    let (name, parameters) = match spec.split_once('(') {
        None => (spec.trim(), None),
        Some((name, rest)) => (name.trim(), Some(rest.trim())),
    };
    if !TYPES.contains(&name) {
        diagnostics.push(unknown_type(spec, name));
        return None;
    }
    let parameters = match parameters.map(numbers) {
        None => Vec::new(),
        Some(Some(numbers)) if !numbers.is_empty() => numbers,
        Some(_) => {
            diagnostics.push(type_parameters(spec, name));
            return None;
        }
    };
    let result = match (name, parameters.as_slice()) {
        ("decimal", [precision]) => decimal(spec, *precision, 0),
        ("decimal", [precision, scale]) => decimal(spec, *precision, *scale),
        ("char", [length]) => length_within(spec, *length, MAX_CHAR).map(ColumnType::Char),
        ("varchar", [length]) => length_within(spec, *length, MAX_VARCHAR).map(ColumnType::Varchar),
        (_, []) => plain_type(name).ok_or_else(|| type_parameters(spec, name)),
        _ => Err(type_parameters(spec, name)),
    };
    result.map_err(|diagnostic| diagnostics.push(diagnostic)).ok()
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

fn unknown_type(spec: &Spanned<String>, name: &str) -> Diagnostic {
    let diagnostic = Diagnostic::new(Code::UnknownType, &spec.span, format!("unknown column type `{}`", excerpt(spec)));
    let foreign = FOREIGN_TYPES.iter().find(|(foreign, _)| name.eq_ignore_ascii_case(foreign)).map(|(_, ours)| *ours);
    match foreign.or_else(|| nearest(name, TYPES.iter().copied())) {
        Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
        None => diagnostic.help(format!("the types are {}", list(TYPES))),
    }
}

fn type_parameters(spec: &Spanned<String>, name: &str) -> Diagnostic {
    let (form, help) = match name {
        "decimal" => (
            "decimal(p,s)",
            "p is the number of digits and s the number of digits after the decimal point: `decimal(12,2)`",
        ),
        "char" => ("char(n)", "n is the largest number of characters"),
        "varchar" => ("varchar(n)", "n is the largest number of characters"),
        plain => (plain, "the type takes no parameters"),
    };
    let message = if spec.contains('(') {
        format!("`{}` is not a valid type", excerpt(spec))
    } else {
        format!("the type `{name}` needs parameters")
    };
    Diagnostic::new(Code::TypeParameters, &spec.span, message).label(format!("write `{form}`")).help(help)
}

fn decimal(spec: &Spanned<String>, precision: u32, scale: u32) -> Result<ColumnType, Diagnostic> {
    let label = if !(1..=MAX_PRECISION).contains(&precision) {
        format!("{precision} digits; 1 to {MAX_PRECISION} are supported")
    } else if scale > precision {
        format!("{scale} digits after the decimal point, but only {precision} in total")
    } else {
        return Ok(ColumnType::Decimal { precision: precision as u8, scale: scale as u8 });
    };
    Err(Diagnostic::new(Code::DecimalBounds, &spec.span, format!("`{}` is out of bounds", excerpt(spec)))
        .label(label)
        .help(format!("in `decimal(p,s)`, p is 1 to {MAX_PRECISION} and s is 0 to p")))
}

fn length_within(spec: &Spanned<String>, length: u32, max: u32) -> Result<u32, Diagnostic> {
    if (1..=max).contains(&length) {
        return Ok(length);
    }
    let message = format!("`{}` is out of bounds", excerpt(spec));
    Err(Diagnostic::new(Code::LengthBounds, &spec.span, message)
        .label(format!("1 to {max} characters are supported"))
        .help("use `string` for text of any length"))
}

/// Reports each option that the type of the column does not have.
fn options_of_other_types(spec: &ColumnSpec, ty: &ColumnType, diagnostics: &mut Vec<Diagnostic>) {
    let is_boolean = matches!(ty, ColumnType::Boolean { .. });
    let is_time = matches!(ty, ColumnType::Date { .. } | ColumnType::Timestamp { .. } | ColumnType::Timestamptz { .. });
    let is_binary = matches!(ty, ColumnType::Binary(_));
    let has_fraction = numbers::has_fraction(ty);
    let is_number = has_fraction || numbers::is_integer(ty);
    let spans = [
        ("format", "`date`, `timestamp` and `timestamptz`", is_time, spec.format.as_ref().map(|it| &it.span)),
        ("true_values", "`boolean`", is_boolean, spec.true_values.as_ref().map(|it| &it.span)),
        ("false_values", "`boolean`", is_boolean, spec.false_values.as_ref().map(|it| &it.span)),
        ("encoding", "`binary`", is_binary, spec.encoding.as_ref().map(|it| &it.span)),
        ("prefix", "`binary`", is_binary, spec.prefix.as_ref().map(|it| &it.span)),
        (
            "decimal_mark",
            "`decimal`, `float` and `double`",
            has_fraction,
            spec.numbers.decimal_mark.as_ref().map(|it| &it.span),
        ),
        ("group_mark", "numbers", is_number, spec.numbers.group_mark.as_ref().map(|it| &it.span)),
        ("sign", "numbers", is_number, spec.numbers.sign.as_ref().map(|it| &it.span)),
        ("strip", "numbers", is_number, spec.strip.as_ref().map(|it| &it.span)),
    ];
    for (option, owners, fits, span) in spans {
        if let Some(span) = span.filter(|_| !fits) {
            let message = format!("a column of type `{}` has no `{option}`", ty.name());
            diagnostics.push(
                Diagnostic::new(Code::OptionOfOtherType, span, message).label(format!("`{option}` is for {owners}")),
            );
        }
    }
}

/// Adds the options of the type.
fn with_options(
    ty: ColumnType,
    spec: &ColumnSpec,
    source: &Source,
    nulls: Option<&[String]>,
    diagnostics: &mut Vec<Diagnostic>,
) -> ColumnType {
    let format = |diagnostics| {
        if let Some(format) = &spec.format {
            format::invalid_format(format, &ty, diagnostics);
        }
        spec.format.as_ref().map(|format| format.value.clone())
    };
    match ty {
        ColumnType::Boolean { .. } => {
            ColumnType::Boolean { words: words::words(spec, source, nulls.unwrap_or(&source.nulls), diagnostics) }
        }
        ColumnType::Binary(default) => {
            ColumnType::Binary(encoding(spec.encoding.as_ref(), diagnostics).unwrap_or(default))
        }
        ColumnType::Date { .. } => ColumnType::Date { format: format(diagnostics) },
        ColumnType::Timestamp { .. } => ColumnType::Timestamp { format: format(diagnostics) },
        ColumnType::Timestamptz { .. } => ColumnType::Timestamptz { format: format(diagnostics) },
        other => other,
    }
}

fn encoding(spec: Option<&Spanned<String>>, diagnostics: &mut Vec<Diagnostic>) -> Option<Encoding> {
    let spec = spec?;
    match spec.as_str() {
        "base64" => Some(Encoding::Base64),
        "hex" => Some(Encoding::Hex),
        _ => {
            diagnostics.push(unknown_value("encoding", spec, &["base64", "hex"]));
            None
        }
    }
}

/// The text before the digits of a binary column in hex.
fn prefix(spec: &ColumnSpec, ty: Option<&ColumnType>, diagnostics: &mut Vec<Diagnostic>) -> Option<String> {
    let prefix = spec.prefix.as_ref()?;
    if !PREFIXES.contains(&prefix.as_str()) {
        diagnostics.push(unknown_value("prefix", prefix, PREFIXES));
    }
    if let Some(ColumnType::Binary(Encoding::Base64)) = ty {
        let mut diagnostic = Diagnostic::new(Code::Contradiction, &prefix.span, "base64 has no `prefix`")
            .label("it is before hex digits")
            .help("add `encoding: hex`");
        if let Some(encoding) = &spec.encoding {
            diagnostic = diagnostic.also(&encoding.span, "the encoding");
        }
        diagnostics.push(diagnostic);
    }
    Some(prefix.value.clone())
}

fn unreadable_default(default: &Spanned<String>, column: &Column, nulls: &[String], diagnostics: &mut Vec<Diagnostic>) {
    if let Err(reason) = readable::check(default, column, nulls) {
        let message = format!("the default `{}` of `{}` is invalid", excerpt(default), excerpt(&column.name));
        diagnostics.push(
            Diagnostic::new(Code::UnreadableDefault, &default.span, message)
                .label(reason)
                .help("write it as in an export"),
        );
    }
}
