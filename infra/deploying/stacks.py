"""Shows change sets before they are executed, and follows deployments until they end."""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator

from .aws import PAUSE, DeployError, aws, aws_if_exists

NESTED = "AWS::CloudFormation::Stack"
# The number of consecutive calls that may fail while a stack is followed, so that a network outage does not end it.
MAX_FAILED_CALLS = 10


def stack(name: str) -> dict | None:
    found = aws_if_exists("cloudformation", "describe-stacks", "--stack-name", name)
    return next((one for one in (found or {}).get("Stacks", []) if one["StackStatus"] != "DELETE_COMPLETE"), None)


def template_of(name: str) -> dict:
    """Returns the template of a stack that `deploy` created."""
    body = aws("cloudformation", "get-template", "--stack-name", name)["TemplateBody"]
    try:
        return json.loads(body) if isinstance(body, str) else body
    except ValueError:
        raise DeployError(f"the stack {name} was not deployed by this script, whose templates are JSON; deploy it with the tool that "
                          "created it, or choose another --name") from None


def wait_until_idle(name: str) -> dict | None:
    """Waits until no operation is in progress. Returns the stack, or None if it does not exist or only has a change
    set."""
    known = stack(name)
    if known and known["StackStatus"].endswith("_IN_PROGRESS") and known["StackStatus"] != "REVIEW_IN_PROGRESS":
        print(f"the stack {name} is {known['StackStatus']}; waiting for that operation first")
        follow(name, known["StackId"], set(), last_started(known))
        known = stack(name)
    if known and known["StackStatus"] == "REVIEW_IN_PROGRESS":
        # Left over from a change set for a stack that was never created.
        delete_leftover(name)
        return None
    return known


def last_started(known: dict) -> str:
    return max(known["CreationTime"], known.get("LastUpdatedTime", ""), known.get("DeletionTime", ""))


def delete_leftover(name: str) -> None:
    known = stack(name)
    if known and known["StackStatus"] == "REVIEW_IN_PROGRESS":
        aws("cloudformation", "delete-stack", "--stack-name", name, parse=False)
        while stack(known["StackId"]):
            time.sleep(PAUSE)


def check_deployable(name: str, status: str) -> None:
    """Fails, with the next step, if the status of the stack does not allow deployments."""
    if status == "UPDATE_ROLLBACK_FAILED":
        raise DeployError(f"the stack {name} is UPDATE_ROLLBACK_FAILED: an update failed, and so did its rollback. Fix the cause, run "
                          f"`aws cloudformation continue-update-rollback --stack-name {name}`, then run this command again")
    if status in ("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"):
        raise DeployError(f"the stack {name} is {status}, which does not allow deployments; remove it with "
                          f"`infra/deploy remove --name {name}`, then deploy again")


def create_change_set(name: str, template: dict, given: dict[str, str], imported: list[dict] = (), tags: list[dict] = ()) -> str | None:
    """Returns the ARN of a new change set, or None if nothing would change. Parameters that are not given keep their
    values. With `imported`, the change set imports these existing resources."""
    known = stack(name)
    has_parameters = template.get("Parameters", {})
    kept = [one["ParameterKey"] for one in (known or {}).get("Parameters", []) if one["ParameterKey"] in has_parameters]
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items() if key in has_parameters]
    parameters += [{"ParameterKey": key, "UsePreviousValue": True} for key in kept if key not in given]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(template, file)
        file.flush()
        change_set = aws(
            "cloudformation", "create-change-set", "--stack-name", name, "--change-set-name", f"deploy-{time.time_ns()}",
            "--change-set-type", "IMPORT" if imported else "UPDATE" if known else "CREATE", "--template-body", f"file://{file.name}",
            "--parameters", json.dumps(parameters), "--capabilities", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND",
            *(["--resources-to-import", json.dumps(imported)] if imported else ["--include-nested-stacks"]),
            *(["--tags", json.dumps(tags)] if tags else []))["Id"]
    while (description := describe(change_set))["Status"] not in ("CREATE_COMPLETE", "FAILED"):
        time.sleep(PAUSE)
    if description["Status"] == "CREATE_COMPLETE":
        return change_set
    reasons = list(dict.fromkeys(failure_reasons(description)))
    discard(name, change_set)
    if all("didn't contain changes" in reason or "No updates" in reason for reason in reasons):
        return None
    raise DeployError("the change set failed: " + "; ".join(reasons))


def describe(change_set: str) -> dict:
    return aws("cloudformation", "describe-change-set", "--change-set-name", change_set)


def failure_reasons(description: dict) -> Iterator[str]:
    """Yields why a change set failed. If a nested one is to blame, these are the reasons of the nested one."""
    reason = description.get("StatusReason", "no reason given")
    nested = re.findall(r"arn:[\w-]+:cloudformation:\S+?:changeSet/[\w-]+/[\w-]+", reason)
    if not nested:
        yield reason
    for one in nested:
        yield from failure_reasons(describe(one))


def discard(name: str, change_set: str) -> None:
    aws("cloudformation", "delete-change-set", "--change-set-name", change_set)
    delete_leftover(name)


