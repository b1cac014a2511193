"""Failures on demand: what tests ask the server to do wrong, each once, to the nth call or statement from then on."""

import threading
from dataclasses import dataclass


class BadFailure(Exception):
    """A failure that cannot be understood."""


@dataclass
class Failure:
    """Of a call: `action`, `error`, `status` and `message`. Of a statement: `state` and, for QUEUED and RUNNING, the
    `seconds` that it stays so; for FAILED and CANCELLED what it says of itself. `after` strikes what has had its
    effect: the call's answer is lost, the statement has written."""
    nth: int = 1
    action: str | None = None
    error: str | None = None
    status: int = 400
    message: str = "on demand"
    state: str | None = None
    seconds: float = 0
    category: int = 1
    type: int = 200
    retryable: bool = False
    reason: str = "on demand"
    after: bool = False

    def __post_init__(self) -> None:
        if self.nth < 1:
            raise BadFailure("nth counts from 1")
        if bool(self.action) == bool(self.state):
            raise BadFailure("a failure has either an action, of a call, or a state, of a statement")
        if self.action and not self.error:
            raise BadFailure("the failure of a call needs its error, such as ThrottlingException")
        if self.state in ("QUEUED", "RUNNING") and not self.seconds:
            raise BadFailure(f"a statement stays {self.state} for some seconds")
        if self.state not in (None, "QUEUED", "RUNNING", "FAILED", "CANCELLED"):
            raise BadFailure("a state is QUEUED, RUNNING, FAILED or CANCELLED")


class Failures:
    def __init__(self) -> None:
        self.lock, self.waiting = threading.Lock(), []

    def add(self, wanted: list[dict]) -> None:
        try:
            added = [Failure(**one) for one in wanted]
        except TypeError as error:
            raise BadFailure(str(error)) from None
        with self.lock:
            self.waiting += added

    def clear(self) -> None:
        with self.lock:
            self.waiting.clear()

    def of_call(self, action: str) -> Failure | None:
        return next(iter(self.due(action)), None)

    def of_statement(self) -> list[Failure]:
        return self.due(None)

    def due(self, action: str | None) -> list[Failure]:
        """Those whose turn it is; the others come closer."""
        with self.lock:
            counted = [failure for failure in self.waiting if failure.action == action]
            for failure in counted:
                failure.nth -= 1
            due = [failure for failure in counted if failure.nth == 0]
            self.waiting = [failure for failure in self.waiting if failure.nth > 0]
        return due
