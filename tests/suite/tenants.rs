//! Tenants whose exports or guards differ from those of others: `tenants` in a schema.

use std::cell::Cell;

use generator::source::Source;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use runtime::table::{Sign, Table};
use serde_json::{Map, Value, json};

use crate::engines::{DeltaInput, TENANT, difference, native_delta, reference_delta};
use crate::properties::config;
use crate::properties::tables::Sheet;
use crate::random::{self, FileDice, Row, SchemaDice};
use crate::workspace::{Workspace, add_to_summary};

const WIEN: &str = "  wien: { source: { delimiter: ';', decimal_mark: ',', encoding: windows-1252 } }\n";

/// A schema of table `t` with these tenants.
fn schema(tenants: &str) -> String {
    let columns =
        "  - { name: id, type: int }\n  - { name: name, type: string }\n  - { name: total, type: 'decimal(9,2)' }\n";
    let tenants = if tenants.is_empty() { String::new() } else { format!("tenants:\n{tenants}") };
    format!(
        "table: t\nprimary_key: [id]\ncolumns:\n{columns}source: {{ compression: none }}\nengine: {{ athena: false }}\n{tenants}"
    )
}

/// A workspace with two tenants that were exported in their own ways, and published.
fn workspace() -> Workspace {
    let workspace = Workspace::from_schemas();
    workspace.write("schemas/t.yaml", schema(WIEN).as_bytes());
    export(&workspace, "acme/t/V1", "id,name,total\n", |n| format!("{n},Müller,{n}.5\n"));
    export(&workspace, "wien/t/V1", "id;name;total\n", |n| format!("{n};Müller;{n},5\n"));
    assert_eq!(workspace.run().status, 0);
    workspace
}

/// Writes an export of 200 rows. That of wien is in Windows-1252.
fn export(workspace: &Workspace, version: &str, header: &str, row: impl Fn(u32) -> String) {
    let text: String = header.to_owned() + &(1..=200).map(row).collect::<String>();
    let bytes: Vec<u8> = match version.starts_with("wien") {
        true => text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect(),
        false => text.into_bytes(),
    };
    workspace.write(&format!("exports/{version}/t.csv"), &bytes);
}

fn begin(workspace: &Workspace, version: &str) -> Value {
    workspace.published(version).remove(0)
}

/// The number of operations of a version.
fn operations(workspace: &Workspace, version: &str) -> usize {
    workspace.published(version).len() - 2
}

#[test]
fn each_tenant_is_read_as_it_writes() {
    let workspace = workspace();
    for tenant in ["acme", "wien"] {
        let insert = workspace.published(&format!("{tenant}/t/V1")).remove(1);
        assert_eq!(insert["after"]["name"], "Müller", "{tenant}");
        assert!(insert["after"]["total"].as_str().unwrap().ends_with(".50"), "{tenant}: {insert}");
    }
    // A tenant that is not named, and one that writes as others do.
    export(&workspace, "graz/t/V1", "id,name,total\n", |n| format!("{n},Müller,{n}.5\n"));
    assert_eq!(workspace.run().status, 0);
    export(&workspace, "wien/t/V2", "id,name,total\n", |n| format!("{n},Müller,{n}.5\n"));
    assert_eq!(workspace.run().status, 1);
    assert_eq!(workspace.statuses("wien/t")["V2"], "FAILED");
}

#[test]
fn every_command_reads_a_tenant_as_it_writes() {
    let workspace = workspace();
    export(&workspace, "wien/t/V2", "id;name;total\n", |n| {
        format!("{n};Müller;{}\n", if n == 7 { "8,25" } else { "1" })
    });
    assert_eq!(workspace.run().status, 1, "held");
    let text = |arguments: &[&str]| {
        let output = workspace.tidemark(arguments);
        assert_eq!(output.status, 0, "{arguments:?}: {}", output.transcript());
        output.stdout + &output.stderr
    };
    let plan: Value = serde_json::from_str(&text(&["plan", "wien/t/V2", "--format", "json"])).unwrap();
    text(&["approve", "wien/t/V2", plan["plan"]["hash"].as_str().unwrap()]);
    assert_eq!(operations(&workspace, "wien/t/V2"), 200);
    assert!(text(&["why", "wien/t", "7"]).contains("8.25"));
    text(&["verify"]);
    text(&["replay", "wien/t/V2"]);
    let delta = text(&["delta", "t", "exports/wien/t/V1", "exports/wien/t/V2", "--tenant", "wien", "-o", "ops.ndjson"]);
    assert_eq!(delta, "200 rows: 0 inserted, 200 updated, 0 deleted\n");
    assert_eq!(workspace.tidemark(&["delta", "t", "none", "exports/wien/t/V1"]).status, 1, "as any other tenant");
}

