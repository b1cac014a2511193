//! The schema as written: each field with its span and in the YAML kind that it must have, but not validated yet.
//!
//! A field that is absent is `None`. So is a field of the wrong kind, which has already been reported, so that
//! validation never reports a field twice.

mod expect;
mod fields;
mod guards;
mod spanned;
mod target;

use crate::diagnostic::{Code, Diagnostic};
use crate::yaml::{Node, Scalar, Value};
pub(crate) use expect::ExpectSpec;
pub(crate) use fields::{Fields, duplicate_field, wrong_kind};
pub(crate) use guards::GuardsSpec;
pub(crate) use spanned::{Limit, Optional, Spanned};
pub(crate) use target::TargetSpec;

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
    pub(crate) expect: Option<ExpectSpec>,
    pub(crate) target: TargetSpec,
}

/// One entry of `columns`.
#[derive(Debug, Default)]
pub(crate) struct ColumnSpec {
    pub(crate) name: Optional<String>,
    pub(crate) header: Optional<String>,
    pub(crate) ty: Optional<String>,
    pub(crate) nullable: Optional<bool>,
    pub(crate) nulls: Optional<Vec<Spanned<String>>>,
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
    pub(crate) prefix: Optional<String>,
    pub(crate) numbers: NumbersSpec,
    pub(crate) strip: Optional<Vec<Spanned<String>>>,
    pub(crate) publish: Optional<PublishSpec>,
}

/// `source`.
#[derive(Debug, Default)]
pub(crate) struct SourceSpec {
    pub(crate) compression: Optional<String>,
    pub(crate) encoding: Optional<String>,
    pub(crate) delimiter: Optional<String>,
    pub(crate) trailing_delimiter: Optional<bool>,
    pub(crate) record_end: Optional<String>,
    pub(crate) final_newline: Optional<String>,
    pub(crate) escape: Optional<String>,
    pub(crate) quote: Optional<String>,
    pub(crate) header: Optional<HeaderSpec>,
    pub(crate) header_case: Optional<String>,
    pub(crate) repeated_header: Optional<String>,
    pub(crate) skip_first: Optional<f64>,
    pub(crate) skip_last: Optional<f64>,
    pub(crate) comment: Optional<String>,
    pub(crate) trailer: Optional<String>,
    pub(crate) nulls: Optional<Vec<Spanned<String>>>,
    pub(crate) quoted_nulls: Optional<bool>,
    pub(crate) multiline: Optional<bool>,
    pub(crate) complete: Option<CompleteSpec>,
    pub(crate) numbers: NumbersSpec,
    pub(crate) unlisted: Optional<String>,
    pub(crate) duplicates: Optional<String>,
    pub(crate) parts: Optional<String>,
}

/// How numbers are written, in a column or in `source`.
#[derive(Debug, Default)]
pub(crate) struct NumbersSpec {
    pub(crate) decimal_mark: Optional<String>,
    pub(crate) group_mark: Optional<String>,
    pub(crate) sign: Optional<String>,
}

/// `publish` of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublishSpec {
    Flag(bool),
    Hmac,
}

/// `source.header`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderSpec {
    Flag(bool),
    FirstPart,
}

/// `source.complete`: a word or a mapping with one field.
#[derive(Debug)]
pub(crate) enum CompleteSpec {
    Word(Spanned<String>),
    Marker(Spanned<String>),
    Count(Spanned<f64>),
    RedshiftManifest(Spanned<String>),
}

/// The known fields of each mapping. A test keeps them in line with the JSON Schema.
pub(crate) mod known {
    pub(crate) const TABLE: &[&str] = &[
        "table",
        "description",
        "primary_key",
        "columns",
        "source",
        "engine",
        "operations",
        "guards",
        "expect",
        "target",
        "tenants",
    ];
    pub(crate) const TENANT: &[&str] = &["source", "guards"];
    pub(crate) const COLUMN: &[&str] = &[
        "name",
        "header",
        "type",
        "nullable",
        "nulls",
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
        "prefix",
        "decimal_mark",
        "group_mark",
        "sign",
        "strip",
        "publish",
    ];
    pub(crate) const SOURCE: &[&str] = &[
        "compression",
        "encoding",
        "delimiter",
        "trailing_delimiter",
        "record_end",
        "final_newline",
        "escape",
        "quote",
        "header",
        "header_case",
        "repeated_header",
        "skip_first",
        "skip_last",
        "comment",
        "trailer",
        "nulls",
        "quoted_nulls",
        "multiline",
        "complete",
        "decimal_mark",
        "group_mark",
        "sign",
        "unlisted",
        "duplicates",
        "parts",
    ];
    pub(crate) const COMPLETE: &[&str] = &["marker", "count", "redshift_manifest"];
    pub(crate) const ENGINE: &[&str] = &["athena", "max_scan"];
    pub(crate) const OPERATIONS: &[&str] = &["before_image"];
}

