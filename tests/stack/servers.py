"""Starts the servers, prints their addresses, and stops them."""

import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path

import athena
import aws
import aws_command
import dynamodb
import emulator
import processes
import proxy
import trino
from processes import Server

BUCKET = "tidemark-tests"
PREFIX = "tidemark-stack-"


def serve(home: Path, memory: str) -> None:
    over = end_requested()
    remove_abandoned_folders()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    servers: list[Server] = []
    try:
        endpoints = start(home, folder, memory, servers, over)
        if endpoints:
            print(json.dumps(endpoints), flush=True)
            over.wait()
    except processes.NotStarted as failed:
        print(f"test stack: {failed}", file=sys.stderr)
        sys.exit(2)
    finally:
        for server in servers:
            server.ask_to_stop()
        for server in servers:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def start(home: Path, folder: Path, memory: str, servers: list[Server], over: threading.Event) -> dict[str, str] | None:
    """The addresses of the servers; None when the end comes before they are up."""
    aws_port, trino_port, dynamodb_port = free_ports(3)
    aws_address, trino_address, dynamodb_address = (
        f"http://127.0.0.1:{port}" for port in (aws_port, trino_port, dynamodb_port))
    for name in ("aws", "trino", "dynamodb", "command"):
        (folder / name).mkdir()
    servers.append(Server("the AWS emulator", emulator.command(home), folder / "aws/log",
                          lambda: emulator.is_healthy(aws_address), emulator.environment(folder / "aws", aws_port)))
    servers.append(Server("DynamoDB Local", dynamodb.command(home, dynamodb_port), folder / "dynamodb/log",
                          lambda: dynamodb.is_healthy(dynamodb_address)))
    servers.append(Server("the aws command", aws_command.command(home, folder / "command"), folder / "command/log",
                          lambda: aws_command.is_healthy(folder / "command")))
    servers.append(Server("Trino", trino.command(home, folder / "trino", trino_port, aws_address, memory),
                          folder / "trino/log", lambda: trino.is_started(trino_address)))
    for server in servers:
        seconds = server.wait(over.is_set)
        if seconds is None:
            return None
        print(f"test stack: {server.name} is up after {seconds:.1f} s", file=sys.stderr, flush=True)
    aws.client("s3", aws_address).create_bucket(Bucket=BUCKET)
    return {"aws": aws_address, "athena": athena.serve(trino_address, aws_address), "trino": trino_address,
            "proxy": proxy.serve(aws_address), "dynamodb": dynamodb_address, "python": str(home / "venv/bin/python"),
            "programs": str(aws_command.write(home, folder / "command", aws_address)),
            "region": aws.REGION, "access_key": aws.ACCESS_KEY, "secret_key": aws.SECRET_KEY, "bucket": BUCKET}


def remove_abandoned_folders() -> None:
    """Removes the folders of instances that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        if not Path("/proc", folder.name.removeprefix(PREFIX).split("-")[0]).exists():
            shutil.rmtree(folder, ignore_errors=True)


def folders_of(pid: int) -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"{PREFIX}{pid}-*"))


def free_ports(number: int) -> list[int]:
    """Ports are kept open until all are known, so that none is returned twice."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def end_requested() -> threading.Event:
    """Set when standard input ends, and on SIGTERM and SIGINT."""
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())

    def read() -> None:
        # Not through sys.stdin: this thread would still hold its lock when Python exits.
        while os.read(0, 4096):
            pass
        over.set()

    threading.Thread(target=read, daemon=True).start()
    return over


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2])
