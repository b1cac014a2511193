//! Operations on Kinesis streams, read by Amazon's deaggregation module, by a consumer without deaggregation, and by
//! the sample consumer.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use runtime::sink::kinesis::client::Kinesis;
use serde_json::{Value as Json, json};

use crate::deployment::{Deployment, published_to_files, read_stream, wait};
use crate::pipeline::orders;
use crate::schema_changes::orders_through_its_schemas;
use crate::sequences::relative_to_the_first;
use crate::stack::{Stack, create_registry_table};
use crate::workspace::{Workspace, gunzip};

/// The event with which Lambda invokes a consumer: one Kinesis record a line.
fn kinesis_event(lines: &[String]) -> Json {
    use base64::Engine as _;
    let record = |(number, line): (usize, &String)| {
        json!({
            "eventID": format!("shardId-000000000000:{number}"), "eventVersion": "1.0", "eventSource": "aws:kinesis",
            "eventName": "aws:kinesis:record", "awsRegion": "us-east-1", "invokeIdentityArn": "a", "eventSourceARN": "a",
            "kinesis": {
                "data": base64::engine::general_purpose::STANDARD.encode(line), "partitionKey": "k", "kinesisSchemaVersion": "1.0",
                "sequenceNumber": number.to_string(), "approximateArrivalTimestamp": 1.0,
            },
        })
    };
    json!({ "Records": lines.iter().enumerate().map(record).collect::<Vec<_>>() })
}

/// Invokes the sample consumer with these lines, and returns its response.
fn invoke_consumer(deployment: &Deployment, lines: &[String]) -> Json {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), kinesis_event(lines).to_string()).unwrap();
    let payload = format!("file://{}", file.path().display());
    let output = deployment.aws_command(&[
        "lambda",
        "invoke",
        "--function-name",
        &deployment.named("apply-orders"),
        "--payload",
        &payload,
        "/dev/stdout",
    ]);
    serde_json::Deserializer::from_str(&output).into_iter().next().unwrap().unwrap()
}

/// How many rows of the tenant `direct` the consumer's table has, with or without deleted ones.
fn consumer_rows(deployment: &Deployment, with_deleted: bool) -> usize {
    let table = deployment.consumer_table.as_deref().unwrap();
    let call = deployment.aws.dynamodb.query().table_name(table).key_condition_expression("tenant = :t");
    let call = call.expression_attribute_values(":t", AttributeValue::S("direct".into()));
    let page = deployment.aws.wait(call.send()).unwrap();
    let is_row = |item: &&HashMap<String, AttributeValue>| {
        item["key"] != AttributeValue::S("reset".into()) && (with_deleted || !item.contains_key("deleted"))
    };
    page.items().iter().filter(is_row).count()
}

/// A BEGIN or END of version V9 of the tenant `direct`, with these fields as well.
fn control_record(op: &str, fields: &str) -> String {
    format!(
        "{{\"op\":\"{op}\",\"tenant\":\"direct\",\"table\":\"orders\",\"sequence\":9,\"version\":\"V9\",\
         \"previous\":null,\"schema\":\"orders@0\",\"fingerprint\":\"0\",{fields}}}"
    )
}

/// The INSERTs of orders whose number begins with 2, moved to the sequence of V9.
fn inserts_of_sequence_9(lines: &[String]) -> Vec<String> {
    lines
        .iter()
        .filter(|line| line.contains("\"INSERT\"") && line.contains("\"order_id\":2"))
        .map(|line| line.replace("\"sequence\":1,", "\"sequence\":9,").replace("\"sequence\":2,", "\"sequence\":9,"))
        .collect()
}