/// The forms of `source.complete`.
const COMPLETE_FORMS: &str =
    "`single`, `manifest`, `{ marker: NAME }`, `{ count: N }` or `{ redshift_manifest: NAME }`";

/// Reads a whole file, except for its tenants. Reports every field that is unknown, repeated, missing or of the wrong
/// kind.
pub(crate) fn read(root: &Node, diagnostics: &mut Vec<Diagnostic>) -> Spec {
    let Some(mut fields) = Fields::new(root, "a schema", known::TABLE, diagnostics) else {
        return Spec::default();
    };
    fields.require(&["table", "primary_key", "columns"]);
    let (athena, max_scan) = fields.get("engine").map_or((None, None), |node| engine(node, fields.diagnostics));
    Spec {
        table: fields.text("table"),
        description: fields.text("description"),
        primary_key: fields.texts("primary_key"),
        columns: fields.get("columns").and_then(|node| columns(node, fields.diagnostics)),
        source: fields.get("source").map_or_else(SourceSpec::default, |node| source(node, fields.diagnostics)),
        athena,
        max_scan,
        before_image: fields.get("operations").and_then(|node| operations(node, fields.diagnostics)),
        guards: fields
            .get("guards")
            .map_or_else(GuardsSpec::default, |node| GuardsSpec::read(node, fields.diagnostics)),
        expect: fields.get("expect").and_then(|node| ExpectSpec::read(node, fields.diagnostics)),
        target: fields
            .get("target")
            .map_or_else(TargetSpec::default, |node| TargetSpec::read(node, fields.diagnostics)),
    }
}

