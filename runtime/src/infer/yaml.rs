//! Writes a schema with what was seen and what the files cannot tell.

use std::fmt::Write as _;

use generator::schema_text::{choices, comment, line_with_comment};

use super::decide::Column;
use super::draft::Draft;
use super::reading::ESCAPED_NULL;
use super::texts::{list, number_options, quoted, type_name};

/// The schema of a draft.
pub(super) fn schema(draft: &Draft) -> String {
    let mut yaml = String::from("# yaml-language-server: $schema=table.schema.json\n");
    for line in &draft.seen {
        comment(&mut yaml, "", line);
    }
    choices(&mut yaml, "", &draft.choices);
    let _ = writeln!(yaml, "table: {}", draft.table);
    choices(&mut yaml, "", &draft.key_choices);
    let names: Vec<&str> = draft.key.iter().map(String::as_str).collect();
    let _ = writeln!(yaml, "primary_key: [{}]", names.join(", "));
    yaml.push_str("columns:\n");
    for column in &draft.columns {
        write_column(&mut yaml, draft, column);
    }
    if !draft.source.is_empty() {
        yaml.push_str("source:\n");
        for (option, choice) in &draft.source {
            choices(&mut yaml, "  ", choice.as_slice());
            let _ = writeln!(yaml, "  {option}");
        }
    }
    if !draft.not_for_athena.is_empty() {
        comment(&mut yaml, "", &format!("Athena cannot read {}.", draft.not_for_athena.join(", nor ")));
        yaml.push_str("engine: { athena: false }\n");
    }
    yaml
}

fn write_column(yaml: &mut String, draft: &Draft, column: &Column) {
    choices(yaml, "  ", &column.choices);
    let line = format!("- {{ {} }}", options(draft, column).join(", "));
    line_with_comment(yaml, "  ", &line, &column.seen);
}

/// The fields of a column.
fn options(draft: &Draft, column: &Column) -> Vec<String> {
    let mut options = vec![format!("name: {}", column.name)];
    let mut add = |option: &str, value: String| options.push(format!("{option}: {value}"));
    if let Some(header) = &column.header {
        add("header", quoted(header));
    }
    add("type", type_name(column.ty));
    if let Some(format) = column.format {
        add("format", quoted(format));
    }
    if let Some((yes, no)) = &column.words {
        add("true_values", list(yes));
        add("false_values", list(no));
    }
    if let Some(format) = &column.numbers {
        number_options(column.ty, format).into_iter().for_each(|(option, value)| add(option, value));
    }
    if column.trim {
        add("trim", "true".into());
    }
    if column.is_nullable() {
        add("nullable", "true".into());
    }
    if let Some(nulls) = own_nulls(draft, column) {
        add("nulls", list(&nulls));
    }
    options
}

/// The column's own `nulls`, if those of the source do not do.
fn own_nulls(draft: &Draft, column: &Column) -> Option<Vec<String>> {
    if column.has_no_nulls {
        // An escaped `N` is NULL in all columns or in none.
        let is_escaped = draft.format.escape.is_some();
        let escaped = draft.nulls.iter().filter(|null| is_escaped && **null == ESCAPED_NULL);
        return Some(escaped.map(|null| (*null).to_owned()).collect());
    }
    let is_missing = column.nulls.iter().any(|null| !draft.nulls.contains(null));
    is_missing.then(|| {
        let mut nulls: Vec<String> = column.nulls.iter().chain(&draft.nulls).map(|null| (*null).to_owned()).collect();
        nulls.sort();
        nulls.dedup();
        nulls
    })
}
