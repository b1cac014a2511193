//! Converts a runtime table to a schema, for the tables that tests make up.

use runtime::table::{Column, Completeness, Compression, Encoding, Escape, Numbers, Source, Table, Type};
use serde_json::{Map, Value, json};

/// The schema as JSON, which is valid YAML.
pub fn schema(table: &Table) -> String {
    json!({
        "table": table.name,
        "primary_key": table.primary_key,
        "columns": table.columns.iter().map(column).collect::<Vec<_>>(),
        "source": source(&table.source),
        "engine": { "athena": table.athena },
        "operations": { "before_image": table.before_image },
    })
    .to_string()
}

fn column(column: &Column) -> Value {
    let mut fields = Map::new();
    let mut set = |name: &str, value: Value| fields.insert(name.into(), value);
    set("name", json!(column.name));
    set("type", json!(type_name(column.source_type())));
    set("nullable", json!(column.nullable));
    if column.publish {
        set("compare", json!(column.compare));
    }
    set("publish", if column.hmac.is_some() { json!("hmac") } else { json!(column.publish) });
    if let Some(nulls) = column.nulls {
        set("nulls", json!(nulls));
    }
    set("pii", json!(column.pii));
    set("trim", json!(column.trim));
    if let Some(header) = column.header {
        set("header", json!(header));
    }
    if let Some(format) = column.format {
        set("format", json!(format));
    }
    if let Some(default) = column.default {
        set("default", json!(default));
    }
    if let Type::Binary(encoding) = column.source_type() {
        set("encoding", json!(if encoding == Encoding::Hex { "hex" } else { "base64" }));
    }
    if let Some(prefix) = column.prefix {
        set("prefix", json!(prefix));
    }
    if !(column.true_values.is_empty() && column.false_values.is_empty()) {
        set("true_values", json!(column.true_values));
        set("false_values", json!(column.false_values));
    }
    if let Some(numbers) = column.numbers {
        set_numbers(&mut fields, column.source_type(), numbers);
    }
    Value::Object(fields)
}

fn set_numbers(fields: &mut Map<String, Value>, ty: Type, numbers: Numbers) {
    let Numbers { decimal_mark, group_mark, sign, strip } = numbers;
    let mut set = |name: &str, value: Value| fields.insert(name.into(), value);
    if matches!(ty, Type::Decimal { .. } | Type::Float | Type::Double) {
        set("decimal_mark", json!(decimal_mark));
    }
    set("group_mark", group_mark.map_or(json!("none"), |mark| json!(mark)));
    set("sign", json!(sign));
    if !strip.is_empty() {
        set("strip", json!(strip));
    }
}

fn type_name(ty: Type) -> String {
    match ty {
        Type::Binary(_) => "binary".into(),
        other => other.to_string(),
    }
}

fn source(source: &Source) -> Value {
    let compression = match source.compression {
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
        Compression::None => "none",
    };
    let complete = match source.complete {
        Completeness::Single => json!("single"),
        Completeness::Marker(name) => json!({ "marker": name }),
        Completeness::Manifest => json!("manifest"),
        Completeness::RedshiftManifest(name) => json!({ "redshift_manifest": name }),
        Completeness::Count(count) => json!({ "count": count }),
    };
    let mut fields = json!({
        "compression": compression,
        "delimiter": source.long_delimiter.map_or_else(|| char::from(source.delimiter).to_string(), Into::into),
        "quote": source.quote.map_or("none".into(), |quote| char::from(quote).to_string()),
        "header": if source.first_part_header { json!("first_part") } else { json!(source.header) },
        "nulls": source.nulls,
        "complete": complete,
    });
    if let Some(parts) = source.parts {
        fields["parts"] = json!(parts);
    }
    fields["unlisted"] = json!(if source.skip_unlisted { "ignore" } else { "refuse" });
    fields["duplicates"] = json!(if source.refuse_duplicates { "refuse" } else { "one" });
    set_separators(&mut fields, source);
    set_lines(&mut fields, source);
    if source.any_header_case {
        fields["header_case"] = json!("ignore");
    }
    if let Some(encoding) = source.encoding {
        fields["encoding"] = json!(encoding);
    }
    if source.quote.is_some() {
        fields["quoted_nulls"] = json!(source.quoted_nulls);
        fields["multiline"] = json!(source.multiline);
    }
    fields
}

/// Lines that are not rows.
fn set_lines(fields: &mut Value, source: &Source) {
    let mut set = |is_set: bool, name: &str, value: Value| {
        if is_set {
            fields[name] = value;
        }
    };
    set(source.skip_repeated_header, "repeated_header", json!("skip"));
    set(source.final_newline, "final_newline", json!("required"));
    set(source.skip_first > 0, "skip_first", json!(source.skip_first));
    set(source.skip_last > 0, "skip_last", json!(source.skip_last));
    set(source.comment.is_some(), "comment", json!(source.comment));
    set(source.trailer.is_some(), "trailer", json!(source.trailer));
}

/// What few sources have between fields and records.
fn set_separators(fields: &mut Value, source: &Source) {
    if source.trailing_delimiter {
        fields["trailing_delimiter"] = json!(true);
    }
    if let Some(end) = source.record_end {
        fields["record_end"] = json!(end);
    }
    match source.escape {
        Some(Escape::Char(byte)) => fields["escape"] = json!(char::from(byte).to_string()),
        Some(Escape::Mysql) => fields["escape"] = json!("mysql"),
        Some(Escape::Postgres) => fields["escape"] = json!("postgres"),
        None => {}
    }
}
