//! Looking back: `why` shows one row through all versions, `verify` holds files against the registry.

use std::fs;

use serde_json::{Value, json};

use crate::world::{World, gunzip, gzip};

const HEADER: &str = "region,order_id,customer_email,status,amount,note,updated_at,exported_by\n";

fn order(id: &str, status: &str, amount: &str) -> String {
    format!("eu,{id},secret@example.com,{status},{amount},,2026-01-01 00:00:00,job\n")
}

/// A world in which order 17 was imported, left alone, shipped, misspelt, and deleted.
fn world() -> World {
    let world = World::new();
    let others = order("1", "paid", "1.00") + &order("2", "paid", "2.00");
    let version = |name: &str, rows: &str| {
        world.export(&format!("acme/orders/{name}"), &format!("{HEADER}{others}{rows}"));
        world.run();
    };
    version("V1", &order("17", "paid", "12.5"));
    version("V2", &order("017", "paid", "12.50"));
    version("V3", &order("17", "shipped", "12.50"));
    version("V4", &order("17", "shipped", "12,50").replace("12,50", "\"12,50\""));
    version("V5", "");
    world
}

#[test]
fn why_shows_a_row_from_its_text_to_its_operation() {
    let world = world();
    insta::assert_snapshot!("why", world.tidemark(&["why", "acme/orders", "eu", "017"]).transcript());
    let said = world.tidemark(&["why", "acme/orders", "eu", "17", "--format", "json"]);
    assert!(!said.stdout.contains("secret"), "{}", said.stdout);
    let sights: Vec<Value> = serde_json::from_str(&said.stdout).unwrap();
    let third = &sights[2];
    assert_eq!((&third["version"], &third["sequence"]), (&json!("V3"), &json!(3)));
    assert_eq!((&third["operation"]["op"], &third["operation"]["changed"]), (&json!("UPDATE"), &json!(["status"])));
    let published = world.published("acme/orders/V3");
    let operation = published.iter().find(|record| record["key"]["order_id"] == 17).unwrap();
    assert_eq!(third["operation"]["id"], operation["id"]);
    // What a bad row looked like is why one asks.
    let amount = &sights[3]["rows"][0]["columns"][4];
    assert_eq!(
        (&amount["text"], &amount["value"], &amount["refused"]),
        (&json!("12,50"), &Value::Null, &json!("unreadable-value"))
    );
    assert_eq!(sights[4]["operation"]["op"], "DELETE");
}

#[test]
fn why_says_what_it_cannot_see() {
    let world = world();
    fs::remove_file(world.path("exports/acme/orders/V1/part.csv.gz")).unwrap();
    fs::remove_dir_all(world.path(".tidemark/changes/acme/orders/V3")).unwrap();
    world.write("exports/acme/orders/V5/part.csv.gz", b"not gzip");
    let said = world.tidemark(&["why", "acme/orders", "eu", "17"]);
    assert_eq!(said.status, 0, "{}", said.transcript());
    for word in ["its files are gone", "its change set is gone", "the file "] {
        assert!(said.stdout.contains(word), "{word}: {}", said.stdout);
    }
    for (name, arguments) in [
        ("why_of_another_key", &["why", "acme/orders", "eu", "99"][..]),
        ("why_with_too_few", &["why", "acme/orders", "eu"]),
        ("why_with_no_number", &["why", "acme/orders", "eu", "seventeen"]),
        ("why_of_no_table", &["why", "acme/ordres", "eu", "17"]),
    ] {
        insta::assert_snapshot!(name, world.tidemark(arguments).transcript());
    }
}

#[test]
fn why_reads_an_export_as_it_was_written() {
    let world = World::of_schemas();
    let schema = |column: &str| {
        format!(
            "table: t\ndescription: A table.\nprimary_key: [id]\ncolumns:\n  - {{ name: id, type: int }}\n{column}source: {{ compression: none }}\nengine: {{ athena: false }}\n"
        )
    };
    world.write("schemas/t.yaml", schema("  - { name: note, type: string }\n").as_bytes());
    world.write("exports/acme/t/V1/t.csv", b"note,id\nold,1\n");
    world.run();
    let renamed = "  - { name: remark, type: string, formerly: note }\n  - { name: qty, type: int, default: \"1\" }\n";
    world.write("schemas/t.yaml", schema(renamed).as_bytes());
    world.write("exports/acme/t/V2/t.csv", b"id,remark,qty\n1,new,1\n");
    world.run();
    insta::assert_snapshot!("why_across_epochs", world.tidemark(&["why", "acme/t", "1"]).transcript());
}

/// What `verify` says of the export and of what was published, by version.
fn verdicts(world: &World) -> Vec<(String, String, String)> {
    let said = world.tidemark(&["verify", "--format", "json"]);
    let checked: Vec<Value> = serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{}", said.transcript()));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let row =
        |one: &Value| (text(&one["version"]), text(&one["export"]["verdict"]), text(&one["published"]["verdict"]));
    checked.iter().map(row).collect()
}

/// A world with three good versions.
fn verified() -> World {
    let world = World::new();
    for (version, rows) in [("V1", "PK1;1;a;x\nPK2;2;b;y\n"), ("V2", "PK1;1;a;x\nPK2;20;b;y\n"), ("V3", "PK1;1;a;x\n")]
    {
        world.export(&format!("acme/test_table/{version}"), rows);
    }
    assert_eq!(world.run().status, 0);
    world
}

