"""Faults of the emulator's CloudFormation: nested stacks, and settings that it ignores."""

from collections.abc import Callable

from ministack.services import cloudformation, dynamodb, kinesis, lambda_svc, s3
from ministack.services.cloudformation import changesets, engine, provisioners, stacks

Resource = tuple[str, dict]
STACK = "AWS::CloudFormation::Stack"


def apply() -> None:
    evaluate_conditions()
    keep_attributes()
    roll_back()
    publish_exports()
    retain()
    import_more()
    convert_concurrency()
    after_each("AWS::Lambda::Function", set_concurrency)
    after_each("AWS::S3::Bucket", set_encryption)
    after_each("AWS::DynamoDB::Table", set_time_to_live)
    after_each("AWS::DynamoDB::Table", set_recovery)


def evaluate_conditions() -> None:
    """In the emulator, a change set lists resources whose condition is false, and a parameter that only flips a
    condition is not a change."""
    resolve = changesets._resolve_props_for_diff

    def patched(template: dict, params: dict, *more: str) -> dict:
        resolved = resolve(template, params, *more)
        conditions = engine._evaluate_conditions(template, params) if template else {}
        kept = {name: one for name, one in resolved.get("Resources", {}).items() if conditions.get(one.get("Condition"), True)}
        return {**resolved, "Resources": kept}

    changesets._resolve_props_for_diff = patched


def roll_back() -> None:
    """A nested stack that cannot be created leaves its resources behind. On AWS all of them go, also those with
    RetainExceptOnCreate."""
    deploy = provisioners._cfn_nested_stack_deploy
    delete = provisioners._RESOURCE_HANDLERS[STACK]["delete"]

    def patched(logical: str, properties: dict, parent: str, **previous: object) -> Resource:
        known = set(cloudformation._stacks)
        try:
            return deploy(logical, properties, parent, **previous)
        except Exception:
            for name in set(cloudformation._stacks) - known:
                if cloudformation._stacks[name].get("_parent_stack_name") == parent:
                    delete(name, properties)
            raise

    provisioners._cfn_nested_stack_deploy = patched


def keep_attributes() -> None:
    """When a nested stack is updated, unchanged resources lose their attributes, and Fn::GetAtt of one fails the
    update."""
    update = provisioners._update_resource

    def patched(kind: str, physical: str, old: dict, new: dict, stack: str, logical: str | None = None,
               attributes: dict | None = None) -> Resource:
        if attributes is None:
            known = cloudformation._stacks.get(stack, {}).get("_resources", {})
            attributes = known.get(logical, {}).get("Attributes")
        return update(kind, physical, old, new, stack, logical, attributes)

    provisioners._update_resource = patched


def publish_exports() -> None:
    """Exports of nested stacks are ignored, so that Fn::ImportValue fails."""
    deploy = provisioners._cfn_nested_stack_deploy

    def patched(logical: str, properties: dict, parent: str, **previous: object) -> Resource:
        identity, attributes = deploy(logical, properties, parent, **previous)
        child = cloudformation._stacks[provisioners._nested_stack_lookup_name(identity)]
        template = child["_template"]
        child["Outputs"], exports = stacks._resolve_stack_outputs(
            template.get("Outputs", {}), child["_conditions"], child["_resources"], child["_resolved_params"],
            template.get("Mappings", {}), child["StackName"], identity)
        known = cloudformation._exports
        for name in exports:
            if name in known and known[name]["StackId"] != identity:
                raise ValueError(f"Export with name {name} is already exported by stack {known[name]['StackId']}")
        for name in [name for name, export in known.items() if export["StackId"] == identity and name not in exports]:
            known.pop(name)
        known.update(exports)
        return identity, attributes

    provisioners._cfn_nested_stack_deploy = patched


def retain() -> None:
    """Deleting a nested stack also deletes the buckets, tables and streams that it should retain."""
    handlers = provisioners._RESOURCE_HANDLERS[STACK]
    delete = handlers["delete"]

    def patched(physical: str, properties: dict) -> None:
        child = cloudformation._stacks.get(provisioners._nested_stack_lookup_name(physical), {})
        template, resources = child.get("_template", {}), child.get("_resources", {})
        for logical, definition in template.get("Resources", {}).items():
            policy = stacks._resource_policy(definition, "DeletionPolicy", resources, child.get("_resolved_params", {}),
                                             child.get("_conditions", {}), template.get("Mappings", {}),
                                             child["StackName"], child["StackId"])
            if policy in provisioners._RETAINING_POLICIES and logical in resources:
                kept = resources.pop(logical)
                stacks._add_event(child["StackId"], child["StackName"], logical, kept["ResourceType"], "DELETE_SKIPPED",
                                  physical_id=kept["PhysicalResourceId"])
        delete(physical, properties)
        add_event_to_parent(child)

    handlers["delete"] = patched


