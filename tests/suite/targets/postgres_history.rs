//! Histories in PostgreSQL: for every version, the rows as of it are those of its export.

use super::history::{BY_DAY, each_export, renamed, samples_with_histories};
use super::history_schemas::{A, AB, export, write};
use super::rows::{exported, selected_in_postgres};
use super::server::SERVER;
use super::sqlite::{expect, table};
use crate::schema_changes::versions;
use crate::workspace::{Workspace, gzip};

#[test]
fn as_of_each_version_of_the_samples_the_rows_are_those_of_its_export() {
    let workspace = samples_with_histories();
    let address = SERVER.database("sample_histories");
    expect(&workspace.tidemark(&["run", "exports", "--sink", &address, "--create"]), 0, "37 versions");
    let mut client = SERVER.client("sample_histories");
    let versions = each_export(&workspace, |table, tenant, version, expected| {
        let from = format!("{}_as_of WHERE _tenant = '{tenant}' AND _version = '{version}'", table.name);
        let actual = selected_in_postgres(&mut client, table, &from, |name| name.to_owned());
        assert_eq!(actual, expected, "{tenant}/{}/{version}", table.name);
    });
    assert_eq!(versions, 37);
    let noon = "'2026-01-02 13:00+01'";
    let from =
        format!("orders_as_of WHERE _tenant = 'acme' AND _from <= {noon} AND (_until > {noon} OR _until IS NULL)");
    let actual = selected_in_postgres(&mut client, table("orders"), &from, |name| name.to_owned());
    assert_eq!(actual, exported(table("orders"), &workspace.path("exports/acme/orders/20260102_V0001")));
}

#[test]
fn columns_of_earlier_schemas_stay_in_the_history() {
    let address = SERVER.database("schema_histories");
    let run = ["run", "exports", "--sink", &address, "--create"];
    let workspace = Workspace::from_schemas();
    let schema =
        |number: usize| format!("{}target: {{ name: sales.orders, history: true }}\n", versions()[number - 1].0);
    for number in 1..=5 {
        workspace.write("schemas/orders.yaml", schema(number).as_bytes());
        let export = gzip(versions()[number - 1].1.as_bytes());
        workspace.write(&format!("exports/acme/orders/V{number}/orders.csv.gz"), &export);
        expect(&workspace.tidemark(&run), 0, "SUCCEEDED");
    }
    let mut client = SERVER.client("schema_histories");
    for number in 1..=5 {
        let table = tests::table::parse(&schema(number)).unwrap();
        let sequence = format!("(SELECT sequence FROM _tidemark_versions WHERE version = 'V{number}')");
        let from = format!(
            "sales.orders_history WHERE _tenant = 'acme' AND _from_sequence <= {sequence} \
             AND (_until_sequence IS NULL OR _until_sequence > {sequence})"
        );
        let expected = exported(table, &workspace.path(&format!("exports/acme/orders/V{number}")));
        assert_eq!(selected_in_postgres(&mut client, table, &from, renamed(number)), expected, "V{number}");
    }
    let one = "SELECT count(*) FROM sales.orders_history WHERE order_id = 1";
    assert_eq!(client.query_one(one, &[]).unwrap().get::<_, i64>(0), 1);
}

#[test]
fn versions_in_full_replays_and_repairs_lose_no_version() {
    let address = SERVER.database("random_histories");
    let run = ["run", "exports", "--sink", &address, "--create"];
    let workspace = Workspace::from_schemas();
    let schema = include_str!("../../../schemas/test_table.yaml");
    let guards = "guards: { max_delete_ratio: none, max_update_ratio: none }\n";
    workspace.write("schemas/test_table.yaml", format!("{schema}{guards}{BY_DAY}").as_bytes());
    let mut dice = 0x2545_f491_4f6c_dd1du64;
    for version in 1..=12 {
        let mut rows = String::new();
        for key in 0..12 {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            if dice % 10 < 7 {
                rows += &format!("k{key};{};a;\n", dice % 3);
            }
        }
        workspace.export(&format!("acme/test_table/202601{version:02}"), &rows);
        match version % 4 {
            1 if version > 1 => expect(&workspace.tidemark(&["resync", "acme/test_table"]), 0, ""),
            2 => drop(workspace.tidemark(&["replay", &format!("acme/test_table/202601{:02}", version - 1)])),
            3 => {
                SERVER.client("random_histories").batch_execute("UPDATE test_table SET _hash = 1, col_1 = 9").unwrap();
                let reconcile = ["reconcile", "acme/test_table", "--to", &address, "--repair"];
                expect(&workspace.tidemark(&reconcile), 0, "put right");
            }
            _ => {}
        }
        expect(&workspace.tidemark(&run), 0, "SUCCEEDED");
    }
    let mut client = SERVER.client("random_histories");
    for version in 1..=12 {
        let from = format!("test_table_as_of WHERE _tenant = 'acme' AND _version = '202601{version:02}'");
        let folder = workspace.path(&format!("exports/acme/test_table/202601{version:02}"));
        let actual = selected_in_postgres(&mut client, table("test_table"), &from, |name| name.to_owned());
        assert_eq!(actual, exported(table("test_table"), &folder), "V{version}");
    }
}

#[test]
fn a_history_that_was_off_or_lost_its_view_goes_on_and_one_with_another_key_is_left_alone() {
    let address = SERVER.database("histories_off");
    let run = ["run", "exports", "--sink", &address, "--create"];
    let workspace = Workspace::from_schemas();
    for (version, columns, target, rows) in [
        ("20260101", A, BY_DAY, "id,a\n1,x\n2,y\n"),
        ("20260102", AB, "", "id,a,b\n1,x,q\n2,y,\n"),
        ("20260103", AB, BY_DAY, "id,a,b\n1,x,r\n2,y,\n"),
    ] {
        write(&workspace, "id", columns, target);
        export(&workspace, version, rows);
        expect(&workspace.tidemark(&run), 0, "SUCCEEDED");
    }
    let mut client = SERVER.client("histories_off");
    client.batch_execute("DROP VIEW things_as_of").unwrap();
    export(&workspace, "20260104", "id,a,b\n1,x,r\n2,z,\n");
    expect(&workspace.tidemark(&run), 0, "SUCCEEDED");
    for (version, expected) in [("01", "1x,2y"), ("03", "1xr,2y"), ("04", "1xr,2z")] {
        let sql = format!(
            "SELECT string_agg(concat(id, a, b), ',' ORDER BY id) FROM things_as_of WHERE _version = '202601{version}'"
        );
        assert_eq!(client.query_one(&sql, &[]).unwrap().get::<_, String>(0), expected, "{version}");
    }
    client.batch_execute("DROP TABLE things").unwrap();
    write(&workspace, "id, a", &AB.replace("name: b", "name: c"), BY_DAY);
    export(&workspace, "20260105", "id,a,c\n1,z,q\n");
    for _ in 0..2 {
        expect(&workspace.tidemark(&run), 1, "column `a` has another place in the primary key");
    }
}
