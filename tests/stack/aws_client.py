"""The `aws` command of the tests: has `aws_server.py` run a call.

    aws_client.py SOCKET WORDS…
"""

import json
import os
import socket
import sys

path, *words = sys.argv[1:]
connection = socket.socket(socket.AF_UNIX)
connection.connect(path)
call = {"words": words, "folder": os.getcwd(), "environment": dict(os.environ)}
socket.send_fds(connection, [json.dumps(call).encode() + b"\n"], [0, 1, 2])
status = connection.recv(1)
# Without a status the call was killed.
sys.exit(status[0] if status else 255)
