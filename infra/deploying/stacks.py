"""Stacks: change sets that are shown before they happen, and deployments that are followed to their end."""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator

from .aws import PAUSE, Stop, aws, tried

NESTED = "AWS::CloudFormation::Stack"
# How often in a row nothing may be heard of a stack that is followed: the network may be away for a while.
PATIENCE = 10


def stack(name: str) -> dict | None:
    seen = tried("cloudformation", "describe-stacks", "--stack-name", name)
    return next((one for one in (seen or {}).get("Stacks", []) if one["StackStatus"] != "DELETE_COMPLETE"), None)


def template_of(name: str) -> dict:
    """The template of a stack that `deploy` made."""
    body = aws("cloudformation", "get-template", "--stack-name", name)["TemplateBody"]
    try:
        return json.loads(body) if isinstance(body, str) else body
    except ValueError:
        raise Stop(f"the stack {name} was not deployed by this script, whose templates are JSON; deploy it as before, or under "
                   "another --name") from None


def settled(name: str) -> dict | None:
    """The stack once nothing happens to it any more; none where there is none, or nothing but a change set."""
    known = stack(name)
    if known and known["StackStatus"].endswith("_IN_PROGRESS") and known["StackStatus"] != "REVIEW_IN_PROGRESS":
        print(f"the stack {name} is {known['StackStatus']}, which goes on first")
        follow(name, known["StackId"], set(), time_of(known))
        known = stack(name)
    if known and known["StackStatus"] == "REVIEW_IN_PROGRESS":
        # What is left of a change set for a stack that was not made then.
        delete_leftover(name)
        return None
    return known


def time_of(known: dict) -> str:
    return max(known["CreationTime"], known.get("LastUpdatedTime", ""), known.get("DeletionTime", ""))


def delete_leftover(name: str) -> None:
    known = stack(name)
    if known and known["StackStatus"] == "REVIEW_IN_PROGRESS":
        aws("cloudformation", "delete-stack", "--stack-name", name, parse=False)
        while stack(known["StackId"]):
            time.sleep(PAUSE)


def refuse(name: str, status: str) -> None:
    """Says what to do where AWS deploys nothing onto the stack."""
    if status == "UPDATE_ROLLBACK_FAILED":
        raise Stop(f"the stack {name} is UPDATE_ROLLBACK_FAILED: what failed could not be taken back. Remove the reason, then run "
                   f"`aws cloudformation continue-update-rollback --stack-name {name}`, then this again")
    if status in ("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"):
        raise Stop(f"the stack {name} is {status}, from which AWS deploys nothing; "
                   f"`infra/deploy remove --name {name}` takes it away, then deploy again")


def create_change_set(name: str, template: dict, given: dict[str, str]) -> str | None:
    """The ARN of a change set; none where nothing would change. Parameters that are not given keep their values."""
    known = stack(name)
    has_parameters = template.get("Parameters", {})
    kept = [one["ParameterKey"] for one in (known or {}).get("Parameters", []) if one["ParameterKey"] in has_parameters]
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]
    parameters += [{"ParameterKey": key, "UsePreviousValue": True} for key in kept if key not in given]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(template, file)
        file.flush()
        made = aws("cloudformation", "create-change-set", "--stack-name", name, "--change-set-name", f"deploy-{time.time_ns()}",
                   "--change-set-type", "UPDATE" if known else "CREATE", "--template-body", f"file://{file.name}",
                   "--parameters", json.dumps(parameters), "--capabilities", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND",
                   "--include-nested-stacks")["Id"]
    while (seen := describe(made))["Status"] not in ("CREATE_COMPLETE", "FAILED"):
        time.sleep(PAUSE)
    if seen["Status"] == "CREATE_COMPLETE":
        return made
    reasons = list(dict.fromkeys(why(seen)))
    discard(name, made)
    if all("didn't contain changes" in reason or "No updates" in reason for reason in reasons):
        return None
    raise Stop("the change set failed: " + "; ".join(reasons))


def describe(change_set: str) -> dict:
    return aws("cloudformation", "describe-change-set", "--change-set-name", change_set)


def why(seen: dict) -> Iterator[str]:
    """Why a change set failed: of one that names another, the reasons of that."""
    reason = seen.get("StatusReason", "no reason is given")
    nested = re.findall(r"arn:[\w-]+:cloudformation:\S+?:changeSet/[\w-]+/[\w-]+", reason)
    if not nested:
        yield reason
    for one in nested:
        yield from why(describe(one))


def discard(name: str, change_set: str) -> None:
    aws("cloudformation", "delete-change-set", "--change-set-name", change_set)
    delete_leftover(name)


