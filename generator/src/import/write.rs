//! Writes a definition as a schema.

use std::fmt::Write as _;

use super::definition::{Column, Definition};
use crate::schema_text::{choices, column_names, comment, line_with_comment, plain, quoted};

/// The schema of a definition in a file. `is_native` says that Athena cannot read its exports.
pub(super) fn schema(definition: &Definition, file: &str, is_native: bool) -> String {
    let names = column_names(definition.columns.iter().map(|column| column.name.as_str()));
    let mut yaml = String::from("# yaml-language-server: $schema=table.schema.json\n");
    let spelled = definition.name.join(".");
    comment(&mut yaml, "", &format!("Imported from {file}: {spelled} ({}).", definition.writer));
    choices(&mut yaml, "", &definition.choices);
    let _ = writeln!(yaml, "table: {}", definition.table());
    if let Some(description) = described(definition.description.as_deref()) {
        let _ = writeln!(yaml, "description: {description}");
    }
    choices(&mut yaml, "", &definition.key_choices);
    let _ = writeln!(yaml, "primary_key: [{}]", key(definition, &names).join(", "));
    yaml.push_str("columns:\n");
    for (column, name) in definition.columns.iter().zip(&names) {
        write_column(&mut yaml, column, name);
    }
    for (option, value) in &definition.options {
        let _ = writeln!(yaml, "{option}: {value}");
    }
    if is_native && definition.options.iter().all(|(option, _)| option != "engine") {
        comment(&mut yaml, "", "Athena cannot read such exports.");
        yaml.push_str("engine: { athena: false }\n");
    }
    yaml
}

/// The key's columns by their names in the schema.
fn key(definition: &Definition, names: &[String]) -> Vec<String> {
    let columns = definition.columns.iter().zip(names);
    let name_of = |spelled: &String| columns.clone().find(|(column, _)| column.name == *spelled);
    definition
        .key
        .iter()
        .map(|spelled| name_of(spelled).map_or_else(|| plain(spelled), |(_, name)| plain(name)))
        .collect()
}

fn write_column(yaml: &mut String, column: &Column, name: &str) {
    choices(yaml, "  ", &column.ty.choices);
    let mut fields = vec![format!("name: {}", plain(name))];
    if name != column.name && !column.ty.options.iter().any(|(option, _)| option == "header") {
        fields.push(format!("header: {}", quoted(&column.name)));
    }
    fields.push(format!("type: {}", plain(&column.ty.ty)));
    fields.extend(column.ty.options.iter().map(|(option, value)| format!("{option}: {value}")));
    if column.is_nullable {
        fields.push("nullable: true".into());
    }
    if let Some(description) = described(column.description.as_deref()) {
        fields.push(format!("description: {description}"));
    }
    let line = format!("- {{ {} }}", fields.join(", "));
    let is_same = column.spelling.is_empty() || column.spelling.eq_ignore_ascii_case(&column.ty.ty);
    line_with_comment(yaml, "  ", &line, if is_same { "" } else { &column.spelling });
}

fn described(description: Option<&str>) -> Option<String> {
    description.map(str::trim).filter(|text| !text.is_empty()).map(plain)
}
