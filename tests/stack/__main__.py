"""The servers that tests of the AWS side run against: a real Trino, an AWS emulator, and Athena's API in front of Trino.

    python3 tests/stack install       fetch everything into a cache directory; nothing happens when it is there
    python3 tests/stack serve         start the servers on free loopback ports, print their addresses as one line of
                                      JSON, and stop them when standard input ends or on SIGTERM

The cache is ~/.cache/tidemark, or TIDEMARK_CACHE. Needed on the machine: Python 3.11 with venv, and Maven (`mvn`).
"""

import argparse
import os
import sys
from pathlib import Path

import install


def main():
    parser = argparse.ArgumentParser(prog="tests/stack", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["install", "serve"])
    parser.add_argument("--memory", default="4G", help="of Trino's heap (4G)")
    args = parser.parse_args()
    try:
        home = install.install()
    except install.Missing as missing:
        sys.exit(f"the test stack cannot be installed: {missing}")
    if args.command == "serve":
        # The servers' own libraries are in the environment that was just made.
        python = str(home / "venv/bin/python")
        os.execv(python, [python, str(Path(__file__).parent / "servers.py"), str(home), args.memory])


if __name__ == "__main__":
    main()
