"""A client of Trino's HTTP protocol."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field

import trino

# Seconds after which a new Trino has discovered its only worker, which is itself.
SETTLED = 30
HEADERS = {"X-Trino-User": "tests", "X-Trino-Catalog": trino.CATALOG,
           # Without it, timestamps are truncated to milliseconds.
           "X-Trino-Client-Capabilities": "PARAMETRIC_DATETIME"}


class Failed(Exception):
    """A statement that Trino rejected, or that failed."""

    def __init__(self, name: str, message: str, kind: str = "USER_ERROR") -> None:
        super().__init__(f"{name}: {message}")
        self.name, self.kind = name, kind


class Stopped(Exception):
    """A statement that was stopped by its watcher."""


@dataclass
class Answer:
    """The results so far."""
    id: str = ""
    columns: list[dict] = field(default_factory=list)
    rows: list[list] = field(default_factory=list)
    stats: dict = field(default_factory=dict)

    def add(self, page: dict) -> None:
        self.id, self.columns = page["id"], page.get("columns") or self.columns
        self.rows += page.get("data") or []
        self.stats = page["stats"]


class Engine:
    """A running Trino."""

    def __init__(self, address: str) -> None:
        self.address, self.begun = address, time.monotonic()

    def run(self, sql: str, database: str, session: dict[str, str], watch: Callable[[Answer], bool]) -> Answer:
        """Runs a statement to its end. `watch` sees each state of the results, and stops the statement by returning
        true."""
        while True:
            try:
                return self.try_once(sql, database, session, watch)
            except Failed as failed:
                if failed.name != "NO_NODES_AVAILABLE" or time.monotonic() - self.begun > SETTLED:
                    raise
                time.sleep(0.2)

    def try_once(self, sql: str, database: str, session: dict[str, str], watch: Callable[[Answer], bool]) -> Answer:
        settings = ",".join(f"{trino.CATALOG}.{name}={value}" for name, value in session.items())
        headers = HEADERS | {"X-Trino-Schema": database} | ({"X-Trino-Session": settings} if settings else {})
        answer, page = Answer(), call("POST", f"{self.address}/v1/statement", sql.encode(), headers)
        while True:
            answer.add(page)
            if "error" in page:
                error = page["error"]
                raise Failed(error["errorName"], error.get("message", ""), error["errorType"])
            if watch(answer):
                if "nextUri" in page:
                    call("DELETE", page["nextUri"], None, headers)
                raise Stopped
            if "nextUri" not in page:
                return answer
            page = call("GET", page["nextUri"], None, headers)


def call(method: str, url: str, body: bytes | None, headers: dict[str, str]) -> dict:
    request = urllib.request.Request(url, body, headers, method=method)
    while True:
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            # The protocol asks clients to retry after these.
            if error.code not in (502, 503, 504):
                raise
            time.sleep(0.1)
