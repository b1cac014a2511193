"""Checks of Athena's API: queries, rejected calls, and injected failures."""

import gzip
import json
import random
import time
import urllib.request
import uuid

import aws
from running import DATABASE, Stack, assert_equal, eventually, refused

TABLE = "orders"
EXPORTS = {"V1": "id,status,note\n1,paid,\n2,open,\"a, \"\"b\"\"\"\n3,open,x\n",
           "V2": "id,status,note\n2,paid,\"a, \"\"b\"\"\"\n3,open,x\n4,open,é\n"}
DELTA = f"""UNLOAD (
  SELECT coalesce(new.id, old.id) AS id, new.status AS status, new.note AS note,
         CASE WHEN old.id IS NULL THEN 'insert' WHEN new.id IS NULL THEN 'delete' ELSE 'update' END AS kind
  FROM (SELECT * FROM {TABLE} WHERE _tenant = ? AND _version = ?) old
  FULL JOIN (SELECT * FROM {TABLE} WHERE _tenant = ? AND _version = ?) new ON old.id = new.id
  WHERE old.status IS DISTINCT FROM new.status
) TO 's3://{{bucket}}/{{prefix}}' WITH (format = 'JSON', compression = 'gzip', partitioned_by = ARRAY['kind'])"""
PARAMETERS = ["'acme'", "'V1'", "'acme'", "'V2'"]
# Runs for minutes unless it is stopped.
LONG = """SELECT sum(a * b * c)
FROM UNNEST(sequence(1, 9000)) x(a), UNNEST(sequence(1, 9000)) y(b), UNNEST(sequence(1, 900)) z(c)"""
SCAN_CUTOFF = 10_000_000


def prepare(stack: Stack) -> None:
    """Creates two exports, and one table for all tenants and versions."""
    for version, text in EXPORTS.items():
        export(stack, version, gzip.compress(text.encode()))
    stack.glue.create_database(DatabaseInput={"Name": DATABASE})
    strings = [{"Name": name, "Type": "string"} for name in ("id", "status", "note", "_tenant", "_version")]
    stack.glue.create_table(DatabaseName=DATABASE, TableInput={
        "Name": TABLE, "TableType": "EXTERNAL_TABLE", "PartitionKeys": strings[3:],
        "Parameters": {"EXTERNAL": "TRUE", "skip.header.line.count": "1", "projection.enabled": "true",
                       "projection._tenant.type": "injected", "projection._version.type": "injected",
                       "storage.location.template": f"s3://{stack.bucket}/${{_tenant}}/{TABLE}/${{_version}}/"},
        "StorageDescriptor": {"Columns": strings[:3], "Location": f"s3://{stack.bucket}/",
                              "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
                              "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                              "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.serde2.OpenCSVSerde",
                                            "Parameters": {"separatorChar": ",", "quoteChar": '"', "escapeChar": "\0"}}}})


def export(stack: Stack, version: str, body: bytes) -> None:
    stack.s3.put_object(Bucket=stack.bucket, Key=f"acme/{TABLE}/{version}/part-0.csv.gz", Body=body)


def a_select_with_bound_parameters_reads_one_version(stack: Stack) -> None:
    found = stack.run(f"SELECT id, status, note FROM {TABLE} WHERE _tenant = ? AND _version = ? ORDER BY id",
                      ["'acme'", "'V2'"])
    assert_equal(found["Status"]["State"], "SUCCEEDED")
    assert_equal(found["StatementType"], "DML")
    wanted = [["id", "status", "note"], ["2", "paid", 'a, "b"'], ["3", "open", "x"], ["4", "open", "é"]]
    assert_equal(stack.rows(found), wanted)
    size = len(stack.s3.get_object(Bucket=stack.bucket, Key=f"acme/{TABLE}/V2/part-0.csv.gz")["Body"].read())
    assert_equal(found["Statistics"]["DataScannedInBytes"], size)
    assert_equal(stack.read(found["ResultConfiguration"]["OutputLocation"]).decode().splitlines()[1], '"2","paid","a, ""b"""')


def unload(stack: Stack, prefix: str) -> dict:
    return stack.run(DELTA.format(bucket=stack.bucket, prefix=prefix), PARAMETERS)


