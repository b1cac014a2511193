//! Reads what is needed from a document in JSON or YAML that has much more.

use crate::schema_text::{plain, quoted};
use crate::yaml::{Node, Scalar, Value};

/// A field of a mapping.
pub(crate) fn field<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let Value::Map(entries) = &node.value else { return None };
    let is_named = |key: &Node| matches!(&key.value, Value::Scalar { text, .. } if text == name);
    entries.iter().find(|(key, _)| is_named(key)).map(|(_, value)| value)
}

/// The text of a scalar that is not null.
pub(crate) fn scalar(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar { kind, text } if *kind != Scalar::Null => Some(text),
        _ => None,
    }
}

/// A field with a text that is not empty.
pub(crate) fn text(node: &Node, name: &str) -> Option<String> {
    field(node, name).and_then(scalar).filter(|text| !text.trim().is_empty()).map(str::to_owned)
}

/// Whether a field is true.
pub(crate) fn flag(node: &Node, name: &str) -> bool {
    field(node, name).is_some_and(|node| matches!(node.value, Value::Scalar { kind: Scalar::Bool(true), .. }))
}

/// The items of a field that is a list.
pub(crate) fn items<'a>(node: &'a Node, name: &str) -> &'a [Node] {
    match field(node, name).map(|node| &node.value) {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}

/// The names and values of a mapping.
pub(crate) fn entries(node: &Node) -> impl Iterator<Item = (&str, &Node)> {
    let entries: &[(Node, Node)] = if let Value::Map(entries) = &node.value { entries } else { &[] };
    entries.iter().filter_map(|(key, value)| Some((scalar(key)?, value)))
}

/// A value as YAML on one line.
pub(crate) fn flow(node: &Node) -> String {
    match &node.value {
        Value::Scalar { kind: Scalar::Text, text } => plain(text),
        Value::Scalar { kind: Scalar::Null, .. } => "null".into(),
        Value::Scalar { text, .. } => text.clone(),
        Value::List(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let field = |(key, value): &(Node, Node)| {
                format!("{}: {}", scalar(key).map_or_else(|| quoted(""), plain), flow(value))
            };
            format!("{{ {} }}", entries.iter().map(field).collect::<Vec<_>>().join(", "))
        }
    }
}
