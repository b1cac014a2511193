//! Every kind of operation and control record has its fields in order, and is found to have them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value as Json;

use super::*;
use crate::canonical::field::Field;
use crate::canonical::row::Row;
use crate::operation::schema_change::{AddedColumn, RenamedColumn, RetypedColumn, SchemaChange};
use crate::operation::value::key_json;
use crate::table::{Column, Guards, Source, Table, Target, Type};

/// A table whose columns are named like the fields that are searched for.
static WITH_BEFORE_IMAGE: Table = Table { before_image: true, ..TABLE };
static WITHOUT_BEFORE_IMAGE: Table = TABLE;

const TABLE: Table = Table {
    name: "lines",
    description: None,
    role: "lines",
    schema: "00000000000000000000000000000000",
    primary_key: &["key", "after"],
    columns: &[
        Column::new("key", Type::String),
        Column::new("after", Type::Bigint),
        Column::new("sequence", Type::Bigint),
        Column::new("op", Type::String),
    ],
    source: Source::DEFAULT,
    before_image: false,
    athena: false,
    guards: Guards::DEFAULT,
    expect: None,
    target: Target::NONE,
    tenants: &[],
};

/// Key texts that look like a part of a line.
const TEXTS: [&str; 4] = ["plain", r#""key":{"key":"x"},"after":{"#, r#"\"},"sequence":0,"#, "}\n,\"hash\":\"1\""];

/// The names of an object's fields, in their order.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// The names of a line's fields, and the line as JSON.
fn read(line: &[u8]) -> (Vec<String>, Json) {
    assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1), "a line is one line");
    let Names(names) = serde_json::from_slice(line).unwrap();
    (names, serde_json::from_slice(line).unwrap())
}

fn head(previous: Option<&str>) -> Head {
    Head {
        tenant: "acme".into(),
        table: "lines".into(),
        version: "V2".into(),
        previous: previous.map(Into::into),
        schema: TABLE.schema_id(),
        sequence: 0,
    }
}

fn row(layout: &Layout, texts: [&str; 4]) -> Row {
    let mut row = Row::default();
    let is_usable =
        layout.read(|column| Field::new(texts[column].as_bytes(), false), &mut row, |_, _, _| panic!("unreadable"));
    assert!(is_usable);
    row
}

