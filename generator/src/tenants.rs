//! Reads `tenants`: what is different for single tenants.
//!
//! What a tenant declares goes over the same fields of the table, in the tree of YAML nodes. So the schema of a tenant
//! is read and checked like that of a table, and every option of `source` and `guards` can be overridden.

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::spec::{self, Fields, HeaderSpec, Optional, Spanned, Spec, duplicate_field, known, wrong_kind};
use crate::yaml::{Node, Scalar, Value};

/// One entry of `tenants`.
#[derive(Debug)]
pub(crate) struct TenantSpec {
    pub(crate) name: Spanned<String>,
    /// The schema of the table as it is for this tenant.
    pub(crate) spec: Spec,
    /// Every option that the tenant declares, if all of them could be read.
    pub(crate) overrides: Vec<OverrideSpec>,
    /// What it declares, `source` and `guards`.
    pub(crate) sections: Vec<SectionSpec>,
}

/// A section of a tenant.
#[derive(Debug)]
pub(crate) struct SectionSpec {
    pub(crate) name: &'static str,
    pub(crate) span: Span,
    pub(crate) is_empty: bool,
}

/// An option that a tenant declares.
#[derive(Debug)]
pub(crate) struct OverrideSpec {
    pub(crate) field: Spanned<String>,
    /// The tenant's schema without it.
    pub(crate) without: Spec,
}

/// A section of a tenant, and its entries.
type Section<'a> = (&'static str, &'a [(Node, Node)]);

/// Reads the tenants of a schema that was read without them, and whose mistakes were reported.
pub(crate) fn read(root: &Node, diagnostics: &mut Vec<Diagnostic>) -> Vec<TenantSpec> {
    let Value::Map(fields) = &root.value else { return Vec::new() };
    fields
        .iter()
        .find(|(key, _)| is(key, "tenants"))
        .map_or_else(Vec::new, |(_, node)| tenants(root, node, diagnostics))
}

fn tenants(root: &Node, node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Vec<TenantSpec> {
    let Value::Map(entries) = &node.value else {
        diagnostics.push(
            wrong_kind("tenants", "a mapping", node)
                .help("write `tenants: { NAME: { source: { … }, guards: { … } } }`"),
        );
        return Vec::new();
    };
    if entries.is_empty() {
        diagnostics.push(
            Diagnostic::new(Code::EmptyList, &node.span, "`tenants` is empty")
                .help("name at least one tenant, or remove the field"),
        );
    }
    let mut tenants: Vec<TenantSpec> = Vec::new();
    for (key, value) in entries {
        let Value::Scalar { text, .. } = &key.value else {
            diagnostics.push(wrong_kind("the name of a tenant", "a string", key));
            continue;
        };
        let name = Spanned { value: text.clone(), span: key.span.clone() };
        match tenants.iter().find(|tenant| tenant.name.value == name.value) {
            Some(first) => diagnostics.push(duplicate_field(&name, key, &first.name.span)),
            None => tenants.extend(tenant(root, name, value, diagnostics)),
        }
    }
    tenants
}

fn tenant(root: &Node, name: Spanned<String>, node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<TenantSpec> {
    Fields::new(node, "a tenant", known::TENANT, diagnostics)?;
    let Value::Map(fields) = &node.value else { return None };
    let mut sections: Vec<Section<'_>> = Vec::new();
    let mut declared = Vec::new();
    for name in known::TENANT {
        let Some((_, section)) = fields.iter().find(|(key, _)| is(key, name)) else { continue };
        let is_empty = matches!(&section.value, Value::Map(entries) if entries.is_empty());
        declared.push(SectionSpec { name, span: section.span.clone(), is_empty });
        match &section.value {
            Value::Map(entries) => sections.push((name, entries)),
            _ => diagnostics.push(wrong_kind(name, "a mapping", section)),
        }
    }
    let mut of_tenant = Vec::new();
    let spec = merged(root, &sections, None, &mut of_tenant);
    // Without what cannot be read, the schema is the same.
    let options = sections.iter().flat_map(|(_, entries)| *entries).filter(|_| of_tenant.is_empty());
    let overrides = options.filter_map(|(key, _)| {
        let Value::Scalar { text, .. } = &key.value else { return None };
        let field = Spanned { value: text.clone(), span: key.span.clone() };
        let without = merged(root, &sections, Some(&key.span), &mut Vec::new());
        Some(OverrideSpec { field, without })
    });
    let tenant = TenantSpec { name, spec, overrides: overrides.collect(), sections: declared };
    // What is wrong with the table was reported for the table.
    of_tenant.retain(|diagnostic| !diagnostics.contains(diagnostic));
    diagnostics.extend(of_tenant);
    Some(tenant)
}

/// Reads the schema of the table with the entries of a tenant, except the one at a span.
fn merged(root: &Node, sections: &[Section<'_>], except: Option<&Span>, diagnostics: &mut Vec<Diagnostic>) -> Spec {
    let Value::Map(fields) = &root.value else { return Spec::default() };
    let mut fields: Vec<(Node, Node)> = fields.iter().filter(|(key, _)| !is(key, "tenants")).cloned().collect();
    for (name, entries) in sections {
        let entries: Vec<&(Node, Node)> = entries.iter().filter(|(key, _)| Some(&key.span) != except).collect();
        let of_table = fields.iter().position(|(key, _)| is(key, name)).map(|index| fields.remove(index));
        let (key, mut section) = of_table.unwrap_or_else(|| (named(name, root), empty(root)));
        if let Value::Map(options) = &mut section.value {
            options.retain(|(option, _)| !entries.iter().any(|(key, _)| is_same(key, option)));
            options.extend(entries.into_iter().filter(|(key, value)| !is_removed(name, key, value)).cloned());
        }
        fields.push((key, section));
    }
    let mut spec = spec::read(&Node { span: root.span.clone(), value: Value::Map(fields) }, diagnostics);
    if is_without_header(&spec.source.header) {
        // The names are those in the headers of other tenants.
        let overridden = sections.iter().flat_map(|(_, entries)| *entries).any(|(key, _)| is(key, "header"));
        let columns = spec.columns.iter_mut().flat_map(|columns| &mut columns.value).filter(|_| overridden);
        columns.for_each(|column| column.header = None);
    }
    spec
}

fn is_without_header(header: &Optional<HeaderSpec>) -> bool {
    header.as_ref().is_some_and(|header| header.value == HeaderSpec::Flag(false))
}

/// With null, an option of `source` is as if the table did not declare it. A guard is switched off.
fn is_removed(section: &str, key: &Node, value: &Node) -> bool {
    section == "source" && value.is_null() && known::SOURCE.iter().any(|name| is(key, name))
}

fn is(key: &Node, name: &str) -> bool {
    matches!(&key.value, Value::Scalar { text, .. } if text == name)
}

fn is_same(key: &Node, other: &Node) -> bool {
    matches!(&other.value, Value::Scalar { text, .. } if is(key, text))
}

/// The key of a section that the table does not have.
fn named(name: &str, root: &Node) -> Node {
    let value = Value::Scalar { kind: Scalar::Text, text: name.to_owned() };
    Node { span: root.span.clone(), value }
}

fn empty(root: &Node) -> Node {
    Node { span: root.span.clone(), value: Value::Map(Vec::new()) }
}