#[test]
fn the_consumer_applies_each_operation_once_whatever_the_order_and_reports_the_first_unreadable_record() {
    let deployment = Deployment::get();
    let workspace = Workspace::new();
    workspace.export("direct/orders/V1", &orders(0, 40, "open"));
    workspace.export("direct/orders/V2", &orders(5, 45, "open"));
    workspace.run();
    let published = published_to_files(&workspace);
    let mut lines: Vec<String> = published.values().flatten().cloned().collect();
    // Without BEGIN and END, newest first, and everything twice.
    lines.retain(|line| line.contains("\"id\":"));
    lines.sort_by_key(|line| std::cmp::Reverse(serde_json::from_str::<Json>(line).unwrap()["sequence"].as_u64()));
    lines.extend(lines.clone());
    let apply = |lines: &[String]| invoke_consumer(&deployment, lines);
    let rows = |with_deleted| consumer_rows(&deployment, with_deleted);
    assert_eq!(apply(&lines)["batchItemFailures"], json!([]));
    assert_eq!((rows(false), rows(true)), (40, 45), "five rows are deleted, and their sequences are kept");

    // A version published in full, of which another shard has more rows: the rows that this shard lacks are dropped for
    // now.
    let inserts = inserts_of_sequence_9(&lines);
    let mut full = vec![control_record("BEGIN", "\"reset\":true")];
    full.extend(inserts.clone());
    full.push(control_record("END", "\"rows\":1,\"inserted\":1,\"updated\":0,\"deleted\":0"));
    assert_eq!(apply(&full)["batchItemFailures"], json!([]));
    let keys: BTreeSet<String> =
        inserts.iter().map(|line| serde_json::from_str::<Json>(line).unwrap()["key"].to_string()).collect();
    assert_eq!(rows(false), keys.len());

    // A record of another table is skipped; an unreadable one is reported, and Lambda delivers it and later ones again.
    let other = lines[0].replace("\"table\":\"orders\"", "\"table\":\"products\"");
    let broken = lines[0].replace("\"order_id\":", "\"order\":");
    let failed = apply(&[lines[0].clone(), other, broken.clone(), lines[1].clone()]);
    assert_eq!(failed["batchItemFailures"][0]["itemIdentifier"], "2");

    // Earlier records are not delivered again, so they must have been applied by then.
    let new = inserts[0].replace("\"order_id\":2", "\"order_id\":777").replace("\"sequence\":9,", "\"sequence\":10,");
    let before = rows(false);
    assert_eq!(apply(&[new, broken])["batchItemFailures"][0]["itemIdentifier"], "1");
    assert_eq!(rows(false), before + 1);
}

#[test]
fn the_consumer_carries_rows_over_to_every_schema() {
    let deployment = Deployment::get();
    let workspace = orders_through_its_schemas();
    // Each version twice, and the whole history once more: nothing may be carried over twice.
    let versions = (1..=5).flat_map(|number| {
        let parts = workspace.parts(&format!("acme/orders/V{number}"));
        parts.iter().map(|part| gunzip(part)).collect::<Vec<_>>()
    });
    let lines: Vec<String> = versions.flat_map(|text| [text.clone(), text]).collect();
    let lines: Vec<String> =
        lines.iter().flat_map(|text| text.lines()).map(|line| line.replace("acme", "carried")).collect();
    for lines in [&lines, &lines] {
        assert_eq!(invoke_consumer(&deployment, lines)["batchItemFailures"], json!([]));
    }
    let table = deployment.consumer_table.as_deref().unwrap();
    let call = deployment.aws.dynamodb.query().table_name(table).key_condition_expression("tenant = :t");
    let call = call.expression_attribute_values(":t", AttributeValue::S("carried".into()));
    let page = deployment.aws.wait(call.send()).unwrap();
    let rows: Vec<_> = page.items().iter().filter(|item| !item.contains_key("deleted")).collect();
    assert_eq!(rows.len(), 3);
    let first = rows.iter().find(|row| row["order_id"] == AttributeValue::N("1".into())).unwrap();
    let text = |name: &str| first[name].as_s().map(String::as_str).ok();
    assert_eq!([text("status"), text("note"), text("customer_email")], [Some("open"), Some("none"), Some("a@x")]);
    assert_eq!(first["amount"].as_n().unwrap().parse(), Ok(7.0));
    let old = ["state", "email", "legacy"].into_iter().find(|name| first.contains_key(*name));
    assert_eq!((old, first.contains_key("exported_by")), (None, true));
}

#[test]
fn without_aggregation_a_stock_consumer_reads_one_operation_per_record() {
    let stack = Stack::get();
    create_stream("plain", 3);
    let workspace = Workspace::new();
    workspace.export("acme/orders/V1", &orders(0, 300, "open"));
    workspace.export("acme/orders/V2", &orders(20, 320, "open"));
    workspace.run();
    let expected: BTreeSet<String> = published_to_files(&workspace).into_values().flatten().collect();
    let environment: Vec<(&str, &str)> = stack.environment().to_vec();
    let output = workspace.tidemark_with_env(
        &["run", "exports", "--state", "other", "--sink", "kinesis:plain?aggregate=off"],
        &environment,
    );
    assert_eq!(output.status, 0, "{}", output.stderr);
    assert!(output.stdout.contains("Operations are in kinesis:plain"), "{}", output.stdout);
    let lines = read_stream("plain", &["--stock"]);
    assert_eq!(relative_to_the_first(&lines.iter().cloned().collect()), expected);
    // BEGIN and END of two versions, on each of three shards.
    assert_eq!(lines.len(), expected.len() - 4 + 12);
}

