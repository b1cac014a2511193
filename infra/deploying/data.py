"""Finds and removes the resources that hold data."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator

from .aws import PAUSE, DeployError, aws, aws_if_exists
from .stacks import NESTED, events, resources, stack

# The types that hold data, in the order of removal. The key comes last, because everything that it encrypts is lost
# with it.
REMOVAL_ORDER = ["AWS::SQS::Queue", "AWS::Kinesis::Stream", "AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key"]
# Of these types, only resources with one of these words in their name hold data.
NAMES_WITH_DATA = {"AWS::SQS::Queue": ("-dead-letters", "Failures")}

Resource = tuple[str, str]


def holders(name: str) -> list[Resource]:
    """Returns the types and names of existing resources that hold data: those in the stack, and those that it or
    deleted stacks with the same name left behind. AWS remembers deleted stacks for 90 days."""
    deleted = aws("cloudformation", "list-stacks", "--stack-status-filter", "DELETE_COMPLETE")["StackSummaries"]
    stacks = [one["StackId"] for one in deleted if one["StackName"] == name]
    candidates = set()
    if known := stack(name):
        stacks.append(known["StackId"])
        candidates.update(one for one in resources(known["StackId"]) if holds_data(*one))
    candidates.update(one for one_stack in stacks for one in retained(one_stack))
    return sorted((one for one in candidates if exists(*one)), key=lambda one: (REMOVAL_ORDER.index(one[0]), one[1]))


def holds_data(kind: str, name: str) -> bool:
    return kind in REMOVAL_ORDER and (kind not in NAMES_WITH_DATA or any(word in name for word in NAMES_WITH_DATA[kind]))


def retained(stack_id: str) -> Iterator[Resource]:
    """Yields what a stack and the stacks nested in it left behind, when they were deleted or when a parameter removed a
    resource."""
    nested = set()
    for event in events(stack_id, all_pages=True):
        kind, name = event["ResourceType"], event.get("PhysicalResourceId", "")
        if kind == NESTED and name not in ("", stack_id) and name not in nested:
            nested.add(name)
            yield from retained(name)
        elif event["ResourceStatus"] == "DELETE_SKIPPED" and kind in REMOVAL_ORDER:
            yield kind, name


def exists(kind: str, name: str) -> bool:
    if kind == "AWS::KMS::Key":
        key = aws_if_exists("kms", "describe-key", "--key-id", name)
        return key is not None and key["KeyMetadata"]["KeyState"] != "PendingDeletion"
    words = {"AWS::SQS::Queue": ["sqs", "get-queue-attributes", "--queue-url"],
             "AWS::S3::Bucket": ["s3api", "head-bucket", "--bucket"],
             "AWS::Kinesis::Stream": ["kinesis", "describe-stream-summary", "--stream-name"],
             "AWS::DynamoDB::Table": ["dynamodb", "describe-table", "--table-name"]}
    return aws_if_exists(*words[kind], name) is not None


def remove(kind: str, name: str) -> None:
    if kind == "AWS::S3::Bucket":
        empty(name)
        aws("s3api", "delete-bucket", "--bucket", name, parse=False)
    elif kind == "AWS::DynamoDB::Table":
        aws("dynamodb", "update-table", "--table-name", name, "--no-deletion-protection-enabled")
        while aws("dynamodb", "describe-table", "--table-name", name)["Table"]["TableStatus"] != "ACTIVE":
            time.sleep(PAUSE)
        aws("dynamodb", "delete-table", "--table-name", name)
    elif kind == "AWS::Kinesis::Stream":
        aws("kinesis", "delete-stream", "--stream-name", name, "--enforce-consumer-deletion", parse=False)
    elif kind == "AWS::SQS::Queue":
        aws("sqs", "delete-queue", "--queue-url", name, parse=False)
    else:
        aws("kms", "schedule-key-deletion", "--key-id", name, "--pending-window-in-days", "30")
        print("  the key is deleted after 30 days; until then, `aws kms cancel-key-deletion` keeps it")


def empty(bucket: str) -> None:
    """Removes every version of every object, a thousand at a time."""
    while True:
        page = aws("s3api", "list-object-versions", "--bucket", bucket, "--max-items", "1000")
        objects = [{"Key": one["Key"], "VersionId": one["VersionId"]}
                   for one in page.get("Versions", []) + page.get("DeleteMarkers", [])]
        if not objects:
            return
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"Objects": objects, "Quiet": True}, file)
            file.flush()
            result = aws("s3api", "delete-objects", "--bucket", bucket, "--delete", f"file://{file.name}")
        if errors := result.get("Errors"):
            first = errors[0]
            raise DeployError(f"cannot remove {len(errors)} objects of {bucket}, for example {first.get('Key')}: "
                              f"{first.get('Code')} {first.get('Message', '')}; check your permissions, then run again")
