"""Compares the calls that functions made with the rights that the templates grant, in both directions.

    rights.py INFRA < calls.json

INFRA is the folder of the templates; the calls are those in the logs of the proxy and of Athena. Prints a line for each
difference; the exit status is then 1.
"""

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

from cfnlint.decode.cfn_yaml import load

# Stands for the roles of all tables, whichever function assumes one. They have the same rights, each to its own table.
TABLES = "a table's role"

# Rights that AWS services use on behalf of a function.
BY_A_SERVICE = {
    "logs": "Lambda writes the log",
    "xray": "Lambda sends traces",
    "ec2": "Lambda connects functions to a VPC",
    "kms": "S3, DynamoDB, Kinesis and SQS use the key in the function's name",
    "sqs": "Lambda receives messages, and sends those that failed",
    "ec2": "Lambda attaches a function to the subnets of the database",
    "kinesis:DescribeStream": "Lambda reads the stream for its consumer",
    "kinesis:GetRecords": "Lambda reads the stream for its consumer",
    "kinesis:GetShardIterator": "Lambda reads the stream for its consumer",
}
# Rights of a table's role that Athena uses: it reads and writes with the rights of whoever started the statement.
BY_ATHENA = {"glue:GetPartitions", "glue:GetDatabase", "s3:GetBucketLocation", "s3:AbortMultipartUpload",
             "s3:ListMultipartUploadParts", "s3:ListBucketMultipartUploads", "s3:PutObject", "lakeformation:GetDataAccess"}
# Rights for calls that this test does not cause.
RARELY_USED = {
    (TABLES, "athena:StopQueryExecution"): "when a statement is no longer needed",
    (TABLES, "s3:DeleteObject"): "the call does not name its objects, so it is counted for the function",
    ("sweep", "states:StartExecution"): "after a crash",
    ("unlock", "states:StartExecution"): "after many versions",
    ("begin", "dynamodb:ConditionCheckItem"): "when an export changes at the last moment",
    ("athena", "s3:DeleteObject"): "when it planned the version before",
    ("athena", "s3:ListBucket"): "when it planned the version before",
    ("sweep", "dynamodb:PutItem"): "when a waiting version is complete, and its event was lost",
    ("sweep", "dynamodb:UpdateItem"): "when a waiting version is complete, and its event was lost",
    ("sweep", "dynamodb:DeleteItem"): "when a waiting version is complete, and its event was lost",
    ("find", "s3:GetObject"): "where there is an ignore file",
    ("find", "dynamodb:DeleteItem"): "when a version without a record changes the status of another",
    ("apply-orders", "dynamodb:Query"): "at the end of a version with `reset`",
    ("apply-orders", "kinesis:DescribeStreamSummary"): "Lambda reads the stream for its consumer",
    ("apply-orders", "kinesis:ListShards"): "Lambda reads the stream for its consumer",
    ("apply", "kinesis:DescribeStreamSummary"): "Lambda reads the stream for its consumer",
    ("apply", "kinesis:ListShards"): "Lambda reads the stream for its consumer",
}


def main(infra: str) -> int:
    tables = {path.stem: load(path)["Resources"]["Role"] for path in sorted(Path(infra).glob("tables/*.yaml"))
              if not path.name.startswith("group-")}
    granted = grants(Path(infra)) | {TABLES: set().union(*map(actions, tables.values()))}
    made, problems = defaultdict(set), inconsistent_roles(tables)
    calls = json.load(sys.stdin)
    # It is deployed only where the tests have PostgreSQL.
    if not any(call["caller"] == "tidemark-apply" for call in calls):
        del granted["apply"]
    for call in calls:
        function = TABLES if uses_table_role(call) else call["caller"].removeprefix("tidemark-")
        if function in granted and call["status"] < 400:
            made[function].update(call["actions"])
            if function == TABLES and not any(covers(role, call) for role in tables.values()):
                problems.append(f"{function} calls {call['actions'][0]} on {call['resource']}, which belongs to no table")
    for function, may in sorted(granted.items()):
        for action in sorted(made[function] - may):
            problems.append(f"{function} calls {action}, which no statement allows")
        by_others = set(BY_A_SERVICE) | (BY_ATHENA if function == TABLES else set())
        for action in sorted(may - made[function]):
            if not {action, action.split(":")[0]} & by_others and (function, action) not in RARELY_USED:
                problems.append(f"{function} has the right {action}, but never uses it")
    for action in sorted(action for may in granted.values() for action in may if "*" in action):
        problems.append(f"{action} is a wildcard")
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"{len(granted)} functions, {sum(map(len, granted.values()))} rights, {sum(map(len, made.values()))} of them used")
    return 1 if problems else 0


