"""One statement, from submission to end."""

import math
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from botocore.client import BaseClient

import engine
import results
import sql
from failures import Failure, scopes_of

# Athena's error types for errors of Trino; https://docs.aws.amazon.com/athena/latest/ug/error-reference.html lists
# Athena's.
USER, SYSTEM = 2, 1
ERROR_TYPES = {"TABLE_NOT_FOUND": 1301, "SCHEMA_NOT_FOUND": 1301, "COLUMN_NOT_FOUND": 1006, "SYNTAX_ERROR": 1006,
               "TYPE_MISMATCH": 1002, "FUNCTION_NOT_FOUND": 1303, "DIVISION_BY_ZERO": 1001,
               "INVALID_CAST_ARGUMENT": 1100, "NOT_SUPPORTED": 1200}
USER_ERROR, DATA_ERROR, ENGINE_ERROR, SERVICE_ERROR, EXHAUSTED = 1000, 1001, 200, 100, 0
# Seconds between two looks at what lets a statement go on.
STEP = 0.05
# The database of the temporary tables that stand for UNLOAD.
SCRATCH = "athena_unload"


@dataclass(frozen=True)
class Services:
    engine: engine.Engine
    s3: BaseClient
    glue: BaseClient


class Execution:
    def __init__(self, services: Services, request: dict, location: str, cutoff: float) -> None:
        self.services, self.request, self.id, self.cutoff = services, request, str(uuid.uuid4()), cutoff
        self.bucket, self.prefix = sql.place(location)
        self.text = sql.stripped(request["QueryString"])
        self.unload = sql.unload(self.text)
        self.state, self.reason, self.error = "QUEUED", None, None
        self.submitted, self.sent, self.completed = time.time(), None, None
        self.answer, self.lines, self.manifest = engine.Answer(), [], None
        self.is_stopped = threading.Event()

    def run(self, failures: list[Failure]) -> None:
        try:
            self.stay("QUEUED", failures)
            self.strike(failures, after=False)
            if self.completed is None:
                self.state, self.sent = "RUNNING", time.time()
                self.work()
                self.stay("RUNNING", failures)
                self.strike(failures, after=True)
                self.end("SUCCEEDED")
        except engine.Stopped:
            is_over = self.scanned > self.cutoff
            self.end("CANCELLED", "Bytes scanned limit was exceeded" if is_over else "Query cancelled by user")
        except sql.Miscounted as miscounted:
            self.fail(f"INVALID_PARAMETER_USAGE: {miscounted}", USER, USER_ERROR)
        except engine.Failed as failed:
            self.fail(*classified(failed))
        except Exception as error:  # A bug in this server must not leave a statement running for ever.
            self.fail(f"the test server failed: {error!r}", SYSTEM, SERVICE_ERROR, retryable=True)

    def stay(self, state: str, failures: list[Failure]) -> None:
        """Stays in a state as long as failures say, unless the statement is stopped."""
        for failure in (failure for failure in failures if failure.state == state):
            end = math.inf if failure.seconds is None else time.monotonic() + failure.seconds
            while time.monotonic() < end and not failure.is_removed.is_set() and not self.is_stopped.wait(STEP):
                pass
        if self.is_stopped.is_set():
            raise engine.Stopped

    def strike(self, failures: list[Failure], after: bool) -> None:
        for failure in failures:
            if failure.after == after and failure.state == "FAILED":
                self.fail(failure.reason, failure.category, failure.type, failure.retryable)
            elif failure.after == after and failure.state == "CANCELLED":
                self.end("CANCELLED", failure.reason)

    def work(self) -> None:
        text = sql.bound(self.text, self.request.get("ExecutionParameters", []))
        if self.unload:
            self.write(sql.unload(text))
        else:
            self.lines = results.table(*self.ask(text))
            if self.answer.columns:
                self.put(f"{self.prefix}{self.id}.csv", results.csv(self.lines))

    def ask(self, text: str, session: dict[str, str] | None = None) -> tuple[list[dict], list[list]]:
        def watch(answer: engine.Answer) -> bool:
            self.answer = answer
            return self.is_stopped.is_set() or self.scanned > self.cutoff

        database = self.request.get("QueryExecutionContext", {}).get("Database", "default")
        answer = self.services.engine.run(text, database, session or {}, watch)
        return answer.columns, answer.rows

    def write(self, unload: sql.Unload) -> None:
        """Runs an UNLOAD as CREATE TABLE AS, and drops the table from Glue. Its files stay, even when it fails."""
        if self.keys(unload):
            raise engine.Failed("HIVE_PATH_ALREADY_EXISTS",
                                f"Target directory for table '{unload.target}' already exists: {unload.target}. You may "
                                f"need to manually clean the data at location '{unload.target}' before retrying. Athena "
                                "will not delete data in your account.", "EXTERNAL")
        with self.scratch_table() as table:
            self.ask(unload.create_table(table), {"compression_codec": unload.compression.upper()})
        # The names of its files contain the id of Trino's query: files of others are not listed.
        written = [f"s3://{unload.bucket}/{key}\n" for key in self.keys(unload) if self.answer.id in key]
        key = f"{self.prefix}{self.id}-manifest.csv"
        self.put(key, "".join(written))
        self.manifest = f"s3://{self.bucket}/{key}"

    @contextmanager
    def scratch_table(self) -> Iterator[str]:
        """The name of a table that is deleted from Glue afterwards, if it was created."""
        table, glue = f"unload_{self.id.replace('-', '_')}", self.services.glue
        with suppress(glue.exceptions.AlreadyExistsException):
            glue.create_database(DatabaseInput={"Name": SCRATCH})
        try:
            yield f"{SCRATCH}.{table}"
        finally:
            with suppress(glue.exceptions.EntityNotFoundException):
                glue.delete_table(DatabaseName=SCRATCH, Name=table)

    def keys(self, unload: sql.Unload) -> list[str]:
        pages = self.services.s3.get_paginator("list_objects_v2").paginate(Bucket=unload.bucket, Prefix=unload.prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def put(self, key: str, text: str) -> None:
        self.services.s3.put_object(Bucket=self.bucket, Key=key, Body=text.encode())

    def fail(self, reason: str, category: int, kind: int, retryable: bool = False) -> None:
        self.end("FAILED", reason, {"ErrorCategory": category, "ErrorType": kind, "Retryable": retryable,
                                    "ErrorMessage": reason})

    def end(self, state: str, reason: str | None = None, error: dict | None = None) -> None:
        """Only the first end counts."""
        if self.completed is None:
            self.reason, self.error, self.completed = reason, error, time.time()
            self.state = state

    @property
    def scanned(self) -> int:
        return self.answer.stats.get("physicalInputBytes", 0)

    @property
    def output(self) -> str:
        suffix = "" if self.unload else {"DML": ".csv"}.get(sql.kinds(self.text)["StatementType"], ".txt")
        return f"s3://{self.bucket}/{self.prefix}{self.id}{suffix}"

    def described(self) -> dict:
        known = {"QueryExecutionId": self.id, "Query": self.request["QueryString"], **sql.kinds(self.text),
                 "ResultConfiguration": {"OutputLocation": self.output},
                 "QueryExecutionContext": self.request.get("QueryExecutionContext", {}),
                 "Status": self.status(), "Statistics": self.statistics(),
                 "WorkGroup": self.request.get("WorkGroup", "primary"),
                 "EngineVersion": {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}}
        parameters = self.request.get("ExecutionParameters")
        return known | ({"ExecutionParameters": parameters} if parameters else {})

    def status(self) -> dict:
        optional = {"StateChangeReason": self.reason, "CompletionDateTime": self.completed, "AthenaError": self.error}
        return {"State": self.state, "SubmissionDateTime": self.submitted,
                **{name: value for name, value in optional.items() if value is not None}}

    def statistics(self) -> dict:
        now = self.completed or time.time()
        millis = {"QueryQueueTimeInMillis": (self.sent or now) - self.submitted,
                  "EngineExecutionTimeInMillis": now - (self.sent or now),
                  "TotalExecutionTimeInMillis": now - self.submitted}
        return {**{name: int(seconds * 1000) for name, seconds in millis.items()},
                "QueryPlanningTimeInMillis": self.answer.stats.get("planningTimeMillis", 0),
                "ServiceProcessingTimeInMillis": 0, "DataScannedInBytes": self.scanned,
                **({"DataManifestLocation": self.manifest} if self.manifest else {})}

    def log_entry(self) -> dict:
        """For the log: what only the engine knows."""
        return {"statement": self.id, "engine": self.answer.id, "state": self.state, "reason": self.reason,
                "scopes": scopes_of(self.request), "scanned": self.scanned, "rows": self.answer.stats.get("processedRows", 0),
                "peak": self.answer.stats.get("peakMemoryBytes", 0),
                "seconds": round((self.completed or time.time()) - self.submitted, 3)}


def classified(failed: engine.Failed) -> tuple[str, int, int, bool]:
    """Reason, category, type, and whether a retry may help."""
    match failed.kind:
        case "USER_ERROR":
            return str(failed), USER, ERROR_TYPES.get(failed.name, USER_ERROR), False
        case "EXTERNAL":
            return str(failed), USER, DATA_ERROR, False
        case "INSUFFICIENT_RESOURCES":
            return f"Query exhausted resources at this scale factor ({failed})", SYSTEM, EXHAUSTED, False
    return str(failed), SYSTEM, ENGINE_ERROR, True
