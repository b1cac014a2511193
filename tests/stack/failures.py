"""Injected failures: each strikes once, the nth call or statement after it was requested."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field


class BadFailure(Exception):
    """An invalid request for a failure."""


@dataclass
class Failure:
    """For a call: `action`, `error`, `status` and `message`. For a statement: `state`; with QUEUED and RUNNING, the
    `seconds` it stays so, or else until the failure is removed; with FAILED and CANCELLED, the fields of its error.
    With `after`, the failure comes after the effect: the call's answer is lost, or the statement fails after it wrote
    its output. With `scope`, only what belongs to this database, or has this parameter, counts: failures of one test do
    not strike another."""
    nth: int = 1
    action: str | None = None
    error: str | None = None
    status: int = 400
    message: str = "on demand"
    state: str | None = None
    seconds: float | None = None
    category: int = 1
    type: int = 200
    retryable: bool = False
    reason: str = "on demand"
    after: bool = False
    scope: str | None = None
    is_removed: threading.Event = field(default_factory=threading.Event, init=False)

    def __post_init__(self) -> None:
        if self.nth < 1:
            raise BadFailure("`nth` must be at least 1")
        if bool(self.action) == bool(self.state):
            raise BadFailure("give either `action`, for a call, or `state`, for a statement")
        if self.action and not self.error:
            raise BadFailure("the failure of a call needs `error`, such as ThrottlingException")
        if self.state not in (None, "QUEUED", "RUNNING", "FAILED", "CANCELLED"):
            raise BadFailure("unknown `state`; expected QUEUED, RUNNING, FAILED or CANCELLED")


class Failures:
    def __init__(self) -> None:
        self.lock, self.waiting, self.lasting = threading.Lock(), [], []

    def add(self, wanted: list[dict]) -> None:
        try:
            added = [Failure(**one) for one in wanted]
        except TypeError as error:
            raise BadFailure(str(error)) from None
        with self.lock:
            self.waiting += added

    def clear(self, scope: str | None) -> None:
        """Removes the failures of a scope, or all."""
        with self.lock:
            for failure in self.lasting:
                if scope in (None, failure.scope):
                    failure.is_removed.set()
            self.waiting, self.lasting = ([failure for failure in failures if scope not in (None, failure.scope)]
                                          for failures in (self.waiting, self.lasting))

    def for_call(self, action: str, scopes: Sequence[str]) -> Failure | None:
        return next(iter(self.due(action, scopes)), None)

    def for_statement(self, scopes: Sequence[str]) -> list[Failure]:
        return self.due(None, scopes)

    def due(self, action: str | None, scopes: Sequence[str]) -> list[Failure]:
        """Failures that strike now; counts down the others."""
        with self.lock:
            counted = [failure for failure in self.waiting
                       if failure.action == action and failure.scope in (None, *scopes)]
            for failure in counted:
                failure.nth -= 1
            due = [failure for failure in counted if failure.nth == 0]
            self.waiting = [failure for failure in self.waiting if failure.nth > 0]
            self.lasting += [failure for failure in due if failure.state in ("QUEUED", "RUNNING")]
        return due


def scopes_of(request: dict) -> list[str]:
    """What a request to start a statement belongs to: its database and its parameters."""
    database = request.get("QueryExecutionContext", {}).get("Database")
    return [*filter(None, [database]), *(parameter.strip("'") for parameter in request.get("ExecutionParameters", []))]
