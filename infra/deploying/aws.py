"""Runs the `aws` command and interprets its failures."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

PAUSE = float(os.environ.get("TIDEMARK_DEPLOY_PAUSE", "3"))
# The error codes of the AWS services for a resource that does not exist.
NOT_FOUND = {"404", "NoSuchBucket", "NoSuchBucketPolicy", "ResourceNotFoundException", "NotFoundException", "ChangeSetNotFound",
             "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}


class DeployError(Exception):
    """A failure with its next step, and the exit status."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


def require(program: str, advice: str) -> None:
    if shutil.which(program) is None:
        raise DeployError(f"`{program}` is not installed; {advice}", 2)


def set_region() -> None:
    """Sets the region for every command, because version 1 of the AWS command line does not read AWS_REGION."""
    require("aws", "install the AWS command line: https://docs.aws.amazon.com/cli/")
    chosen = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or configured_region()
    if not chosen:
        raise DeployError("no region is set; set AWS_REGION or run `aws configure`", 2)
    os.environ["AWS_REGION"] = os.environ["AWS_DEFAULT_REGION"] = chosen


def configured_region() -> str:
    return subprocess.run(["aws", "configure", "get", "region"], capture_output=True, text=True).stdout.strip()


def region() -> str:
    return os.environ["AWS_REGION"]


def account() -> str:
    return aws("sts", "get-caller-identity")["Account"]


def aws(*words: str, parse: bool = True):
    """Runs a command. Returns its output, parsed as JSON by default."""
    result = run(words, parse)
    if result.returncode != 0:
        raise DeployError(message(words, result))
    return json.loads(result.stdout or "{}") if parse else result.stdout


def aws_if_exists(*words: str):
    """Runs a command. Returns its output as JSON, or None if the resource does not exist."""
    result = run(words)
    if result.returncode == 0:
        return json.loads(result.stdout or "{}")
    code = re.search(r"An error occurred \(([\w.]+)\)", result.stderr)
    name = code.group(1) if code else ""
    # CloudFormation has no error code of its own for this.
    if name in NOT_FOUND or (name == "ValidationError" and "does not exist" in result.stderr):
        return None
    raise DeployError(message(words, result))


def run(words: tuple[str, ...], parse: bool = True) -> subprocess.CompletedProcess:
    return subprocess.run(["aws", *words, *(["--output", "json"] if parse else [])], capture_output=True, text=True)


def message(words: tuple[str, ...], result: subprocess.CompletedProcess) -> str:
    return f"aws {words[0]} {words[1]} failed: {result.stderr.strip()}"


def confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise DeployError("cannot ask for confirmation without a terminal; review the changes above, then run again with --yes")
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        print()
        return False
