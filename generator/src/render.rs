//! Renders diagnostics: for people in the style of rustc, for machines as JSON.

use std::collections::BTreeSet;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use crate::diagnostic::{Diagnostic, Label};
use crate::source::Source;
use crate::wording::counted;

/// Whether the text contains ANSI escape codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// For a stream that strips the escape codes where they are not supported.
    Always,
    /// For everything else.
    Never,
}

/// Renders every diagnostic of schemas with its source line underlined, followed by a summary line.
pub fn human(diagnostics: &[Diagnostic], sources: &[Source], color: Color) -> String {
    human_for(diagnostics, sources, color, "schema")
}

/// Renders as [`human`] does; the summary calls a source by this noun.
pub fn human_for(diagnostics: &[Diagnostic], sources: &[Source], color: Color, noun: &str) -> String {
    let renderer = match color {
        Color::Always => Renderer::styled(),
        Color::Never => Renderer::plain(),
    };
    let mut text = String::new();
    for diagnostic in diagnostics {
        text += &renderer.render(&[group(diagnostic, sources)]);
        text += "\n\n";
    }
    text + &summary(diagnostics, sources, noun) + "\n"
}

/// Renders the diagnostics as one JSON array, each as an object with its position.
pub fn json(diagnostics: &[Diagnostic], sources: &[Source]) -> String {
    let objects: Vec<JsonDiagnostic<'_>> =
        diagnostics.iter().map(|diagnostic| JsonDiagnostic::new(diagnostic, sources)).collect();
    serde_json::to_string_pretty(&objects).expect("plain data is always JSON") + "\n"
}

fn source_of<'a>(diagnostic: &Diagnostic, sources: &'a [Source]) -> Option<&'a Source> {
    sources.iter().find(|source| source.path == diagnostic.file)
}

fn group<'a>(diagnostic: &'a Diagnostic, sources: &'a [Source]) -> Group<'a> {
    let level = if diagnostic.code.is_warning() { Level::WARNING } else { Level::ERROR };
    let title = level.primary_title(&diagnostic.message).id(diagnostic.code.name());
    let group = match source_of(diagnostic, sources) {
        Some(source) if !diagnostic.labels.is_empty() => {
            let annotations = diagnostic.labels.iter().enumerate().map(|(index, Label { span, text })| {
                let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
                let text = (!text.is_empty()).then_some(text.as_str());
                kind.span(span.clone()).label(text)
            });
            title.element(Snippet::source(&source.text).path(&source.path).annotations(annotations))
        }
        _ => title.element(Origin::path(&diagnostic.file)),
    };
    group.elements(diagnostic.help.as_deref().map(|help| Level::HELP.message(help)))
}

fn summary(diagnostics: &[Diagnostic], sources: &[Source], noun: &str) -> String {
    if !diagnostics.is_empty() && diagnostics.iter().all(|diagnostic| diagnostic.code.is_warning()) {
        return counted(diagnostics.len(), "warning");
    }
    let errors = counted(diagnostics.len(), "error");
    if sources.is_empty() {
        return format!("{errors}; nothing was written");
    }
    let files: BTreeSet<&str> = diagnostics.iter().map(|diagnostic| diagnostic.file.as_str()).collect();
    format!("{errors} in {} of {}; nothing was written", files.len(), counted(sources.len(), noun))
}

#[derive(Serialize)]
struct JsonDiagnostic<'a> {
    code: &'static str,
    message: &'a str,
    file: &'a str,
    #[serde(flatten)]
    range: Option<TextRange>,
    help: Option<&'a str>,
    labels: Vec<JsonLabel<'a>>,
}

/// From the first character to the one after the last. Lines and columns start at 1.
#[derive(Serialize)]
struct TextRange {
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Serialize)]
struct JsonLabel<'a> {
    text: &'a str,
    #[serde(flatten)]
    range: TextRange,
}

impl<'a> JsonDiagnostic<'a> {
    fn new(diagnostic: &'a Diagnostic, sources: &[Source]) -> Self {
        let source = source_of(diagnostic, sources);
        let labels: Vec<JsonLabel<'a>> = source
            .into_iter()
            .flat_map(|source| diagnostic.labels.iter().map(|label| JsonLabel::new(label, source)))
            .collect();
        let range = source.and_then(|source| diagnostic.labels.first().map(|label| TextRange::new(label, source)));
        Self {
            code: diagnostic.code.name(),
            message: &diagnostic.message,
            file: &diagnostic.file,
            range,
            help: diagnostic.help.as_deref(),
            labels,
        }
    }
}

impl<'a> JsonLabel<'a> {
    fn new(label: &'a Label, source: &Source) -> Self {
        Self { text: &label.text, range: TextRange::new(label, source) }
    }
}

impl TextRange {
    fn new(label: &Label, source: &Source) -> Self {
        let (start, end) = (source.position(label.span.start), source.position(label.span.end));
        Self { line: start.line, column: start.column, end_line: end.line, end_column: end.column }
    }
}