def show(name: str, change_set: str) -> None:
    """Prints the changes of the stack and its nested stacks as a table."""
    rows = list(changes(change_set, name))
    widths = [max(len(row[column]) for row in rows) for column in range(3)] if rows else [0, 0, 0]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths)]
        print("  " + "  ".join([*cells, row[3]]).rstrip())
    replaced = sum("REPLACED" in row[3] for row in rows)
    count = "1 change" if len(rows) == 1 else f"{len(rows)} changes"
    print(f"\n{count}" + (f", {replaced} of which may replace a resource" if replaced else "") + "\n")


def changes(change_set: str, parent: str) -> Iterator[tuple[str, str, str, str]]:
    """Yields the action, path, type and replacement of each change. For a nested stack, its own changes show the
    replacement."""
    words = {"True": "REPLACED", "Conditional": "may be REPLACED"}
    for change in (change["ResourceChange"] for change in describe(change_set).get("Changes", [])):
        path = f"{parent}/{change['LogicalResourceId']}"
        replaced = "" if change["ResourceType"] == NESTED else words.get(change.get("Replacement", ""), "")
        yield change["Action"].lower(), path, change["ResourceType"], replaced
        if nested := change.get("ChangeSetId"):
            yield from changes(nested, path)


def execute(name: str, change_set: str) -> None:
    earlier = events(name)
    aws("cloudformation", "execute-change-set", "--change-set-name", change_set)
    follow_after(earlier, name, stack(name)["StackId"])


def protect(name: str, is_protected: bool = True) -> None:
    """Protects a stack from being deleted, or ends that."""
    if (stack(name) or {}).get("EnableTerminationProtection", False) != is_protected:
        option = "--enable-termination-protection" if is_protected else "--no-enable-termination-protection"
        aws("cloudformation", "update-termination-protection", "--stack-name", name, option)


def delete(name: str, stack_id: str) -> None:
    protect(name, False)
    earlier = events(name)
    aws("cloudformation", "delete-stack", "--stack-name", name, parse=False)
    follow_after(earlier, name, stack_id)


def follow_after(earlier: list[dict], name: str, stack_id: str) -> None:
    """Follows the operation that started after these events."""
    printed = {event["EventId"] for event in earlier}
    follow(name, stack_id, printed, max((event["Timestamp"] for event in earlier), default=""))


def follow(name: str, stack_id: str, printed: set[str], since: str) -> None:
    """Prints the events of a stack until no operation is in progress. Only its ID finds a stack that is being
    deleted."""
    failed_calls = 0
    while True:
        try:
            print_events(stack_id, printed, since)
            known = stack(stack_id)
            failed_calls = 0
        except DeployError:
            failed_calls += 1
            if failed_calls > MAX_FAILED_CALLS:
                raise
            known = {"StackStatus": "IN_PROGRESS"}
        status = known["StackStatus"] if known else "DELETE_COMPLETE"
        if not status.endswith("IN_PROGRESS"):
            break
        time.sleep(PAUSE)
    print_events(stack_id, printed, since)
    if "ROLLBACK" in status or status.endswith("_FAILED"):
        for line in failures(stack_id, since, set()):
            print(f"  {line}", file=sys.stderr)
        raise DeployError(f"the stack {name} is {status}; fix the causes listed above, then run the same command again")
    print(f"\nthe stack {name} is {status}\n")


def print_events(stack_id: str, printed: set[str], since: str) -> None:
    for event in reversed(events(stack_id)):
        if event["EventId"] not in printed and event["Timestamp"] >= since:
            printed.add(event["EventId"])
            reason = event.get("ResourceStatusReason", "")
            print(f"  {event['ResourceStatus']:<31} {event['LogicalResourceId']}  {reason}".rstrip(), flush=True)


def failures(stack_id: str, since: str, visited: set[str]) -> Iterator[str]:
    """Yields why resources in the stack and its nested stacks failed since then, except those cancelled because of
    others."""
    visited.add(stack_id)
    for event in events(stack_id, all_pages=True):
        reason = event.get("ResourceStatusReason", "no reason given")
        nested = event.get("PhysicalResourceId", "")
        is_failure = event["ResourceStatus"].endswith("_FAILED") and event["Timestamp"] >= since
        if not is_failure or "cancelled" in reason or nested in visited:
            continue
        yield f"{event['LogicalResourceId']}: {reason}"
        if event["ResourceType"] == NESTED and nested.startswith("arn:"):
            yield from failures(nested, since, visited)


def events(name: str, all_pages: bool = False) -> list[dict]:
    """Returns the events of a stack, the latest first; by default the latest 100."""
    limit = [] if all_pages else ["--max-items", "100"]
    found = aws_if_exists("cloudformation", "describe-stack-events", "--stack-name", name, *limit)
    return (found or {}).get("StackEvents", [])


def resources(stack_id: str) -> Iterator[tuple[str, str]]:
    """Yields the types and names of the resources of a stack and its nested stacks."""
    for one in aws("cloudformation", "list-stack-resources", "--stack-name", stack_id)["StackResourceSummaries"]:
        kind, name = one["ResourceType"], one.get("PhysicalResourceId", "")
        if kind == NESTED and name and one["ResourceStatus"] != "DELETE_COMPLETE":
            yield from resources(name)
        elif name:
            yield kind, name
