"""A server as a process: its log, its health, and its end."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

# After so many seconds a server that does not answer is not going to.
PATIENCE = 120
# A server that was asked to stop gets so many seconds: nothing that it holds is to be kept.
GRACE = 1
TAIL = 30
PR_SET_PDEATHSIG = 1


class NotStarted(Exception):
    """A server that ended or does not answer, and the end of its log."""


class Server:
    def __init__(self, name: str, command: list[str | Path], log: Path, healthy: Callable[[], bool],
                 environment: dict[str, str] | None = None) -> None:
        self.name, self.log, self.healthy, self.begun = name, log, healthy, time.monotonic()
        with open(log, "wb") as out:
            # A group of its own, so that what the server starts is stopped with it.
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.STDOUT, env=environment, cwd=log.parent,
                                            start_new_session=True, preexec_fn=die_with_parent(os.getpid()))

    def wait(self, is_over: Callable[[], bool]) -> float | None:
        """The seconds until it was healthy; none when nobody wants it any more."""
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
    """For a child, before it becomes another program: whatever happens to its parent, the kernel ends the child."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def arrange() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return arrange
