"""Starts the servers, tells where they are, and stops them."""

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import athena
import trino

ACCESS_KEY, SECRET_KEY, REGION = "tests", "tests-secret", "us-east-1"
# After so many seconds a server that does not answer is not going to.
PATIENCE = 120
TAIL = 30


class Server:
    """A process, its log, and how it is told to be healthy."""

    def __init__(self, name, command, log, healthy, environment=None):
        self.name, self.log, self.healthy, self.begun = name, log, healthy, time.monotonic()
        with open(log, "wb") as out:
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.STDOUT, env=environment, cwd=log.parent,
                                            preexec_fn=die_with_parent)

    def wait(self):
        while time.monotonic() - self.begun < PATIENCE:
            if self.process.poll() is not None:
                break
            try:
                if self.healthy():
                    print(f"test stack: {self.name} after {time.monotonic() - self.begun:.1f} s", file=sys.stderr)
                    return
            except OSError:
                pass
            time.sleep(0.1)
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL:])
        sys.exit(f"test stack: {self.name} did not start; its log ends with\n{tail}")

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def die_with_parent():
    """Whatever happens to this process, the kernel ends what it has started."""
    parent_death_signal = 1
    ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGKILL)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read()


def emulator(home, folder, port):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "IOT_MTLS_ENABLED": "0", "TMPDIR": str(folder)}
    command = [home / "venv/bin/python", "-c", "from ministack.app import main; main()"]
    return Server("AWS emulator", command, folder / "emulator.log",
                  lambda: get(f"http://127.0.0.1:{port}/_ministack/health"), environment)


def trino_server(home, folder, port, aws, memory):
    command = trino.command(home, folder, port, aws, memory, (ACCESS_KEY, SECRET_KEY, REGION))
    return Server("Trino", command, folder / "trino.log",
                  lambda: json.loads(get(f"http://127.0.0.1:{port}/v1/info"))["starting"] is False)


def serve(home, memory):
    folder = Path(tempfile.mkdtemp(prefix="tidemark-stack-"))
    aws_port, trino_port = free_port(), free_port()
    aws = f"http://127.0.0.1:{aws_port}"
    servers = []
    try:
        servers.append(emulator(home, folder, aws_port))
        servers.append(trino_server(home, folder, trino_port, aws, memory))
        for server in servers:
            server.wait()
        endpoint = trino.Endpoint(f"http://127.0.0.1:{trino_port}")
        api = athena.start(endpoint, aws, (ACCESS_KEY, SECRET_KEY, REGION))
        print(json.dumps({"aws": aws, "athena": api, "trino": endpoint.address, "region": REGION,
                          "access_key": ACCESS_KEY, "secret_key": SECRET_KEY}), flush=True)
        wait_for_the_end()
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def wait_for_the_end():
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    threading.Thread(target=lambda: (sys.stdin.buffer.read(), over.set()), daemon=True).start()
    over.wait()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2])
