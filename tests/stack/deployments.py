"""Checks of `infra/deploy` with answers that AWS gives and the emulator does not: many tables, change sets that fail in
nested stacks, stacks that are being updated already, network failures."""

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

from cfnlint.decode.cfn_yaml import load

CHANGE_SET = "arn:aws:cloudformation:us-east-1:000000000000:changeSet"
STACK = "arn:aws:cloudformation:us-east-1:000000000000:stack"


def problems(folder: Path) -> Iterator[str]:
    sys.path.insert(0, str(folder))
    from deploying import adoption, aws, code, releases, stacks, steps
    stacks.PAUSE = 0
    if code.parameters() != list(load(folder / "tidemark.yaml")["Parameters"]):
        yield f"infra/deploy takes {code.parameters()} for the parameters of the template"
    yield from deployment_steps(steps)
    for check in (failed_change_sets, stacks_in_progress, failure_reasons, stacks_that_cannot_be_updated):
        yield from check(stacks, aws.DeployError)
    yield from earlier_releases(releases, aws.DeployError)
    yield from incomplete_data(adoption, aws.DeployError)


def deployment_steps(steps: ModuleType) -> Iterator[str]:
    """Problems with the steps of a deployment with more tables than one step may create."""
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
        if sum(sizes[name] for name in added) > steps.MAX_RESOURCES or not added:
            yield f"the step `{what}` adds {sorted(added)}"
        done |= added
    if others[-1][1] != new or "Shared" not in others[0][1]["Resources"]:
        yield "the last step is not the whole template, or the second lacks what later ones need"
    back = steps.steps(new, steps.only(new, {"Data"}), sizes)
    if [set(template["Resources"]) for _, template in back][-1] != {"Data"} or "Shared" not in back[-2][1]["Resources"]:
        yield f"the steps of the removal are {back}"
    if len(steps.steps(new, new, sizes)) != 1:
        yield "there is more than one step although nothing changes"


