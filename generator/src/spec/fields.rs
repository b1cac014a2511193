//! One mapping of a schema: looks fields up, and reports what is unknown, repeated, missing or of the wrong kind.

use super::{Limit, Optional, Spanned, shown};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::suggest;
use crate::yaml::{Node, Scalar, Value};

/// The fields of one mapping.
pub(super) struct Fields<'a> {
    /// What the mapping is, as a message says it: `a column`.
    what: &'static str,
    span: &'a Span,
    entries: Vec<(&'a str, &'a Node)>,
    pub(super) found: &'a mut Vec<Diagnostic>,
}

impl<'a> Fields<'a> {
    /// The known fields of a mapping, or `None` when the node is no mapping. Unknown and repeated fields are reported.
    pub(super) fn of(
        node: &'a Node,
        what: &'static str,
        known: &[&str],
        found: &'a mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let Value::Map(map) = &node.value else {
            found.push(wrong_kind(what, "a mapping", node).help(format!("known fields: {}", suggest::list(known))));
            return None;
        };
        let mut first_of: Vec<(&'a str, &'a Span)> = Vec::new();
        let mut entries = Vec::new();
        for (key, value) in map {
            let Value::Scalar { text: name, .. } = &key.value else {
                found.push(unknown_field(what, key, key.kind(), known));
                continue;
            };
            if !known.contains(&name.as_str()) {
                found.push(unknown_field(what, key, name, known));
            } else if let Some((_, first)) = first_of.iter().find(|(other, _)| other == name) {
                found.push(duplicate_field(name, key, first));
            } else {
                first_of.push((name, &key.span));
                entries.push((name.as_str(), value));
            }
        }
        Some(Self { what, span: &node.span, entries, found })
    }

    /// Reports each of these fields that is not there.
    pub(super) fn require(&mut self, names: &[&str]) {
        for name in names {
            if self.get(name).is_none() {
                let message = format!("{} lacks the field `{name}`", self.what);
                self.found
                    .push(Diagnostic::new(Code::MissingField, self.span, message).label(format!("no `{name}` here")));
            }
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Node> {
        self.entries.iter().find(|(known, _)| *known == name).map(|(_, node)| *node)
    }

    /// A text. A number or a truth value is none, because `name: 1` is more often a slip than a name.
    pub(super) fn text(&mut self, name: &'static str) -> Optional<String> {
        let node = self.get(name)?;
        text(name, node, self.found)
    }

    /// Any scalar but null, as the text that was written: `0.10`, `false` and `"x"` alike.
    pub(super) fn raw_text(&mut self, name: &'static str) -> Optional<String> {
        let node = self.get(name)?;
        raw_text(name, node, self.found)
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
                let what = format!("an item of `{name}`");
                let value: Vec<_> = items.iter().filter_map(|node| item(&what, node, self.found)).collect();
                // A list that lost an item says nothing about the mistakes that depend on all of them.
                (value.len() == items.len()).then(|| Spanned { value, span: node.span.clone() })
            }
            Value::Scalar { text, .. } if !node.is_null() => {
                let help = format!("write `{name}: [{}]`", shown(text));
                self.found.push(wrong_kind(name, "a list", node).help(help));
                None
            }
            _ => {
                self.found.push(wrong_kind(name, "a list of texts", node));
                None
            }
        }
    }

    pub(super) fn flag(&mut self, name: &'static str) -> Optional<bool> {
        let node = self.get(name)?;
        if let Value::Scalar { kind: Scalar::Bool(value), .. } = node.value {
            return Some(Spanned { value, span: node.span.clone() });
        }
        self.found.push(wrong_kind(name, "true or false", node).help("write `true` or `false`, without quotes"));
        None
    }

    pub(super) fn number(&mut self, name: &'static str) -> Optional<f64> {
        let node = self.get(name)?;
        match number(node) {
            Some(value) => Some(Spanned { value, span: node.span.clone() }),
            None => {
                self.found.push(wrong_kind(name, "a number", node));
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
            self.found.push(wrong_kind(name, "a number", node).help(help));
        }
        value.map(|value| Spanned { value, span: node.span.clone() })
    }
}

/// A number as people write it; YAML's hexadecimal and infinite ones are no limits.
fn number(node: &Node) -> Option<f64> {
    match &node.value {
        Value::Scalar { kind: Scalar::Number, text } => text.parse().ok().filter(|value: &f64| value.is_finite()),
        _ => None,
    }
}

fn text(name: &str, node: &Node, found: &mut Vec<Diagnostic>) -> Optional<String> {
    if let Value::Scalar { kind: Scalar::Text, text } = &node.value {
        return Some(Spanned { value: text.clone(), span: node.span.clone() });
    }
    let mut diagnostic = wrong_kind(name, "text", node);
    if let Value::Scalar { text, .. } = &node.value
        && !text.is_empty()
    {
        diagnostic = diagnostic.help(format!("if the text `{0}` is meant, put it in quotes: `\"{0}\"`", shown(text)));
    }
    found.push(diagnostic);
    None
}

fn raw_text(name: &str, node: &Node, found: &mut Vec<Diagnostic>) -> Optional<String> {
    match &node.value {
        Value::Scalar { kind, text } if *kind != Scalar::Null => {
            Some(Spanned { value: text.clone(), span: node.span.clone() })
        }
        _ => text(name, node, found),
    }
}

/// A value of another YAML kind than its field takes.
pub(super) fn wrong_kind(what: &str, expected: &str, node: &Node) -> Diagnostic {
    let what = if what.contains(['`', ' ']) { what.to_owned() } else { format!("`{what}`") };
    Diagnostic::new(Code::WrongKind, &node.span, format!("{what} must be {expected}"))
        .label(format!("found {}", node.kind()))
}

fn unknown_field(what: &str, key: &Node, name: &str, known: &[&str]) -> Diagnostic {
    let diagnostic = Diagnostic::new(Code::UnknownField, &key.span, format!("{what} has no field `{}`", shown(name)));
    match suggest::nearest(name, known.iter().copied()) {
        Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
        None => diagnostic.help(format!("known fields: {}", suggest::list(known))),
    }
}

fn duplicate_field(name: &str, key: &Node, first: &Span) -> Diagnostic {
    Diagnostic::new(Code::DuplicateField, &key.span, format!("the field `{name}` stands here twice"))
        .label("the second time")
        .also(first, "the first time")
        .help("remove one of the two")
}
