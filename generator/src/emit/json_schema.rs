//! `schemas/table.schema.json`: the schema language as a JSON Schema, with which editors complete and check a schema.

mod expect;
mod kinds;

use serde_json::{Value, json};

use super::artifact::{Files, Origin};
use crate::model::Table;
use crate::source::SCHEMAS;
use crate::spec::known;
use kinds::{choice, flag, lines, object, scalar, text, words};

pub(super) fn emit(_: &[Table], origin: Origin<'_>, files: &mut Files) {
    files.insert(format!("{SCHEMAS}/table.schema.json"), schema_for_editors(origin));
}

/// The text of the file.
pub(crate) fn schema_for_editors(origin: Origin<'_>) -> String {
    serde_json::to_string_pretty(&schema(origin)).expect("plain data is always JSON") + "\n"
}

const DESCRIPTION: &str = "Describes one table whose full exports Tidemark turns into changes.";

fn schema(origin: Origin<'_>) -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Tidemark table",
        "description": format!("{DESCRIPTION} {}.", origin.mark()),
        "type": "object",
        "additionalProperties": false,
        "required": ["table", "primary_key", "columns"],
        "properties": {
            "table": {
                "description": "The name of the table. This file, the folder of the exports and the Glue table have the same name.",
                "type": "string", "pattern": "^[a-z][a-z0-9_]*$", "maxLength": 128
            },
            "description": text("What a row represents. Becomes the documentation of the generated module."),
            "primary_key": {
                "description": "The columns that identify a row, in the order of the key. They cannot be nullable, float or double.",
                "type": "array", "minItems": 1, "uniqueItems": true, "items": column_name()
            },
            "columns": {
                "description": "All columns of an export. Without a header, this is also the order of the fields.",
                "type": "array", "minItems": 1, "items": column()
            },
            "source": source(),
            "engine": object("The engines that may compute the delta.", json!({
                "athena": flag("Whether the delta may also run on Athena. If so, anything that Athena cannot read is an error.", true),
                "max_scan": {
                    "description": "The maximum size that Athena may read for one delta: both exports, compressed.",
                    "type": "string", "pattern": "^[0-9]+ *(MB|GB|TB)$"
                }
            })),
            "operations": object("The content of operations.", json!({
                "before_image": flag("Whether UPDATE and DELETE include the values before the change.", false)
            })),
            "guards": guards(),
            "expect": expect::expect(),
            "target": target(),
            "tenants": tenants()
        }
    })
}

/// The options that a tenant can override. In `source`, null stands for an option's default.
fn tenants() -> Value {
    let option = |name: &&str| {
        let of_table = format!("#/properties/source/properties/{name}");
        ((*name).to_owned(), json!({ "anyOf": [{ "$ref": of_table }, { "type": "null" }] }))
    };
    let source = object(
        "Options that differ from those of the table; null removes one. Not supported on Athena.",
        known::SOURCE.iter().map(option).collect(),
    );
    let guards = json!({ "$ref": "#/properties/guards" });
    let mut tenant = object("The tenant's options.", json!({ "source": source, "guards": guards }));
    tenant["minProperties"] = json!(1);
    json!({
        "description": "Tenants whose exports or guards differ from those of others, by their names.",
        "type": "object", "minProperties": 1, "additionalProperties": tenant,
        "propertyNames": { "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]*$", "maxLength": 128 }
    })
}

fn column() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["name", "type"],
        "properties": {
            "name": column_name(), "header": text("The name of the column in a header, if it is not a name here: with any characters, or empty."),
            "type": {
                "description": "The type, by its Glue name. decimal(p,s) has p digits, s of them after the decimal point. char(n) and varchar(n) have up to n characters. timestamptz is an instant, stored in UTC.",
                "anyOf": [
                    { "enum": ["boolean", "tinyint", "smallint", "int", "bigint", "float", "double", "decimal(12,2)",
                               "char(1)", "varchar(255)", "string", "binary", "date", "timestamp", "timestamptz"] },
                    { "type": "string", "pattern": "^decimal *\\( *([1-9]|[12][0-9]|3[0-8]) *(, *([0-9]|[12][0-9]|3[0-8]) *)?\\)$" },
                    { "type": "string", "pattern": "^(char|varchar) *\\( *[1-9][0-9]{0,4} *\\)$" }
                ]
            },
            "nullable": flag("Whether the column can be NULL.", false),
            "nulls": own_nulls(),
            "description": text("What the column contains. Becomes the documentation of the generated field."),
            "format": format(),
            "compare": flag("Whether a change of this column alone is an UPDATE.", true),
            "default": {
                "description": "The value, as in an export, for rows that were exported before the column existed.",
                "type": ["string", "number", "boolean"]
            },
            "formerly": name("The name of the column before it was renamed, as in the header of older exports. Not for key columns, and not the name of a current column."),
            "pii": flag("Whether the values are masked wherever a person could see them.", false),
            "trim": flag("Whether spaces and tabs around the text are removed before it is read.", false),
            "true_values": words("The words for true in a boolean column, exactly as in the export. Requires false_values."),
            "false_values": words("The words for false in a boolean column, exactly as in the export. Requires true_values."),
            "encoding": encoding(),
            "prefix": prefix(),
            "decimal_mark": decimal_mark(), "group_mark": group_mark(), "sign": sign(), "strip": strip(),
            "publish": publish()
        },
        "dependencies": { "true_values": ["false_values"], "false_values": ["true_values"] }
    })
}

