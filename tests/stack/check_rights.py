"""Checks that the emulator enforces the rights of roles, by action and by resource, with the proxy as well."""

import json

from botocore.client import BaseClient

import aws
from running import Stack, assert_equal, refused

TABLES = ("check-own", "check-other")
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}


def role(stack: Stack, name: str, *statements: dict) -> dict[str, str]:
    """Creates a role with these rights; returns its credentials."""
    iam = stack.client("iam")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow"} | statement for statement in statements]}
    iam.put_role_policy(RoleName=name, PolicyName="check", PolicyDocument=json.dumps(policy))
    return stack.client("sts").assume_role(RoleArn=arn, RoleSessionName="check")["Credentials"]


def client(stack: Stack, service: str, server: str, credentials: dict[str, str]) -> BaseClient:
    return aws.client(service, stack.endpoints[server], credentials, retries={"total_max_attempts": 1})


def a_role_has_only_the_rights_that_its_statements_grant(stack: Stack) -> None:
    for table in TABLES:
        stack.client("dynamodb").create_table(
            TableName=table, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}])
    credentials = role(stack, "check-table", {"Action": "dynamodb:PutItem", "Resource": f"arn:aws:dynamodb:*:*:table/{TABLES[0]}"})
    item = {"pk": {"S": "a"}}
    for server in ("aws", "proxy"):
        dynamodb = client(stack, "dynamodb", server, credentials)
        dynamodb.put_item(TableName=TABLES[0], Item=item)
        refused("AccessDeniedException", "dynamodb:PutItem", lambda: dynamodb.put_item(TableName=TABLES[1], Item=item))
        refused("AccessDeniedException", "dynamodb:GetItem", lambda: dynamodb.get_item(TableName=TABLES[0], Key=item))


def a_role_can_be_limited_to_listing_a_prefix(stack: Stack) -> None:
    for key in ("rights/orders/V1/a", "rights/payroll/V1/a"):
        stack.s3.put_object(Bucket=stack.bucket, Key=key, Body=b"a")
    credentials = role(stack, "check-prefix",
                       {"Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{stack.bucket}", "Condition": {"StringLike": {"s3:prefix": "*/orders/*"}}},
                       {"Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{stack.bucket}/*/orders/*"})
    s3 = client(stack, "s3", "proxy", credentials)
    assert_equal([one["Key"] for one in s3.list_objects_v2(Bucket=stack.bucket, Prefix="rights/orders/")["Contents"]], ["rights/orders/V1/a"])
    assert_equal(s3.get_object(Bucket=stack.bucket, Key="rights/orders/V1/a")["Body"].read(), b"a")
    refused("AccessDenied", "s3:ListBucket", lambda: s3.list_objects_v2(Bucket=stack.bucket, Prefix="rights/payroll/"))
    refused("AccessDenied", "s3:GetObject", lambda: s3.get_object(Bucket=stack.bucket, Key="rights/payroll/V1/a"))


def single_records_of_a_role_are_rejected(stack: Stack) -> None:
    stack.client("kinesis").create_stream(StreamName="check-rights", ShardCount=1)
    credentials = role(stack, "check-stream", {"Action": "kinesis:PutRecords", "Resource": "arn:aws:kinesis:*:*:stream/check-rights"})
    stack.ask("POST", "/_rules", [{"match": "PutRecords", "what": "entries"}], server="proxy")
    kinesis = client(stack, "kinesis", "proxy", credentials)
    answer = kinesis.put_records(StreamName="check-rights", Records=[{"Data": b"a", "PartitionKey": "a"}] * 3)
    assert_equal(answer["FailedRecordCount"], 1)


def requests_without_tls_count_as_encrypted(stack: Stack) -> None:
    stack.s3.create_bucket(Bucket="check-tls")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::check-tls", "arn:aws:s3:::check-tls/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    stack.s3.put_bucket_policy(Bucket="check-tls", Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    credentials = role(stack, "check-tls", {"Action": "s3:PutObject", "Resource": "arn:aws:s3:::check-tls/*"})
    client(stack, "s3", "aws", credentials).put_object(Bucket="check-tls", Key="a", Body=b"a")


CHECKS = [a_role_has_only_the_rights_that_its_statements_grant, a_role_can_be_limited_to_listing_a_prefix,
          single_records_of_a_role_are_rejected, requests_without_tls_count_as_encrypted]
