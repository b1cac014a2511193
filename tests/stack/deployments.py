"""What `infra/deploy` makes of what AWS answers and the emulator does not: many tables, change sets that fail in nested stacks,
stacks that somebody else is at, a network that is away."""

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

CHANGE_SET = "arn:aws:cloudformation:us-east-1:000000000000:changeSet"
STACK = "arn:aws:cloudformation:us-east-1:000000000000:stack"


def problems(folder: Path) -> Iterator[str]:
    sys.path.insert(0, str(folder))
    from deploying import aws, stacks, steps
    stacks.PAUSE = 0
    yield from of_steps(steps)
    for check in (of_change_sets, of_stacks_in_progress, of_failures, of_stacks_that_take_nothing):
        yield from check(stacks, aws.Stop)


def of_steps(steps: ModuleType) -> Iterator[str]:
    """What is wrong with the steps of a deployment of so many tables that they do not come at once."""
    groups = [f"Tables{number:02}" for number in range(1, 9)]
    new = {"Resources": {name: {"Is": name} for name in ["SampleConsumer", *groups, "Shared", "Data"]},
           "Outputs": {"Of": {"Value": {"Fn::Sub": "${Data.Outputs.A}"}}, "Other": {"Value": {"Fn::GetAtt": ["Shared", "Outputs.B"]}}}}
    sizes = {"Data": 10, "Shared": 80, "SampleConsumer": 10} | {group: 700 for group in groups}
    first, *others = steps.steps({}, new, sizes)
    if (list(first[1]["Resources"]), list(first[1]["Outputs"])) != (["Data"], ["Of"]):
        yield f"the first step is {first}"
    done = {"Data"}
    for what, template in others:
        added = set(template["Resources"]) - done
        if sum(sizes[name] for name in added) > steps.MOST or not added:
            yield f"the step `{what}` touches {sorted(added)}"
        done |= added
    if others[-1][1] != new or "Shared" not in others[0][1]["Resources"]:
        yield "the last step is not the whole, or the second does not begin with what the others need"
    back = steps.steps(new, steps.only(new, {"Data"}), sizes)
    if [set(template["Resources"]) for _, template in back][-1] != {"Data"} or "Shared" not in back[-2][1]["Resources"]:
        yield f"the steps back are {back}"
    if len(steps.steps(new, new, sizes)) != 1:
        yield "where nothing changes there is more than one step"


class Answers:
    """Answers to calls of the `aws` command, in their order."""

    def __init__(self, **answers: list) -> None:
        self.answers, self.calls = answers, []

    def __call__(self, service: str, call: str, *words: str, parse: bool = True) -> object:
        self.calls.append(call)
        known = self.answers.get(call.replace("-", "_"), [{}])
        # The last answer is that to all further calls.
        answer = known.pop(0) if len(known) > 1 else known[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def said(stacks: ModuleType, answers: Answers, act: Callable[[], object]) -> tuple[object, str]:
    """What comes of something with these answers, and what is told meanwhile."""
    stacks.aws = stacks.tried = answers
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        try:
            found = act()
        except Exception as error:
            found = error
    return found, told.getvalue()


def stack_is(status: str) -> dict:
    return {"Stacks": [{"StackId": f"{STACK}/t/1", "StackStatus": status, "CreationTime": "2026-01-01T00:00:00Z"}]}


def of_change_sets(stacks: ModuleType, _: type) -> Iterator[str]:
    """Of a change set that fails for one of a nested stack, the reason of that is told, and it is taken away again."""
    for reason, wanted in (("The parameter is missing", "the change set failed: The parameter is missing"),
                           ("The submitted information didn't contain changes.", "None")):
        nested = f"Nested change set {CHANGE_SET}/deploy-1-Shared/ab-cd was not successfully created: Currently in FAILED."
        answers = Answers(describe_stacks=[stack_is("UPDATE_COMPLETE")], create_change_set=[{"Id": f"{CHANGE_SET}/deploy-1/ef"}],
                          describe_change_set=[{"Status": "CREATE_PENDING"}, {"Status": "FAILED", "StatusReason": nested},
                                               {"Status": "FAILED", "StatusReason": reason}])
        found, _told = said(stacks, answers, lambda: stacks.create_change_set("t", {}, {}))
        if str(found) != wanted or "delete-change-set" not in answers.calls:
            yield f"a nested change set that failed for `{reason}` is told as `{found}`"


def of_stacks_in_progress(stacks: ModuleType, stop: type) -> Iterator[str]:
    """What AWS is at is followed first, also when the network is away for a moment; then it goes on."""
    event = {"EventId": "1", "Timestamp": "2026-01-01T00:00:01Z", "ResourceStatus": "UPDATE_COMPLETE", "LogicalResourceId": "Shared"}
    answers = Answers(describe_stacks=[stack_is("UPDATE_IN_PROGRESS"), stop("away"), stack_is("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
                                       stack_is("UPDATE_COMPLETE")], describe_stack_events=[{"StackEvents": [event]}])
    found, told = said(stacks, answers, lambda: stacks.settled("t"))
    if found != stack_is("UPDATE_COMPLETE")["Stacks"][0] or told.count("Shared") != 1:
        yield f"a stack in progress is {found}, and told as {told}"


def of_failures(stacks: ModuleType, _: type) -> Iterator[str]:
    """Reasons are those of this deployment, each once, down to the nested stack."""
    def event(second: int, name: str, reason: str, nested: str = "", kind: str = "AWS::SQS::Queue") -> dict:
        return {"EventId": f"{name}{second}", "Timestamp": f"2026-01-01T00:00:0{second}Z", "ResourceStatus": "CREATE_FAILED", "LogicalResourceId": name,
                "ResourceType": kind, "PhysicalResourceId": nested, "ResourceStatusReason": reason}
    shared = [event(second, "Shared", "Embedded stack failed", f"{STACK}/shared/1", stacks.NESTED) for second in (5, 4)]
    answers = Answers(describe_stack_events=[
        {"StackEvents": [*shared, event(3, "Tables", "Resource creation cancelled"), event(1, "Old", "long ago")]},
        {"StackEvents": [event(3, "Queue", "it exists")]}])
    found, _told = said(stacks, answers, lambda: list(stacks.failures(f"{STACK}/t/1", "2026-01-01T00:00:02Z", set())))
    if found != ["Shared: Embedded stack failed", "Queue: it exists"]:
        yield f"failures are told as {found}"


def of_stacks_that_take_nothing(stacks: ModuleType, stop: type) -> Iterator[str]:
    for status, word in (("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"), ("ROLLBACK_COMPLETE", "infra/deploy remove")):
        found, _told = said(stacks, Answers(), lambda status=status: stacks.refuse("t", status))
        if not isinstance(found, stop) or word not in str(found):
            yield f"a stack that is {status} is told as {found}"