def show(name: str, change_set: str) -> None:
    """The changes of the stack and of those nested in it, as a table."""
    rows = list(changes(change_set, name))
    widths = [max(len(row[column]) for row in rows) for column in range(3)] if rows else [0, 0, 0]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths)]
        print("  " + "  ".join([*cells, row[3]]).rstrip())
    replaced = sum("REPLACED" in row[3] for row in rows)
    many = "1 change" if len(rows) == 1 else f"{len(rows)} changes"
    print(f"\n{many}" + (f", {replaced} of them may replace a resource" if replaced else "") + "\n")


def changes(change_set: str, where: str) -> Iterator[tuple[str, str, str, str]]:
    """What, where, of which type, and whether it is replaced; of a nested stack, its own changes say that."""
    words = {"True": "REPLACED", "Conditional": "may be REPLACED"}
    for change in (change["ResourceChange"] for change in describe(change_set).get("Changes", [])):
        place = f"{where}/{change['LogicalResourceId']}"
        replaced = "" if change["ResourceType"] == NESTED else words.get(change.get("Replacement", ""), "")
        yield change["Action"].lower(), place, change["ResourceType"], replaced
        if nested := change.get("ChangeSetId"):
            yield from changes(nested, place)


def execute(name: str, change_set: str) -> None:
    begun = events(name)
    aws("cloudformation", "execute-change-set", "--change-set-name", change_set)
    told = {event["EventId"] for event in begun}
    follow(name, stack(name)["StackId"], told, max((event["Timestamp"] for event in begun), default=""))


def delete(name: str, stack_id: str) -> None:
    begun = events(name)
    aws("cloudformation", "delete-stack", "--stack-name", name, parse=False)
    told = {event["EventId"] for event in begun}
    follow(name, stack_id, told, max((event["Timestamp"] for event in begun), default=""))


def follow(name: str, stack_id: str, told: set[str], since: str) -> None:
    """Tells what happens to a stack, until nothing does any more. One that goes is known by its id alone."""
    silent = 0
    while True:
        try:
            tell(stack_id, told, since)
            known = stack(stack_id)
            silent = 0
        except Stop:
            silent += 1
            if silent > PATIENCE:
                raise
            known = {"StackStatus": "IN_PROGRESS"}
        status = known["StackStatus"] if known else "DELETE_COMPLETE"
        if not status.endswith("IN_PROGRESS"):
            break
        time.sleep(PAUSE)
    tell(stack_id, told, since)
    if "ROLLBACK" in status or status.endswith("_FAILED"):
        for line in failures(stack_id, since, set()):
            print(f"  {line}", file=sys.stderr)
        raise Stop(f"the stack {name} is {status}; see the reasons above")
    print(f"\nthe stack {name} is {status}\n")


def tell(stack_id: str, told: set[str], since: str) -> None:
    for event in reversed(events(stack_id)):
        if event["EventId"] not in told and event["Timestamp"] >= since:
            told.add(event["EventId"])
            print(f"  {event['ResourceStatus']:<31} {event['LogicalResourceId']}  {event.get('ResourceStatusReason', '')}".rstrip(),
                  flush=True)


def failures(stack_id: str, since: str, seen: set[str]) -> Iterator[str]:
    """Why resources failed since then, in the stack and in those nested in it; not those that were given up for others."""
    seen.add(stack_id)
    for event in events(stack_id, every=True):
        reason = event.get("ResourceStatusReason", "no reason is given")
        nested = event.get("PhysicalResourceId", "")
        if not event["ResourceStatus"].endswith("_FAILED") or event["Timestamp"] < since or "cancelled" in reason or nested in seen:
            continue
        yield f"{event['LogicalResourceId']}: {reason}"
        if event["ResourceType"] == NESTED and nested.startswith("arn:"):
            yield from failures(nested, since, seen)


def events(name: str, every: bool = False) -> list[dict]:
    seen = tried("cloudformation", "describe-stack-events", "--stack-name", name, *([] if every else ["--max-items", "100"]))
    return (seen or {}).get("StackEvents", [])


def resources(stack_id: str) -> Iterator[tuple[str, str]]:
    """Types and names of what a stack is made of, and those nested in it."""
    for one in aws("cloudformation", "list-stack-resources", "--stack-name", stack_id)["StackResourceSummaries"]:
        kind, name = one["ResourceType"], one.get("PhysicalResourceId", "")
        if kind == NESTED and name and one["ResourceStatus"] != "DELETE_COMPLETE":
            yield from resources(name)
        elif name:
            yield kind, name