fn format() -> Value {
    json!({
        "description": "The format of a date, timestamp or timestamptz that is not ISO 8601: %Y %y %m %B %b %d %e %j %H %I %p %M %S %f (1 to 6 digits and zeros) %.f (the same after a point, or nothing) %z (Z or an offset) %Z (a zone) %%, with - for parts without zeros in front (%-d), and ASCII characters. Or epoch_seconds, epoch_millis or epoch_micros: the number of them since 1970 in UTC, not for a date.",
        "type": "string", "examples": ["%d.%m.%Y", "%Y-%m-%d %H:%M:%S"]
    })
}

fn encoding() -> Value {
    json!({ "description": "The text encoding of a binary column.", "enum": ["base64", "hex"], "default": "base64" })
}

fn prefix() -> Value {
    json!({
        "description": "The text before the digits of a binary column in hex: \\x as PostgreSQL, 0x as SQL Server. Requires encoding: hex.",
        "enum": ["\\x", "0x"]
    })
}

fn decimal_mark() -> Value {
    json!({ "description": "The character before the fraction of a number.", "enum": [".", ","], "default": "." })
}

fn group_mark() -> Value {
    json!({
        "description": "The character between groups of three digits before the decimal mark. Numbers may also have none.",
        "enum": ["none", ".", ",", " ", "'", "\u{2019}", "_", "\u{a0}", "\u{202f}"], "default": "none"
    })
}

fn sign() -> Value {
    json!({
        "description": "Where the sign of a number is: -1, 1- or (1).",
        "enum": ["leading", "trailing", "parentheses"], "default": "leading"
    })
}

fn strip() -> Value {
    json!({
        "description": "Texts before or after a number that are not part of it, such as a currency or %.",
        "type": "array", "minItems": 1, "uniqueItems": true, "items": { "type": "string", "minLength": 1 }
    })
}

fn publish() -> Value {
    json!({ "description": "What consumers see of the values: the values (true); pseudonyms (hmac), the HMAC-SHA256 of each value under a key of the tenant, not supported on Athena; or nothing (false), the values are checked, but reach nobody.", "enum": [true, false, "hmac"], "default": true })
}

fn own_nulls() -> Value {
    json!({
        "description": "The texts that mean NULL in this column, instead of those of the source. With [], the empty text is a value.",
        "type": "array", "uniqueItems": true, "items": scalar()
    })
}

fn source() -> Value {
    object(
        "The CSV format of the exports.",
        json!({
            "compression": {
                "description": "The compression of each part. The name of the file must end in .gz for gzip, in .zst for zstd, and in neither for none.",
                "enum": ["gzip", "zstd", "none"], "default": "gzip"
            },
            "encoding": text_encoding(),
            "delimiter": delimiter(),
            "trailing_delimiter": flag("Whether each row ends with a delimiter. true is not supported on Athena.", false),
            "record_end": record_end(),
            "final_newline": choice("Whether the last row may lack the end of its line. required is not supported on Athena.", ["optional", "required"]),
            "escape": escape(),
            "quote": quote(),
            "header": {
                "description": "Whether each part, or only the first one, starts with a header line that names the columns. first_part is not supported on Athena.",
                "enum": [true, false, "first_part"], "default": true
            },
            "header_case": choice("Whether the case of names in a header counts.", ["exact", "ignore"]),
            "skip_first": lines("The number of lines at the beginning of each part that are not rows. Not supported on Athena."),
            "skip_last": lines("The number of lines at the end of each part that are not rows. Not supported on Athena."),
            "comment": text("The text at the beginning of a line that makes it a comment, such as #. Not supported on Athena."),
            "trailer": text("A regular expression for the last line of each part. Its first group is the number of rows. Not supported on Athena."),
            "repeated_header": choice("What happens to rows that repeat the header, as in joined files. skip is not supported on Athena.", ["refuse", "skip"]),
            "nulls": nulls(),
            "quoted_nulls": flag("Whether a quoted field can be NULL. If false, \"\" is the empty string and an empty field is NULL, as PostgreSQL's COPY writes them. false is not supported on Athena.", true),
            "multiline": flag("Whether a quoted field may contain line breaks. true is not supported on Athena.", false),
            "complete": complete(),
            "decimal_mark": decimal_mark(),
            "group_mark": group_mark(),
            "sign": sign(),
            "unlisted": unlisted(),
            "duplicates": duplicates(),
            "parts": parts()
        }),
    )
}