/// Creates a stream, and waits until it is active.
pub(crate) fn create_stream(name: &str, shards: i32) {
    let aws = Stack::get().clients();
    aws.wait(aws.kinesis.create_stream().stream_name(name).shard_count(shards).send()).unwrap();
    wait("the stream is active", || {
        let summary = aws.wait(aws.kinesis.describe_stream_summary().stream_name(name).send()).unwrap();
        summary.stream_description_summary.unwrap().stream_status().as_str() == "ACTIVE"
    });
}

#[test]
fn operations_are_spread_over_the_shards_and_each_row_stays_in_one() {
    create_stream("spread", 4);
    let workspace = Workspace::new();
    workspace.export("acme/orders/V1", &orders(0, 400, "open"));
    workspace.export("acme/orders/V2", &orders(0, 400, "paid").replace("0.50", "1.50"));
    let environment: Vec<(&str, &str)> = Stack::get().environment().to_vec();
    for _ in 0..2 {
        workspace.tidemark_with_env(&["run", "exports", "--sink", "kinesis:spread"], &environment);
        let plan = workspace.tidemark(&["plan", "acme/orders/V2", "--format", "json"]);
        let plan: Json = serde_json::from_str(&plan.stdout).unwrap();
        let hash = plan["plan"]["hash"].as_str().unwrap().to_owned();
        workspace.tidemark_with_env(&["approve", "acme/orders/V2", &hash, "--sink", "kinesis:spread"], &environment);
    }
    let mut shards_of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    for line in read_stream("spread", &["--shards"]) {
        let (shard, record) = line.split_once('\t').unwrap();
        let record: Json = serde_json::from_str(record).unwrap();
        if record["id"].is_string() {
            shards_of.entry(record["key"].to_string()).or_default().insert(shard.into());
            *numbers.entry(shard.into()).or_default() += 1;
        }
    }
    assert_eq!(shards_of.len(), 400);
    assert!(shards_of.values().all(|shards| shards.len() == 1));
    assert_eq!(numbers.values().sum::<usize>(), 800);
    assert!(numbers.len() == 4 && numbers.values().all(|number| *number > 100), "{numbers:?}");
}

#[test]
fn a_part_that_runs_out_of_time_resumes_where_it_stopped() {
    create_stream("deadline", 2);
    let text = "x".repeat(1000);
    let line = |number: usize| {
        format!("{{\"op\":\"INSERT\",\"id\":\"{number}\",\"key\":{{\"n\":{number}}},\"after\":{{\"t\":\"{text}\"}}}}\n")
    };
    let all: Vec<String> = (0..20_000).map(line).collect();
    let stream = Kinesis::open(Stack::get().clients(), "deadline", true).unwrap();
    let (mut from, mut turns, mut progress) = (0, 0, 0);
    loop {
        let mut lines = all[from..].iter().map(|line| line.clone().into_bytes());
        // There is time for one round of calls.
        let has_time = Cell::new(true);
        let sent = stream
            .send(
                &mut || Ok(lines.next()),
                &mut |lines| {
                    progress = from + lines as usize;
                    Ok(())
                },
                &|| Ok(has_time.replace(false)),
            )
            .unwrap();
        from += sent.lines as usize;
        turns += 1;
        assert_eq!(progress, from);
        if sent.is_end {
            break;
        }
        assert!(from < all.len());
    }
    assert!((2..20).contains(&turns), "{turns}");
    let read = read_stream("deadline", &[]);
    assert_eq!(read.len(), all.len(), "nothing is lost and nothing is sent twice");
    let trimmed = |line: &String| line.trim_end().to_owned();
    assert_eq!(read.into_iter().collect::<BTreeSet<_>>(), all.iter().map(trimmed).collect::<BTreeSet<_>>());
}

#[test]
fn after_a_shard_split_every_operation_is_in_the_shard_that_its_reader_expects() {
    create_stream("split", 1);
    let aws = Stack::get().clients();
    let stream = Kinesis::open(Stack::get().clients(), "split", true).unwrap();
    let half = (u128::MAX / 2 + 1).to_string();
    let split = aws.kinesis.split_shard().stream_name("split").shard_to_split("shardId-000000000000");
    aws.wait(split.new_starting_hash_key(&half).send()).unwrap();
    let line =
        |number: usize| format!("{{\"op\":\"INSERT\",\"id\":\"{number}\",\"key\":{{\"n\":{number}}},\"after\":{{}}}}");
    let mut lines = (0..2_000).map(|number| line(number).into_bytes());
    let sent = stream.send(&mut || Ok(lines.next()), &mut |_| Ok(()), &|| Ok(true)).unwrap();
    assert_eq!((sent.lines, sent.is_end), (2_000, true));
    stream.control(b"{\"op\":\"END\"}").unwrap();
    let shards = aws.wait(aws.kinesis.list_shards().stream_name("split").send()).unwrap();
    let first_hash_key = |shard: &str| {
        let shard = shards.shards().iter().find(|described| described.shard_id() == shard).unwrap();
        shard.hash_key_range().unwrap().starting_hash_key().to_owned()
    };
    // The reader of a shard takes the records whose partition key belongs there, and skips the rest.
    let (mut read, mut ends) = (BTreeSet::new(), BTreeSet::new());
    for line in read_stream("split", &["--shards"]) {
        let (shard, record) = line.split_once('\t').unwrap();
        let record: Json = serde_json::from_str(record).unwrap();
        if record["op"] == "END" {
            ends.insert(shard.to_owned());
            continue;
        }
        let partition_key = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(record["key"].to_string().as_bytes()));
        let is_upper_half = md5_of(&partition_key) > u128::MAX / 2;
        if is_upper_half == (first_hash_key(shard) == half) {
            read.insert(record["id"].to_string());
        }
    }
    assert_eq!((read.len(), ends.len()), (2_000, 2));
}

