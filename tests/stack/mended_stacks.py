"""What the emulator's CloudFormation gets wrong: stacks in stacks, and settings that it reads and forgets."""

from collections.abc import Callable

from ministack.services import cloudformation, dynamodb, lambda_svc
from ministack.services.cloudformation import changesets, engine, provisioners, stacks

Resource = tuple[str, dict]
STACK = "AWS::CloudFormation::Stack"


def mend() -> None:
    heed_conditions()
    keep_attributes()
    take_back()
    publish_exports()
    retain()
    count_sources()
    after_each("AWS::Lambda::Function", set_concurrency)
    after_each("AWS::DynamoDB::Table", set_time_to_live)
    after_each("AWS::DynamoDB::Table", set_recovery)


def heed_conditions() -> None:
    """A change set has resources whose condition is false; and a parameter that flips a condition, and nothing else, is no
    change."""
    resolve = changesets._resolve_props_for_diff

    def mended(template: dict, params: dict, *more: str) -> dict:
        resolved = resolve(template, params, *more)
        conditions = engine._evaluate_conditions(template, params) if template else {}
        kept = {name: one for name, one in resolved.get("Resources", {}).items() if conditions.get(one.get("Condition"), True)}
        return {**resolved, "Resources": kept}

    changesets._resolve_props_for_diff = mended


def take_back() -> None:
    """A nested stack that cannot be made leaves behind what was made of it. What is to be retained except on creation goes, too."""
    deploy = provisioners._cfn_nested_stack_deploy
    delete = provisioners._RESOURCE_HANDLERS[STACK]["delete"]

    def mended(logical: str, properties: dict, parent: str, **previous: object) -> Resource:
        known = set(cloudformation._stacks)
        try:
            return deploy(logical, properties, parent, **previous)
        except Exception:
            for name in set(cloudformation._stacks) - known:
                if cloudformation._stacks[name].get("_parent_stack_name") == parent:
                    delete(name, properties)
            raise

    provisioners._cfn_nested_stack_deploy = mended


def keep_attributes() -> None:
    """In an update of a nested stack, a resource that stays as it is loses its attributes: whatever then asks for one by
    Fn::GetAtt fails the update."""
    update = provisioners._update_resource

    def mended(kind: str, physical: str, old: dict, new: dict, stack: str, logical: str | None = None,
               attributes: dict | None = None) -> Resource:
        if attributes is None:
            known = cloudformation._stacks.get(stack, {}).get("_resources", {})
            attributes = known.get(logical, {}).get("Attributes")
        return update(kind, physical, old, new, stack, logical, attributes)

    provisioners._update_resource = mended


def publish_exports() -> None:
    """What a nested stack exports is known to nobody: Fn::ImportValue fails wherever it stands."""
    deploy = provisioners._cfn_nested_stack_deploy

    def mended(logical: str, properties: dict, parent: str, **previous: object) -> Resource:
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

    provisioners._cfn_nested_stack_deploy = mended


def retain() -> None:
    """When a nested stack goes, what it is to retain goes with it: buckets, tables and streams."""
    handlers = provisioners._RESOURCE_HANDLERS[STACK]
    delete = handlers["delete"]

    def mended(physical: str, properties: dict) -> None:
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
        tell_parent(child)

    handlers["delete"] = mended


def tell_parent(child: dict) -> None:
    """In an update, a stack that goes is told of nowhere."""
    parent = cloudformation._stacks.get(child.get("_parent_stack_name", ""), {})
    for logical, one in parent.get("_resources", {}).items():
        if one["PhysicalResourceId"] == child["StackId"] and parent["StackStatus"].startswith("UPDATE"):
            stacks._add_event(parent["StackId"], parent["StackName"], logical, STACK, "DELETE_COMPLETE", physical_id=child["StackId"])


def after_each(kind: str, act: Callable[[str, dict], object]) -> None:
    """Does something with a resource whenever it was made or updated."""
    handlers = provisioners._RESOURCE_HANDLERS[kind]
    create, update = handlers["create"], handlers["update"]

    def mended_create(logical: str, properties: dict, stack: str) -> Resource:
        made = create(logical, properties, stack)
        act(made[0], properties)
        return made

    def mended_update(physical: str, old: dict, new: dict, stack: str, *more: str) -> Resource:
        made = update(physical, old, new, stack, *more)
        act(made[0], new)
        return made

    handlers["create"], handlers["update"] = mended_create, mended_update


def count_sources() -> None:
    """A number that comes from a parameter is a text; how many functions a queue may have is then compared with none, and no
    queue is read any more."""
    concurrency = lambda_svc._sqs_esm_concurrency

    def mended(mapping: dict, *more: object) -> int:
        scaling = {name: int(value) for name, value in (mapping.get("ScalingConfig") or {}).items()}
        return concurrency({**mapping, "ScalingConfig": scaling}, *more)

    lambda_svc._sqs_esm_concurrency = mended


def set_concurrency(function: str, properties: dict) -> None:
    """Reserved concurrency is read and forgotten: a function that is to run once runs as often as it is called."""
    reserved = properties.get("ReservedConcurrentExecutions")
    if reserved is None:
        lambda_svc._delete_function_concurrency(function)
    else:
        lambda_svc._put_function_concurrency(function, {"ReservedConcurrentExecutions": int(reserved)})


def set_time_to_live(table: str, properties: dict) -> None:
    """Time to live is read and forgotten."""
    wanted = properties.get("TimeToLiveSpecification")
    if wanted:
        dynamodb._update_ttl({"TableName": table, "TimeToLiveSpecification": wanted | {"Enabled": is_true(wanted.get("Enabled"))}})
    else:
        dynamodb._ttl_settings.pop(table, None)


def set_recovery(table: str, properties: dict) -> None:
    """Point-in-time recovery is read and forgotten."""
    wanted = properties.get("PointInTimeRecoverySpecification") or {}
    dynamodb._pitr_settings[table] = is_true(wanted.get("PointInTimeRecoveryEnabled"))


def is_true(value: object) -> bool:
    """A template has booleans as words, too."""
    return str(value).lower() == "true"