#[test]
fn verify_finds_nothing_wrong_where_nothing_is() {
    let world = verified();
    insta::assert_snapshot!("verify", world.tidemark(&["verify"]).transcript());
    assert_eq!(world.tidemark(&["verify", "acme/test_table"]).status, 0);
    assert_eq!(world.tidemark(&["verify", "acme/test_table/V2"]).stdout.matches("as recorded").count(), 2);
    // Older files may go, and consumers may take away what they have read.
    fs::remove_dir_all(world.path("exports/acme/test_table/V1")).unwrap();
    fs::remove_dir_all(world.path("out/acme/test_table/V2")).unwrap();
    assert_eq!(world.tidemark(&["verify"]).status, 0);
    assert_eq!(verdicts(&world)[0].1, "gone");
    assert_eq!(verdicts(&world)[1].2, "gone");
}

#[test]
fn verify_finds_an_export_that_is_another_one() {
    let world = verified();
    let part = world.path("exports/acme/test_table/V2/part.csv.gz");
    let good = fs::read(&part).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(&part, &flipped).unwrap();
    insta::assert_snapshot!("verify_flipped", world.tidemark(&["verify"]).transcript());
    fs::write(&part, gzip(b"PK1;1;a;x\n")).unwrap();
    assert_eq!(verdicts(&world)[1].1, "different");
    fs::write(&part, good).unwrap();
    world.write("exports/acme/test_table/V2/more.csv.gz", &gzip(b"PK9;9;;\n"));
    assert_eq!(verdicts(&world)[1].1, "different");
}

#[test]
fn verify_asks_for_the_files_that_the_next_version_is_compared_with() {
    let world = verified();
    fs::remove_dir_all(world.path("exports/acme/test_table/V3")).unwrap();
    let said = world.tidemark(&["verify"]);
    assert_eq!(said.status, 1);
    assert!(said.stdout.contains("acme/test_table/V3: the export is gone"), "{}", said.stdout);
}

#[test]
fn verify_recomputes_the_fingerprint_itself() {
    let world = verified();
    // As if the registry had been written by a program with a fault.
    let registry = rusqlite::Connection::open(world.path(".tidemark/registry.sqlite")).unwrap();
    let change =
        "UPDATE versions SET record = json_set(record, '$.plan.fingerprint', '12') WHERE record ->> 'version' = 'V1'";
    assert_eq!(registry.execute(change, []).unwrap(), 1);
    let said = world.tidemark(&["verify", "acme/test_table/V1"]);
    assert_eq!(said.status, 1);
    assert!(said.stdout.contains("where the registry has 2 with 12"), "{}", said.stdout);
}

#[test]
fn verify_finds_what_is_wrong_with_what_was_published() {
    let world = verified();
    let path = world.path("out/acme/test_table/V2/part-00000.ndjson.gz");
    let whole = fs::read(&path).unwrap();
    let text = gunzip(&path);
    let lines: Vec<&str> = text.lines().collect();
    let without = |place: usize| {
        let mut lines = lines.clone();
        lines.remove(place);
        gzip((lines.join("\n") + "\n").as_bytes())
    };
    let twice = gzip((lines[0].to_owned() + "\n" + lines[1] + "\n" + &text[lines[0].len() + 1..]).as_bytes());
    let other_id = gzip(text.replacen("\"id\":\"", "\"id\":\"f", 1).replacen(&lines[1][30..31], "", 0).as_bytes());
    let other_sequence = gzip(text.replacen("\"sequence\":2", "\"sequence\":7", 1).as_bytes());
    for (name, bytes, problem) in [
        ("no BEGIN", without(0), "part-00000.ndjson.gz:1: a record stands in front of BEGIN"),
        (
            "no operation",
            without(1),
            "0 INSERTs, 0 UPDATEs and 0 DELETEs, where the plan has 0 INSERTs, 1 UPDATEs and 0 DELETEs",
        ),
        ("no END", without(2), "its END is missing"),
        ("twice", twice, "2 UPDATEs"),
        ("another id", other_id, "its id is none"),
        ("another sequence", other_sequence, "its sequence is 2"),
        ("cut off", whole[..whole.len() - 9].to_vec(), "it is damaged"),
        ("no record", gzip(b"hello\n"), "part-00000.ndjson.gz:1: it is no record"),
    ] {
        fs::write(&path, bytes).unwrap();
        let said = world.tidemark(&["verify", "acme/test_table/V2"]);
        assert_eq!(said.status, 1, "{name}");
        assert!(said.stdout.contains(problem), "{name}: {}", said.stdout);
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(verdicts(&world)[1].2, "different");
    // `replay` mends it.
    assert_eq!(world.tidemark(&["replay", "acme/test_table/V2"]).status, 0);
    assert_eq!(fs::read(&path).unwrap(), whole);
    assert_eq!(world.tidemark(&["verify"]).status, 0);
}

#[test]
fn verify_of_another_schema_holds_the_bytes_only() {
    let world = World::of_schemas();
    let schema = |more: &str| {
        format!(
            "table: t\ndescription: A table.\nprimary_key: [id]\ncolumns:\n  - {{ name: id, type: int }}\n{more}source: {{ compression: none }}\n"
        )
    };
    world.write("schemas/t.yaml", schema("").as_bytes());
    world.write("exports/acme/t/V1/t.csv", b"id\n1\n");
    world.run();
    world.write("schemas/t.yaml", schema("  - { name: note, type: string, nullable: true }\n").as_bytes());
    assert_eq!(verdicts(&world), [("V1".into(), "same-bytes".into(), "same".into())]);
    world.write("exports/acme/t/V1/t.csv", b"id\n2\n");
    assert_eq!(verdicts(&world)[0].1, "different");
}
