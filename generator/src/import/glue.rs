//! Tables of Glue's data catalog: what `aws glue get-table` prints, and a bare `TableInput`.

use super::definition::{Column, Definition};
use super::dialect::Dialect;
use super::types;
use crate::diagnostic::{Code, Diagnostic};
use crate::schema_text::{plain, quoted};
use crate::tree::{field, items, scalar, text};
use crate::yaml::Node;

/// The fields that hold a table in an answer or a request of Glue's API.
const WRAPPERS: [&str; 2] = ["Table", "TableInput"];

/// The tables of a document; `None` if it is not one of Glue's.
pub(super) fn tables(root: &Node) -> Option<Vec<&Node>> {
    let list = items(root, "TableList");
    let wrapped = WRAPPERS.iter().find_map(|name| field(root, name));
    if !list.is_empty() {
        Some(list.iter().collect())
    } else if let Some(table) = wrapped {
        Some(vec![table])
    } else {
        field(root, "StorageDescriptor").is_some().then(|| vec![root])
    }
}

/// Reads a table.
pub(super) fn read(table: &Node) -> Result<Definition, Diagnostic> {
    let missing = |what: &str| {
        Diagnostic::new(Code::UnreadableDefinition, &table.span, format!("this table of Glue has no {what}"))
            .help("import the output of `aws glue get-table`, or a TableInput")
    };
    let name = text(table, "Name").ok_or_else(|| missing("name"))?;
    let span = field(table, "Name").map_or(table.span.clone(), |node| node.span.clone());
    let storage = field(table, "StorageDescriptor").ok_or_else(|| missing("StorageDescriptor"))?;
    let path = [text(table, "DatabaseName"), Some(name)].into_iter().flatten().collect();
    let mut definition = Definition::new(path, span, "Glue");
    let parameters = field(table, "Parameters");
    definition.description = text(table, "Description").or_else(|| text(parameters?, "comment"));
    for column in items(storage, "Columns") {
        definition.columns.push(read_column(column).ok_or_else(|| missing("name for one of its columns"))?);
    }
    if definition.columns.is_empty() {
        return Err(missing("columns"));
    }
    let partitions: Vec<String> =
        items(table, "PartitionKeys").iter().filter_map(|column| text(column, "Name")).collect();
    if !partitions.is_empty() {
        let choice =
            format!("partitions are in the names of folders and are not columns here: {}", partitions.join(", "));
        definition.choices.push(choice);
    }
    add_source(&mut definition, storage, parameters);
    Ok(definition)
}

fn read_column(column: &Node) -> Option<Column> {
    let spelling = text(column, "Type").unwrap_or_else(|| "string".into());
    let ty = types::map(&spelling, Dialect::Hive);
    let description = text(column, "Comment");
    Some(Column { name: text(column, "Name")?, ty, spelling, is_nullable: true, description })
}

/// How the files are written, as far as the table says it.
fn add_source(definition: &mut Definition, storage: &Node, parameters: Option<&Node>) {
    let serde = field(storage, "SerdeInfo");
    let library = serde.and_then(|serde| text(serde, "SerializationLibrary")).unwrap_or_default();
    // Blanks count here: a tab is a delimiter.
    let of_serde = |name: &str| field(field(serde?, "Parameters")?, name).and_then(scalar).map(str::to_owned);
    let mut source = match library.rsplit('.').next().unwrap_or_default() {
        "OpenCSVSerde" => open_csv(of_serde),
        "LazySimpleSerDe" => lazy_simple(of_serde),
        other => {
            let format = if other.is_empty() { "no format" } else { other };
            definition.choices.push(format!("the table has {format}; write as `source` how exports are written"));
            return;
        }
    };
    let skipped = |node: Option<&Node>| text(node?, "skip.header.line.count")?.parse::<u32>().ok();
    let of_table = skipped(parameters);
    match of_table.or_else(|| skipped(serde.and_then(|serde| field(serde, "Parameters")))) {
        None | Some(0) => source.push(("header", "false".into())),
        // Glue's names are in lower case, whatever the header says.
        Some(1) => source.push(("header_case", "ignore".into())),
        Some(lines) => source.extend([("header_case", "ignore".into()), ("skip_first", (lines - 1).to_string())]),
    }
    let fields: Vec<String> = source.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    definition.options.push(("source".into(), format!("{{ {} }}", fields.join(", "))));
}

fn open_csv(parameter: impl Fn(&str) -> Option<String>) -> Vec<(&'static str, String)> {
    let mut source = Vec::new();
    source.extend(parameter("separatorChar").filter(|it| it != ",").map(|it| ("delimiter", quoted(&it))));
    source.extend(parameter("quoteChar").filter(|it| it != "\"").map(|it| ("quote", quoted(&it))));
    // By default, a backslash escapes the next character.
    let escape = parameter("escapeChar").unwrap_or_else(|| "\\".into());
    if escape != "\0" && escape != "\"" {
        source.push(("escape", quoted(&escape)));
    }
    source
}

fn lazy_simple(parameter: impl Fn(&str) -> Option<String>) -> Vec<(&'static str, String)> {
    let delimiter = parameter("field.delim").or_else(|| parameter("serialization.format"));
    let delimiter = delimiter.filter(|it| it != "1").unwrap_or_else(|| "\u{1}".into());
    let escape = parameter("escape.delim").map_or_else(|| "none".into(), |it| quoted(&it));
    let null = parameter("serialization.null.format").unwrap_or_else(|| "\\N".into());
    let nulls = format!("[{}]", quoted(&null));
    vec![("delimiter", quoted(&delimiter)), ("quote", plain("none")), ("escape", escape), ("nulls", nulls)]
}
