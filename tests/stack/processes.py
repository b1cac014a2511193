"""A server process: its log, its health, and its end."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

# How many seconds a server may take to start.
PATIENCE = 600
# How many seconds a server may take to stop before it is killed. None has data worth keeping.
GRACE = 1
TAIL = 30
PR_SET_PDEATHSIG = 1


class NotStarted(Exception):
    """A server that ended or does not answer; with the end of its log."""


class Server:
    def __init__(self, name: str, command: list[str | Path], log: Path, healthy: Callable[[], bool],
                 environment: dict[str, str] | None = None) -> None:
        self.name, self.log, self.healthy, self.begun = name, log, healthy, time.monotonic()
        with open(log, "wb") as out:
            # A process group of its own, so that its children are stopped with it.
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.STDOUT, env=environment, cwd=log.parent,
                                            start_new_session=True, preexec_fn=die_with_parent(os.getpid()))

    def wait(self, is_over: Callable[[], bool]) -> float | None:
        """Seconds until it was healthy; None when the caller no longer wants it."""
        while time.monotonic() - self.begun < PATIENCE and self.process.poll() is None:
            if is_over():
                return None
            try:
                if self.healthy():
                    return time.monotonic() - self.begun
            except OSError:
                pass
            time.sleep(0.05)
        state = "does not answer" if self.process.poll() is None else f"ended with status {self.process.returncode}"
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL:])
        raise NotStarted(f"{self.name} {state} after {time.monotonic() - self.begun:.0f} s; its log ends with\n{tail}")

    def ask_to_stop(self) -> None:
        self.signal(signal.SIGTERM)

    def stop(self) -> None:
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            pass
        self.signal(signal.SIGKILL)
        self.process.wait()

    def signal(self, number: int) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass


def die_with_parent(parent: int) -> Callable[[], None]:
    """A preexec_fn for Popen: however the parent ends, the kernel then kills the child."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def arrange() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return arrange
