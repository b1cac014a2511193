//! Parses text into a tree of YAML nodes, each with its span. This is the only file that uses the YAML crate.
//!
//! The schema is not deserialised straight into typed structs, because that stops at the first value of the wrong type,
//! and every mistake in a file must be reported in one run. The tree accepts any value; the spec checks each one.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{DuplicateKeyPolicy, Error, Location, NonFiniteFloatPolicy, Options, Spanned};

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::source::Source;

/// A node and its span.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// The content of a node.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Scalar {
        kind: Scalar,
        /// The text as written, without quotes: `0.10` stays `0.10`.
        text: String,
    },
    List(Vec<Node>),
    /// In order, including repeated keys.
    Map(Vec<(Node, Node)>),
}

/// The YAML type of a scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Number,
    Text,
}

/// Reads a file, which must contain exactly one document.
pub(crate) fn read(source: &Source) -> Result<Node, Diagnostic> {
    if let Some(offset) = source.not_utf8 {
        return Err(not_utf8(source, offset));
    }
    match serde_saphyr::from_multiple_with_options::<Spanned<Raw>>(&source.text, options()) {
        Ok(documents) => match documents.as_slice() {
            [] => Err(empty_schema()),
            [only] => {
                let node = to_node(only, source);
                if node.is_null() { Err(empty_schema()) } else { Ok(node) }
            }
            [_, second, ..] => Err(several_documents(&span_of(&second.referenced, source))),
        },
        Err(error) => Err(broken_yaml(source, &error)),
    }
}

/// The maximum number of values that the aliases of one file may expand to, far more than any schema needs. Without a
/// limit, a few lines of YAML could exhaust the memory.
const MAX_ALIASED: usize = 20_000;

/// The maximum depth of nested values and of aliases that refer to aliases. Each level uses stack; a schema needs five.
const MAX_DEPTH: usize = 16;

fn options() -> Options {
    serde_saphyr::options! {
        // `yes`, `no`, `on` and `off` are strings, as in YAML 1.2.
        strict_booleans: true,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_ALIASED,
            max_replay_stack_depth: MAX_DEPTH,
        },
    }
}

pub(crate) fn not_utf8(source: &Source, offset: usize) -> Diagnostic {
    let invalid = offset..offset + char::REPLACEMENT_CHARACTER.len_utf8();
    debug_assert!(invalid.end <= source.text.len());
    Diagnostic::new(Code::NotUtf8, &invalid, "the file is not UTF-8")
        .label("invalid UTF-8")
        .help("save the file as UTF-8")
}

fn empty_schema() -> Diagnostic {
    Diagnostic::new(Code::EmptySchema, &(0..0), "the schema is empty")
        .help("add at least `table`, `primary_key` and `columns`; to remove the table, delete the file")
}

fn several_documents(second: &Span) -> Diagnostic {
    Diagnostic::new(Code::SeveralDocuments, second, "the file contains more than one YAML document")
        .label("the second document starts here")
        .help("a file describes one table: move the second document to a separate file and remove the `---`")
}

/// The parser reports where it gave up, in terms of the YAML grammar. The line itself shows better what went wrong.
fn broken_yaml(source: &Source, error: &Error) -> Diagnostic {
    let at = error.location().map_or(0, |location| span_of(&location, source).start);
    let end = source.text[at..]
        .chars()
        .next()
        .filter(|current| *current != '\n')
        .map_or(at, |current| at + current.len_utf8());
    let error = cause(error);
    if is_alias_bomb(error) {
        return alias_bomb(&(at..end));
    }
    let (label, help) = match error {
        Error::UnknownAnchor { .. } => {
            ("no anchor with this name is defined above", "quote a text that starts with `*`")
        }
        Error::Budget { .. } => ("nested too deeply or too large", "write the fields out, without nesting"),
        _ => likely_cause(source.line_around(at)),
    };
    Diagnostic::new(Code::BrokenYaml, &(at..end), "the file is not valid YAML").label(label).help(help)
}

/// The error without what the parser wraps around it.
fn cause(error: &Error) -> &Error {
    match error.without_snippet() {
        Error::AliasError { error, .. } => cause(error),
        error => error,
    }
}

/// Returns whether aliases stand for too much: for too many values, or for one that contains them.
fn is_alias_bomb(error: &Error) -> bool {
    match error {
        Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::RecursiveReferencesRequireWeakTypes { .. } => true,
        Error::Budget { breach, .. } => matches!(
            breach,
            BudgetBreach::Aliases { .. }
                | BudgetBreach::Anchors { .. }
                | BudgetBreach::RecordedAnchorEvents { .. }
                | BudgetBreach::RecordedAnchorBytes { .. }
                | BudgetBreach::MergeKeys { .. }
                | BudgetBreach::AliasAnchorRatio { .. }
        ),
        _ => false,
    }
}

