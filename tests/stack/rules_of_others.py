"""Checks the templates as CloudFormation renders them, their policies and the state machine with the rules of others:
Checkov, parliament and asl-validator. Each finding is listed with a reason in infra/guard/accepted.toml, or is a
problem; so is a line of that file that matches nothing."""

import json
import os
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from rendering import ACCOUNT, KEY, REGION, Rendering, render_all

# The options of a deployment, all off and all on. Findings of both count.
OPTIONS = {
    "default": {},
    "all": {"Consumer": "on", "Sink": "both", "Producers": "arn:aws:iam::111122223333:role/exporter", "CatalogKeyArn": KEY,
            "Consumers": "arn:aws:iam::444455556666:root", "ReservedConcurrency": "2", "AlarmEmail": "ops@example.com",
            "ExportDays": "30", "AccessLogs": "access-logs", "SubnetIds": "subnet-1,subnet-2", "SecurityGroupIds": "sg-1",
            "PermissionsBoundary": "arn:aws:iam::123456789012:policy/boundary", "RolePath": "/teams/data/",
            "ApplyTo": "postgres://tidemark@db.example.com/shop", "ApplySubnets": "subnet-1,subnet-2", "ApplySecurityGroups": "sg-1",
            "ApplySecret": "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-abcdef", "ApplySecretKey": KEY},
}
# The parts of a resource that are policies.
POLICIES = ("AssumeRolePolicyDocument", "PolicyDocument", "KeyPolicy", "ResourcePolicy")

# The resource, the rule that it breaks, and what the tool says.
Finding = tuple[str, str, str]


def problems(home: Path, infra: Path) -> Iterator[str]:
    rendered = {name: render_all(infra / "tidemark.yaml", options) for name, options in OPTIONS.items()}
    found = {*checkov(home, rendered), *parliament(home, rendered, infra), *asl(home, infra / "flow.asl.json")}
    accepted = read_accepted(infra / "guard/accepted.toml")
    yield from (f"{resource} breaks {rule}: {what}" for resource, rule, what in sorted(found) if (resource, rule) not in accepted)
    unused = accepted - {(resource, rule) for resource, rule, _ in found}
    yield from (f"accepted.toml accepts that {resource} breaks {rule}, but it does not" for resource, rule in sorted(unused))
    yield from tools_that_find_nothing(home, rendered["all"], infra)


def read_accepted(path: Path) -> set[tuple[str, str]]:
    """The findings that are accepted, as resources and rules. Each entry has a reason."""
    entries = tomllib.loads(path.read_text())["accepted"]
    if without := [entry["rule"] for entry in entries if len(entry["reason"]) < 20]:
        raise ValueError(f"{path} accepts {without} without a reason")
    pairs = [(resource, entry["rule"]) for entry in entries for resource in entry["resources"]]
    if len(set(pairs)) != len(pairs):
        raise ValueError(f"{path} accepts something twice")
    return set(pairs)


def tools_that_find_nothing(home: Path, rendered: dict[str, dict], infra: Path) -> Iterator[str]:
    """Each tool is tried on something that it must refuse."""
    bucket = {"Resources": {"Bare": {"Type": "AWS::S3::Bucket", "Properties": {}}}}
    if not list(checkov(home, {"all": {"bare.yaml": bucket}})):
        yield "Checkov accepts a bucket without any protection"
    role = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "r", "Policies": [{"PolicyDocument": {
        "Version": "2012-10-17", "Statement": [{"Sid": "All", "Effect": "Allow", "Action": "s3:GetObjekt", "Resource": "*"}]}}]}}
    if not list(findings(home, {"r.yaml R.All": role["Properties"]["Policies"][0]["PolicyDocument"]})):
        yield "parliament accepts an action that does not exist"
    with tempfile.TemporaryDirectory() as folder:
        broken = Path(folder) / "flow.asl.json"
        broken.write_text((infra / "flow.asl.json").read_text().replace('"Next": "Locked?"', '"Next": "Elsewhere"'))
        if not list(asl(home, broken)):
            yield "asl-validator accepts a state that does not exist"


