//! The schema as it was written: each field with its place, each in the YAML kind it must have, and nothing judged yet.
//!
//! A field that is absent is `None`; so is one of the wrong kind, which has been reported then. What follows never
//! reports a field twice.

mod fields;

use std::ops::Deref;

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::suggest;
use crate::yaml::{Node, Scalar, Value};
use fields::Fields;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A field that may be absent.
pub(crate) type Optional<T> = Option<Spanned<T>>;

/// One schema file.
#[derive(Debug, Default)]
pub(crate) struct Spec {
    pub(crate) table: Optional<String>,
    pub(crate) description: Optional<String>,
    pub(crate) primary_key: Optional<Vec<Spanned<String>>>,
    pub(crate) columns: Optional<Vec<ColumnSpec>>,
    pub(crate) source: SourceSpec,
    pub(crate) athena: Optional<bool>,
    pub(crate) max_scan: Optional<String>,
    pub(crate) before_image: Optional<bool>,
    pub(crate) guards: GuardsSpec,
}

/// One entry of `columns`.
#[derive(Debug, Default)]
pub(crate) struct ColumnSpec {
    pub(crate) name: Optional<String>,
    pub(crate) ty: Optional<String>,
    pub(crate) nullable: Optional<bool>,
    pub(crate) description: Optional<String>,
    pub(crate) format: Optional<String>,
    pub(crate) compare: Optional<bool>,
    pub(crate) default: Optional<String>,
    pub(crate) formerly: Optional<String>,
    pub(crate) pii: Optional<bool>,
    pub(crate) trim: Optional<bool>,
    pub(crate) true_values: Optional<Vec<Spanned<String>>>,
    pub(crate) false_values: Optional<Vec<Spanned<String>>>,
    pub(crate) encoding: Optional<String>,
}

/// `source`.
#[derive(Debug, Default)]
pub(crate) struct SourceSpec {
    pub(crate) compression: Optional<String>,
    pub(crate) delimiter: Optional<String>,
    pub(crate) quote: Optional<String>,
    pub(crate) header: Optional<bool>,
    pub(crate) nulls: Optional<Vec<Spanned<String>>>,
    pub(crate) quoted_nulls: Optional<bool>,
    pub(crate) multiline: Optional<bool>,
    pub(crate) complete: Option<CompleteSpec>,
}

/// `source.complete`, which is a word or a mapping of one field.
#[derive(Debug)]
pub(crate) enum CompleteSpec {
    Word(Spanned<String>),
    Marker(Spanned<String>),
    Count(Spanned<f64>),
}

/// `guards`.
#[derive(Debug, Default)]
pub(crate) struct GuardsSpec {
    pub(crate) max_delete_ratio: Optional<Limit>,
    pub(crate) max_update_ratio: Optional<Limit>,
    pub(crate) max_insert_ratio: Optional<Limit>,
    pub(crate) max_deletes: Optional<Limit>,
    pub(crate) max_updates: Optional<Limit>,
    pub(crate) max_inserts: Optional<Limit>,
    pub(crate) min_rows: Optional<f64>,
    pub(crate) min_baseline_rows: Optional<f64>,
}

/// A limit that can be switched off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    /// `none`, or null.
    Off,
    At(f64),
}

/// The fields of a schema, by the mapping they stand in. The JSON Schema is tested to name the same.
pub(crate) mod known {
    pub(crate) const TABLE: &[&str] =
        &["table", "description", "primary_key", "columns", "source", "engine", "operations", "guards"];
    pub(crate) const COLUMN: &[&str] = &[
        "name",
        "type",
        "nullable",
        "description",
        "format",
        "compare",
        "default",
        "formerly",
        "pii",
        "trim",
        "true_values",
        "false_values",
        "encoding",
    ];
    pub(crate) const SOURCE: &[&str] =
        &["compression", "delimiter", "quote", "header", "nulls", "quoted_nulls", "multiline", "complete"];
    pub(crate) const COMPLETE: &[&str] = &["marker", "count"];
    pub(crate) const ENGINE: &[&str] = &["athena", "max_scan"];
    pub(crate) const OPERATIONS: &[&str] = &["before_image"];
    pub(crate) const GUARDS: &[&str] = &[
        "max_delete_ratio",
        "max_update_ratio",
        "max_insert_ratio",
        "max_deletes",
        "max_updates",
        "max_inserts",
        "min_rows",
        "min_baseline_rows",
    ];
}

/// Reads a whole file. Every field of the wrong kind, unknown, repeated or missing is added to `found`.
pub(crate) fn read(root: &Node, found: &mut Vec<Diagnostic>) -> Spec {
    let Some(mut fields) = Fields::of(root, "a schema", known::TABLE, found) else {
        return Spec::default();
    };
    fields.require(&["table", "primary_key", "columns"]);
    let (athena, max_scan) = fields.get("engine").map_or((None, None), |node| engine(node, fields.found));
    Spec {
        table: fields.text("table"),
        description: fields.text("description"),
        primary_key: fields.texts("primary_key"),
        columns: fields.get("columns").and_then(|node| columns(node, fields.found)),
        source: fields.get("source").map_or_else(SourceSpec::default, |node| source(node, fields.found)),
        athena,
        max_scan,
        before_image: fields.get("operations").and_then(|node| operations(node, fields.found)),
        guards: fields.get("guards").map_or_else(GuardsSpec::default, |node| guards(node, fields.found)),
    }
}

