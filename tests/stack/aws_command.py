"""The `aws` command of the tests: a program that has `aws_server.py` run each call."""

import os
import socket
from pathlib import Path

HERE = Path(__file__).resolve().parent


def command(home: Path, folder: Path) -> list[str | Path]:
    """The command that starts the server."""
    return [home / "venv/bin/python", HERE / "aws_server.py", listener(folder)]


def listener(folder: Path) -> Path:
    return folder / "socket"


def is_healthy(folder: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(listener(folder)))
    return True


def write(home: Path, folder: Path, aws_address: str) -> Path:
    """Writes the program; returns the folder that belongs into PATH."""
    programs = folder / "bin"
    programs.mkdir()
    client = f"{home / 'venv/bin/python'} -I -S {HERE / 'aws_client.py'} {listener(folder)}"
    # This command reads the endpoint of SQS from nowhere else.
    script = f"""#!/bin/sh
[ "$1" = sqs ] && set -- --endpoint-url {aws_address} "$@"
exec {client} "$@"
"""
    (programs / "aws").write_text(script)
    os.chmod(programs / "aws", 0o755)
    return programs
