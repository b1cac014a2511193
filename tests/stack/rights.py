"""Holds the calls that functions made against what the templates let them do, both ways.

    rights.py INFRA < calls.json

INFRA is the folder of the templates; the calls are those of the proxy's log, and Athena's. Every difference is a line, and
the exit status is 1 when there is one.
"""

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

from cfnlint.decode.cfn_yaml import load

# The roles of tables together: whichever function takes one.
TABLES = "a table's role"

# What is granted and is no call of a function's own.
BY_A_SERVICE = {
    "logs": "Lambda writes the log",
    "xray": "Lambda sends traces",
    "kms": "S3, DynamoDB, Kinesis and SQS use the key in the function's name",
    "sqs": "Lambda takes the messages, and puts those that failed",
    "kinesis:DescribeStream": "Lambda reads the stream for its consumer",
    "kinesis:GetRecords": "Lambda reads the stream for its consumer",
    "kinesis:GetShardIterator": "Lambda reads the stream for its consumer",
    "glue:GetPartitions": "Athena asks in the name of who started the statement",
    "glue:GetDatabase": "Athena asks in the name of who started the statement",
    "s3:GetBucketLocation": "Athena asks in the name of who started the statement",
    "s3:AbortMultipartUpload": "Athena writes in the name of who started the statement",
    "s3:ListMultipartUploadParts": "Athena writes in the name of who started the statement",
    "s3:ListBucketMultipartUploads": "Athena writes in the name of who started the statement",
    "s3:PutObject": "Athena writes in the name of who started the statement",
}
# Granted, and called where the flow of this test does not come by.
SELDOM = {
    (TABLES, "athena:StopQueryExecution"): "of a statement that nobody wants any more",
    (TABLES, "s3:DeleteObject"): "its call does not name what it removes, and counts for the function",
    ("sweep", "states:StartExecution"): "of what a crash left",
    ("begin", "dynamodb:ConditionCheckItem"): "when an export changes in the last moment",
    ("athena", "s3:DeleteObject"): "when it planned before",
    ("athena", "s3:ListBucket"): "when it planned before",
    ("sweep", "dynamodb:PutItem"): "when what waited is complete, and its event was lost",
    ("sweep", "dynamodb:UpdateItem"): "when what waited is complete, and its event was lost",
    ("apply-orders", "dynamodb:Query"): "at the end of a version that is published whole",
    ("apply-orders", "kinesis:DescribeStreamSummary"): "Lambda reads the stream for its consumer",
    ("apply-orders", "kinesis:ListShards"): "Lambda reads the stream for its consumer",
}


def main(infra: str) -> int:
    granted = grants(Path(infra))
    made = defaultdict(set)
    for call in json.load(sys.stdin):
        function = TABLES if is_of_a_table(call) else call["caller"].removeprefix("tidemark-")
        if function in granted and call["status"] < 400:
            made[function].update(call["actions"])
    problems = []
    for function, actions in sorted(granted.items()):
        for action in sorted(made[function] - actions):
            problems.append(f"{function} calls {action}, and no statement lets it")
        for action in sorted(actions - made[function]):
            service = action.split(":")[0]
            if service not in BY_A_SERVICE and action not in BY_A_SERVICE and (function, action) not in SELDOM:
                problems.append(f"{function} may {action}, and never does")
    for action in sorted(action for actions in granted.values() for action in actions if "*" in action):
        problems.append(f"{action} is a wildcard")
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"{len(granted)} functions, {sum(map(len, granted.values()))} rights, {sum(map(len, made.values()))} of them used")
    return 1 if problems else 0


def grants(infra: Path) -> dict[str, set[str]]:
    """The actions that each function may do, and those that the roles of tables may."""
    shared, consumer = load(infra / "shared.yaml"), load(infra / "consumer.yaml")
    of_tables: set[str] = set()
    for path in sorted((infra / "tables").glob("*.yaml")):
        if not path.name.startswith("group-"):
            of_tables |= actions(load(path)["Resources"]["Role"])
    granted = {}
    for template in (shared, consumer):
        for resource in template["Resources"].values():
            if resource["Type"] != "AWS::Lambda::Function":
                continue
            role = template["Resources"][resource["Properties"]["Role"]["Fn::GetAtt"][0]]
            name = resource["Properties"]["FunctionName"]["Fn::Sub"].removeprefix("${Name}-")
            granted[name] = actions(role)
    return granted | {TABLES: of_tables}


def is_of_a_table(call: dict) -> bool:
    """Whether it was made under the role of a table: exports, the catalog, Athena and what its statements leave."""
    if call["actions"][0].startswith(("athena:", "glue:")):
        return True
    return call["actions"][0].startswith("s3:") and re.search(r"-exports-|-work-[^/]*/(athena/|.*prefix=athena)", call["resource"]) is not None


def actions(role: dict) -> set[str]:
    found: set[str] = set()
    for policy in role["Properties"].get("Policies", []):
        for statement in policy["PolicyDocument"]["Statement"]:
            named = statement["Action"]
            found.update([named] if isinstance(named, str) else named)
    return found


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
