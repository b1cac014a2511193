"""Checks the templates with cfn-lint, the rules of infra/guard and those of others; each rule with templates that it must reject;
alarms; and the steps of a deployment.

    templates.py HOME INFRA

HOME is the installation of the test stack. Exit status: 0 no problem; 1 problems, which are printed.
"""

import copy
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cfnlint.decode.cfn_yaml import load

import deployments
import real_aws
import rules_of_others

# `aws cloudformation package` replaces file names with URLs in S3.
LINT = ["--ignore-checks", "W3002", "--non-zero-exit-code", "informational"]
# Removes the property.
NOTHING = object()
ROLE = "Properties.Policies.0.PolicyDocument.Statement.0"
# For each rule: a type of resource, a property, and a value of it that the rule must reject.
BROKEN = {
    "buckets_are_encrypted": [
        ("AWS::S3::Bucket", "Properties.BucketEncryption", NOTHING),
        ("AWS::S3::Bucket", "Properties.BucketEncryption.ServerSideEncryptionConfiguration.0.ServerSideEncryptionByDefault.KMSMasterKeyID",
         "alias/aws/s3")],
    "tables_are_encrypted": [("AWS::DynamoDB::Table", "Properties.SSESpecification", NOTHING),
                             ("AWS::DynamoDB::Table", "Properties.SSESpecification.KMSMasterKeyId", "alias/aws/dynamodb")],
    "streams_are_encrypted": [("AWS::Kinesis::Stream", "Properties.StreamEncryption", NOTHING),
                              ("AWS::Kinesis::Stream", "Properties.StreamEncryption.KeyId", "alias/aws/kinesis")],
    "queues_are_encrypted": [("AWS::SQS::Queue", "Properties.KmsMasterKeyId", NOTHING),
                             ("AWS::SQS::Queue", "Properties.KmsMasterKeyId", "alias/aws/sqs")],
    "topics_are_encrypted": [("AWS::SNS::Topic", "Properties.KmsMasterKeyId", NOTHING)],
    "logs_are_encrypted": [("AWS::Logs::LogGroup", "Properties.KmsKeyId", NOTHING)],
    "environments_are_encrypted": [("AWS::Lambda::Function", "Properties.KmsKeyArn", NOTHING)],
    "results_are_encrypted": [
        ("AWS::Athena::WorkGroup", "Properties.WorkGroupConfiguration.ResultConfiguration.EncryptionConfiguration", NOTHING)],
    "executions_are_encrypted": [("AWS::StepFunctions::StateMachine", "Properties.EncryptionConfiguration", NOTHING)],
    "executions_are_logged": [("AWS::StepFunctions::StateMachine", "Properties.LoggingConfiguration", NOTHING),
                              ("AWS::StepFunctions::StateMachine", "Properties.LoggingConfiguration.IncludeExecutionData", True)],
    "keys_rotate": [("AWS::KMS::Key", "Properties.EnableKeyRotation", NOTHING)],
    "logs_expire": [("AWS::Logs::LogGroup", "Properties.RetentionInDays", NOTHING)],
    "data_outlives_the_stack": [("AWS::DynamoDB::Table", "DeletionPolicy", NOTHING), ("AWS::S3::BucketPolicy", "DeletionPolicy", NOTHING)],
    "dead_letters_outlive_the_stack": [("AWS::SQS::Queue", "DeletionPolicy", NOTHING)],
    "tables_can_be_restored": [("AWS::DynamoDB::Table", "Properties.PointInTimeRecoverySpecification", NOTHING)],
    "buckets_block_public_access": [("AWS::S3::Bucket", "Properties.PublicAccessBlockConfiguration", NOTHING)],
    "functions_are_traced": [("AWS::Lambda::Function", "Properties.TracingConfig", NOTHING)],
    # The schedule's role is the only one without a star and without a reason for one.
    "wildcards_need_a_reason": [("ScheduleRole", f"{ROLE}.Resource", "*"), ("ScheduleRole", f"{ROLE}.Resource", ["*"]),
                              ("ScheduleRole", f"{ROLE}.Resource", {"Fn::Sub": "arn:aws:s3:::${Name}/*"}),
                              ("ScheduleRole", f"{ROLE}.Resource", [{"Fn::Sub": "arn:aws:s3:::${Name}/*"}])],
    "no_wildcard_actions": [("AWS::IAM::Role", f"{ROLE}.Action", "s3:*"), ("AWS::IAM::Role", f"{ROLE}.Action", ["s3:Get*"])],
    # After its log, its traces, the key and the registry comes the stream, if there is one.
    "no_wildcard_actions_under_conditions": [
        ("PlanRole", "Properties.Policies.0.PolicyDocument.Statement.4.Fn::If.1.Action", "kinesis:*"),
        ("PlanRole", "Properties.Policies.0.PolicyDocument.Statement.4.Fn::If.1.Action", ["kinesis:*"])],
    "no_managed_policies": [("AWS::IAM::Role", "Properties.ManagedPolicyArns", ["arn:aws:iam::aws:policy/AdministratorAccess"])],
}
# The runtime's metrics that alarms and the dashboard use, and their dimensions; `runtime/src/lambda` emits them.
METRICS = {
    "Inserted": ["", "Table"], "Updated": ["", "Table"], "Deleted": ["", "Table"], "Seconds": ["", "Table"],
    "Published": ["", "Table"], "Held": ["", "Table"], "Failed": ["", "Table"], "Refused": ["", "Table"], "Machine": ["", "Table"],
    "DifferingTables": [""], "HeldVersions": ["", "Table"], "WaitingVersions": [""], "Overdue": ["Table"], "OldestPendingSeconds": [""], "OldestWaitingSeconds": [""],
}
OURS = "Tidemark/${Name}"


