"""Checks policies with parliament. Reads {name: policy} as JSON, and prints a line [name, rule, what] as JSON for each
finding. Run by the interpreter of the environment that has parliament."""

import json
import sys

import parliament


def main() -> None:
    for name, policy in json.load(sys.stdin).items():
        for finding in parliament.analyze_policy_string(json.dumps(policy)).findings:
            print(json.dumps([name, finding.issue, str(finding.detail or finding.title)]))


if __name__ == "__main__":
    main()