fn columns(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Optional<Vec<ColumnSpec>> {
    let Value::List(items) = &node.value else {
        diagnostics.push(
            fields::wrong_kind("columns", "a list", node).help("write one `- { name: …, type: … }` for each column"),
        );
        return None;
    };
    let value = items.iter().map(|item| column(item, diagnostics)).collect();
    Some(Spanned { value, span: node.span.clone() })
}

fn column(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> ColumnSpec {
    let Some(mut fields) = Fields::new(node, "a column", known::COLUMN, diagnostics) else {
        return ColumnSpec::default();
    };
    fields.require(&["name", "type"]);
    ColumnSpec {
        name: fields.text("name"),
        header: fields.text("header"),
        ty: fields.text("type"),
        nullable: fields.flag("nullable"),
        nulls: fields.raw_texts("nulls"),
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
        prefix: fields.text("prefix"),
        numbers: numbers(&mut fields),
        strip: fields.texts("strip"),
        publish: fields.get("publish").and_then(|node| publish(node, fields.diagnostics)),
    }
}

fn source(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> SourceSpec {
    let Some(mut fields) = Fields::new(node, "`source`", known::SOURCE, diagnostics) else {
        return SourceSpec::default();
    };
    SourceSpec {
        compression: fields.text("compression"),
        encoding: fields.text("encoding"),
        delimiter: fields.text("delimiter"),
        trailing_delimiter: fields.flag("trailing_delimiter"),
        record_end: fields.text("record_end"),
        final_newline: fields.text("final_newline"),
        escape: fields.text("escape"),
        quote: fields.text("quote"),
        header: fields.get("header").and_then(|node| header(node, fields.diagnostics)),
        header_case: fields.text("header_case"),
        repeated_header: fields.text("repeated_header"),
        skip_first: fields.number("skip_first"),
        skip_last: fields.number("skip_last"),
        comment: fields.text("comment"),
        trailer: fields.text("trailer"),
        nulls: fields.raw_texts("nulls"),
        quoted_nulls: fields.flag("quoted_nulls"),
        multiline: fields.flag("multiline"),
        complete: fields.get("complete").and_then(|node| complete(node, fields.diagnostics)),
        numbers: numbers(&mut fields),
        unlisted: fields.text("unlisted"),
        duplicates: fields.text("duplicates"),
        parts: fields.text("parts"),
    }
}

fn numbers(fields: &mut Fields<'_>) -> NumbersSpec {
    NumbersSpec {
        decimal_mark: fields.text("decimal_mark"),
        group_mark: fields.text("group_mark"),
        sign: fields.text("sign"),
    }
}

fn header(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Optional<HeaderSpec> {
    let value = match &node.value {
        Value::Scalar { kind: Scalar::Bool(flag), .. } => HeaderSpec::Flag(*flag),
        Value::Scalar { kind: Scalar::Text, text } if text == "first_part" => HeaderSpec::FirstPart,
        _ => {
            let diagnostic = fields::wrong_kind("header", "true, false or first_part", node);
            diagnostics.push(diagnostic.help("write `true`, `false` or `first_part` without quotes"));
            return None;
        }
    };
    Some(Spanned { value, span: node.span.clone() })
}

fn publish(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Optional<PublishSpec> {
    let value = match &node.value {
        Value::Scalar { kind: Scalar::Bool(flag), .. } => PublishSpec::Flag(*flag),
        Value::Scalar { kind: Scalar::Text, text } if text == "hmac" => PublishSpec::Hmac,
        _ => {
            let diagnostic = fields::wrong_kind("publish", "true, false or hmac", node);
            diagnostics.push(diagnostic.help("write `true`, `false` or `hmac` without quotes"));
            return None;
        }
    };
    Some(Spanned { value, span: node.span.clone() })
}

fn complete(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<CompleteSpec> {
    match &node.value {
        Value::Scalar { kind: Scalar::Text, text } => {
            Some(CompleteSpec::Word(Spanned { value: text.clone(), span: node.span.clone() }))
        }
        Value::Map(_) => complete_mapping(node, diagnostics),
        _ => {
            diagnostics.push(fields::wrong_kind("complete", COMPLETE_FORMS, node));
            None
        }
    }
}

/// Reads a mapping with one field, such as `{ marker: NAME }`.
fn complete_mapping(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<CompleteSpec> {
    let is_empty = matches!(&node.value, Value::Map(entries) if entries.is_empty());
    let mut fields = Fields::new(node, "`complete`", known::COMPLETE, diagnostics)?;
    let (marker, count, manifest) = (fields.text("marker"), fields.number("count"), fields.text("redshift_manifest"));
    let spans = [
        marker.as_ref().map(|it| ("a marker", it.span.clone())),
        count.as_ref().map(|it| ("a count", it.span.clone())),
        manifest.as_ref().map(|it| ("a manifest", it.span.clone())),
    ];
    let found: Vec<_> = spans.into_iter().flatten().collect();
    match found.as_slice() {
        [] if is_empty => {
            let message = "`complete` has neither a marker nor a count";
            let help = format!("write {COMPLETE_FORMS}");
            diagnostics.push(Diagnostic::new(Code::MissingField, &node.span, message).help(help));
        }
        [(first, first_span), (second, span), ..] => {
            let message = format!("`complete` takes {first} or {second}, not both");
            diagnostics.push(
                Diagnostic::new(Code::Contradiction, span, message)
                    .label(*second)
                    .also(first_span, *first)
                    .help("remove one of the two"),
            );
            return None;
        }
        // If there is none, the reason has been reported.
        _ => {}
    }
    let marker = marker.map(CompleteSpec::Marker);
    marker.or_else(|| count.map(CompleteSpec::Count)).or_else(|| manifest.map(CompleteSpec::RedshiftManifest))
}

fn engine(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> (Optional<bool>, Optional<String>) {
    Fields::new(node, "`engine`", known::ENGINE, diagnostics)
        .map_or((None, None), |mut fields| (fields.flag("athena"), fields.raw_text("max_scan")))
}

fn operations(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Optional<bool> {
    Fields::new(node, "`operations`", known::OPERATIONS, diagnostics)?.flag("before_image")
}

/// The names of the columns, as suggestions for an unknown one.
pub(crate) fn column_names(columns: &[ColumnSpec]) -> impl Iterator<Item = &str> {
    columns.iter().filter_map(|column| column.name.as_ref().map(|name| name.value.as_str()))
}
