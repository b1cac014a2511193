"""Adopts the data that a deleted stack left behind.

CloudFormation would refuse to create what exists. It imports existing resources into a stack, but not into a nested
one: so they are imported into a stack of their own, which is then nested into the root.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resource-import-nested-stacks.html
"""

from __future__ import annotations

import json

from . import code, stacks
from .aws import DeployError, account, aws, aws_if_exists, confirmed, region
from .data import exists, holders
from .steps import DATA

# Parts of the data that hold nothing, and that a deployment creates anew.
CREATED_ANEW = ("KeyAlias", "StreamConsumers", "DeadLettersPolicy")
# Lets the root exist before anything is nested into it. The next step removes it.
PLACEHOLDER = {"Adopted": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}


def adopt(name: str, template: dict, given: dict[str, str], found: dict[str, dict[str, str]], bucket: str, is_confirmed: bool) -> None:
    """Creates the stack with the data that an earlier one left behind."""
    print(f"A deleted stack {name} left its data behind. The new stack adopts it, with the parameters of the last deployment:")
    for logical, identifier in found.items():
        print(f"  {logical:<16}{next(iter(identifier.values()))}")
    missing = sorted({"Key", "Exports", "Work", "DeadLetters", "Registry"} - set(found))
    if missing:
        raise DeployError(f"it lacks {', '.join(missing)}, without which the rest cannot be used; remove the rest with "
                          f"`infra/deploy remove --data --name {name}`, or choose another --name")
    if not is_confirmed and not confirmed("Adopt these resources?"):
        raise DeployError("nothing was deployed")
    import_data(name, template, given, found, bucket)


def left_behind(name: str) -> dict[str, dict[str, str]]:
    """The identifiers of the existing resources, by their logical names in data.yaml."""
    suffix = f"{account()}-{region()}"
    exports, work, stream = f"{name}-exports-{suffix}", f"{name}-work-{suffix}", f"{name}-operations"
    registry = f"{name}-registry"
    found: dict[str, dict[str, str]] = {}
    for logical, bucket in (("Exports", exports), ("Work", work)):
        if exists("AWS::S3::Bucket", bucket):
            found[logical] = {"BucketName": bucket}
            if aws_if_exists("s3api", "get-bucket-policy", "--bucket", bucket) is not None:
                found[f"{logical}Policy"] = {"Bucket": bucket}
            # The key has no name of its own.
            found["Key"] = {"KeyId": key_of(bucket)}
    if exists("AWS::DynamoDB::Table", registry):
        found["Registry"] = {"TableName": registry}
    if exists("AWS::Kinesis::Stream", stream):
        found["Stream"] = {"Name": stream}
    if found and (queue := queue_url(name)):
        found["DeadLetters"] = {"QueueUrl": queue}
    return found


def queue_url(name: str) -> str | None:
    """The address of the dead-letter queue. AWS remembers for 90 days which one a deleted stack left behind."""
    known = [url for kind, url in holders(name) if kind == "AWS::SQS::Queue" and url.endswith(f"/{name}-dead-letters")]
    return known[0] if known else (aws_if_exists("sqs", "get-queue-url", "--queue-name", f"{name}-dead-letters") or {}).get("QueueUrl")


def key_of(bucket: str) -> str:
    """The ID of the key that encrypts a bucket."""
    found = aws("s3api", "get-bucket-encryption", "--bucket", bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    arn = next(rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] for rule in found)
    if not exists("AWS::KMS::Key", arn):
        raise DeployError(f"the key {arn} of the bucket {bucket} is being deleted; keep it with "
                          f"`aws kms cancel-key-deletion --key-id {arn}`, then run this command again")
    return arn.rsplit("/", 1)[1]


def import_data(name: str, template: dict, given: dict[str, str], found: dict[str, dict[str, str]], bucket: str) -> None:
    nested = template["Resources"][DATA]
    data = only_existing(code.package_template(code.TEMPLATE.with_name("data.yaml"), code.BUILT / f"{name}-data.json", name, bucket), found)
    # A stream that does not exist is created by the next step.
    known = given if "Stream" in found else given | {"Sink": "s3"}
    parameters = {key: known.get(key, str(template["Parameters"][key].get("Default", ""))) for key in data["Parameters"]}
    imported = [{"ResourceType": data["Resources"][logical]["Type"], "LogicalResourceId": logical, "ResourceIdentifier": identifier}
                for logical, identifier in found.items() if logical in data["Resources"]]
    # What an interrupted command has done already is not repeated.
    if stacks.stack(f"{name}-data") is None:
        run(f"{name}-data", data, parameters, imported)
    url = upload(nested["Properties"]["TemplateURL"], data, bucket, f"{name}/{name}-data-adopted.json")
    # CloudFormation compares tags, template and parameters with those of the stack. An import adds no tags.
    stack = {**nested, "DeletionPolicy": "Retain", "Properties": {"TemplateURL": url, "Parameters": parameters}}
    root = {**template, "Resources": PLACEHOLDER, "Outputs": {}, "Rules": {}, "Conditions": {}}
    if stacks.stack(name) is None:
        run(name, root, given)
    identifier = {"StackId": stacks.stack(f"{name}-data")["StackId"]}
    imported = [{"ResourceType": stacks.NESTED, "LogicalResourceId": DATA, "ResourceIdentifier": identifier}]
    run(name, {**root, "Resources": {**PLACEHOLDER, DATA: stack}}, {}, imported)
    stacks.protect(name)


def only_existing(data: dict, found: dict) -> dict:
    """The template of the data with what exists. An import must not change outputs."""
    resources = {logical: {**resource} for logical, resource in data["Resources"].items() if logical in found and logical not in CREATED_ANEW}
    for resource in resources.values():
        if after := resource.pop("DependsOn", None):
            kept = [one for one in ([after] if isinstance(after, str) else after) if one in resources]
            resource.update({"DependsOn": kept} if kept else {})
        resource["DeletionPolicy"] = "Retain"
    if "Stream" not in resources:
        registry = resources["Registry"]
        resources["Registry"] = {**registry, "Properties": {key: value for key, value in registry["Properties"].items() if key != "Tags"}}
    return {**{key: value for key, value in data.items() if key != "Outputs"}, "Resources": resources}


def upload(like: str, template: dict, bucket: str, key: str) -> str:
    """Uploads a template next to the packaged ones. Returns its address."""
    path = code.BUILT / key.rsplit("/", 1)[1]
    path.write_text(json.dumps(template))
    aws("s3api", "put-object", "--bucket", bucket, "--key", key, "--body", str(path))
    return f"{like.split(f'/{bucket}/')[0]}/{bucket}/{key}"


def run(name: str, template: dict, given: dict[str, str], imported: list[dict] | None = None) -> None:
    change_set = stacks.create_change_set(name, template, given, imported or [])
    if change_set is not None:
        stacks.execute(name, change_set)