def checkov(home: Path, rendered: dict[str, dict[str, dict]]) -> Iterator[Finding]:
    with tempfile.TemporaryDirectory() as folder:
        for options, templates in rendered.items():
            for name, template in templates.items():
                path = Path(folder, options, name).with_suffix(".json")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(template, indent=1))
        # Without this it asks a service of its maker for the texts of its rules.
        environment = os.environ | {"BC_SKIP_MAPPING": "TRUE"}
        done = subprocess.run([home / "rules/bin/python", "-m", "checkov.main", "--directory", folder, "--framework", "cloudformation",
                               "--compact", "--quiet", "--skip-download", "--output", "json"],
                              capture_output=True, text=True, env=environment)
    try:
        report = json.loads(done.stdout)
        if report["summary"]["parsing_errors"] or not report["summary"]["resource_count"]:
            raise ValueError(report["summary"])
    except (ValueError, KeyError, TypeError) as error:
        raise RuntimeError(f"Checkov did not read the templates: {error}\n{done.stdout[-2000:]}{done.stderr[-2000:]}") from error
    for failed in report["results"]["failed_checks"]:
        _, _, path = failed["file_path"].lstrip("/").partition("/")
        yield f"{Path(path).with_suffix('.yaml')} {failed['resource'].split('.')[-1]}", failed["check_id"], failed["check_name"]


def parliament(home: Path, rendered: dict[str, dict[str, dict]], infra: Path) -> Iterator[Finding]:
    """Each statement is a policy of its own, so that findings name it."""
    statements = dict(bucket_of_artifacts())
    for options, templates in rendered.items():
        for path, template in templates.items():
            for name, resource in template["Resources"].items():
                statements.update((f"{options}: {path} {name}.{sid}", policy) for sid, policy in policies(resource))
    yield from findings(home, statements)


def findings(home: Path, statements: dict[str, dict]) -> Iterator[Finding]:
    script = Path(__file__).with_name("check_policies.py")
    done = subprocess.run([home / "rules/bin/python", "-W", "ignore", script], input=json.dumps(statements), capture_output=True, text=True)
    if done.returncode != 0 or not statements:
        raise RuntimeError(f"parliament failed: {done.stderr}")
    for name, rule, what in map(json.loads, done.stdout.splitlines()):
        yield name.partition(": ")[2] or name, rule, what


def policies(resource: dict) -> Iterator[tuple[str, dict]]:
    """The statements of a resource, by their Sid."""
    properties = resource.get("Properties", {})
    documents = [(policy["PolicyDocument"], {}) for policy in properties.get("Policies", [])]
    for name in POLICIES:
        # A policy of trust is about the role to which it belongs, and does not name it.
        of = {"Resource": f"arn:aws:iam::{ACCOUNT}:role/{properties.get('RoleName')}"} if name == "AssumeRolePolicyDocument" else {}
        documents += [(properties[name], of)] if name in properties else []
    for document, of in documents:
        for statement in document["Statement"]:
            yield statement.get("Sid", "Trust"), {**document, "Statement": [statement | of]}


def bucket_of_artifacts() -> Iterator[tuple[str, dict]]:
    """The policy of the bucket that infra/deploy creates for code and templates."""
    from deploying import code
    for statement in code.bucket_policy("artifacts", "aws")["Statement"]:
        yield f"deploying/code.py {statement['Sid']}", {"Version": "2012-10-17", "Statement": [statement]}


def asl(home: Path, flow: Path) -> Iterator[Finding]:
    """The state machine as it is deployed, with the ARNs of its functions."""
    arn = rf"arn:aws:lambda:{REGION}:{ACCOUNT}:function:\1"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / flow.name
        path.write_text(re.sub(r"\$\{(\w+)\}", arn, flow.read_text()))
        done = subprocess.run([home / "asl/node_modules/.bin/asl-validator", "--json-path", path], capture_output=True, text=True)
    found = re.findall(r"^\s*([A-Z_]{5,}): (.*)$", done.stdout + done.stderr, re.M)
    if done.returncode not in (0, 1) or (done.returncode == 1) != bool(found):
        raise RuntimeError(f"asl-validator failed: {done.stdout}{done.stderr}")
    yield from ((flow.name, rule, what) for rule, what in found)