def an_unload_writes_gzip_json_by_kind_and_a_manifest(stack: Stack) -> None:
    found = unload(stack, "delta/1/")
    assert_equal(found["Status"]["State"], "SUCCEEDED")
    manifest = stack.read(found["Statistics"]["DataManifestLocation"]).decode().split()
    assert_equal(sorted(manifest), sorted(f"s3://{stack.bucket}/{key}" for key in stack.listed("delta/1/")))
    operations = {(uri.split("/kind=")[1].split("/")[0], line) for uri in manifest
                  for line in gzip.decompress(stack.read(uri)).decode().splitlines()}
    assert_equal({(kind, json.loads(line)["id"], json.loads(line).get("status")) for kind, line in operations},
                 {("insert", "4", "open"), ("update", "2", "paid"), ("delete", "1", None)})
    assert_equal([table["Name"] for table in stack.glue.get_tables(DatabaseName="athena_unload")["TableList"]], [])


def an_unload_needs_an_empty_target(stack: Stack) -> None:
    before = stack.listed("delta/1/")
    found = unload(stack, "delta/1/")["Status"]
    assert_equal((found["State"], found["AthenaError"]["ErrorCategory"]), ("FAILED", 2))
    assert_equal(found["StateChangeReason"].split(":")[0], "HIVE_PATH_ALREADY_EXISTS")
    assert_equal(found["StateChangeReason"].split(".")[-2], " Athena will not delete data in your account")
    assert_equal(stack.listed("delta/1/"), before)


def values_look_as_athena_writes_them(stack: Stack) -> None:
    found = stack.run("SELECT ARRAY[1, NULL] a, CAST(ROW(1, 'x') AS ROW(i bigint, s varchar)) r, MAP(ARRAY['k'], ARRAY[2]) m, "
                      "1e20 d, CAST(1.5 AS real) f, X'01ff' b, TIMESTAMP '2020-01-01 12:34:56.789123' t, true o, NULL n")
    assert_equal(stack.rows(found)[1], ["[1, null]", "{i=1, s=x}", "{k=2}", "1.0E20", "1.5", "01 ff",
                                        "2020-01-01 12:34:56.789123", "true", None])


