"""What holds data: where it is, and how it is removed."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator

from .aws import PAUSE, Stop, aws, tried
from .stacks import NESTED, events, resources, stack

# In the order in which it can be removed: the key last, since what it encrypted is gone with it.
ORDER = ["AWS::SQS::Queue", "AWS::Kinesis::Stream", "AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key"]
# Of these kinds, not everything holds data.
HOLDS = {"AWS::SQS::Queue": ("-dead-letters", "Failures")}

Holder = tuple


def holders(name: str) -> list[Holder]:
    """Types and names of what holds data and is there: in the stack of this name, and left behind by it or by others of its
    name; AWS remembers those that were removed for 90 days."""
    removed = aws("cloudformation", "list-stacks", "--stack-status-filter", "DELETE_COMPLETE")["StackSummaries"]
    stacks = [one["StackId"] for one in removed if one["StackName"] == name]
    found = set()
    if known := stack(name):
        stacks.append(known["StackId"])
        found.update(one for one in resources(known["StackId"]) if holds(*one))
    found.update(one for one_stack in stacks for one in skipped(one_stack))
    return sorted((one for one in found if is_there(*one)), key=lambda one: (ORDER.index(one[0]), one[1]))


def holds(kind: str, name: str) -> bool:
    return kind in ORDER and (kind not in HOLDS or any(word in name for word in HOLDS[kind]))


def skipped(stack_id: str) -> Iterator[Holder]:
    """What a stack, and those nested in it that are gone, left behind."""
    for event in events(stack_id, every=True):
        kind, name = event["ResourceType"], event.get("PhysicalResourceId", "")
        if kind == NESTED and name not in ("", stack_id) and event["ResourceStatus"] == "DELETE_COMPLETE":
            yield from skipped(name)
        elif event["ResourceStatus"] == "DELETE_SKIPPED" and kind in ORDER:
            yield kind, name


def is_there(kind: str, name: str) -> bool:
    if kind == "AWS::KMS::Key":
        seen = tried("kms", "describe-key", "--key-id", name)
        return seen is not None and seen["KeyMetadata"]["KeyState"] != "PendingDeletion"
    words = {"AWS::SQS::Queue": ["sqs", "get-queue-attributes", "--queue-url"], "AWS::S3::Bucket": ["s3api", "head-bucket", "--bucket"],
             "AWS::Kinesis::Stream": ["kinesis", "describe-stream-summary", "--stream-name"],
             "AWS::DynamoDB::Table": ["dynamodb", "describe-table", "--table-name"]}
    return tried(*words[kind], name) is not None


def remove_one(kind: str, name: str) -> None:
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
        print("  a key goes after 30 days; until then `aws kms cancel-key-deletion` keeps it")


def empty(bucket: str) -> None:
    """Removes every version of every object, a thousand at a time."""
    while True:
        found = aws("s3api", "list-object-versions", "--bucket", bucket, "--max-items", "1000")
        objects = [{"Key": one["Key"], "VersionId": one["VersionId"]}
                   for one in found.get("Versions", []) + found.get("DeleteMarkers", [])]
        if not objects:
            return
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"Objects": objects, "Quiet": True}, file)
            file.flush()
            done = aws("s3api", "delete-objects", "--bucket", bucket, "--delete", f"file://{file.name}")
        if errors := done.get("Errors"):
            one = errors[0]
            raise Stop(f"{len(errors)} objects of {bucket} cannot be removed; {one.get('Key')}: {one.get('Code')} {one.get('Message', '')}")
