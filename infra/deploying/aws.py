"""The `aws` command: how it is called, and what its failures mean."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

PAUSE = float(os.environ.get("TIDEMARK_DEPLOY_PAUSE", "3"))
# What AWS's services answer, each in its own words, when something is not there.
GONE = {"404", "NoSuchBucket", "ResourceNotFoundException", "NotFoundException", "ChangeSetNotFound",
        "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}


class Stop(Exception):
    """What is wrong, and what to do; the exit status."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


def need(program: str, advice: str) -> None:
    if shutil.which(program) is None:
        raise Stop(f"there is no `{program}`; {advice}", 2)


def begin() -> None:
    """Finds the region once, for every command: version 1 of the command line does not know AWS_REGION."""
    need("aws", "install the AWS command line: https://docs.aws.amazon.com/cli/")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or configured()
    if not region:
        raise Stop("no region is chosen; set AWS_REGION, or run `aws configure`", 2)
    os.environ["AWS_REGION"] = os.environ["AWS_DEFAULT_REGION"] = region


def configured() -> str:
    return subprocess.run(["aws", "configure", "get", "region"], capture_output=True, text=True).stdout.strip()


def here() -> str:
    return os.environ["AWS_REGION"]


def account() -> str:
    return aws("sts", "get-caller-identity")["Account"]


def aws(*words: str, parse: bool = True):
    """What the command says, as JSON unless there is nothing to parse."""
    done = called(words, parse)
    if done.returncode != 0:
        raise Stop(trouble(words, done))
    return json.loads(done.stdout or "{}") if parse else done.stdout


def tried(*words: str):
    """What the command says; none for something that is not there."""
    done = called(words)
    if done.returncode == 0:
        return json.loads(done.stdout or "{}")
    code = re.search(r"An error occurred \(([\w.]+)\)", done.stderr)
    name = code.group(1) if code else ""
    # CloudFormation has no word of its own for it.
    if name in GONE or (name == "ValidationError" and "does not exist" in done.stderr):
        return None
    raise Stop(trouble(words, done))


def called(words: tuple[str, ...], parse: bool = True) -> subprocess.CompletedProcess:
    return subprocess.run(["aws", *words, *(["--output", "json"] if parse else [])], capture_output=True, text=True)


def trouble(words: tuple[str, ...], done: subprocess.CompletedProcess) -> str:
    return f"aws {words[0]} {words[1]}: {done.stderr.strip()}"


def agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise Stop("nobody can be asked; look at the changes above, then run again with --yes")
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        print()
        return False
