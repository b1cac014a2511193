"""Checks what the tests rely on, on running servers, and that the servers leave nothing behind. Each check is a function
named after what it proves."""

import os
import signal
import sys
import time
from collections.abc import Callable

import check_athena
import check_dynamodb
import check_patches
import check_proxy
import check_rights
import servers
from running import Stack, assert_equal, wait_for_end_of

CHECKS = [*check_athena.CHECKS, *check_dynamodb.CHECKS, *check_patches.CHECKS, *check_proxy.CHECKS,
          *check_rights.CHECKS]


def check(what: Callable[[Stack], None], stack: Stack) -> bool:
    begun = time.monotonic()
    try:
        what(stack)
        outcome = "ok"
    except Exception as error:
        outcome = f"FAILED: {error}"
    print(f"{time.monotonic() - begun:7.2f} s  {what.__name__.replace('_', ' ')}: {outcome}", flush=True)
    return outcome == "ok"


def end_of_input_stops_all_servers(stack: Stack) -> None:
    stack.process.stdin.close()
    assert_equal(stack.process.wait(10), 0)
    wait_for_end_of(stack.children)
    assert_equal(servers.folders_of(stack.process.pid), [])


def killing_it_ends_all_servers(stack: Stack) -> None:
    os.kill(stack.process.pid, signal.SIGKILL)
    stack.process.wait()
    wait_for_end_of(stack.children)
    servers.remove_abandoned_folders()
    assert_equal(servers.folders_of(stack.process.pid), [])


def main(memory: str) -> None:
    good = True
    for checks, end in ((CHECKS, end_of_input_stops_all_servers), ([], killing_it_ends_all_servers)):
        stack = Stack(memory)
        print(f"{stack.seconds:7.2f} s  to start the servers", flush=True)
        try:
            if checks:
                check_athena.prepare(stack)
            good = all([check(one, stack) for one in checks]) and good
        finally:
            good = check(end, stack) and good
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main(sys.argv[2])
