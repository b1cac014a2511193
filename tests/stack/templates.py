"""Judges the templates: cfn-lint, the rules of infra/guard, and each rule by a template that it must refuse.

    templates.py HOME INFRA

HOME is where the stack is installed. Exit status: 0 all is well; 1 something is not.
"""

import copy
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from cfnlint.decode.cfn_yaml import load

# `aws cloudformation package` puts places in S3 where the templates name files.
LINT = ["--ignore-checks", "W3002", "--non-zero-exit-code", "informational"]
# For each rule, a type of resource, and where to find what it wants: without it, the rule must refuse.
BROKEN = {
    "buckets_are_encrypted": ("AWS::S3::Bucket", "Properties.BucketEncryption"),
    "tables_are_encrypted": ("AWS::DynamoDB::Table", "Properties.SSESpecification"),
    "streams_are_encrypted": ("AWS::Kinesis::Stream", "Properties.StreamEncryption"),
    "queues_are_encrypted": ("AWS::SQS::Queue", "Properties.KmsMasterKeyId"),
    "topics_are_encrypted": ("AWS::SNS::Topic", "Properties.KmsMasterKeyId"),
    "logs_are_encrypted": ("AWS::Logs::LogGroup", "Properties.KmsKeyId"),
    "environments_are_encrypted": ("AWS::Lambda::Function", "Properties.KmsKeyArn"),
    "keys_rotate": ("AWS::KMS::Key", "Properties.EnableKeyRotation"),
    "logs_are_kept_for_a_time": ("AWS::Logs::LogGroup", "Properties.RetentionInDays"),
    "data_outlives_the_stack": ("AWS::DynamoDB::Table", "DeletionPolicy"),
    "tables_can_be_restored": ("AWS::DynamoDB::Table", "Properties.PointInTimeRecoverySpecification"),
    "buckets_are_nobody_elses": ("AWS::S3::Bucket", "Properties.PublicAccessBlockConfiguration"),
    "functions_are_traced": ("AWS::Lambda::Function", "Properties.TracingConfig"),
    "a_star_needs_a_reason": ("AWS::IAM::Role", "Metadata"),
}


def main(home: str, infra: str) -> int:
    guard, folder = Path(home) / "guard/bin/cfn-guard", Path(infra)
    templates = sorted([*folder.glob("*.yaml"), *folder.glob("tables/*.yaml")])
    problems = lint(templates) + [problem for path in templates for problem in refused(guard, folder / "guard", path)]
    named = set(re.findall(r"^rule (\w+)", "".join(path.read_text() for path in folder.glob("guard/*.guard")), re.M))
    # Whatever a rule looks for is in one of these.
    both = {"Resources": {**load(folder / "data.yaml")["Resources"], **load(folder / "shared.yaml")["Resources"]}}
    for rule in sorted(named):
        broken = breaking(rule, both)
        if broken is None:
            problems.append(f"the rule {rule} has no template here that it must refuse")
        elif not any(rule in problem for problem in judge(guard, folder / "guard", broken)):
            problems.append(f"the rule {rule} lets a template through that breaks it")
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"{len(templates)} templates, {len(named)} rules: {len(problems)} problems")
    return 1 if problems else 0


def lint(templates: list[Path]) -> list[str]:
    done = subprocess.run([sys.executable, "-c", "from cfnlint.runner import main; main()", *LINT, *map(str, templates)], capture_output=True, text=True)
    return [] if done.returncode == 0 else [done.stdout + done.stderr]


def refused(guard: Path, rules: Path, template: Path) -> list[str]:
    done = subprocess.run([guard, "validate", "--rules", rules, "--data", template, "--show-summary", "fail"],
                          capture_output=True, text=True)
    return [] if done.returncode == 0 else [f"{template}: {done.stdout}{done.stderr}"]


def judge(guard: Path, rules: Path, template: dict) -> list[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(template, file)
        file.flush()
        return refused(guard, rules, Path(file.name))


def breaking(rule: str, template: dict) -> dict | None:
    """The template without what a rule wants of one of its resources; with what it does not want."""
    broken = copy.deepcopy(dict(template))
    resources = broken["Resources"]
    if rule in BROKEN:
        kind, path = BROKEN[rule]
        *above, last = path.split(".")
        resource = next(resource for resource in resources.values() if resource["Type"] == kind)
        for name in above:
            resource = resource[name]
        del resource[last]
        return broken
    role = resources["RegisterRole"]["Properties"]
    if rule == "no_action_is_a_star":
        role["Policies"][0]["PolicyDocument"]["Statement"][0]["Action"] = "s3:*"
        return broken
    if rule == "no_managed_policies":
        role["ManagedPolicyArns"] = ["arn:aws:iam::aws:policy/AdministratorAccess"]
        return broken
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
