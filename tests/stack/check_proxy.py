"""Checks of the proxy: its log, and each kind of fault."""

import json
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor

from botocore.client import BaseClient
from botocore.exceptions import ConnectionClosedError

from running import Stack, assert_equal, eventually, refused

TABLE = STREAM = "check-proxy"


def rules(stack: Stack, *rules: dict) -> None:
    stack.ask("DELETE", "/_rules", server="proxy")
    stack.ask("POST", "/_rules", list(rules), server="proxy")


def log(stack: Stack) -> list[tuple]:
    return [(call["service"], call["operation"], call["resource"], call["caller"], call["status"], call["fault"])
            for call in stack.ask("GET", "/_log", server="proxy")]


def client(stack: Stack, service: str) -> BaseClient:
    """A client without retries, so that each injected failure is seen."""
    return stack.client(service, "proxy", retries={"total_max_attempts": 1}, user_agent_appid="check")


def prepare(stack: Stack) -> None:
    stack.client("dynamodb").create_table(
        TableName=TABLE, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}])
    stack.client("kinesis").create_stream(StreamName=STREAM, ShardCount=1)
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
    stack.client("iam").create_role(RoleName="check", AssumeRolePolicyDocument=json.dumps(trust))


def every_call_is_logged(stack: Stack) -> None:
    prepare(stack)
    rules(stack)
    s3 = client(stack, "s3")
    s3.put_object(Bucket=stack.bucket, Key="a b", Body=b"x" * 3_000_000)
    assert_equal(s3.get_object(Bucket=stack.bucket, Key="a b", Range="bytes=0-9")["Body"].read(), b"x" * 10)
    s3.head_object(Bucket=stack.bucket, Key="a b")
    s3.list_objects_v2(Bucket=stack.bucket, Prefix="a")
    upload = s3.create_multipart_upload(Bucket=stack.bucket, Key="c")["UploadId"]
    part = s3.upload_part(Bucket=stack.bucket, Key="c", UploadId=upload, PartNumber=1, Body=b"c")["ETag"]
    s3.complete_multipart_upload(Bucket=stack.bucket, Key="c", UploadId=upload,
                                 MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]})
    client(stack, "dynamodb").put_item(TableName=TABLE, Item={"pk": {"S": "a"}})
    refused("ResourceNotFoundException", "", lambda: client(stack, "dynamodb").get_item(TableName="nowhere", Key={"pk": {"S": "a"}}))
    client(stack, "sts").assume_role(RoleArn="arn:aws:iam::000000000000:role/check", RoleSessionName="check")
    found = log(stack)
    assert_equal([call[0:2] + call[4:] for call in found[:7]], [("s3", operation, 206 if operation == "GetObject" else 200, None) for operation in (
        "PutObject", "GetObject", "HeadObject", "ListObjectsV2", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")])
    assert_equal({call[2].split("?")[0] for call in found[:7]}, {f"/{stack.bucket}{key}" for key in ("", "/a b", "/c")})
    assert_equal(found[7:], [("dynamodb", "PutItem", TABLE, "check", 200, None), ("dynamodb", "GetItem", "nowhere", "check", 400, None),
                             ("sts", "AssumeRole", "arn:aws:iam::000000000000:role/check", "check", 200, None)])


def errors_strike_as_often_as_the_rule_says(stack: Stack) -> None:
    rules(stack, {"match": "^dynamodb GetItem check$", "what": "error", "nth": 2, "count": 2})
    dynamodb, other = client(stack, "dynamodb"), stack.client("dynamodb", "proxy")
    get = lambda: dynamodb.get_item(TableName=TABLE, Key={"pk": {"S": "a"}})["Item"]
    assert_equal(get(), {"pk": {"S": "a"}})
    other.get_item(TableName=TABLE, Key={"pk": {"S": "a"}})
    for _ in range(2):
        refused("InternalServerError", "on demand", get)
    assert_equal(get(), {"pk": {"S": "a"}})
    rules(stack, {"match": "PutItem", "body": "\"second\"", "what": "error", "count": 0, "error": "TransactionInProgressException", "status": 400})
    dynamodb.put_item(TableName=TABLE, Item={"pk": {"S": "first"}})
    refused("TransactionInProgressException", "on demand", lambda: dynamodb.put_item(TableName=TABLE, Item={"pk": {"S": "second"}}))


def each_service_throttles_with_its_own_error(stack: Stack) -> None:
    rules(stack, {"match": "", "what": "throttle", "count": 0})
    refused("SlowDown", "", lambda: client(stack, "s3").get_object(Bucket=stack.bucket, Key="c"))
    refused("ThrottlingException", "", lambda: client(stack, "dynamodb").get_item(TableName=TABLE, Key={"pk": {"S": "a"}}))
    refused("ProvisionedThroughputExceededException", "",
            lambda: client(stack, "kinesis").put_record(StreamName=STREAM, Data=b"a", PartitionKey="a"))
    refused("Throttling", "", lambda: client(stack, "sts").get_caller_identity())
    refused("ThrottlingException", "", lambda: client(stack, "stepfunctions").list_state_machines())


def a_connection_is_dropped_before_or_after_the_effect(stack: Stack) -> None:
    rules(stack, {"match": "PutObject", "what": "drop_before"}, {"match": "PutObject", "what": "drop_after"})
    s3 = client(stack, "s3")
    for key in ("before", "after"):
        try:
            s3.put_object(Bucket=stack.bucket, Key=f"dropped/{key}", Body=b"x")
        except ConnectionClosedError:
            continue
        raise AssertionError(f"{key} got a response")
    assert_equal(stack.listed("dropped/"), ["dropped/after"])
    assert_equal([call[4:] for call in log(stack)], [(0, "drop_before"), (200, "drop_after")])


def only_the_matching_call_is_delayed(stack: Stack) -> None:
    rules(stack, {"match": "GetItem", "what": "delay", "seconds": 0.5})
    begun = time.monotonic()
    client(stack, "dynamodb").get_item(TableName=TABLE, Key={"pk": {"S": "a"}})
    if time.monotonic() - begun < 0.5:
        raise AssertionError(f"it took {time.monotonic() - begun:.2f} s, expected at least 0.5 s")
    client(stack, "dynamodb").get_item(TableName=TABLE, Key={"pk": {"S": "a"}})
    assert_equal([call[5] for call in log(stack)], ["delay", None])


def a_call_is_held_until_the_rules_are_replaced(stack: Stack) -> None:
    rules(stack, {"match": "GetItem", "what": "hold"})
    with ThreadPoolExecutor() as pool:
        held = pool.submit(client(stack, "dynamodb").get_item, TableName=TABLE, Key={"pk": {"S": "a"}})
        eventually(lambda: [call[5] for call in log(stack)], ["hold"])
        client(stack, "dynamodb").get_item(TableName=TABLE, Key={"pk": {"S": "a"}})
        assert_equal(held.done(), False)
        stack.ask("POST", "/_rules", [], server="proxy")
        assert_equal(held.result()["Item"], {"pk": {"S": "a"}})


def single_records_are_rejected(stack: Stack) -> None:
    kinesis = client(stack, "kinesis")

    def put(texts: str) -> list[str | None]:
        answer = kinesis.put_records(StreamName=STREAM, Records=[{"Data": text.encode(), "PartitionKey": text} for text in texts])
        errors = [record.get("ErrorCode") for record in answer["Records"]]
        assert_equal(answer["FailedRecordCount"], len([error for error in errors if error]))
        return errors

    full = "ProvisionedThroughputExceededException"
    rules(stack, {"match": "PutRecords", "what": "entries"})
    assert_equal(put("abcd"), [None, full, None, full])
    rules(stack, {"match": "PutRecords", "what": "entries", "entries": [0, 1, 7]})
    assert_equal(put("efg"), [full, full, None])
    rules(stack, {"match": "PutRecords", "what": "entries", "entries": [0]})
    assert_equal(put("h"), [full])
    assert_equal(put("i"), [None])
    shard = kinesis.get_shard_iterator(StreamName=STREAM, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON")
    assert_equal([record["Data"] for record in kinesis.get_records(ShardIterator=shard["ShardIterator"])["Records"]], [b"a", b"c", b"g", b"i"])


def invalid_rules_are_rejected(stack: Stack) -> None:
    for rule in ({"match": "(", "what": "error"}, {"match": "", "what": "nonsense"}, {"what": "error"},
                 {"match": "", "what": "error", "nth": 0}, {"match": "", "what": "error", "often": 1}):
        try:
            rules(stack, rule)
        except urllib.error.HTTPError as error:
            assert_equal(error.code, 400)
            continue
        raise AssertionError(f"{rule} was accepted")
    rules(stack)


CHECKS = [every_call_is_logged, errors_strike_as_often_as_the_rule_says, each_service_throttles_with_its_own_error,
          a_connection_is_dropped_before_or_after_the_effect, only_the_matching_call_is_delayed,
          a_call_is_held_until_the_rules_are_replaced, single_records_are_rejected, invalid_rules_are_rejected]
