//! What is looked at before a statement runs and after it: whatever Athena cannot see.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use serde_json::Value;

use super::Statements;
use crate::aws::s3::{self, S3Uri};
use crate::aws::{Aws, why};
use crate::canonical::row::Layout;
use crate::error::{Error, Result};
use crate::snapshot::csv::{Dialect, Splitter};
use crate::snapshot::part::{Inflated, check_name};
use crate::snapshot::{Export, Part};
use crate::store::same_parts;
use crate::table::Compression;

/// How many bytes of a part are fetched to see its first line, compressed.
const FIRST_LINE: u64 = 64 << 10;

/// What Athena inflates by a part's name, beside gzip, whatever the schema says.
/// <https://docs.aws.amazon.com/athena/latest/ug/compression-formats.html>
const INFLATED: [&str; 6] = [".bz2", ".deflate", ".lz4", ".lzo", ".snappy", ".zstd"];

/// That no part is one that Athena would read as something else: its name says how it is compressed, and it begins with the
/// columns in the order of the schema.
pub(super) fn first_lines(aws: &Aws, layout: &Layout, export: &Export, place: &S3Uri) -> Result<()> {
    for part in &export.parts {
        let path = export.folder.path(&part.name);
        check_name(&part.name, &path, layout.table.name, layout.written.compression)?;
        if let Some(ending) = INFLATED.iter().find(|ending| part.name.ends_with(*ending)) {
            let problem = format!("Athena would inflate it, because its name ends in `{ending}`");
            return Err(Error::export(&path, problem).help("rename it, or run with --engine native"));
        }
        if part.size == 0 && layout.written.compression != Compression::None {
            return Err(Error::export(&path, "the file is empty").help("deliver it again, whole"));
        }
        if layout.written.header {
            let bytes = s3::beginning(aws, &place.join(&part.name), FIRST_LINE)?;
            header(layout, &bytes, &path)?;
        }
    }
    Ok(())
}

/// Athena's readers go by places, and skip the first line unread.
fn header(layout: &Layout, bytes: &[u8], path: &Path) -> Result<()> {
    let refused = |problem: String| {
        let help = "Athena reads columns by their place; deliver them in the order of the schema, or run with --engine \
                    native";
        Err(Error::export(path, problem).help(help))
    };
    let mut line = Vec::new();
    let inflated = Inflated::new(bytes, layout.written.compression);
    // The bytes end somewhere in the file; only the first line has to be whole.
    let _ = inflated.map(|inflated| BufReader::new(inflated).take(FIRST_LINE).read_until(b'\n', &mut line));
    let text = line.strip_suffix(b"\n").unwrap_or(&line);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let mut splitter = Splitter::new(Dialect::of(&layout.written));
    let Ok(record) = splitter.split(text, text.len(), 1) else {
        return refused("the header cannot be read".into());
    };
    let names: Vec<String> = record.iter().map(|field| String::from_utf8_lossy(field.text()).into_owned()).collect();
    if names == layout.names {
        return Ok(());
    }
    refused(format!("the header is `{}`, and the schema has `{}`", names.join(","), layout.names.join(",")))
}

/// Athena reads what lies there while it reads: that must be what was to be compared.
pub(super) fn still_there(export: &Export) -> Result<()> {
    let mut found = export.folder.list()?.parts;
    // A manifest says which parts there are; all of them are in the place, and nothing else is.
    found.sort_by_key(|part| export.parts.iter().position(|known| known.name == part.name));
    if same_parts(&found, &export.parts) {
        return Ok(());
    }
    let names = |parts: &[Part]| parts.iter().map(|part| part.name.clone()).collect::<Vec<_>>().join(", ");
    let problem = match (names(&found), names(&export.parts)) {
        (found, known) if found == known => "its parts were written again".into(),
        (found, known) => format!("its parts are {found}, and were {known}"),
    };
    Err(Error::refused(&export.label, problem).help("nothing was published; run again"))
}

/// The table in the data catalog must be the generated one, or the statement would read something else.
pub(super) fn catalog(aws: &Aws, database: &str, statements: &Statements, bucket: &str) -> Result<()> {
    let table = statements.table;
    let subject = format!("{database}.{table}");
    let call = aws.glue.get_table().database_name(database).name(table).send();
    let found = aws.wait(call).map_err(|error| {
        Error::aws(format!("cannot read the Glue table {subject}"), why(&error)).help(format!(
            "name its database with --athena-database; or create it with generated/ddl/{table}.sql, BUCKET being {bucket}"
        ))
    })?;
    let wanted: Value =
        serde_json::from_str(&statements.glue.replace("BUCKET", bucket)).expect("the generator writes JSON");
    let differences = found.table().map_or_else(|| vec!["everything".into()], |found| differences(found, &wanted));
    if differences.is_empty() {
        return Ok(());
    }
    let problem = format!("the Glue table is not the generated one: {}", differences.join(", "));
    Err(Error::refused(subject, problem)
        .help(format!("deploy generated/ddl/{table}.json, BUCKET being {bucket}, then run again")))
}

/// What of a table in the catalog is not as it should be.
fn differences(found: &aws_sdk_glue::types::Table, wanted: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    let storage = found.storage_descriptor();
    let descriptor = &wanted["StorageDescriptor"];
    for (what, found, wanted) in [
        ("columns", storage.map(|storage| storage.columns()).unwrap_or_default(), &descriptor["Columns"]),
        ("partition keys", found.partition_keys(), &wanted["PartitionKeys"]),
    ] {
        let wanted = wanted.as_array().into_iter().flatten();
        let wanted: Vec<_> = wanted.map(|c| (c["Name"].as_str().unwrap_or_default(), c["Type"].as_str())).collect();
        let found: Vec<_> = found.iter().map(|c| (c.name(), c.r#type())).collect();
        if found != wanted {
            let told: Vec<String> = found.iter().map(|(name, ty)| format!("{name} {}", ty.unwrap_or("?"))).collect();
            differences.push(format!("its {what} are {}", told.join(", ")));
        }
    }
    for (what, found, wanted) in [
        ("input format", storage.and_then(|storage| storage.input_format()), &descriptor["InputFormat"]),
        ("location", storage.and_then(|storage| storage.location()), &descriptor["Location"]),
    ] {
        if found != wanted.as_str() {
            differences.push(format!("its {what} is {}", found.unwrap_or("not there")));
        }
    }
    let serde = storage.and_then(|storage| storage.serde_info());
    let library = serde.and_then(|serde| serde.serialization_library()).unwrap_or_default();
    if Some(library) != descriptor["SerdeInfo"]["SerializationLibrary"].as_str() {
        differences.push(format!("its SerDe is {library}"));
    }
    let mut compare = |what: &str, found: Option<&std::collections::HashMap<String, String>>, wanted: &Value| {
        for (name, value) in wanted.as_object().into_iter().flatten() {
            let is = found.and_then(|found| found.get(name)).map(String::as_str);
            if is != value.as_str() {
                differences.push(format!("{what} `{name}` is {is:?}"));
            }
        }
    };
    compare("parameter", found.parameters(), &wanted["Parameters"]);
    compare("SerDe parameter", serde.and_then(|serde| serde.parameters()), &descriptor["SerdeInfo"]["Parameters"]);
    differences
}
