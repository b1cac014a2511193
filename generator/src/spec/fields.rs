//! Reads the fields of one mapping, and reports those that are unknown, repeated, missing or of the wrong kind.

use super::spanned::{Limit, Optional, Spanned};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::wording::{excerpt, list, nearest};
use crate::yaml::{Node, Scalar, Value};

/// The fields of one mapping.
pub(crate) struct Fields<'a> {
    /// The mapping in words that fit a message: `a column`.
    what: &'static str,
    span: &'a Span,
    entries: Vec<(&'a str, &'a Node)>,
    pub(super) diagnostics: &'a mut Vec<Diagnostic>,
}

impl<'a> Fields<'a> {
    /// The known fields of a mapping, or `None` if the node is not a mapping. Unknown and repeated fields are reported.
    pub(crate) fn new(
        node: &'a Node,
        what: &'static str,
        known: &[&str],
        diagnostics: &'a mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let Value::Map(map) = &node.value else {
            diagnostics.push(wrong_kind(what, "a mapping", node).help(format!("known fields: {}", list(known))));
            return None;
        };
        let mut first_of: Vec<(&'a str, &'a Span)> = Vec::new();
        let mut entries = Vec::new();
        for (key, value) in map {
            let Value::Scalar { text: name, .. } = &key.value else {
                diagnostics.push(unknown_field(what, key, key.kind(), known));
                continue;
            };
            if !known.contains(&name.as_str()) {
                diagnostics.push(unknown_field(what, key, name, known));
            } else if let Some((_, first)) = first_of.iter().find(|(other, _)| other == name) {
                diagnostics.push(duplicate_field(name, key, first));
            } else {
                first_of.push((name, &key.span));
                entries.push((name.as_str(), value));
            }
        }
        Some(Self { what, span: &node.span, entries, diagnostics })
    }

    /// Reports each of these fields that is missing.
    pub(super) fn require(&mut self, names: &[&str]) {
        for name in names {
            if self.get(name).is_none() {
                let message = format!("{} needs the field `{name}`", self.what);
                self.diagnostics
                    .push(Diagnostic::new(Code::MissingField, self.span, message).label(format!("no `{name}` here")));
            }
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Node> {
        self.entries.iter().find(|(known, _)| *known == name).map(|(_, node)| *node)
    }

    /// A text. A number or a boolean is not accepted, because `name: 1` is more likely a slip than a name.
    pub(super) fn text(&mut self, name: &'static str) -> Optional<String> {
        let node = self.get(name)?;
        text(name, node, self.diagnostics)
    }

    /// Any scalar except null, as the text that was written: `0.10`, `false` or `"x"`.
    pub(super) fn raw_text(&mut self, name: &'static str) -> Optional<String> {
        let node = self.get(name)?;
        raw_text(name, node, self.diagnostics)
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, name: &'static str) -> Optional<Vec<Spanned<String>>> {
        self.list(name, text)
    }

    /// A list of scalars, each as the text that was written.
    pub(super) fn raw_texts(&mut self, name: &'static str) -> Optional<Vec<Spanned<String>>> {
        self.list(name, raw_text)
    }

    fn list(
        &mut self,
        name: &'static str,
        item: fn(&str, &Node, &mut Vec<Diagnostic>) -> Optional<String>,
    ) -> Optional<Vec<Spanned<String>>> {
        let node = self.get(name)?;
        match &node.value {
            Value::List(items) => {
                let what = format!("each item of `{name}`");
                let value: Vec<_> = items.iter().filter_map(|node| item(&what, node, self.diagnostics)).collect();
                // Checks that depend on all items would report false mistakes if one were missing.
                (value.len() == items.len()).then(|| Spanned { value, span: node.span.clone() })
            }
            Value::Scalar { text, .. } if !node.is_null() => {
                let help = format!("write `{name}: [{}]`", excerpt(text));
                self.diagnostics.push(wrong_kind(name, "a list", node).help(help));
                None
            }
            _ => {
                self.diagnostics.push(wrong_kind(name, "a list of strings", node));
                None
            }
        }
    }

    pub(super) fn flag(&mut self, name: &'static str) -> Optional<bool> {
        let node = self.get(name)?;
        if let Value::Scalar { kind: Scalar::Bool(value), .. } = node.value {
            return Some(Spanned { value, span: node.span.clone() });
        }
        self.diagnostics.push(wrong_kind(name, "true or false", node).help("write `true` or `false` without quotes"));
        None
    }

    pub(super) fn number(&mut self, name: &'static str) -> Optional<f64> {
        let node = self.get(name)?;
        match number(node) {
            Some(value) => Some(Spanned { value, span: node.span.clone() }),
            None => {
                self.diagnostics.push(wrong_kind(name, "a number", node));
                None
            }
        }
    }

    pub(super) fn limit(&mut self, name: &'static str) -> Optional<Limit> {
        let node = self.get(name)?;
        let is_off = match &node.value {
            Value::Scalar { kind: Scalar::Null, .. } => true,
            Value::Scalar { kind: Scalar::Text, text } => text == "none",
            _ => false,
        };
        let value = if is_off { Some(Limit::Off) } else { number(node).map(Limit::At) };
        if value.is_none() {
            let help = format!("write a number, or `{name}: none` to switch the guard off");
            self.diagnostics.push(wrong_kind(name, "a number", node).help(help));
        }
        value.map(|value| Spanned { value, span: node.span.clone() })
    }
}

/// A decimal number. YAML's hexadecimal and infinite numbers are not accepted.
fn number(node: &Node) -> Option<f64> {
    match &node.value {
        Value::Scalar { kind: Scalar::Number, text } => text.parse().ok().filter(|value: &f64| value.is_finite()),
        _ => None,
    }
}

fn text(name: &str, node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Optional<String> {
    match &node.value {
        Value::Scalar { kind: Scalar::Text, text } => Some(Spanned { value: text.clone(), span: node.span.clone() }),
        _ => {
            diagnostics.push(not_a_text(name, "a string", node));
            None
        }
    }
}

fn raw_text(name: &str, node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Optional<String> {
    match &node.value {
        Value::Scalar { kind, text } if *kind != Scalar::Null => {
            Some(Spanned { value: text.clone(), span: node.span.clone() })
        }
        _ => {
            diagnostics.push(not_a_text(name, "a string, number or boolean", node));
            None
        }
    }
}

/// A value that would be a text if it were quoted, or that cannot be one.
fn not_a_text(name: &str, expected: &str, node: &Node) -> Diagnostic {
    let diagnostic = wrong_kind(name, expected, node);
    match &node.value {
        Value::Scalar { text, .. } if !text.is_empty() => {
            diagnostic.help(format!("if you mean the text `{0}`, quote it: `\"{0}\"`", excerpt(text)))
        }
        _ => diagnostic,
    }
}

/// A value whose YAML kind does not fit its field.
pub(crate) fn wrong_kind(what: &str, expected: &str, node: &Node) -> Diagnostic {
    let what = if what.contains(['`', ' ']) { what.to_owned() } else { format!("`{what}`") };
    Diagnostic::new(Code::WrongKind, &node.span, format!("{what} must be {expected}"))
        .label(format!("found {}", node.kind()))
}

fn unknown_field(what: &str, key: &Node, name: &str, known: &[&str]) -> Diagnostic {
    let diagnostic = Diagnostic::new(Code::UnknownField, &key.span, format!("{what} has no field `{}`", excerpt(name)));
    match nearest(name, known.iter().copied()) {
        Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
        None => diagnostic.help(format!("known fields: {}", list(known))),
    }
}

pub(crate) fn duplicate_field(name: &str, key: &Node, first: &Span) -> Diagnostic {
    Diagnostic::new(Code::DuplicateField, &key.span, format!("the field `{name}` is repeated"))
        .label("repeated here")
        .also(first, "first here")
        .help("remove one of the two")
}