class Answers:
    """Answers to calls of the `aws` command, in order."""

    def __init__(self, **answers: list) -> None:
        self.answers, self.calls = answers, []

    def __call__(self, service: str, call: str, *words: str, parse: bool = True) -> object:
        self.calls.append(call)
        known = self.answers.get(call.replace("-", "_"), [{}])
        # The last answer is repeated.
        answer = known.pop(0) if len(known) > 1 else known[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def outcome(stacks: ModuleType, answers: Answers, act: Callable[[], object]) -> tuple[object, str]:
    """The result of `act` with these answers, or its exception; and its output."""
    stacks.aws = stacks.aws_if_exists = answers
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            found = act()
        except Exception as error:
            found = error
    return found, output.getvalue()


def stack_is(status: str) -> dict:
    return {"Stacks": [{"StackId": f"{STACK}/t/1", "StackStatus": status, "CreationTime": "2026-01-01T00:00:00Z"}]}


def failed_change_sets(stacks: ModuleType, _: type) -> Iterator[str]:
    """When a change set fails because of a nested one, the nested reason is reported, and the change set is deleted."""
    for reason, wanted in (("The parameter is missing", "the change set failed: The parameter is missing"),
                           ("The submitted information didn't contain changes.", "None")):
        nested = f"Nested change set {CHANGE_SET}/deploy-1-Shared/ab-cd was not successfully created: Currently in FAILED."
        answers = Answers(describe_stacks=[stack_is("UPDATE_COMPLETE")], create_change_set=[{"Id": f"{CHANGE_SET}/deploy-1/ef"}],
                          describe_change_set=[{"Status": "CREATE_PENDING"}, {"Status": "FAILED", "StatusReason": nested},
                                               {"Status": "FAILED", "StatusReason": reason}])
        found, _output = outcome(stacks, answers, lambda: stacks.create_change_set("t", {}, {}))
        if str(found) != wanted or "delete-change-set" not in answers.calls:
            yield f"a nested change set that failed with `{reason}` is reported as `{found}`"


def stacks_in_progress(stacks: ModuleType, stop: type) -> Iterator[str]:
    """An update in progress is followed to its end first, even when the network fails for a moment."""
    event = {"EventId": "1", "Timestamp": "2026-01-01T00:00:01Z", "ResourceStatus": "UPDATE_COMPLETE", "LogicalResourceId": "Shared"}
    answers = Answers(describe_stacks=[stack_is("UPDATE_IN_PROGRESS"), stop("away"), stack_is("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
                                       stack_is("UPDATE_COMPLETE")], describe_stack_events=[{"StackEvents": [event]}])
    found, output = outcome(stacks, answers, lambda: stacks.wait_until_idle("t"))
    if found != stack_is("UPDATE_COMPLETE")["Stacks"][0] or output.count("Shared") != 1:
        yield f"a stack in progress ends as {found}, with the output {output}"


def failure_reasons(stacks: ModuleType, _: type) -> Iterator[str]:
    """Failures of this deployment are listed, each once, nested stacks included."""
    def event(second: int, name: str, reason: str, nested: str = "", kind: str = "AWS::SQS::Queue") -> dict:
        return {"EventId": f"{name}{second}", "Timestamp": f"2026-01-01T00:00:0{second}Z", "ResourceStatus": "CREATE_FAILED", "LogicalResourceId": name,
                "ResourceType": kind, "PhysicalResourceId": nested, "ResourceStatusReason": reason}
    shared = [event(second, "Shared", "Embedded stack failed", f"{STACK}/shared/1", stacks.NESTED) for second in (5, 4)]
    answers = Answers(describe_stack_events=[
        {"StackEvents": [*shared, event(3, "Tables", "Resource creation cancelled"), event(1, "Old", "long ago")]},
        {"StackEvents": [event(3, "Queue", "it exists")]}])
    found, _output = outcome(stacks, answers, lambda: list(stacks.failures(f"{STACK}/t/1", "2026-01-01T00:00:02Z", set())))
    if found != ["Shared: Embedded stack failed", "Queue: it exists"]:
        yield f"failures are reported as {found}"


def stacks_that_cannot_be_updated(stacks: ModuleType, stop: type) -> Iterator[str]:
    for status, word in (("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"), ("ROLLBACK_COMPLETE", "infra/deploy remove")):
        found, _output = outcome(stacks, Answers(), lambda status=status: stacks.check_deployable("t", status))
        if not isinstance(found, stop) or word not in str(found):
            yield f"a stack that is {status} is reported as {found}"


def earlier_releases(releases: ModuleType, stop: type) -> Iterator[str]:
    """A rollback goes to what was deployed before, even if what is deployed now was not kept."""
    kept = [{"Key": f"t/releases/{name}.json", "LastModified": f"2026-01-0{day}"} for name, day in (("a", 1), ("b", 2), ("c", 3))]
    for current, wanted in (("c", "b"), ("b", "a"), ("lost", "c"), ("a", None)):
        read: list[str] = []

        def answer(_service: str, call: str, *words: str) -> dict:
            if call == "list-objects-v2":
                return {"Contents": kept}
            read.append(words[3])
            Path(words[4]).write_text('{"template": {}, "values": {}}')
            return {}
        releases.aws = answer
        try:
            found = releases.before("bucket", "t", current)[0]
        except stop:
            found = None
        if found != wanted or read != ([f"t/releases/{wanted}.json"] if wanted else []):
            yield f"a rollback from {current} goes to {found}, after {read}"


def incomplete_data(adoption: ModuleType, stop: type) -> Iterator[str]:
    """Data that cannot be used is not adopted."""
    adoption.account, adoption.region = (lambda: "1"), (lambda: "r")
    adoption.exists = lambda kind, name: kind in ("AWS::S3::Bucket", "AWS::KMS::Key")
    rules = [{"ApplyServerSideEncryptionByDefault": {"KMSMasterKeyID": "arn:aws:kms:r:1:key/k"}}]
    adoption.aws = lambda *_: {"ServerSideEncryptionConfiguration": {"Rules": rules}}
    adoption.aws_if_exists, adoption.holders = (lambda *_: None), (lambda _: [])
    cases = [("it lacks DeadLetters, Registry", adoption.exists),
             ("is being deleted", lambda kind, name: kind == "AWS::S3::Bucket")]
    for wanted, exists in cases:
        adoption.exists = exists
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                found = str(adoption.adopt("t", {}, {}, adoption.left_behind("t"), "bucket", True))
            except stop as error:
                found = str(error)
        if wanted not in found:
            yield f"the adoption of incomplete data ends with {found}"
    adoption.exists = lambda *_: False
    if adoption.left_behind("t"):
        yield "data is adopted where there is none"
