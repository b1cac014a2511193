//! Checks before and after a query, of everything that Athena itself does not see.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use aws_sdk_glue::types::{Column, Table};
use serde_json::Value;

use super::statements::Statements;
use crate::aws::s3::{self, S3Uri};
use crate::aws::{Aws, error_chain};
use crate::canonical::row::Layout;
use crate::error::{Error, Result};
use crate::snapshot::csv::{Dialect, Splitter};
use crate::snapshot::part::{Inflated, check_name};
use crate::snapshot::{Export, Part};
use crate::store::same_parts;
use crate::table::Compression;

/// How many compressed bytes of a part are fetched for its first line.
const FIRST_LINE: u64 = 64 << 10;

/// Besides `.gz`, the endings of names that make Athena decompress a file, whatever the schema says.
/// <https://docs.aws.amazon.com/athena/latest/ug/compression-formats.html>
const DECOMPRESSED: [&str; 6] = [".bz2", ".deflate", ".lz4", ".lzo", ".snappy", ".zstd"];

/// Checks that Athena reads every part as this program would: the part's name says how it is compressed, and its header
/// has the columns in the order of the schema.
pub(super) fn first_lines(aws: &Aws, layout: &Layout, export: &Export, location: &S3Uri) -> Result<()> {
    for part in &export.parts {
        let path = export.folder.path(&part.name);
        check_name(&part.name, &path, layout.table.name, layout.format.compression)?;
        if let Some(ending) = DECOMPRESSED.iter().find(|ending| part.name.ends_with(*ending)) {
            let problem = format!("Athena would decompress it, because its name ends in `{ending}`");
            return Err(Error::export(&path, problem).help("rename it, or use --engine native"));
        }
        if part.size == 0 && layout.format.compression != Compression::None {
            return Err(Error::export(&path, "the file is empty").help("deliver it again, complete"));
        }
        if layout.format.header {
            let bytes = s3::beginning(aws, &location.join(&part.name), FIRST_LINE)?;
            header(layout, &bytes, &path)?;
        }
    }
    Ok(())
}

/// Athena's readers skip the header and take columns by their position.
fn header(layout: &Layout, bytes: &[u8], path: &Path) -> Result<()> {
    let refused = |problem: String| {
        let help = "Athena reads columns by position; deliver them in the order of the schema, or use --engine native";
        Err(Error::export(path, problem).help(help))
    };
    let mut line = Vec::new();
    let inflated = Inflated::new(bytes, layout.format.compression);
    // The bytes end somewhere in the file; only the first line has to be complete.
    let _ = inflated.map(|inflated| BufReader::new(inflated).take(FIRST_LINE).read_until(b'\n', &mut line));
    let text = line.strip_suffix(b"\n").unwrap_or(&line);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let mut splitter = Splitter::new(Dialect::from_format(&layout.format));
    let Ok(record) = splitter.split(text, text.len(), 1) else {
        return refused("the header cannot be read".into());
    };
    let names: Vec<String> = record.iter().map(|field| String::from_utf8_lossy(field.text()).into_owned()).collect();
    let is_spelled = |(name, header): (&String, &String)| layout.is_spelled(name, header);
    if names.len() == layout.headers.len() && names.iter().zip(&layout.headers).all(is_spelled) {
        return Ok(());
    }
    refused(format!("the header is `{}`, but the schema has `{}`", names.join(","), layout.headers.join(",")))
}

/// Checks that an export still has the parts that were to be compared: Athena reads whatever is there when it runs.
pub(super) fn unchanged(export: &Export) -> Result<()> {
    let mut current = export.folder.list()?.parts;
    // A manifest lists its parts in an order of its own.
    current.sort_by_key(|part| export.parts.iter().position(|known| known.name == part.name));
    if same_parts(&current, &export.parts) {
        return Ok(());
    }
    let names = |parts: &[Part]| parts.iter().map(|part| part.name.clone()).collect::<Vec<_>>().join(", ");
    let problem = match (names(&current), names(&export.parts)) {
        (current, known) if current == known => "its parts were rewritten during the query".into(),
        (current, known) => format!("during the query its parts changed from {known} to {current}"),
    };
    Err(Error::refused(&export.label, problem).help("nothing was published; run again"))
}