fn columns(node: &Node, found: &mut Vec<Diagnostic>) -> Optional<Vec<ColumnSpec>> {
    let Value::List(items) = &node.value else {
        found.push(
            fields::wrong_kind("columns", "a list", node).help("write one `- { name: …, type: … }` for each column"),
        );
        return None;
    };
    let value = items.iter().map(|item| column(item, found)).collect();
    Some(Spanned { value, span: node.span.clone() })
}

fn column(node: &Node, found: &mut Vec<Diagnostic>) -> ColumnSpec {
    let Some(mut fields) = Fields::of(node, "a column", known::COLUMN, found) else {
        return ColumnSpec::default();
    };
    fields.require(&["name", "type"]);
    ColumnSpec {
        name: fields.text("name"),
        ty: fields.text("type"),
        nullable: fields.flag("nullable"),
        description: fields.text("description"),
        format: fields.text("format"),
        compare: fields.flag("compare"),
        default: fields.raw_text("default"),
        formerly: fields.text("formerly"),
        pii: fields.flag("pii"),
        trim: fields.flag("trim"),
        true_values: fields.raw_texts("true_values"),
        false_values: fields.raw_texts("false_values"),
        encoding: fields.text("encoding"),
    }
}

fn source(node: &Node, found: &mut Vec<Diagnostic>) -> SourceSpec {
    let Some(mut fields) = Fields::of(node, "`source`", known::SOURCE, found) else {
        return SourceSpec::default();
    };
    SourceSpec {
        compression: fields.text("compression"),
        delimiter: fields.text("delimiter"),
        quote: fields.text("quote"),
        header: fields.flag("header"),
        nulls: fields.raw_texts("nulls"),
        quoted_nulls: fields.flag("quoted_nulls"),
        multiline: fields.flag("multiline"),
        complete: fields.get("complete").and_then(|node| complete(node, fields.found)),
    }
}

fn complete(node: &Node, found: &mut Vec<Diagnostic>) -> Option<CompleteSpec> {
    const EXPECTED: &str = "`single`, `manifest`, `{ marker: NAME }` or `{ count: N }`";
    match &node.value {
        Value::Scalar { kind: Scalar::Text, text } => {
            Some(CompleteSpec::Word(Spanned { value: text.clone(), span: node.span.clone() }))
        }
        Value::Map(map) => {
            let is_empty = map.is_empty();
            let mut fields = Fields::of(node, "`complete`", known::COMPLETE, found)?;
            let (marker, count) = (fields.text("marker"), fields.number("count"));
            match (marker, count) {
                (Some(marker), None) => Some(CompleteSpec::Marker(marker)),
                (None, Some(count)) => Some(CompleteSpec::Count(count)),
                (Some(marker), Some(count)) => {
                    let message = "`complete` takes a marker or a count, not both";
                    found.push(
                        Diagnostic::new(Code::Contradiction, &count.span, message)
                            .label("a count")
                            .also(&marker.span, "a marker")
                            .help("remove one of the two"),
                    );
                    None
                }
                (None, None) => {
                    if is_empty {
                        let message = "`complete` names neither a marker nor a count";
                        found.push(
                            Diagnostic::new(Code::MissingField, &node.span, message).help(format!("write {EXPECTED}")),
                        );
                    }
                    None
                }
            }
        }
        _ => {
            found.push(fields::wrong_kind("complete", EXPECTED, node));
            None
        }
    }
}

fn engine(node: &Node, found: &mut Vec<Diagnostic>) -> (Optional<bool>, Optional<String>) {
    Fields::of(node, "`engine`", known::ENGINE, found)
        .map_or((None, None), |mut fields| (fields.flag("athena"), fields.raw_text("max_scan")))
}

fn operations(node: &Node, found: &mut Vec<Diagnostic>) -> Optional<bool> {
    Fields::of(node, "`operations`", known::OPERATIONS, found)?.flag("before_image")
}

fn guards(node: &Node, found: &mut Vec<Diagnostic>) -> GuardsSpec {
    let Some(mut fields) = Fields::of(node, "`guards`", known::GUARDS, found) else {
        return GuardsSpec::default();
    };
    GuardsSpec {
        max_delete_ratio: fields.limit("max_delete_ratio"),
        max_update_ratio: fields.limit("max_update_ratio"),
        max_insert_ratio: fields.limit("max_insert_ratio"),
        max_deletes: fields.limit("max_deletes"),
        max_updates: fields.limit("max_updates"),
        max_inserts: fields.limit("max_inserts"),
        min_rows: fields.number("min_rows"),
        min_baseline_rows: fields.number("min_baseline_rows"),
    }
}

/// The column names, for "unknown column".
pub(crate) fn column_names(columns: &[ColumnSpec]) -> impl Iterator<Item = &str> {
    columns.iter().filter_map(|column| column.name.as_ref().map(|name| name.value.as_str()))
}

/// "unknown X" for a word out of a fixed set.
pub(crate) fn unknown_value(field: &str, word: &Spanned<String>, known: &[&str]) -> Diagnostic {
    Diagnostic::new(Code::UnknownValue, &word.span, format!("unknown `{field}` `{}`", shown(word)))
        .label(suggest::instead_of(word, known.iter().copied()))
        .help(format!("`{field}` is one of {}", suggest::list(known)))
}

/// A text from a file as it may stand in a message: one line, without control characters, not endless.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    if text.is_empty() {
        return "\"\"".to_owned();
    }
    let mut shown = String::new();
    for current in text.chars().take(LONGEST) {
        match current {
            '\\' | '"' | '\'' => shown.push(current),
            other => shown.extend(other.escape_debug()),
        }
    }
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}