def grants(infra: Path) -> dict[str, set[str]]:
    """The actions that each function is allowed."""
    granted = {}
    for template in (load(infra / "shared.yaml"), load(infra / "consumer.yaml"), load(infra / "apply.yaml")):
        for resource in template["Resources"].values():
            if resource["Type"] != "AWS::Lambda::Function":
                continue
            role = template["Resources"][resource["Properties"]["Role"]["Fn::GetAtt"][0]]
            name = resource["Properties"]["FunctionName"]["Fn::Sub"].removeprefix("${Name}-")
            granted[name] = actions(role)
    return granted


def statements(role: dict) -> list[dict]:
    """The statements of a role, conditional ones included."""
    found = [statement for policy in role["Properties"].get("Policies", []) for statement in policy["PolicyDocument"]["Statement"]]
    return [statement["Fn::If"][1] if "Fn::If" in statement else statement for statement in found]


def inconsistent_roles(tables: dict[str, dict]) -> list[str]:
    """Roles of tables whose rights differ in more than the name of the table, and rights to objects of other tables.
    There are two kinds of tables: those that Athena may read, and the others."""
    problems, kinds = [], defaultdict(set)
    for table, role in tables.items():
        allowed = statements(role)
        kinds[len(allowed)].add(json.dumps(allowed).replace(f"/{table}", "/TABLE"))
        for statement in allowed:
            for name in resources(statement):
                if re.search(r":s3:::[^/]+/", name) and f"/{table}/" not in name:
                    problems.append(f"the role of {table} has rights to {name}")
    problems += [f"roles of tables differ in more than the table: {kind}" for kind in kinds.values() if len(kind) > 1]
    return problems


def resources(statement: dict) -> list[str]:
    """The resources of a statement as strings, variables included."""
    named = statement["Resource"]
    texts = []
    for one in named if isinstance(named, list) else [named]:
        text = one.get("Fn::Sub", json.dumps(one)) if isinstance(one, dict) else one
        texts.append(text if isinstance(text, str) else text[0])
    return texts


def covers(role: dict, call: dict) -> bool:
    """Returns whether a table's role allows a call, by its action and, for objects and listings, by their path."""
    place, _, query = call["resource"].partition("?")
    prefix = re.search(r"(?:^|&)prefix=([^&]*)", query)
    for statement in statements(role):
        may = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        if not set(call["actions"]) <= set(may):
            continue
        if not call["actions"][0].startswith("s3:"):
            return True
        listed = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix", "*")
        is_listed = prefix is None or matches(listed, prefix.group(1))
        if is_listed and any(matches(name.split(":::")[-1], place.strip("/")) for name in resources(statement)):
            return True
    return False


def matches(pattern: str, text: str) -> bool:
    """Returns whether a text matches a pattern of IAM; a variable stands for anything without a slash."""
    parts = re.split(r"(\$\{[^}]+\}|\*)", pattern)
    words = {"*": ".*"}
    return re.fullmatch("".join(words.get(part, "[^/]*" if part.startswith("${") else re.escape(part)) for part in parts), text) is not None


def uses_table_role(call: dict) -> bool:
    """Returns whether a call was made with the role of a table: for exports, the catalog, Athena or the results of
    its statements."""
    if call["actions"][0].startswith(("athena:", "glue:")):
        return True
    place, _, query = call["resource"].partition("?")
    prefix = re.search(r"(?:^|&)prefix=([^&]*)", query)
    # The bucket's root, the folders of tenants and tables, and the ignore file are looked at with a role of its own,
    # which also removes what has expired.
    if call["caller"] == "tidemark-find" and (place.endswith("/.tidemarkignore") or query == "delete" or (prefix and prefix.group(1).count("/") < 3)):
        return False
    return call["actions"][0].startswith("s3:") and re.search(r"-exports-|-work-[^/]*/(athena/|.*prefix=athena)", call["resource"]) is not None


def actions(role: dict) -> set[str]:
    found: set[str] = set()
    for statement in statements(role):
        named = statement["Action"]
        found.update([named] if isinstance(named, str) else named)
    return found


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