fn alias_bomb(at: &Span) -> Diagnostic {
    Diagnostic::new(Code::AliasBomb, at, "the aliases of this file stand for too many values")
        .label("here the limit is reached")
        .help("write the values out: a schema needs no aliases of aliases")
}

/// Guesses the mistake from the line at which the parser gave up.
fn likely_cause(line: &str) -> (&'static str, &'static str) {
    let content = line.trim_start();
    let indentation = &line[..line.len() - content.len()];
    let is_unclosed = |open: char, close: char| line.matches(open).count() > line.matches(close).count();
    if indentation.contains('\t') {
        ("this line is indented with a tab", "indent with spaces, not tabs")
    } else if line.matches('"').count() % 2 == 1 {
        ("unclosed double quote in this line", "close it, or write `\\\"` for a quote inside quotes")
    } else if is_unclosed('{', '}') {
        ("unclosed `{` in this line", "close it with `}`, and separate its fields with `,`")
    } else if is_unclosed('[', ']') {
        ("unclosed `[` in this line", "close it with `]`, and separate its items with `,`")
    } else if !content.contains('{') && content.matches(": ").count() > 1 {
        ("second `: ` in this line", "quote a text that contains `: `")
    } else {
        (
            "cannot be parsed from here on",
            "check the indentation of this line and the previous one, and quote special characters",
        )
    }
}

/// A value as serde delivers it. The text of a scalar that is not a string is taken from the source afterwards, because
/// a parsed number no longer shows how it was written.
enum Raw {
    Scalar(Scalar, Option<String>),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

fn to_node(raw: &Spanned<Raw>, source: &Source) -> Node {
    let span = span_of(&raw.referenced, source);
    let value = match &raw.value {
        Raw::Scalar(kind, text) => {
            let written = || source.text[span_of(&raw.defined, source)].to_owned();
            Value::Scalar { kind: *kind, text: text.clone().unwrap_or_else(written) }
        }
        Raw::List(items) => Value::List(items.iter().map(|item| to_node(item, source)).collect()),
        Raw::Map(entries) => {
            let nodes = entries.iter().map(|(key, value)| (to_node(key, source), to_node(value, source)));
            Value::Map(nodes.collect())
        }
    };
    Node { span: underlined(span, &value), value }
}

/// The span to underline for a node. Of a mapping or list in block style that is only the first key or item, because
/// the parser gives both the same start.
fn underlined(span: Span, value: &Value) -> Span {
    let first = match value {
        Value::Scalar { .. } => None,
        Value::List(items) => items.first(),
        Value::Map(entries) => entries.first().map(|(key, _)| key),
    };
    match first {
        Some(first) if first.span.start == span.start => first.span.clone(),
        _ => span,
    }
}

/// The bytes of a location, clamped to the text and to character boundaries.
fn span_of(location: &Location, source: &Source) -> Span {
    let text = &source.text;
    let start = match location.span().byte_offset() {
        Some(offset) => offset as usize,
        None => offset_of(text, location.line() as usize, location.column() as usize),
    };
    let start = text.floor_char_boundary(start.min(text.len()));
    let length = location.span().byte_len().unwrap_or(0) as usize;
    let end = text.floor_char_boundary(start.saturating_add(length).min(text.len()));
    start..start + text[start..end].trim_end().len()
}

/// The byte offset of a line and column, which is all that a syntax error has.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let line = text[start..].lines().next().unwrap_or_default();
    start + line.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum::<usize>()
}

impl Node {
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.value, Value::Scalar { kind: Scalar::Null, .. })
    }

    /// The kind of node, in words that follow "found".
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar { kind: Scalar::Null, text } if text.is_empty() => "nothing",
            Value::Scalar { kind: Scalar::Null, .. } => "null",
            Value::Scalar { kind: Scalar::Bool(_), .. } => "a boolean",
            Value::Scalar { kind: Scalar::Number, .. } => "a number",
            Value::Scalar { kind: Scalar::Text, .. } => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Scalar::Null, None))
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Scalar::Null, None))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(Scalar::Bool(value), None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Scalar::Number, None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Scalar::Number, None))
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Scalar(Scalar::Number, None))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Scalar(Scalar::Number, None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Scalar::Number, None))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(Scalar::Text, Some(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}