fn unlisted() -> Value {
    choice(
        "What happens to columns of a file that the schema does not name. ignore needs a header, and is not supported on Athena.",
        ["refuse", "ignore"],
    )
}

fn duplicates() -> Value {
    choice(
        "What happens to rows that are the same in every column: they count as one, or are refused.",
        ["one", "refuse"],
    )
}

fn delimiter() -> Value {
    json!({
        "description": "The text between two fields. Only one ASCII character is supported on Athena.",
        "type": "string", "minLength": 1, "maxLength": 16, "default": ",", "examples": [",", ";", "\t", "|", "||"]
    })
}

fn record_end() -> Value {
    json!({
        "description": "The end of a row, if that is not any line break. Not supported on Athena.",
        "type": "string", "minLength": 1, "maxLength": 16, "examples": ["\r", "\r\n", "|#|\n"]
    })
}

fn escape() -> Value {
    json!({
        "description": "How characters are escaped: by one ASCII character that makes the next one literal; as MySQL's OUTFILE; or as PostgreSQL's COPY in text format. Not supported on Athena.",
        "anyOf": [{ "enum": ["none", "mysql", "postgres"] }, { "type": "string", "minLength": 1, "maxLength": 1 }], "default": "none"
    })
}

fn quote() -> Value {
    json!({
        "description": "The ASCII character around a field that contains delimiters or quotes, or none if fields are never quoted. The default is none with escape: mysql or postgres.",
        "anyOf": [{ "const": "none" }, { "type": "string", "minLength": 1, "maxLength": 1 }], "default": "\""
    })
}

fn text_encoding() -> Value {
    json!({
        "description": "The encoding of the text: any label of the WHATWG standard. Other encodings than UTF-8 are not supported on Athena.",
        "type": "string", "default": "utf-8", "examples": ["utf-8", "windows-1252", "iso-8859-15", "utf-16le", "utf-16be", "shift_jis", "gb18030"]
    })
}

fn nulls() -> Value {
    json!({
        "description": "The texts that mean NULL in a nullable column.",
        "type": "array", "uniqueItems": true, "items": scalar(), "default": [""]
    })
}

fn parts() -> Value {
    json!({
        "description": "The names of the parts, as a glob: * is any text, ? a character, {a,b} one of several. Other files are not parts. Not supported on Athena.",
        "type": "string", "minLength": 1, "examples": ["data_*.gz"]
    })
}

fn complete() -> Value {
    json!({
        "description": "How to tell that an export is complete: it has exactly one part, a manifest _manifest.json that lists the parts, a marker file in the same folder, or a fixed number of parts.",
        "default": "single",
        "oneOf": [
            { "enum": ["single", "manifest"] },
            {
                "type": "object", "additionalProperties": false, "required": ["marker"],
                "properties": { "marker": {
                    "description": "The name of the marker file. It starts with _ or . (a dot).",
                    "type": "string", "pattern": "^[_.][^/\\\\]*$", "maxLength": 255, "examples": ["_SUCCESS"]
                } }
            },
            {
                "type": "object", "additionalProperties": false, "required": ["count"],
                "properties": { "count": {
                    "description": "The number of parts.", "type": "integer", "minimum": 1, "maximum": u32::MAX
                } }
            },
            {
                "type": "object", "additionalProperties": false, "required": ["redshift_manifest"],
                "properties": { "redshift_manifest": {
                    "description": "The name of the manifest that Redshift's UNLOAD writes: the prefix of the parts and manifest. Not supported on Athena.",
                    "type": "string", "pattern": "^[^/\\\\]+$", "maxLength": 255, "examples": ["data_manifest"]
                } }
            }
        ]
    })
}

