"""A Lambda function for checks: it records each batch, and fails as the records ask for.

A record `bad` always fails, `slow` takes half a second, and `once` fails the first time. With FUNCTION_RAISES the whole
call fails; otherwise the response lists the records that failed. FUNCTION_FILE is the file that batches are written to.
"""

import base64
import json
import os
import time
import urllib.request
from pathlib import Path

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
FILE = Path(os.environ["FUNCTION_FILE"])


def handle(event: dict) -> dict:
    texts = [base64.b64decode(record["kinesis"]["data"]).decode() for record in event["Records"]]
    known = FILE.read_text() if FILE.exists() else ""
    with open(FILE, "a") as file:
        file.write(json.dumps(texts) + "\n")
    time.sleep(0.5 * texts.count("slow"))
    failed = [record["kinesis"]["sequenceNumber"] for record, text in zip(event["Records"], texts)
              if text == "bad" or text == "once" and '"once"' not in known]
    if failed and os.environ.get("FUNCTION_RAISES"):
        raise ValueError("a record failed")
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}


def answer(identity: str, kind: str, body: dict) -> None:
    urllib.request.urlopen(f"{API}/{identity}/{kind}", json.dumps(body).encode()).read()


while True:
    with urllib.request.urlopen(f"{API}/next") as call:
        name, event = call.headers["Lambda-Runtime-Aws-Request-Id"], json.load(call)
    try:
        answer(name, "response", handle(event))
    except ValueError as error:
        answer(name, "error", {"errorType": "ValueError", "errorMessage": str(error)})