def import_more() -> None:
    """The emulator imports neither streams nor policies of buckets nor stacks."""
    def nested(identifier: dict) -> Resource:
        stack = cloudformation._stacks[provisioners._nested_stack_lookup_name(identifier["StackId"])]
        return stack["StackId"], {}

    def stream(identifier: dict) -> Resource:
        return identifier["Name"], {"Arn": kinesis._streams[identifier["Name"]]["StreamARN"]}

    def problem(is_there: Callable[[str], bool]) -> Callable[[str], str | None]:
        return lambda name: None if is_there(name) else f"{name} was not found."

    kinds = {
        "AWS::Kinesis::Stream": ("Name", problem(lambda name: name in kinesis._streams), stream),
        "AWS::S3::BucketPolicy": ("Bucket", problem(lambda name: name in s3._bucket_policies), lambda identifier: (identifier["Bucket"], {})),
        STACK: ("StackId", problem(lambda name: provisioners._nested_stack_lookup_name(name) in cloudformation._stacks), nested),
    }
    for kind, (key, lookup, read) in kinds.items():
        changesets._IMPORT_LOOKUPS[kind] = ((key,), lookup)
        provisioners._RESOURCE_HANDLERS[kind]["import"] = read


def add_event_to_parent(child: dict) -> None:
    """The deletion of a nested stack is missing from the events of its parent's update."""
    parent = cloudformation._stacks.get(child.get("_parent_stack_name", ""), {})
    for logical, one in parent.get("_resources", {}).items():
        if one["PhysicalResourceId"] == child["StackId"] and parent["StackStatus"].startswith("UPDATE"):
            stacks._add_event(parent["StackId"], parent["StackName"], logical, STACK, "DELETE_COMPLETE", physical_id=child["StackId"])


def after_each(kind: str, act: Callable[[str, dict], object]) -> None:
    """Calls `act` whenever a resource of this type was created or updated."""
    handlers = provisioners._RESOURCE_HANDLERS[kind]
    create, update = handlers["create"], handlers["update"]

    def patched_create(logical: str, properties: dict, stack: str) -> Resource:
        made = create(logical, properties, stack)
        act(made[0], properties)
        return made

    def patched_update(physical: str, old: dict, new: dict, stack: str, *more: str) -> Resource:
        made = update(physical, old, new, stack, *more)
        act(made[0], new)
        return made

    handlers["create"], handlers["update"] = patched_create, patched_update


def convert_concurrency() -> None:
    """A number from a parameter stays a string: MaximumConcurrency then cannot be compared, and no queue is read any
    more."""
    concurrency = lambda_svc._sqs_esm_concurrency

    def patched(mapping: dict, *more: object) -> int:
        scaling = {name: int(value) for name, value in (mapping.get("ScalingConfig") or {}).items()}
        return concurrency({**mapping, "ScalingConfig": scaling}, *more)

    lambda_svc._sqs_esm_concurrency = patched


def set_concurrency(function: str, properties: dict) -> None:
    """Reserved concurrency is ignored."""
    reserved = properties.get("ReservedConcurrentExecutions")
    if reserved is None:
        lambda_svc._delete_function_concurrency(function)
    else:
        lambda_svc._put_function_concurrency(function, {"ReservedConcurrentExecutions": int(reserved)})


def set_encryption(bucket: str, properties: dict) -> None:
    """The encryption of a bucket is ignored."""
    for rule in properties.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", []):
        default = "".join(f"<{name}>{value}</{name}>" for name, value in rule["ServerSideEncryptionByDefault"].items())
        wanted = f"<Rule><ApplyServerSideEncryptionByDefault>{default}</ApplyServerSideEncryptionByDefault></Rule>"
        s3._put_bucket_encryption(bucket, f"<ServerSideEncryptionConfiguration>{wanted}</ServerSideEncryptionConfiguration>".encode())


def set_time_to_live(table: str, properties: dict) -> None:
    """Time to live is ignored."""
    wanted = properties.get("TimeToLiveSpecification")
    if wanted:
        dynamodb._update_ttl({"TableName": table, "TimeToLiveSpecification": wanted | {"Enabled": is_true(wanted.get("Enabled"))}})
    else:
        dynamodb._ttl_settings.pop(table, None)


def set_recovery(table: str, properties: dict) -> None:
    """Point-in-time recovery is ignored."""
    wanted = properties.get("PointInTimeRecoverySpecification") or {}
    dynamodb._pitr_settings[table] = is_true(wanted.get("PointInTimeRecoveryEnabled"))


def is_true(value: object) -> bool:
    """Templates also write booleans as strings."""
    return str(value).lower() == "true"
