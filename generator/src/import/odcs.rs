//! Data contracts of the Open Data Contract Standard, version 3. What Tidemark exported has its options in custom
//! properties, and comes back as it was.

use super::definition::{Column, Definition};
use super::dialect::Dialect;
use super::mapped::Mapped;
use super::types;
use crate::diagnostic::{Code, Diagnostic};
use crate::export::{CUSTOM, MAJOR_VERSION};
use crate::tree::{entries, field, flag, flow, items, scalar, text};
use crate::wording::excerpt;
use crate::yaml::Node;

/// Returns whether a document is a data contract.
pub(super) fn is_contract(root: &Node) -> bool {
    field(root, "apiVersion").is_some() || field(root, "kind").and_then(scalar) == Some("DataContract")
}

/// Reads the tables of a contract.
pub(super) fn read(root: &Node) -> Result<Vec<Definition>, Diagnostic> {
    let version = text(root, "apiVersion").unwrap_or_default();
    if !version.trim_start_matches('v').starts_with(MAJOR_VERSION) {
        let span = field(root, "apiVersion").map_or(&root.span, |node| &node.span);
        let message = format!("a data contract of version `{}` cannot be read", excerpt(&version));
        return Err(Diagnostic::new(Code::UnreadableDefinition, span, message)
            .label(format!("expected `apiVersion: v{MAJOR_VERSION}…`"))
            .help("migrate the contract to version 3 of the standard"));
    }
    let dialect = dialect(root);
    items(root, "schema").iter().map(|object| table(object, dialect)).collect()
}

/// The database that the contract names as its server.
fn dialect(root: &Node) -> Dialect {
    let server = items(root, "servers").iter().find_map(|server| text(server, "type")).unwrap_or_default();
    match server.as_str() {
        "postgresql" | "postgres" | "redshift" => Dialect::Postgres,
        "mysql" => Dialect::Mysql,
        "sqlserver" | "synapse" => Dialect::SqlServer,
        "oracle" => Dialect::Oracle,
        "athena" | "glue" | "hive" | "databricks" => Dialect::Hive,
        _ => Dialect::Generic,
    }
}

/// The value of Tidemark's own property.
fn custom(node: &Node) -> Option<&Node> {
    let is_ours = |property: &&Node| text(property, "property").as_deref() == Some(CUSTOM);
    field(items(node, "customProperties").iter().find(is_ours)?, "value")
}

fn table(object: &Node, dialect: Dialect) -> Result<Definition, Diagnostic> {
    let missing = |what: &str| {
        let message = format!("this object of the contract has no {what}");
        Diagnostic::new(Code::UnreadableDefinition, &object.span, message)
            .help("a table needs a `name` and `properties`, each with a name")
    };
    let name = text(object, "physicalName").or_else(|| text(object, "name")).ok_or_else(|| missing("name"))?;
    let span = field(object, "name").map_or(object.span.clone(), |node| node.span.clone());
    let mut definition = Definition::new(vec![name], span, "data contract");
    definition.description = text(object, "description");
    let mut key = Vec::new();
    for property in items(object, "properties") {
        let column = column(property, dialect).ok_or_else(|| missing("name for one of its properties"))?;
        if flag(property, "primaryKey") {
            let position = text(property, "primaryKeyPosition").and_then(|text| text.parse::<i64>().ok());
            key.push((position.filter(|it| *it > 0).unwrap_or(i64::MAX), column.name.clone()));
        }
        if flag(property, "unique") {
            definition.uniques.push(vec![column.name.clone()]);
        }
        definition.columns.push(column);
    }
    if definition.columns.is_empty() {
        return Err(missing("properties"));
    }
    key.sort_by_key(|(position, _)| *position);
    definition.key = key.into_iter().map(|(_, name)| name).collect();
    let options = custom(object).into_iter().flat_map(entries);
    definition.options.extend(options.map(|(name, value)| (name.to_owned(), flow(value))));
    Ok(definition)
}

fn column(property: &Node, dialect: Dialect) -> Option<Column> {
    let name = text(property, "name")?;
    let custom = custom(property);
    let own_type = custom.and_then(|custom| text(custom, "type"));
    let spelling = text(property, "physicalType").or_else(|| text(property, "logicalType")).unwrap_or_default();
    let mut ty = match &own_type {
        Some(own) => Mapped::new(own.as_str()),
        None => foreign_type(property, dialect),
    };
    let options = custom.into_iter().flat_map(entries).filter(|(name, _)| *name != "type");
    ty.options.extend(options.map(|(name, value)| (name.to_owned(), flow(value))));
    if own_type.is_none() && text(property, "classification").is_some_and(|class| class != "public") {
        ty.choices.push("classified in the contract; write `pii: true` if nobody may see its values".into());
    }
    let physical_name = text(property, "physicalName").filter(|_| own_type.is_none());
    let description = text(property, "description");
    let is_nullable = !flag(property, "required");
    let spelling = if own_type.is_some() { String::new() } else { spelling };
    Some(Column { name: physical_name.unwrap_or(name), ty, spelling, is_nullable, description })
}

/// The type of a contract that Tidemark did not write.
fn foreign_type(property: &Node, dialect: Dialect) -> Mapped {
    let option = |name: &str| text(field(property, "logicalTypeOptions")?, name);
    let format = option("format");
    let logical = text(property, "logicalType").unwrap_or_default();
    let mapped = match (text(property, "physicalType"), logical.as_str()) {
        (Some(physical), _) => types::map(&physical, dialect),
        (None, "string") => match option("maxLength") {
            Some(length) => types::map(&format!("varchar({length})"), dialect),
            None => Mapped::new("string"),
        },
        (None, "boolean" | "date") => Mapped::new(logical.as_str()),
        (None, "timestamp") => {
            let has_zone = field(property, "logicalTypeOptions").is_some_and(|options| flag(options, "timezone"));
            Mapped::new(if has_zone { "timestamptz" } else { "timestamp" })
        }
        (None, "integer") => return integer(format.as_deref()),
        (None, "number") => match format.as_deref() {
            Some("f32") => Mapped::new("float"),
            Some("f64") => Mapped::new("double"),
            _ => types::map("numeric", Dialect::Generic),
        },
        (None, "") => Mapped::text("the contract names no type"),
        (None, other) => Mapped::text(format!("no type equals {other}; its values are compared as text")),
    };
    let is_time = matches!(logical.as_str(), "date" | "timestamp" | "time");
    match format.filter(|_| is_time) {
        Some(format) => mapped.choice(format!("written as `{format}`; if that is not ISO 8601, write a `format`")),
        None => mapped,
    }
}

/// The format follows Rust's integers.
fn integer(format: Option<&str>) -> Mapped {
    match format {
        Some("i8") => Mapped::new("tinyint"),
        Some("i16" | "u8") => Mapped::new("smallint"),
        Some("i32" | "u16") => Mapped::new("int"),
        Some("i64" | "u32") => Mapped::new("bigint"),
        Some("u64") => Mapped::new("decimal(20,0)"),
        Some(_) => Mapped::new("decimal(38,0)").choice("a value of more than 38 digits is refused"),
        None => Mapped::new("bigint").choice("the contract does not say how large the numbers are"),
    }
}