/// Checks that the table in the data catalog is the generated one; otherwise the query would read something else.
pub(super) fn catalog(aws: &Aws, database: &str, statements: &Statements, bucket: &str) -> Result<()> {
    let table = statements.table;
    let subject = format!("{database}.{table}");
    let call = aws.glue.get_table().database_name(database).name(table).send();
    let answer = aws.wait(call).map_err(|error| {
        Error::aws(format!("cannot read the Glue table {subject}"), error_chain(&error)).help(format!(
            "name its database with --athena-database, or create the table with generated/ddl/{table}.sql and \
             {bucket} in place of BUCKET"
        ))
    })?;
    let expected: Value =
        serde_json::from_str(&statements.glue.replace("BUCKET", bucket)).expect("the generator writes JSON");
    let differences =
        answer.table().map_or_else(|| vec!["it is empty".into()], |actual| differences(actual, &expected));
    if differences.is_empty() {
        return Ok(());
    }
    let problem = format!("the Glue table differs from the generated one: {}", differences.join(", "));
    Err(Error::refused(subject, problem)
        .help(format!("deploy generated/ddl/{table}.json with {bucket} in place of BUCKET, then run again")))
}

/// The differences between a table in the catalog and a `TableInput`.
fn differences(actual: &Table, expected: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    let descriptor = &expected["StorageDescriptor"];
    let storage = actual.storage_descriptor();
    let columns = storage.map(|storage| storage.columns()).unwrap_or_default();
    differences.extend(column_difference("columns", columns, &descriptor["Columns"]));
    differences.extend(column_difference("partition keys", actual.partition_keys(), &expected["PartitionKeys"]));
    for (property, actual, expected) in [
        ("input format", storage.and_then(|storage| storage.input_format()), &descriptor["InputFormat"]),
        ("location", storage.and_then(|storage| storage.location()), &descriptor["Location"]),
    ] {
        if actual != expected.as_str() {
            differences.push(format!("its {property} is {}", actual.unwrap_or("missing")));
        }
    }
    let serde = storage.and_then(|storage| storage.serde_info());
    let library = serde.and_then(|serde| serde.serialization_library()).unwrap_or_default();
    if Some(library) != descriptor["SerdeInfo"]["SerializationLibrary"].as_str() {
        differences.push(format!("its SerDe is {library}"));
    }
    differences.extend(parameter_differences("parameter", actual.parameters(), &expected["Parameters"]));
    let parameters = serde.and_then(|serde| serde.parameters());
    differences.extend(parameter_differences("SerDe parameter", parameters, &descriptor["SerdeInfo"]["Parameters"]));
    differences
}

fn column_difference(property: &str, actual: &[Column], expected: &Value) -> Option<String> {
    let expected = expected.as_array().into_iter().flatten();
    let expected = expected.map(|column| (column["Name"].as_str().unwrap_or_default(), column["Type"].as_str()));
    let is_equal = actual.iter().map(|column| (column.name(), column.r#type())).eq(expected);
    let shown = actual.iter().map(|column| format!("{} {}", column.name(), column.r#type().unwrap_or("?")));
    (!is_equal).then(|| format!("its {property} are {}", shown.collect::<Vec<_>>().join(", ")))
}

/// Parameters of the table that the generated one does not have are ignored.
fn parameter_differences(kind: &str, actual: Option<&HashMap<String, String>>, expected: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    for (name, expected) in expected.as_object().into_iter().flatten() {
        let value = actual.and_then(|actual| actual.get(name)).map(String::as_str);
        if value != expected.as_str() {
            let value = value.map_or_else(|| "missing".into(), |value| format!("{value:?}"));
            differences.push(format!("{kind} `{name}` is {value}"));
        }
    }
    differences
}