fn target() -> Value {
    object(
        "The table in a database that holds the rows of every tenant's newest version.",
        json!({
            "name": {
                "description": "Its name, if it is not that of the table: table or schema.table. SQLite has no schemas; there, sales.orders is sales_orders.",
                "type": "string", "pattern": "^[a-z][a-z0-9_]*(\\.[a-z][a-z0-9_]*)?$", "maxLength": 257, "examples": ["sales.orders"]
            },
            "history": flag("Whether every state of every row is kept, in a table NAME_history, with a view NAME_as_of.", false),
            "version_time": {
                "description": "How the name of a version says its time: a format as of a date or timestamp, and * at its end for any text. Requires history: true. Otherwise, the time is that of publication.",
                "type": "string", "examples": ["%Y%m%d_V*", "%Y-%m-%dT%H%M%SZ"]
            },
            "tenants": {
                "description": "Whether tenants share a table, which has a column for the tenant, or each has a table in a schema of the tenant's name. The latter needs PostgreSQL.",
                "enum": ["column", "schema"], "default": "column"
            }
        }),
    )
}

fn guards() -> Value {
    let ratio = |description: &str, max: Option<u8>, default: Value| {
        let mut number = json!({ "type": "number", "minimum": 0 });
        if let Some(max) = max {
            number["maximum"] = max.into();
        }
        json!({ "description": description, "anyOf": [number, { "enum": ["none", null] }], "default": default })
    };
    let limit = |description: &str, default: Value| {
        json!({
            "description": description,
            "anyOf": [{ "type": "integer", "minimum": 0 }, { "enum": ["none", null] }], "default": default
        })
    };
    let rows = |description: &str, default: u64| json!({ "description": description, "type": "integer", "minimum": 0, "default": default });
    object(
        "Rules that hold a version before anything is published. none switches a maximum off.",
        json!({
            "max_delete_ratio": ratio("The maximum ratio of deleted rows to rows of the baseline.", Some(1), json!(0.2)),
            "max_update_ratio": ratio("The maximum ratio of updated rows to rows of the baseline.", Some(1), json!(0.5)),
            "max_insert_ratio": ratio("The maximum ratio of inserted rows to rows of the baseline.", None, json!("none")),
            "max_deletes": limit("The maximum number of deleted rows.", json!("none")),
            "max_updates": limit("The maximum number of updated rows.", json!("none")),
            "max_inserts": limit("The maximum number of inserted rows.", json!("none")),
            "min_rows": rows("The minimum number of rows in an export.", 1),
            "min_baseline_rows": rows("The minimum number of rows in the baseline for the ratios to apply.", 100),
            "max_version_jump_days": limit("The maximum number of days from the date in the name of the version before to the date in the name of a version.", json!(180))
        }),
    )
}

fn column_name() -> Value {
    name(
        "The name of a column, exactly as in the header of an export. Names that differ only by case are the same name.",
    )
}

fn name(description: &str) -> Value {
    json!({ "description": description, "type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]*$", "maxLength": 128 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{ExpectSpec, GuardsSpec, TargetSpec};

    fn assert_same_names(properties: &Value, known: &[&str]) {
        let mut known = known.to_vec();
        known.sort_unstable();
        let mut named: Vec<&str> = properties.as_object().unwrap().keys().map(String::as_str).collect();
        named.sort_unstable();
        assert_eq!(named, known);
    }

    #[test]
    fn editors_know_the_fields_that_the_generator_knows() {
        let schema = schema(Origin(crate::COMMAND));
        let top = &schema["properties"];
        assert_same_names(top, known::TABLE);
        assert_same_names(&top["columns"]["items"]["properties"], known::COLUMN);
        assert_same_names(&top["source"]["properties"], known::SOURCE);
        assert_same_names(&top["engine"]["properties"], known::ENGINE);
        assert_same_names(&top["operations"]["properties"], known::OPERATIONS);
        assert_same_names(&top["guards"]["properties"], GuardsSpec::FIELDS);
        assert_same_names(&top["expect"]["properties"], ExpectSpec::FIELDS);
        assert_same_names(&top["target"]["properties"], TargetSpec::FIELDS);
        assert_same_names(&top["tenants"]["additionalProperties"]["properties"], known::TENANT);
    }
}