#[test]
fn an_operation_too_large_for_a_record_fails_planning_and_nothing_is_published() {
    create_stream("oversize", 1);
    let workspace = Workspace::new();
    let note = "n".repeat(1_100_000);
    let rows = orders(0, 3, "open") + &format!("eu,99,,open,1.50,{note},2026-01-01 00:00:00,job\n");
    workspace.export("acme/orders/V1", &rows);
    let environment: Vec<(&str, &str)> = Stack::get().environment().to_vec();
    let output = workspace.tidemark_with_env(&["run", "exports", "--sink", "kinesis:oversize"], &environment);
    assert_eq!(output.status, 1, "{}", output.stdout);
    assert!(
        output.stderr.contains("but the sink accepts at most") && output.stderr.contains("publish to files"),
        "{}",
        output.stderr
    );
    assert_eq!(workspace.statuses("acme/orders")["V1"], "FAILED");
    assert!(read_stream("oversize", &["--stock"]).is_empty());
    // Files have no such limit, so there it is published.
    workspace.tidemark(&["retry", "acme/orders/V1"]);
    assert_eq!(workspace.tidemark(&["run", "exports", "--out", "out"]).status, 0);
}

#[test]
fn a_plan_made_for_files_is_redone_for_a_stream_with_a_lower_limit() {
    create_stream("less", 1);
    let workspace = Workspace::new();
    let note = "n".repeat(1_100_000);
    workspace.export("acme/orders/V1", &orders(0, 200, "open"));
    let large = format!("eu,999,,open,1.50,{note},2026-01-01 00:00:00,job\n");
    workspace.export("acme/orders/V2", &(orders(0, 20, "open") + &large));
    let environment: Vec<(&str, &str)> = Stack::get().environment().to_vec();
    // Planned by a run that publishes to files, and held.
    workspace.run();
    assert_eq!(workspace.statuses("acme/orders")["V2"], "HELD");
    let plan = workspace.tidemark(&["plan", "acme/orders/V2", "--format", "json"]);
    let plan: Json = serde_json::from_str(&plan.stdout).unwrap();
    let hash = plan["plan"]["hash"].as_str().unwrap();
    let output =
        workspace.tidemark_with_env(&["approve", "acme/orders/V2", hash, "--sink", "kinesis:less"], &environment);
    assert!(output.stderr.contains("but the sink accepts at most"), "{}", output.stderr);
    assert_eq!(workspace.statuses("acme/orders")["V2"], "FAILED");
}

#[test]
fn the_registry_remembers_that_a_stream_takes_no_aggregated_records() {
    create_stream("remembered", 1);
    create_registry_table(&Stack::get().clients(), "remembered");
    let workspace = Workspace::new();
    workspace.export("plain/orders/V1", &orders(0, 20, "open"));
    let environment: Vec<(&str, &str)> = Stack::get().environment().to_vec();
    let store = "dynamodb:remembered";
    let run = ["run", "exports", "--store", store, "--sink", "kinesis:remembered?aggregate=off"];
    let output = workspace.tidemark_with_env(&run, &environment);
    assert_eq!(output.status, 0, "{}", output.stderr);
    let output = workspace.tidemark_with_env(&["replay", "plain/orders/V1", "--store", store], &environment);
    assert_eq!(output.status, 0, "{}", output.stderr);
    let records = read_stream("remembered", &["--stock"]);
    assert_eq!(records.iter().filter(|record| record.contains("\"id\":")).count(), 40);
}

/// The MD5 of a partition key, by which Kinesis assigns records to shards.
fn md5_of(text: &str) -> u128 {
    use md5::Digest as _;
    u128::from_be_bytes(md5::Md5::digest(text.as_bytes()).into())
}