def results_come_in_pages(stack: Stack) -> None:
    found = stack.run("SELECT n FROM UNNEST(sequence(1, 2000)) x(n) ORDER BY n")
    # Including the header, this is one row more than fits on two pages.
    assert_equal(stack.rows(found), [["n"], *([str(n)] for n in range(1, 2001))])
    first = stack.athena.get_query_results(QueryExecutionId=found["QueryExecutionId"], MaxResults=10)
    assert_equal(len(first["ResultSet"]["Rows"]), 10)
    assert_equal([column["Type"] for column in first["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]], ["bigint"])


def a_token_makes_a_start_idempotent(stack: Stack) -> None:
    token = str(uuid.uuid4())
    first = stack.start("SELECT 1", ClientRequestToken=token)
    assert_equal(stack.start("SELECT 1", ClientRequestToken=token), first)
    refused("InvalidRequestException", "Idempotent parameters do not match",
            lambda: stack.start("SELECT 2", ClientRequestToken=token))


def concurrent_unloads_do_not_interfere(stack: Stack) -> None:
    names = [stack.start(DELTA.format(bucket=stack.bucket, prefix=f"many/{n}/"), PARAMETERS) for n in range(12)]
    for n, name in enumerate(names):
        found = stack.finish(name)
        assert_equal(found["Status"]["State"], "SUCCEEDED")
        manifest = stack.read(found["Statistics"]["DataManifestLocation"]).decode().split()
        assert_equal(sorted(manifest), [f"s3://{stack.bucket}/{key}" for key in sorted(stack.listed(f"many/{n}/"))])
        assert_equal(len(manifest), 3)


def the_longest_statement_is_accepted(stack: Stack) -> None:
    query = "SELECT count(*) FROM (VALUES 'é') x(a) WHERE a <> '{}'"
    query = query.format("x" * (262_144 - len(query.format("").encode())))
    assert_equal(stack.rows(stack.run(query))[1], ["1"])


def invalid_calls_are_rejected(stack: Stack) -> None:
    long = "SELECT '" + "x" * 262_144 + "'"
    refused("InvalidRequestException", "262144", lambda: start_unchecked(stack, QueryString=long))
    refused("InvalidRequestException", "greater than or equal to 32",
            lambda: start_unchecked(stack, QueryString="SELECT 1", ClientRequestToken="short"))
    refused("InvalidRequestException", "is in SELECT", lambda: stack.start(f"SELECT ? FROM {TABLE}", ["1"]))
    refused("InvalidRequestException", "is not an SQL literal",
            lambda: stack.start(f"SELECT 1 FROM {TABLE} WHERE _tenant = ?", ["acme"]))
    refused("InvalidRequestException", "No output location", lambda: stack.start("SELECT 1", ResultConfiguration={}))
    refused("InvalidRequestException", "WorkGroup is not found", lambda: stack.start("SELECT 1", WorkGroup="nobody"))
    refused("InvalidRequestException", "was not found", lambda: stack.get(str(uuid.uuid4())))
    found = stack.run(f"SELECT 1 FROM {TABLE} WHERE _tenant = ? AND _version = ?", ["'acme'"])["Status"]
    assert_equal(found["StateChangeReason"], "INVALID_PARAMETER_USAGE: Incorrect number of parameters: expected 2 but found 1")


def start_unchecked(stack: Stack, **request: str) -> object:
    client = aws.client("athena", stack.endpoints["athena"], parameter_validation=False)
    return client.start_query_execution(ResultConfiguration={"OutputLocation": f"s3://{stack.bucket}/results/"}, **request)


def a_failed_query_says_why(stack: Stack) -> None:
    found = stack.run("SELECT * FROM nowhere")
    assert_equal(found["Status"]["AthenaError"]["ErrorType"], 1301)
    assert_equal(found["Status"]["AthenaError"]["ErrorMessage"], found["Status"]["StateChangeReason"])
    refused("InvalidRequestException", "Final query state: FAILED", lambda: stack.rows(found))
    export(stack, "V3", gzip.compress(random.randbytes(9999).hex().encode())[:5000])
    found = stack.run(f"SELECT count(note) FROM {TABLE} WHERE _tenant = ? AND _version = ?", ["'acme'", "'V3'"])["Status"]
    assert_equal((found["State"], found["AthenaError"]["ErrorCategory"]), ("FAILED", 2))


def a_long_query_can_be_stopped(stack: Stack) -> None:
    name = stack.start(LONG)
    eventually(lambda: in_engine(stack)["state"], "RUNNING")
    refused("InvalidRequestException", "Current state: RUNNING", lambda: stack.rows({"QueryExecutionId": name}))
    stack.athena.stop_query_execution(QueryExecutionId=name)
    found = stack.finish(name)["Status"]
    assert_equal((found["State"], found["StateChangeReason"]), ("CANCELLED", "Query cancelled by user"))
    refused("InvalidRequestException", "Could not find results", lambda: stack.rows({"QueryExecutionId": name}))
    assert_equal(in_engine(stack)["errorCode"]["name"], "USER_CANCELED")


def in_engine(stack: Stack) -> dict:
    """Trino's view of the long query, which it may not have received yet."""
    request = urllib.request.Request(f"{stack.endpoints['trino']}/v1/query", headers={"X-Trino-User": "check"})
    with urllib.request.urlopen(request) as answer:
        return next((query for query in json.load(answer) if query["query"].startswith(LONG)), {"state": "unknown"})


def a_scan_beyond_the_work_groups_cutoff_is_cancelled(stack: Stack) -> None:
    group = f"group-{uuid.uuid4()}"
    stack.athena.create_work_group(Name=group, Configuration={
        "BytesScannedCutoffPerQuery": SCAN_CUTOFF,
        "ResultConfiguration": {"OutputLocation": f"s3://{stack.bucket}/{group}/"}})
    known = stack.athena.get_work_group(WorkGroup=group)["WorkGroup"]["Configuration"]
    assert_equal(known["BytesScannedCutoffPerQuery"], SCAN_CUTOFF)
    export(stack, "V4", gzip.compress(b"id\n" + random.randbytes(SCAN_CUTOFF).hex("\n", 500).encode(), 1))
    query = f"SELECT count(id) FROM {TABLE} WHERE _tenant = ? AND _version = ?"
    found = stack.run(query, ["'acme'", "'V4'"], WorkGroup=group)["Status"]
    assert_equal((found["State"], found["StateChangeReason"]), ("CANCELLED", "Bytes scanned limit was exceeded"))
    found = stack.run(query, ["'acme'", "'V1'"], WorkGroup=group)
    assert_equal(found["Status"]["State"], "SUCCEEDED")
    assert_equal(found["ResultConfiguration"]["OutputLocation"], f"s3://{stack.bucket}/{group}/{found['QueryExecutionId']}.csv")


def injected_failures_of_calls_strike(stack: Stack) -> None:
    stack.fail({"action": "StartQueryExecution", "nth": 2, "error": "ThrottlingException", "status": 400})
    stack.start("SELECT 1")
    refused("ThrottlingException", "on demand", lambda: stack.start("SELECT 1"))
    stack.start("SELECT 1")
    token = str(uuid.uuid4())
    stack.fail({"action": "StartQueryExecution", "error": "InternalServerException", "status": 500, "after": True})
    refused("InternalServerException", "on demand", lambda: stack.start("SELECT 1", ClientRequestToken=token))
    started = [entry["id"] for entry in stack.ask("GET", "/_log") if entry.get("error") == "InternalServerException"]
    assert_equal(stack.start("SELECT 1", ClientRequestToken=token), started[0])


def failures_strike_only_what_belongs_to_their_scope(stack: Stack) -> None:
    query = f"SELECT count(*) FROM {TABLE} WHERE _tenant = ? AND _version = ?"
    stack.fail({"state": "FAILED", "scope": "somebody"},
               {"action": "GetQueryExecution", "error": "ThrottlingException", "scope": "somebody"})
    assert_equal(stack.run(query, ["'acme'", "'V1'"])["Status"]["State"], "SUCCEEDED")
    stack.fail({"state": "FAILED", "scope": "acme"}, {"state": "FAILED", "scope": "somebody"})
    assert_equal(stack.run("SELECT 1")["Status"]["State"], "SUCCEEDED")
    assert_equal(stack.run(query, ["'acme'", "'V1'"])["Status"]["State"], "FAILED")
    assert_equal(stack.run(query, ["'somebody'", "'V1'"])["Status"]["State"], "FAILED")
    logged = [entry["state"] for entry in stack.ask("GET", "/_log") if "statement" in entry and "somebody" in entry["scopes"]]
    assert_equal(logged, ["FAILED"])


def injected_failures_of_statements_strike(stack: Stack) -> None:
    stack.fail({"state": "FAILED", "category": 1, "type": 233, "retryable": True, "reason": "bad luck", "nth": 2})
    assert_equal(stack.run("SELECT 1")["Status"]["State"], "SUCCEEDED")
    assert_equal(stack.run("SELECT 1")["Status"]["AthenaError"],
                 {"ErrorCategory": 1, "ErrorType": 233, "Retryable": True, "ErrorMessage": "bad luck"})
    for state in ("QUEUED", "RUNNING"):
        stack.fail({"state": state, "seconds": 1})
        begun = time.monotonic()
        assert_equal(stack.run("SELECT 1")["Status"]["State"], "SUCCEEDED")
        if time.monotonic() - begun < 1:
            raise AssertionError(f"it was {state} for {time.monotonic() - begun:.2f} s, expected at least 1 s")


def a_statement_is_held_until_its_failure_is_removed(stack: Stack) -> None:
    for state in ("QUEUED", "RUNNING"):
        stack.fail({"state": state})
        name = stack.start("SELECT 1")
        eventually(lambda: stack.get(name)["Status"]["State"], state)
        time.sleep(0.5)
        assert_equal(stack.get(name)["Status"]["State"], state)
        stack.fail()
        assert_equal(stack.finish(name)["Status"]["State"], "SUCCEEDED")


def a_failed_unload_leaves_its_files(stack: Stack) -> None:
    stack.fail({"state": "FAILED", "after": True})
    found = unload(stack, "delta/orphans/")
    assert_equal(found["Status"]["State"], "FAILED")
    assert_equal(len(stack.listed("delta/orphans/")), 3)
    stack.fail({"state": "FAILED"})
    unload(stack, "delta/nothing/")
    assert_equal(stack.listed("delta/nothing/"), [])


CHECKS = [a_select_with_bound_parameters_reads_one_version, an_unload_writes_gzip_json_by_kind_and_a_manifest,
          an_unload_needs_an_empty_target, concurrent_unloads_do_not_interfere, values_look_as_athena_writes_them,
          results_come_in_pages, the_longest_statement_is_accepted, a_token_makes_a_start_idempotent,
          invalid_calls_are_rejected, a_failed_query_says_why, a_long_query_can_be_stopped,
          a_scan_beyond_the_work_groups_cutoff_is_cancelled, injected_failures_of_calls_strike,
          failures_strike_only_what_belongs_to_their_scope, injected_failures_of_statements_strike,
          a_statement_is_held_until_its_failure_is_removed, a_failed_unload_leaves_its_files]
