//! Diagnostics for people, in the look of rustc, and for machines, as JSON.

use std::collections::BTreeSet;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use super::{Diagnostic, Label};
use crate::source::Source;

/// Whether a text holds the escapes that make colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// For a stream that strips the escapes where they are not wanted.
    Coloured,
    /// For everything else.
    Plain,
}

/// Every diagnostic with its source line underlined, and a line that counts them.
pub fn human(diagnostics: &[Diagnostic], sources: &[Source], look: Look) -> String {
    let renderer = match look {
        Look::Coloured => Renderer::styled(),
        Look::Plain => Renderer::plain(),
    };
    let mut text = String::new();
    for diagnostic in diagnostics {
        text += &renderer.render(&[group(diagnostic, sources)]);
        text += "\n\n";
    }
    text + &summary(diagnostics, sources) + "\n"
}

/// Every diagnostic as an object with its place, in one JSON array.
pub fn json(diagnostics: &[Diagnostic], sources: &[Source]) -> String {
    let objects: Vec<Object<'_>> = diagnostics.iter().map(|diagnostic| Object::of(diagnostic, sources)).collect();
    serde_json::to_string_pretty(&objects).expect("plain data is always JSON") + "\n"
}

fn source_of<'a>(diagnostic: &Diagnostic, sources: &'a [Source]) -> Option<&'a Source> {
    sources.iter().find(|source| source.path == diagnostic.file)
}

fn group<'a>(diagnostic: &'a Diagnostic, sources: &'a [Source]) -> Group<'a> {
    let title = Level::ERROR.primary_title(&diagnostic.message).id(diagnostic.code.name());
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

fn summary(diagnostics: &[Diagnostic], sources: &[Source]) -> String {
    let errors = count(diagnostics.len(), "error");
    if sources.is_empty() {
        return format!("{errors}; nothing was written");
    }
    let files: BTreeSet<&str> = diagnostics.iter().map(|diagnostic| diagnostic.file.as_str()).collect();
    format!("{errors} in {} of {}; nothing was written", files.len(), count(sources.len(), "schema"))
}

/// A number with its noun, `1 schema` or `6 schemas`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[derive(Serialize)]
struct Object<'a> {
    code: &'static str,
    message: &'a str,
    file: &'a str,
    #[serde(flatten)]
    place: Option<Extent>,
    help: Option<&'a str>,
    labels: Vec<LabelObject<'a>>,
}

/// From the first character to the one behind the last; lines and columns start at 1.
#[derive(Serialize)]
struct Extent {
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Serialize)]
struct LabelObject<'a> {
    text: &'a str,
    #[serde(flatten)]
    place: Extent,
}

impl<'a> Object<'a> {
    fn of(diagnostic: &'a Diagnostic, sources: &[Source]) -> Self {
        let source = source_of(diagnostic, sources);
        let labels: Vec<LabelObject<'a>> = source
            .into_iter()
            .flat_map(|source| diagnostic.labels.iter().map(|label| LabelObject::of(label, source)))
            .collect();
        let place = source.and_then(|source| diagnostic.labels.first().map(|label| Extent::of(label, source)));
        Self {
            code: diagnostic.code.name(),
            message: &diagnostic.message,
            file: &diagnostic.file,
            place,
            help: diagnostic.help.as_deref(),
            labels,
        }
    }
}

impl<'a> LabelObject<'a> {
    fn of(label: &'a Label, source: &Source) -> Self {
        Self { text: &label.text, place: Extent::of(label, source) }
    }
}

impl Extent {
    fn of(label: &Label, source: &Source) -> Self {
        let (start, end) = (source.place(label.span.start), source.place(label.span.end));
        Self { line: start.line, column: start.column, end_line: end.line, end_column: end.column }
    }
}
