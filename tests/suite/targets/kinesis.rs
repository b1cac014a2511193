//! `apply kinesis:…`: what a stream delivers leads to the rows of the newest export.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::rows::{exported, in_sqlite};
use super::sqlite::{expect, table};
use crate::stack::Stack;
use crate::streams::create_stream;
use crate::workspace::{CommandOutput, Workspace};

fn tidemark(workspace: &Workspace, arguments: &[&str]) -> CommandOutput {
    let mut environment = Stack::get().environment().to_vec();
    environment.push(("AWS_EC2_METADATA_DISABLED", "true"));
    workspace.tidemark_with_env(arguments, &environment)
}

fn publish(workspace: &Workspace, stream: &str, version: &str, keys: std::ops::Range<u32>) {
    let rows: String = keys.map(|key| format!("key {key};{};a;\n", key % 7)).collect();
    workspace.export(&format!("acme/test_table/{version}"), &rows);
    expect(&tidemark(workspace, &["run", "exports", "--sink", &format!("kinesis:{stream}")]), 0, "SUCCEEDED");
}

fn apply(workspace: &Workspace, stream: &str, database: &str) -> CommandOutput {
    let target = format!("sqlite:{database}");
    tidemark(workspace, &["apply", &format!("kinesis:{stream}"), "--to", &target, "--create"])
}

fn check(workspace: &Workspace, database: &str, version: &str) {
    let expected = exported(table("test_table"), &workspace.path(&format!("exports/acme/test_table/{version}")));
    assert_eq!(in_sqlite(&workspace.path(database), table("test_table"), "acme"), expected, "{version}");
}

#[test]
fn a_stream_is_applied_from_where_it_was_left_also_after_its_shards_were_split() {
    create_stream("applied", 3);
    let workspace = Workspace::new();
    publish(&workspace, "applied", "V1", 0..400);
    let output = apply(&workspace, "applied", "shop.db");
    expect(&output, 0, "complete");
    expect(&output, 0, "400 operations. Rows are in sqlite:shop.db.");
    check(&workspace, "shop.db", "V1");
    expect(&apply(&workspace, "applied", "shop.db"), 0, "0 operations.");
    publish(&workspace, "applied", "V2", 20..420);
    expect(&apply(&workspace, "applied", "shop.db"), 0, "40 operations.");
    check(&workspace, "shop.db", "V2");
    let aws = Stack::get().clients();
    let shards = aws.wait(aws.kinesis.list_shards().stream_name("applied").send()).unwrap();
    let range = shards.shards()[0].hash_key_range().unwrap();
    let (first, last) = (range.starting_hash_key().parse::<u128>(), range.ending_hash_key().parse::<u128>());
    let middle = first.unwrap().midpoint(last.unwrap()).to_string();
    let split = aws.kinesis.split_shard().stream_name("applied").shard_to_split(shards.shards()[0].shard_id());
    aws.wait(split.new_starting_hash_key(middle).send()).unwrap();
    publish(&workspace, "applied", "V3", 40..430);
    expect(&apply(&workspace, "applied", "shop.db"), 0, "30 operations.");
    check(&workspace, "shop.db", "V3");
    // The emulator drops the records of a shard that is split, as every stream does once they are too old. So another
    // database lacks something until a version comes in full.
    expect(&apply(&workspace, "applied", "other.db"), 1, "DIFFERS");
    expect(&workspace.tidemark(&["resync", "acme/test_table"]), 0, "");
    publish(&workspace, "applied", "V4", 50..440);
    for database in ["shop.db", "other.db"] {
        expect(&apply(&workspace, "applied", database), 0, "complete");
        check(&workspace, database, "V4");
    }
    let database = Connection::open(workspace.path("shop.db")).unwrap();
    let mut parts = database.prepare("SELECT part FROM _tidemark_positions WHERE stream = 'kinesis:applied'").unwrap();
    let parts: BTreeSet<String> = parts.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(parts.len() >= 4, "{parts:?}");
}

#[test]
fn a_version_in_full_and_tables_alone_are_applied_from_a_stream() {
    create_stream("in-full", 2);
    let workspace = Workspace::new();
    publish(&workspace, "in-full", "V1", 0..50);
    expect(&apply(&workspace, "in-full", "shop.db"), 0, "complete");
    Connection::open(workspace.path("shop.db")).unwrap().execute_batch("UPDATE test_table SET COL_1 = 99").unwrap();
    expect(&workspace.tidemark(&["resync", "acme/test_table"]), 0, "");
    publish(&workspace, "in-full", "V2", 10..60);
    let alone = ["apply", "kinesis:in-full", "--to", "sqlite:alone.db", "--create", "--table"];
    expect(&tidemark(&workspace, &[&alone[..], &["orders"]].concat()), 0, "nothing to do");
    for database in ["shop.db", "alone.db"] {
        expect(&apply(&workspace, "in-full", database), 0, "complete");
        check(&workspace, database, "V2");
    }
    expect(
        &tidemark(&workspace, &["apply", "kinesis:nowhere", "--to", "sqlite:shop.db"]),
        2,
        "Stream nowhere not found",
    );
    expect(&tidemark(&workspace, &["apply", "kinesis:", "--to", "sqlite:shop.db"]), 2, "write it as kinesis:STREAM");
}