#[test]
fn rows_of_all_tenants_reach_one_database() {
    let workspace = workspace();
    let to_database = ["run", "exports", "--sink", "sqlite:shop.db", "--create"];
    let database = workspace.tidemark(&[to_database.as_slice(), &["--state", "other", "--out", "other-out"]].concat());
    assert_eq!(database.status, 0, "{}", database.transcript());
    for tenant in ["acme/t", "wien/t"] {
        let reconciled = workspace.tidemark(&["reconcile", tenant, "--to", "sqlite:shop.db", "--state", "other"]);
        assert_eq!(reconciled.status, 0, "{}", reconciled.transcript());
    }
    // Tenants differ in their schemas' hashes; that does not explain another table.
    let database = rusqlite::Connection::open(workspace.path("shop.db")).unwrap();
    database.execute("ALTER TABLE t ADD COLUMN extra TEXT", []).unwrap();
    export(&workspace, "wien/t/V2", "id;name;total\n", |n| format!("{n};Müller;{n},5\n"));
    let refused = workspace.tidemark(&[to_database.as_slice(), &["--state", "other", "--out", "other-out"]].concat());
    assert!(refused.stderr.contains("the table there is not as generated"), "{}", refused.transcript());
}

#[test]
fn guards_of_a_tenant_are_its_own() {
    let workspace = Workspace::from_schemas();
    let guards = "  wien: { guards: { max_delete_ratio: none } }\n  graz: { guards: { max_deletes: 9 } }\n";
    workspace.write("schemas/t.yaml", schema(guards).as_bytes());
    for tenant in ["acme", "wien", "graz"] {
        export(&workspace, &format!("{tenant}/t/V1"), "id,name,total\n", |n| format!("{n},x,1\n"));
    }
    assert_eq!(workspace.run().status, 0);
    for (tenant, kept) in [("acme", 100), ("wien", 100), ("graz", 190)] {
        let row = |n: u32| if n <= kept { format!("{n},x,1\n") } else { String::new() };
        export(&workspace, &format!("{tenant}/t/V2"), "id,name,total\n", row);
    }
    assert_eq!(workspace.run().status, 1);
    let status = |tenant: &str| workspace.statuses(&format!("{tenant}/t"))["V2"].clone();
    assert_eq!([status("acme"), status("wien"), status("graz")], ["HELD", "SUCCEEDED", "HELD"]);
    // Guards are not part of a schema's hash.
    assert_eq!(begin(&workspace, "acme/t/V1")["schema"], begin(&workspace, "wien/t/V1")["schema"]);
}

#[test]
fn a_changed_override_is_a_changed_schema_of_this_tenant_only() {
    let workspace = workspace();
    let (acme, wien) = (begin(&workspace, "acme/t/V1"), begin(&workspace, "wien/t/V1"));
    assert_ne!(acme["schema"], wien["schema"]);
    let other = WIEN.replace("delimiter: ';'", "delimiter: '|', header: false");
    for (version, tenants, header, mark) in [("V2", other.as_str(), "", '|'), ("V3", "", "id,name,total\n", ',')] {
        workspace.write("schemas/t.yaml", schema(tenants).as_bytes());
        export(&workspace, &format!("acme/t/{version}"), "id,name,total\n", |n| format!("{n},Müller,{n}.50\n"));
        let (decimal, name) = if mark == ',' { ('.', "Muller") } else { (',', "Müller") };
        let row = |n: u32| format!("{n}{mark}{name}{mark}{n}{decimal}50\n");
        export(&workspace, &format!("wien/t/{version}"), header, row);
        assert_eq!(workspace.run().status, i32::from(mark == ','), "{version}");
        assert_eq!(operations(&workspace, &format!("acme/t/{version}")), 0);
        assert_eq!(begin(&workspace, &format!("acme/t/{version}"))["schema"], acme["schema"]);
    }
    // The baseline was read as it was written then.
    assert_eq!(operations(&workspace, "wien/t/V2"), 0);
    assert_ne!(begin(&workspace, "wien/t/V2")["schema"], wien["schema"]);
    assert_eq!(workspace.statuses("wien/t")["V3"], "HELD", "without umlauts, every row is an update");
}

