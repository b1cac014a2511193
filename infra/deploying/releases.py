"""Keeps what was deployed, so that it can be deployed again.

A release is named after its code, its templates and its parameters: the name is the same only if all of them are. It is
an object NAME/releases/RELEASE.json in the bucket for code and templates, in which nothing expires."""

from __future__ import annotations

import hashlib
import json
import tempfile

from .aws import DeployError, aws
from .stacks import resources, stack

# How many versions of a function are kept for executions that began with them. An execution ends within a day.
KEPT_VERSIONS = 5


def values(template: dict, given: dict[str, str]) -> dict[str, str]:
    """The values of all parameters but the release: those that are given, and the defaults of the others."""
    known = template["Parameters"]
    return {name: str(given.get(name, known[name].get("Default", ""))) for name in known if name != "Release"}


def name(template: dict, values: dict[str, str]) -> str:
    text = json.dumps([template, values], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def keep(stack_name: str, bucket: str, release: str, template: dict, values: dict[str, str]) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"template": template, "values": values}, file)
        file.flush()
        aws("s3api", "put-object", "--bucket", bucket, "--key", key(stack_name, release), "--body", file.name)


def key(stack_name: str, release: str) -> str:
    return f"{stack_name}/releases/{release}.json"


def before(bucket: str, stack_name: str, current: str) -> tuple[str, dict, dict[str, str]]:
    """The release that was deployed before the current one: its name, template and parameters."""
    found = aws("s3api", "list-objects-v2", "--bucket", bucket, "--prefix", key(stack_name, "").removesuffix(".json"))
    deployed = {one["Key"]: one["LastModified"] for one in found.get("Contents", [])}
    # If the last deployment was interrupted before it was kept, all that are kept are earlier.
    since = deployed.pop(key(stack_name, current), "9999")
    earlier = [(at, one) for one, at in deployed.items() if at < since]
    if not earlier:
        raise DeployError(f"no release was deployed before {current or 'this one'}; check out the code that you want, and deploy it")
    chosen = max(earlier)[1]
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        aws("s3api", "get-object", "--bucket", bucket, "--key", chosen, file.name)
        kept = json.load(open(file.name))
    return chosen.rsplit("/", 1)[1].removesuffix(".json"), kept["template"], kept["values"]


def last_values(bucket: str, stack_name: str) -> dict[str, str]:
    """The parameters of the last deployment, also of a stack that was deleted."""
    try:
        return before(bucket, stack_name, "")[2]
    except DeployError:
        return {}


def remove_old_versions(stack_name: str) -> None:
    """Removes versions of functions that no execution calls any more: code of an account is limited to 75 GB."""
    root = aws("cloudformation", "list-stack-resources", "--stack-name", stack(stack_name)["StackId"])["StackResourceSummaries"]
    shared = next((one["PhysicalResourceId"] for one in root if one["LogicalResourceId"] == "Shared"), None)
    for kind, arn in resources(shared) if shared else ():
        if kind != "AWS::Lambda::Version":
            continue
        function, _, current = arn.rpartition(":")
        known = aws("lambda", "list-versions-by-function", "--function-name", function)["Versions"]
        old = sorted(int(one["Version"]) for one in known if one["Version"] not in ("$LATEST", current))
        for version in old[:max(0, len(old) + 1 - KEPT_VERSIONS)]:
            aws("lambda", "delete-function", "--function-name", function, "--qualifier", str(version), parse=False)
