//! A table whose columns are added, dropped, renamed, retyped and given other defaults, under consumers that keep the
//! rows which are not sent again.

use std::fs;

use serde_json::{Value, json};

use crate::workspace::{Workspace, gzip};

/// Today's schema of `orders`, which the consumers were compiled with.
const TODAY: &str = include_str!("../../schemas/orders.yaml");

/// The columns of `orders` outside its key, in four earlier schemas.
const EARLIER: [&str; 4] = [
    "  - { name: email, type: string, nullable: true }
  - { name: status, type: string }
  - { name: amount, type: int, nullable: true }
  - { name: legacy, type: int }
  - { name: updated_at, type: timestamp, format: \"%Y-%m-%d %H:%M:%S\" }\n",
    // Two columns change places and names; one is dropped, two are added.
    "  - { name: state, type: string, formerly: status }
  - { name: customer_email, type: string, nullable: true, formerly: email }
  - { name: amount, type: int, nullable: true }
  - { name: note, type: string, default: none }
  - { name: updated_at, type: timestamp, format: \"%Y-%m-%d %H:%M:%S\" }
  - { name: exported_by, type: string, nullable: true, compare: false }\n",
    // A retyped column, and another default of one that exists.
    "  - { name: state, type: varchar(12) }
  - { name: customer_email, type: string, nullable: true }
  - { name: amount, type: \"decimal(12,1)\", nullable: true }
  - { name: note, type: string, default: other }
  - { name: legacy, type: bigint, default: \"7\" }
  - { name: updated_at, type: timestamp, format: \"%Y-%m-%d %H:%M:%S\" }
  - { name: exported_by, type: string, nullable: true, compare: false }\n",
    // The dropped name comes back for other values, and `state` is `status` again.
    "  - { name: customer_email, type: string, nullable: true }
  - { name: status, type: varchar(12), formerly: state }
  - { name: amount, type: \"decimal(12,1)\", nullable: true }
  - { name: note, type: string, nullable: true }
  - { name: updated_at, type: timestamp, format: \"%Y-%m-%d %H:%M:%S\" }
  - { name: exported_by, type: string, nullable: true, compare: false }\n",
];

/// The header of each version's export and its rows. From version to version, one row changes and the others are not
/// sent.
const EXPORTS: [(&str, &str); 5] = [
    (
        "region,order_id,email,status,amount,legacy,updated_at",
        "eu,1,a@x,open,7,1,T\neu,2,,paid,007,2,T\neu,3,c@x,open,,3,T\n",
    ),
    (
        "region,order_id,state,customer_email,amount,note,updated_at,exported_by",
        "eu,1,open,a@x,7,none,T,n\neu,2,paid,,7,none,T,n\neu,3,open,c@x,,hurry,T,n\n",
    ),
    (
        "region,order_id,state,customer_email,amount,note,legacy,updated_at,exported_by",
        "eu,1,open,a@x,7.0,none,7,T,n\neu,2,paid,,7.5,none,7,T,n\neu,3,open,c@x,,hurry,7,T,n\n",
    ),
    (
        "region,order_id,customer_email,status,amount,note,updated_at,exported_by",
        "eu,1,a@x,open,7,none,T,n\neu,2,,paid,7.5,none,T,n\neu,3,c@x,sent,,hurry,T,n\neu,4,,open,1,,T,n\n",
    ),
    (
        "region,order_id,customer_email,status,amount,note,updated_at,exported_by",
        "eu,1,a@x,open,7.00,none,T,n\neu,2,,paid,7.5,none,T,n\neu,3,c@x,sent,,hurry,T,n\n",
    ),
];

/// The schema and the export of each version of `orders`, V1 to V5.
pub(crate) fn versions() -> Vec<(String, String)> {
    let head = TODAY.split_inclusive("columns:\n").next().unwrap();
    let head = head.replace("columns:\n", "");
    let key = "columns:\n  - { name: region, type: string }\n  - { name: order_id, type: bigint }\n";
    let schemas = EARLIER.map(|columns| format!("{head}{key}{columns}"));
    let schemas = schemas.into_iter().chain([TODAY.to_owned()]);
    let export = |(header, rows): (&str, &str)| format!("{header}\n{rows}").replace(",T", ",2026-01-02 03:04:05");
    schemas.zip(EXPORTS.map(export)).collect()
}

/// Publishes `orders` through all its schemas, V1 to V5. A guard would hold so small a table.
pub(crate) fn orders_through_its_schemas() -> Workspace {
    let workspace = Workspace::from_schemas();
    for (number, (schema, export)) in (1..).zip(versions()) {
        workspace.write("schemas/orders.yaml", schema.as_bytes());
        workspace.write(&format!("exports/acme/orders/V{number}/orders.csv.gz"), &gzip(export.as_bytes()));
        let output = workspace.run();
        assert_eq!(output.status, 0, "V{number}: {}", output.transcript());
    }
    workspace
}

/// The operations of a version as `OP order_id`.
fn operations(workspace: &Workspace, version: u32) -> Vec<String> {
    let records = workspace.published(&format!("acme/orders/V{version}"));
    let operations = records.iter().filter(|record| record.get("key").is_some());
    operations.map(|record| format!("{} {}", record["op"].as_str().unwrap(), record["key"]["order_id"])).collect()
}

fn begin(workspace: &Workspace, version: u32) -> Value {
    workspace.published(&format!("acme/orders/V{version}")).swap_remove(0)
}

#[test]
fn begin_says_how_the_schema_changed() {
    let workspace = orders_through_its_schemas();
    let change = |version: u32| {
        let mut change = begin(&workspace, version)["schema_change"].take();
        let from = change["from"].take();
        assert_eq!(from, begin(&workspace, version - 1)["schema"]);
        change
    };
    assert!(begin(&workspace, 1).get("schema_change").is_none());
    assert_eq!(
        change(2),
        json!({
            "from": null,
            "added": [
                {"name": "note", "type": "string", "value": "none"},
                {"name": "exported_by", "type": "string", "value": null},
            ],
            "dropped": ["legacy"],
            "renamed": [{"from": "status", "to": "state"}, {"from": "email", "to": "customer_email"}],
            "retyped": [],
        })
    );
    assert_eq!(change(3)["added"], json!([{"name": "legacy", "type": "bigint", "value": 7}]));
    assert_eq!(
        change(3)["retyped"],
        json!([
            {"name": "state", "from": "string", "to": "varchar(12)"},
            {"name": "amount", "from": "int", "to": "decimal(12,1)"},
        ])
    );
    assert_eq!(change(4)["dropped"], json!(["legacy"]));
    assert_eq!(change(5)["retyped"], json!([{"name": "amount", "from": "decimal(12,1)", "to": "decimal(12,2)"}]));
    let sent: Vec<_> = (2..=5).map(|version| operations(&workspace, version)).collect();
    let expected: [&[&str]; 4] = [&["UPDATE 3"], &["UPDATE 2"], &["UPDATE 3", "INSERT 4"], &["DELETE 4"]];
    assert_eq!(sent, expected);
    assert_eq!(workspace.tidemark(&["verify"]).status, 0);
}

#[test]
fn a_plan_names_the_schema_change_in_its_hash() {
    let hash = |earlier: &str| {
        let workspace = Workspace::from_schemas();
        let schema = |columns: &str| {
            format!(
                "table: t\ndescription: A table.\nprimary_key: [id]\ncolumns:\n  - {{ name: id, type: int }}\n{columns}source: {{ compression: none }}\n"
            )
        };
        workspace.write("schemas/t.yaml", schema(earlier).as_bytes());
        let export: &[u8] = if earlier.is_empty() { b"id\n5\n" } else { b"id,tag\n5,\n" };
        workspace.write("exports/acme/t/V1/t.csv", export);
        workspace.run();
        workspace.write("schemas/t.yaml", schema("").as_bytes());
        workspace.write("exports/acme/t/V2/t.csv", b"id\n5\n1\n");
        workspace.run();
        let plan = workspace.tidemark(&["plan", "acme/t/V2", "--format", "json"]).stdout;
        serde_json::from_str::<Value>(&plan).unwrap()["plan"]["hash"].clone()
    };
    let tag = |ty: &str| format!("  - {{ name: tag, type: {ty}, nullable: true }}\n");
    assert_ne!(hash(&tag("string")), hash(""));
    assert_ne!(hash(&tag("string")), hash(&tag("int")));
    assert_eq!(hash(""), hash(""));
}

#[test]
fn verify_notices_another_schema_change() {
    let workspace = orders_through_its_schemas();
    let part = workspace.parts("acme/orders/V2").remove(0);
    let text = crate::workspace::gunzip(&part);
    fs::write(&part, gzip(text.replacen("\"value\":\"none\"", "\"value\":\"nine\"", 1).as_bytes())).unwrap();
    let output = workspace.tidemark(&["verify", "acme/orders/V2"]);
    assert_eq!(output.status, 1, "{}", output.transcript());
    assert!(output.stderr.contains("its `schema_change` is not the one in the registry"), "{}", output.stderr);
}