/// Calls `check` with every kind of operation, with and without before images and a previous version.
fn each_operation(check: impl Fn(&Layout, &RowChange<'_>, &[u8])) {
    for text in TEXTS {
        for (table, previous) in
            [(&WITH_BEFORE_IMAGE, Some("V1")), (&WITHOUT_BEFORE_IMAGE, Some("V1")), (&WITHOUT_BEFORE_IMAGE, None)]
        {
            let layout = Layout::new(table);
            let (old, new) = (row(&layout, [text, "17", "0", "a"]), row(&layout, [text, "17", "0", "b"]));
            for kind in [Kind::Insert, Kind::Update, Kind::Delete] {
                let before = if kind == Kind::Insert { &[] } else { old.values() };
                let after = if kind == Kind::Delete { &[] } else { new.values() };
                let change = RowChange { kind, key: new.key(), before, after, previous_hash: -5, hash: 7 };
                let mut line = Vec::new();
                Encoder::new(&layout, head(previous)).write(&change, &mut line);
                check(&layout, &change, &line);
            }
        }
    }
}

#[test]
fn the_fields_of_every_operation_are_in_order() {
    each_operation(|layout, change, line| {
        let (names, json) = read(line);
        let is_on_line = |name: &str| match name {
            "before" => change.kind != Kind::Insert && layout.table.before_image,
            "after" | "hash" => change.kind != Kind::Delete,
            "changed" => change.kind == Kind::Update,
            "previous_hash" => change.kind != Kind::Insert,
            _ => true,
        };
        let expected: Vec<&str> = OPERATION.iter().copied().filter(|name| is_on_line(name)).collect();
        assert_eq!(names, expected);
        assert_eq!(json["op"], change.kind.name());
        assert_eq!(id(line).map(|id| format!("{id:032x}")).as_deref(), json["id"].as_str());
    });
}

#[test]
fn a_stamp_changes_nothing_but_the_sequence() {
    each_operation(|_, _, line| {
        let (names, mut json) = read(line);
        let mut stamped = Vec::new();
        stamp(line, u64::MAX, &mut stamped);
        json["sequence"] = u64::MAX.into();
        assert_eq!(read(&stamped), (names, json));
    });
}

#[test]
fn the_key_is_found_whatever_it_contains() {
    each_operation(|layout, change, line| {
        let key = key_json(layout, change.key);
        assert_eq!(key_bytes(line), Some(key.as_slice()));
        assert!(has_key(line, &key));
        assert!(!has_key(line, br#"{"key":"another","after":17}"#));
    });
    assert_eq!(key_bytes(b"{}"), None);
}

#[test]
fn the_fields_of_control_records_are_in_order() {
    let Head { tenant, table, version, previous, schema, .. } = head(Some("V1"));
    let (sequence, fingerprint) = (u64::MAX, i128::from(i64::MIN) * 3);
    let begin = Begin {
        tenant: tenant.clone(),
        table: table.clone(),
        sequence,
        version: version.clone(),
        previous: previous.clone(),
        schema: schema.clone(),
        fingerprint,
        reset: true,
        schema_change: None,
    };
    let (rows, inserted, updated, deleted) = (4, 3, 2, 1);
    let end = End { tenant, table, sequence, version, previous, schema, fingerprint, rows, inserted, updated, deleted };
    let (begin_line, end_line) = (begin_line(&begin), end_line(&end));
    assert_eq!(serde_json::from_slice::<Begin>(&begin_line).unwrap(), begin);
    assert_eq!(serde_json::from_slice::<End>(&end_line).unwrap(), end);
    for (op, fields, line) in [("BEGIN", BEGIN, begin_line), ("END", END, end_line)] {
        let (names, json) = read(&line);
        assert_eq!(names, [&["op"], fields].concat());
        assert_eq!(json["op"], op);
    }
}

#[test]
fn what_does_not_begin_like_an_operation_has_no_id_at_its_beginning() {
    for line in ["", "{", r#"{"op":"END","tenant":"a"}"#, r#"{"op":"INSERT","id":"0f"}"#, r#"{"op":"INSERT","id":"#] {
        assert_eq!(id(line.as_bytes()), None, "{line}");
    }
    let digits = "+".repeat(32);
    assert_eq!(id(format!(r#"{{"op":"DELETE","id":"{digits}"}}"#).as_bytes()), None);
}

#[test]
fn a_changed_schema_is_the_last_field_of_begin() {
    let Head { tenant, table, version, previous, schema, .. } = head(Some("V1"));
    let (sequence, fingerprint) = (1, 0);
    let begin =
        Begin { tenant, table, sequence, version, previous, schema, fingerprint, reset: true, schema_change: None };
    let change = SchemaChange {
        from: "lines@0".into(),
        added: vec![AddedColumn { name: "x".into(), ty: "string".into(), value: "}\n".into() }],
        dropped: vec!["y".into()],
        renamed: vec![RenamedColumn { from: "a".into(), to: "b".into() }],
        retyped: vec![RetypedColumn { name: "c".into(), from: "int".into(), to: "bigint".into() }],
    };
    let changed = Begin { schema_change: Some(change), ..begin };
    let line = begin_line(&changed);
    assert_eq!(serde_json::from_slice::<Begin>(&line).unwrap(), changed);
    assert_eq!(read(&line).0, [&["op"], BEGIN, &[SCHEMA_CHANGE]].concat());
    assert!(String::from_utf8(line).unwrap().ends_with(concat!(
        r#","schema_change":{"from":"lines@0","added":[{"name":"x","type":"string","value":"}\n"}],"dropped":["y"],"#,
        r#""renamed":[{"from":"a","to":"b"}],"retyped":[{"name":"c","from":"int","to":"bigint"}]}}"#,
        "\n"
    )));
}
