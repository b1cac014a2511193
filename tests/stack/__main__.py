"""The servers that the AWS tests run against: a real Trino, an AWS emulator, and Athena's API in front of Trino.

    python3 tests/stack install       fetch everything into a cache directory, unless it is there already
    python3 tests/stack serve         start the servers on free loopback ports, print their addresses as one line of
                                      JSON, and stop them when standard input ends or on SIGTERM
    python3 tests/stack check         start them, check what the tests rely on, and print how long each check takes

Exit status: 0 success; 1 a check failed; 2 the machine lacks something, or a server did not start.
"""

import argparse
import os
import select
import signal
import sys
import threading
import time
from pathlib import Path

import install

HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests/stack", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["install", "serve", "check"])
    parser.add_argument("--memory", default=os.environ.get("TIDEMARK_TRINO_MEMORY") or "4G",
                        help="size of Trino's heap [default: TIDEMARK_TRINO_MEMORY, or 4G]")
    args = parser.parse_args()
    begun = time.monotonic()
    if args.command == "serve" and not sys.stdin.isatty():
        os.setpgrp()
        threading.Thread(target=exit_with_caller, daemon=True).start()
    try:
        home = install.install()
    except install.Missing as missing:
        print(f"the test stack cannot be installed: {missing}", file=sys.stderr)
        sys.exit(2)
    if args.command == "check":
        print(f"{time.monotonic() - begun:7.2f} s  to install", flush=True)
    if args.command != "install":
        # The servers need the virtual environment that was just installed.
        python = str(home / "venv/bin/python")
        script = {"serve": "servers.py", "check": "check.py"}[args.command]
        os.execv(python, [python, str(HERE / script), str(home), args.memory])


def exit_with_caller() -> None:
    """Kills the installation, with every process below it, when the other end of standard input is closed."""
    poll = select.poll()
    poll.register(0, 0)
    poll.poll()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