#[test]
fn tables_lists_tenants_with_a_definition_of_their_own() {
    let workspace = workspace();
    let text = workspace.tidemark(&["tables"]).stdout;
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("t ")).collect();
    assert!(lines.iter().any(|line| line.starts_with("wien/t") && line.contains("plain `;`")), "{text}");
    assert!(lines.iter().any(|line| line.starts_with("t ") && line.contains("plain `,`")), "{text}");
    let json: Value = serde_json::from_str(&workspace.tidemark(&["tables", "t", "--format", "json"]).stdout).unwrap();
    assert_eq!(json["tenants"]["wien"], begin(&workspace, "wien/t/V1")["schema"]);
}

#[test]
fn only_what_differs_is_generated_for_a_tenant() {
    let yaml = schema("  wien: { source: { nulls: [x] } }\n  graz: { guards: { min_rows: 7 } }\n");
    let hash = generator::parse(&yaml).unwrap().tenants[1].table.schema_hash();
    let files = generator::generate(&[Source::new("schemas/t.yaml", yaml)]).unwrap();
    let module = files["generated/src/t.rs"].replace(&hash, "HASH");
    let (_, tenants) = module.split_once("pub static TABLE: Table = ").unwrap();
    insta::assert_snapshot!(tenants, @r##"
    Table {
        tenants: &[
            Tenant {
                name: "graz",
                table: Table {
                    guards: Guards {
                        min_rows: 7,
                        ..Guards::DEFAULT
                    },
                    ..COMMON
                },
            },
            Tenant {
                name: "wien",
                table: Table {
                    schema: "HASH",
                    source: Source {
                        compression: Compression::None,
                        nulls: &["x"],
                        ..Source::DEFAULT
                    },
                    ..COMMON
                },
            },
        ],
        ..COMMON
    };
    "##);
}

fn parse(yaml: &str) -> &'static Table {
    tests::table::parse(yaml).unwrap_or_else(|mistakes| panic!("{mistakes}\n{yaml}"))
}

#[test]
fn what_a_tenant_does_not_declare_is_that_of_the_table() {
    let table = "{ table: t, primary_key: [id], columns: [{ name: id, type: int }, { name: a, type: 'decimal(9,2)', header: A, nullable: true }], engine: { athena: false }, ";
    let tenant =
        |source: &str, own: &str| parse(&format!("{table} {source} tenants: {{ wien: {own} }} }}")).for_tenant("wien");
    let alone = |rest: &str| parse(&format!("{table} {rest} }}"));
    for (source, own, expected) in [
        ("source: { comment: '#', nulls: [x] },", "{ source: { nulls: [y] } }", "source: { comment: '#', nulls: [y] }"),
        ("source: { comment: '#', sign: trailing },", "{ source: { comment: null } }", "source: { sign: trailing }"),
        ("", "{ source: { escape: mysql } }", "source: { escape: mysql }"),
        ("source: { complete: { count: 2 } },", "{ source: { complete: manifest } }", "source: { complete: manifest }"),
        (
            "source: { delimiter: ';', group_mark: '.', decimal_mark: ',' },",
            "{ source: { group_mark: none } }",
            "source: { delimiter: ';', decimal_mark: ',' }",
        ),
        (
            "guards: { max_deletes: 5, min_rows: 2 },",
            "{ guards: { max_deletes: null, max_updates: 3 } }",
            "guards: { min_rows: 2, max_updates: 3 }",
        ),
    ] {
        assert_eq!(format!("{:?}", tenant(source, own)), format!("{:?}", alone(expected)), "{own}");
    }
    // Names in headers are those of the tenants that have some.
    let (named, unnamed) = (tenant("", "{ source: { header: false } }"), alone("source: { delimiter: ';' }"));
    assert_eq!((named.columns[1].header, unnamed.columns[1].header), (None, Some("A")));
    assert_eq!(tenant("", "{ source: { sign: trailing } }").columns[1].numbers.unwrap().sign, Sign::Trailing);
}

