"""Functions that wait for an event cost nothing.

The emulator has a server for each process of a function. Two of its threads look ten times a second whether there is
an event, and whether they should end: with a hundred processes, that takes nearly half of a processor."""

import queue
import socket
import socketserver
from contextlib import suppress

from ministack.core import lambda_runtime

# How long a thread waits before it looks, in seconds. An event, and the end of a server, wake it at once.
WAIT = 10


class Patient:
    """The queue of a function's events."""

    def __init__(self, events: queue.Queue) -> None:
        self.events = events

    def get(self, timeout: float) -> tuple:
        return self.events.get(timeout=max(timeout, WAIT))


class WakingServer(socketserver.ThreadingTCPServer):
    """A server that does not look whether it should end, but is woken."""

    def serve_forever(self, poll_interval: float = WAIT) -> None:
        super().serve_forever(max(poll_interval, WAIT))

    def shutdown(self) -> None:
        self._BaseServer__shutdown_request = True
        with suppress(OSError):
            socket.create_connection(self.server_address, 1).close()
        super().shutdown()


def apply() -> None:
    build = lambda_runtime.ProvidedWorker._build_handler_class

    def patched(self: lambda_runtime.ProvidedWorker, generation: int, events: queue.Queue) -> type:
        return build(self, generation, Patient(events))

    lambda_runtime.ProvidedWorker._build_handler_class = patched
    socketserver.ThreadingTCPServer = WakingServer
