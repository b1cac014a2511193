"""Amazon's command line as a server: loads it once, and forks for each call, which saves more than half a second of
processor time.

    aws_server.py SOCKET

`aws_client.py` calls it. The words `read-stream ADDRESS STREAM …` run `read_stream.py`, which loads as much.
"""

import gc
import json
import os
import signal
import socket
import sys

from awscli import clidriver

import aws
import read_stream

FILES = 3
# The services that most calls are about. Reading the model of one takes as long as a call.
SERVICES = ["cloudformation", "lambda", "logs", "s3", "sts"]


def main(path: str) -> None:
    driver = load()
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(128)
    # The kernel reaps the children.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        connection, _ = server.accept()
        if os.fork() == 0:
            server.close()
            serve(driver, connection)
        connection.close()


def load() -> clidriver.CLIDriver:
    """The command line with what every call needs: modules, plugins, the table of commands, and models of services. It
    reads the environment only when it is called."""
    driver = clidriver.create_clidriver()
    driver.create_help_command()
    for service in SERVICES:
        driver.session.get_service_model(service)
    driver.session.get_component("data_loader").load_data("endpoints")
    # The first client loads the model of its service, and connects to nothing.
    aws.client("kinesis", "http://127.0.0.1")
    # No child looks for garbage in what is loaded, nor copies its pages for that. None lives long enough to need to.
    gc.freeze()
    gc.disable()
    return driver


def serve(driver: clidriver.CLIDriver, connection: socket.socket) -> None:
    """In a child: becomes the call that the client describes, and sends back its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    call, files, _, _ = socket.recv_fds(connection, 1 << 20, FILES)
    while not call.endswith(b"\n"):
        if not (more := connection.recv(1 << 20)):
            # A check that the server is up, or a client that was killed.
            os._exit(0)
        call += more
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    wanted = json.loads(call)
    os.chdir(wanted["folder"])
    # awscli finds its data through a variable that it sets when it is imported.
    data = os.environ["AWS_DATA_PATH"]
    os.environ.clear()
    os.environ.update(wanted["environment"] | {"AWS_DATA_PATH": data})
    try:
        status = run(driver, *wanted["words"])
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        print(error, file=sys.stderr)
        status = 255
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    connection.sendall(bytes([status or 0]))
    os._exit(0)


def run(driver: clidriver.CLIDriver, *words: str) -> int | None:
    return read_stream.main(*words[1:]) if words[:1] == ("read-stream",) else driver.main(list(words))


if __name__ == "__main__":
    main(sys.argv[1])