/// The options that turn one source into another.
fn difference_of(table: &Value, tenant: &Value) -> Map<String, Value> {
    let (from, to) = (table.as_object().unwrap(), tenant.as_object().unwrap());
    let changed = to
        .iter()
        .filter(|(name, value)| from.get(*name) != Some(value))
        .map(|(name, value)| (name.clone(), value.clone()));
    let removed = from.keys().filter(|name| !to.contains_key(*name)).map(|name| (name.clone(), Value::Null));
    changed.chain(removed).collect()
}

/// The schema of a table whose tenant writes in another way; `None` if it is no other way.
fn with_tenant(table: &Value, own: &Value) -> Option<String> {
    let mut difference = difference_of(&table["source"], &own["source"]);
    loop {
        let mut schema = table.clone();
        schema["tenants"] = json!({ TENANT: { "source": difference } });
        let text = schema.to_string();
        let Err(diagnostics) = generator::parse(&text) else { return Some(text) };
        let before = difference.len();
        for diagnostic in &diagnostics {
            assert_eq!(diagnostic.code.name(), "ineffective-override", "{diagnostic:?}\n{text}");
            let field = &text[diagnostic.labels[0].span.clone()];
            difference.remove(field.trim_matches('"'));
        }
        if difference.is_empty() || difference.len() == before {
            return None;
        }
    }
}

/// The schema of a random table as JSON, for the native engine only.
fn json_of(table: &Table) -> Value {
    let mut schema: Value = serde_json::from_str(&tests::yaml::schema(table)).unwrap();
    schema["engine"]["athena"] = false.into();
    schema
}

/// Checks that a table reads a tenant's export like a table that is declared as the tenant writes. Returns whether the
/// schemas are possible.
fn check_tenant(schema: &SchemaDice, source: u32, rows: &[Row], files: &FileDice) -> bool {
    let common = json_of(schema.table());
    let mut own = common.clone();
    own["source"] = json_of(SchemaDice { source, ..schema.clone() }.table())["source"].take();
    if [&common, &own].iter().any(|schema| generator::parse(&schema.to_string()).is_err()) {
        return false;
    }
    let Some(yaml) = with_tenant(&common, &own) else { return false };
    let (table, alone) = (parse(&yaml), parse(&own.to_string()));
    assert_eq!(format!("{:?}", table.for_tenant(TENANT)), format!("{alone:?}"), "{yaml}");
    assert_eq!(table.for_tenant("other").schema, parse(&common.to_string()).schema, "{yaml}");
    let snapshot = random::export(alone, &Sheet::new(alone, rows).texts(), files);
    let of = |table| DeltaInput { table, baseline: None, snapshot: snapshot.clone() };
    assert_eq!(difference(&reference_delta(&of(alone)), &native_delta(&of(table))), None, "{yaml}");
    true
}

#[test]
fn random_tenants_are_read_like_tables_that_are_written_so() {
    let tried = Cell::new(0);
    let inputs = (random::schema(), any::<u32>(), random::rows(12), random::files());
    let result = TestRunner::new(config(300)).run(&inputs, |(schema, source, rows, files)| {
        tried.set(tried.get() + u32::from(check_tenant(&schema, source, &rows, &files)));
        Ok(())
    });
    add_to_summary(&format!("tenants: {} random tables with a tenant that writes in another way", tried.get()));
    result.unwrap();
    assert!(tried.get() > 30, "{}", tried.get());
}
