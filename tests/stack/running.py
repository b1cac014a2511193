"""Running servers and their clients, for the checks."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from botocore.client import BaseClient
from botocore.exceptions import ClientError

import aws

DATABASE = "check"


class Stack:
    """Running servers, and their clients."""

    def __init__(self, memory: str) -> None:
        begun = time.monotonic()
        self.process = subprocess.Popen([sys.executable, str(Path(__file__).parent), "serve", "--memory", memory],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = self.process.stdout.readline()
        if not line:
            sys.exit(self.process.wait())
        self.endpoints, self.seconds = json.loads(line), time.monotonic() - begun
        self.bucket = self.endpoints["bucket"]
        self.s3, self.glue = (self.client(name) for name in ("s3", "glue"))
        # No retries, so that each injected failure is seen.
        self.athena = self.client("athena", "athena", retries={"total_max_attempts": 1})
        self.children = children_of(self.process.pid)

    def start(self, query: str, parameters: list[str] | None = None, **options: object) -> str:
        extra = {"ExecutionParameters": parameters} if parameters else {}
        settings = {"QueryExecutionContext": {"Database": DATABASE},
                    "ResultConfiguration": {"OutputLocation": f"s3://{self.bucket}/results/"}}
        return self.athena.start_query_execution(QueryString=query, **extra, **(settings | options))["QueryExecutionId"]

    def get(self, name: str) -> dict:
        return self.athena.get_query_execution(QueryExecutionId=name)["QueryExecution"]

    def finish(self, name: str, seconds: float = 600) -> dict:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.get(name)
            if found["Status"]["State"] not in ("QUEUED", "RUNNING"):
                return found
            time.sleep(0.05)
        raise AssertionError(f"{name} is still {found['Status']['State']} after {seconds} s")

    def run(self, query: str, parameters: list[str] | None = None, **options: object) -> dict:
        return self.finish(self.start(query, parameters, **options))

    def rows(self, execution: dict) -> list[list[str | None]]:
        pages = self.athena.get_paginator("get_query_results").paginate(
            QueryExecutionId=execution["QueryExecutionId"], PaginationConfig={"PageSize": 1000})
        return [[value.get("VarCharValue") for value in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]]

    def read(self, uri: str) -> bytes:
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def client(self, service: str, server: str = "aws", **options: object) -> BaseClient:
        return aws.client(service, self.endpoints[server], **options)

    def ask(self, method: str, path: str, body: object = None, server: str = "athena") -> object:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.endpoints[server] + path, data, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def fail(self, *failures: dict) -> None:
        self.ask("DELETE", "/_failures")
        self.ask("POST", "/_failures", list(failures))

    def listed(self, prefix: str) -> list[str]:
        return [item["Key"] for item in self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])]


def assert_equal(found: object, expected: object) -> None:
    if found != expected:
        raise AssertionError(f"expected {expected!r}, found {found!r}")


def eventually(found: Callable[[], object], expected: object, seconds: float = 600) -> None:
    """Waits until `found` returns the expected value."""
    end = time.monotonic() + seconds
    while found() != expected and time.monotonic() < end:
        time.sleep(0.05)
    assert_equal(found(), expected)


def refused(code: str, words: str, act: Callable[[], object]) -> None:
    try:
        act()
    except ClientError as error:
        found = error.response["Error"]
        assert_equal(found["Code"], code)
        if words not in found["Message"]:
            raise AssertionError(f"expected a message with {words!r}, found {found['Message']!r}") from None
        return
    raise AssertionError(f"was not refused with {code}")


def children_of(pid: int) -> list[int]:
    """All descendants of a process; Linux only."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    found = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return found + [below for child in found for below in children_of(child)]


def wait_for_end_of(pids: list[int], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > end:
            raise AssertionError(f"some of the processes {pids} still run after {seconds} s")
        time.sleep(0.02)