def main(home: str, infra: str) -> int:
    guard, folder = Path(home) / "guard/bin/cfn-guard", Path(infra)
    paths = sorted([*folder.glob("*.yaml"), *folder.glob("tables/*.yaml")])
    templates = {path: load(path) for path in paths}
    problems = lint(paths) + [problem for path in paths for problem in violations(guard, folder / "guard", path)]
    named = set(re.findall(r"^rule (\w+)", "".join(path.read_text() for path in folder.glob("guard/*.guard")), re.M))
    # Each rule applies to a resource of one of these.
    both = {"Resources": {**templates[folder / "data.yaml"]["Resources"], **templates[folder / "shared.yaml"]["Resources"]}}
    for rule in sorted(named):
        if rule not in BROKEN:
            problems.append(f"the rule {rule} has no template in BROKEN that it must reject")
        for kind, path, value in BROKEN.get(rule, []):
            if not any(rule in problem for problem in violations_of(guard, folder / "guard", breaking(both, kind, path, value))):
                problems.append(f"the rule {rule} accepts a template that breaks it at {path} of {kind}")
    problems += [f"{path.name}: {problem}" for path, template in templates.items() for problem in alarm_problems(template, folder.parent)]
    problems += real_aws.problems({str(path.relative_to(folder)): template for path, template in templates.items()})
    problems += deployments.problems(folder)
    problems += rules_of_others.problems(Path(home), folder)
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"{len(paths)} templates, {len(named)} rules: {len(problems)} problems")
    return 1 if problems else 0


def lint(templates: list[Path]) -> list[str]:
    done = subprocess.run([sys.executable, "-c", "from cfnlint.runner import main; main()", *LINT, *map(str, templates)], capture_output=True, text=True)
    return [] if done.returncode == 0 else [done.stdout + done.stderr]


def violations(guard: Path, rules: Path, template: Path) -> list[str]:
    done = subprocess.run([guard, "validate", "--rules", rules, "--data", template, "--show-summary", "fail"],
                          capture_output=True, text=True)
    return [] if done.returncode == 0 else [f"{template}: {done.stdout}{done.stderr}"]


def violations_of(guard: Path, rules: Path, template: dict) -> list[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(template, file)
        file.flush()
        return violations(guard, rules, Path(file.name))


def breaking(template: dict, kind: str, path: str, value: object) -> dict:
    """A copy of the template in which a property of the first resource with this type or name is replaced or
    removed."""
    broken = copy.deepcopy(dict(template))
    *above, last = path.split(".")
    place = next(one for name, one in broken["Resources"].items() if kind in (one["Type"], name))
    for name in above:
        place = place[int(name) if name.isdigit() else name]
    if value is NOTHING:
        del place[last]
    else:
        place[last] = value
    return broken


def alarm_problems(template: dict, root: Path) -> Iterator[str]:
    """Alarms on metrics that are never emitted, or without a section in the runbook."""
    runtime = "".join(path.read_text() for path in (root / "runtime/src/lambda").glob("*.rs"))
    headings = re.findall(r"^## (.+)$", (root / "docs/runbook.md").read_text(), re.M)
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            section = properties["AlarmDescription"].split("docs/runbook.md#")[-1]
            if section not in headings:
                yield f"{name} names a section that the runbook lacks: {section}"
            if properties["Namespace"] == {"Fn::Sub": OURS}:
                dimensions = [one["Name"] for one in properties.get("Dimensions", [])] or [""]
                yield from metric_problems(name, properties["MetricName"], dimensions, runtime)
        elif resource["Type"] == "AWS::CloudWatch::Dashboard":
            for metric in dashboard_metrics(json.loads(dashboard_body(properties["DashboardBody"]["Fn::Sub"]))):
                yield from metric_problems(name, metric, [""], runtime)


def dashboard_body(text: list) -> str:
    """The body of a dashboard with every conditional widget."""
    body, variables = text
    for name, value in variables.items():
        body = body.replace(f"${{{name}}}", value["Fn::If"][1]["Fn::Sub"])
    return body


def metric_problems(who: str, metric: str, dimensions: list[str], runtime: str) -> Iterator[str]:
    if dimensions != [one for one in METRICS.get(metric, []) if one in dimensions] or f'"{metric}"' not in runtime:
        yield f"{who} uses {metric} by {dimensions}, which the runtime does not emit"


def dashboard_metrics(body: dict) -> Iterator[str]:
    for widget in body["widgets"]:
        namespace = ""
        for metric in widget["properties"]["metrics"]:
            namespace = namespace if metric[0] in (".", "...") else metric[0]
            if namespace == OURS and metric[0] != "...":
                yield metric[1]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
