"""A proxy in front of the emulator that logs every call, and makes some of them fail.

    POST   /_proxies starts another proxy, with rules and a log of its own; responds with its address
    POST   /_rules   replaces the list of rules
    DELETE /_rules   removes all rules, and empties the log
    GET    /_log     every call since then: service, operation, resource, caller, status, fault

A rule is {"match": …, "what": …} with the options "nth" (the first matching call that it strikes, from 1), "count" (how
many calls it strikes; 0 is all), "body" (a pattern that the call's body must match too), "error", "status", "seconds"
and "entries". `match` is a pattern for `service operation caller`; the caller is `-` unless its user agent names it.
`what` is

    error          responds with an error; the call has no effect
    throttle       the same, with the error that the service throttles with
    drop_before    closes the connection; the call has no effect
    drop_after     closes the connection after the call had its effect
    hang           never responds; the call has its effect
    delay          delays the call by `seconds`
    hold           delays the call until the rules are replaced or removed
    entries        rejects records of a PutRecords call, as a throttled shard does: those at the indices in `entries`,
                   or every second one
"""

import asyncio
import json
import re
import threading
import urllib.parse
from dataclasses import dataclass, field

from user_agent import application

KINDS = ("error", "throttle", "drop_before", "drop_after", "hang", "delay", "hold", "entries")
# Seconds that a call hangs: longer than any client waits.
HANGING = 600
XML = ("s3", "cloudformation", "iam", "sts", "sns")
# The errors with which services throttle, and their status.
THROTTLES = {"s3": ("SlowDown", 503), "dynamodb": ("ThrottlingException", 400), "lambda": ("TooManyRequestsException", 429),
             "kinesis": ("ProvisionedThroughputExceededException", 400), "sts": ("Throttling", 400)}
# Fields that name a call's resource, by priority.
NAMES = ("TableName", "StreamName", "StreamARN", "stateMachineArn", "executionArn", "QueueUrl", "FunctionName", "logGroupName",
         "DatabaseName", "RoleArn")
# A PutRecords call without records is answered here, because Kinesis rejects it.
NOTHING_LEFT = b"nothing left"
NOTHING_DONE = (b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\n\r\n", b'{"FailedRecordCount": 0, "Records": []}')


@dataclass
class Rule:
    match: str
    what: str
    nth: int = 1
    count: int = 1
    body: str | None = None
    error: str = "InternalServerError"
    status: int = 500
    seconds: float = 1
    entries: list[int] | None = None
    seen: int = field(default=0, init=False)
    is_removed: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def __post_init__(self) -> None:
        if self.what not in KINDS:
            raise ValueError(f"unknown `what` `{self.what}`; expected one of {', '.join(KINDS)}")
        if self.nth < 1:
            raise ValueError("`nth` must be at least 1")
        for pattern in filter(None, (self.match, self.body)):
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"`{pattern}` is not a pattern: {error}") from None

    def strikes(self, call: "Call") -> bool:
        words = f"{call.service} {call.operation} {call.caller}"
        if not re.search(self.match, words) or (self.body and not re.search(self.body.encode(), call.body)):
            return False
        self.seen += 1
        return self.seen >= self.nth and (self.count == 0 or self.seen < self.nth + self.count)


@dataclass
class Call:
    """A call, as it was sent."""
    method: str
    path: str
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: str) -> str:
        return next((value.decode() for key, value in self.headers if key.lower() == name.encode()), "")

    @property
    def service(self) -> str:
        signed = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", self.header("authorization"))
        return signed.group(1) if signed else "unsigned"

    @property
    def operation(self) -> str:
        if target := self.header("x-amz-target"):
            return target.rsplit(".", 1)[-1]
        if "x-www-form-urlencoded" in self.header("content-type"):
            return urllib.parse.parse_qs(self.body.decode(errors="replace")).get("Action", ["?"])[0]
        if self.service == "s3":
            return s3_operation(self.method, self.path)
        return self.method.capitalize()

    @property
    def actions(self) -> list[str]:
        """The actions in IAM: of the call, or of each item of a transaction."""
        if self.operation == "TransactWriteItems":
            names = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
            kinds = {kind for item in json.loads(self.body)["TransactItems"] for kind in item}
            return sorted(f"dynamodb:{names[kind]}" for kind in kinds)
        if self.service == "s3":
            names = {"ListObjectsV2": "ListBucket", "HeadBucket": "ListBucket", "HeadObject": "GetObject", "DeleteObjects": "DeleteObject",
                     "CreateMultipartUpload": "PutObject", "UploadPart": "PutObject", "CompleteMultipartUpload": "PutObject"}
            return [f"s3:{names.get(self.operation, self.operation)}"]
        return [f"{self.service}:{self.operation}"]

    @property
    def caller(self) -> str:
        """The application in the SDK's user agent: `app/NAME`."""
        return application(self.header("x-amz-user-agent"), self.header("user-agent"))

    @property
    def resource(self) -> str:
        if self.service == "s3":
            return urllib.parse.unquote(self.path)
        if self.service == "lambda":
            return urllib.parse.unquote(self.path)
        for name in NAMES:
            if found := re.search(rf'"{name}"\s*:\s*"([^"]+)"|\b{name}=([^&]+)'.encode(), self.body):
                return urllib.parse.unquote((found.group(1) or found.group(2)).decode())
        return ""


def s3_operation(method: str, path: str) -> str:
    place, _, query = path.partition("?")
    asked = set(re.findall(r"(?:^|&)([^=&]+)", query))
    is_object = place.strip("/").count("/") > 0
    if "uploadId" in asked:
        return {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}.get(method, "ListParts")
    if method == "POST":
        return "CreateMultipartUpload" if "uploads" in asked else "DeleteObjects"
    if is_object:
        return {"GET": "GetObject", "PUT": "PutObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}.get(method, method)
    listing = "ListObjectVersions" if "versions" in asked else "GetBucketLocation" if "location" in asked else "ListObjectsV2"
    return {"GET": listing, "PUT": "CreateBucket", "HEAD": "HeadBucket", "DELETE": "DeleteBucket"}.get(method, method)


class Proxy:
    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.rules: list[Rule] = []
        self.log: list[dict] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while call := await read_call(reader, writer):
                if not await self.answer(call, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def answer(self, call: Call, writer: asyncio.StreamWriter) -> bool:
        """Handles a call; returns whether the connection stays open."""
        if call.path in ("/_proxies", "/_rules", "/_log"):
            writer.write(self.own(call))
            await writer.drain()
            return True
        rule = next((rule for rule in self.rules if rule.strikes(call)), None)
        entry = {"service": call.service, "operation": call.operation, "actions": call.actions, "resource": call.resource, "caller": call.caller,
                 "status": 0, "fault": rule.what if rule else None}
        self.log.append(entry)
        if rule and rule.what == "drop_before":
            return False
        if rule and rule.what in ("error", "throttle"):
            error, entry["status"] = (rule.error, rule.status) if rule.what == "error" else THROTTLES.get(call.service, ("ThrottlingException", 400))
            writer.write(failure(call, error, entry["status"]))
            await writer.drain()
            return True
        if rule and rule.what == "delay":
            await asyncio.sleep(rule.seconds)
        if rule and rule.what == "hold":
            await rule.is_removed.wait()
        rejected: list[int] = []
        if rule and rule.what == "entries":
            call, rejected = without_entries(call, rule.entries)
        head, body = await self.forward(call) if call.body != NOTHING_LEFT else NOTHING_DONE
        entry["status"] = int(head.split(b" ", 2)[1])
        if rule and rule.what == "hang":
            await asyncio.sleep(HANGING)
        if rule and rule.what in ("drop_after", "hang"):
            return False
        if rejected and entry["status"] == 200:
            body = with_failures(body, rejected)
        writer.write(answer_of(head, body, call.method))
        await writer.drain()
        return True

    def own(self, call: Call) -> bytes:
        if call.path == "/_proxies":
            return response(200, json.dumps({"proxy": serve(f"http://{self.host}:{self.port}")}).encode())
        if call.path == "/_log":
            return response(200, json.dumps(self.log).encode())
        if call.method == "DELETE":
            self.replace_rules([])
            self.log = []
            return response(200, b"{}")
        try:
            self.replace_rules([Rule(**rule) for rule in json.loads(call.body)])
        except (TypeError, ValueError) as error:
            return response(400, json.dumps({"error": str(error)}).encode())
        return response(200, b"{}")

    def replace_rules(self, rules: list[Rule]) -> None:
        for rule in self.rules:
            rule.is_removed.set()
        self.rules = rules

    async def forward(self, call: Call) -> tuple[bytes, bytes]:
        reader, writer = await asyncio.open_connection(self.host, self.port, limit=1 << 20)
        dropped = (b"connection", b"content-length", b"transfer-encoding", b"expect")
        headers = [(name, value) for name, value in call.headers if name.lower() not in dropped]
        headers += [(b"Content-Length", str(len(call.body)).encode()), (b"Connection", b"close")]
        lines = [f"{call.method} {call.path} HTTP/1.1".encode(), *(name + b": " + value for name, value in headers)]
        writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + call.body)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        body = b"" if call.method == "HEAD" else await read_body(reader, head)
        writer.close()
        return head, body


async def read_call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Call | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    if b"100-continue" in head.lower():
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
    first, *lines = head[:-4].split(b"\r\n")
    method, path, _ = first.decode().split(" ", 2)
    headers = [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    has_body = re.search(rb"\r\n(content-length|transfer-encoding):", head, re.I)
    return Call(method, path, headers, await read_body(reader, head) if has_body else b"")


async def read_body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if re.search(rb"\r\ntransfer-encoding: *chunked", head, re.I):
        body = b""
        while size := int((await reader.readline()).split(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readline()
        while (await reader.readline()).strip():
            pass
        return body
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.I)
    return await reader.readexactly(int(length.group(1))) if length else await reader.read()


def answer_of(head: bytes, body: bytes, method: str) -> bytes:
    """A response with its length, so that the connection can stay open."""
    status, *lines = head[:-4].split(b"\r\n")
    dropped = (b"connection", b"transfer-encoding") + (() if method == "HEAD" else (b"content-length",))
    kept = [line for line in lines if line.split(b":")[0].lower() not in dropped]
    if method != "HEAD":
        kept.append(b"Content-Length: " + str(len(body)).encode())
    return b"\r\n".join([status, *kept]) + b"\r\n\r\n" + body


def response(status: int, body: bytes, kind: str = "application/json", extra: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


def failure(call: Call, error: str, status: int) -> bytes:
    if call.service == "s3":
        body = f"<Error><Code>{error}</Code><Message>on demand</Message><RequestId>0</RequestId></Error>"
        return response(status, f'<?xml version="1.0"?>{body}'.encode(), "application/xml")
    if call.service in XML:
        body = f"<ErrorResponse><Error><Code>{error}</Code><Message>on demand</Message></Error><RequestId>0</RequestId></ErrorResponse>"
        return response(status, body.encode(), "text/xml")
    body = json.dumps({"__type": error, "message": "on demand"}).encode()
    return response(status, body, "application/x-amz-json-1.1", f"x-amzn-errortype: {error}\r\n")


def without_entries(call: Call, wanted: list[int] | None) -> tuple[Call, list[int]]:
    """The call without some of its records, and their indices."""
    asked = json.loads(call.body)
    number = len(asked["Records"])
    places = list(range(1, number, 2)) if wanted is None else sorted(place for place in wanted if 0 <= place < number)
    asked["Records"] = [record for place, record in enumerate(asked["Records"]) if place not in places]
    body = json.dumps(asked).encode() if asked["Records"] else NOTHING_LEFT
    return Call(call.method, call.path, call.headers, body), places


def with_failures(body: bytes, places: list[int]) -> bytes:
    answer = json.loads(body)
    for place in places:
        answer["Records"].insert(place, {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "on demand"})
    answer["FailedRecordCount"] = answer.get("FailedRecordCount", 0) + len(places)
    return json.dumps(answer).encode()


def serve(target: str) -> str:
    """Starts the proxy in a thread; returns its address."""
    host, port = target.removeprefix("http://").split(":")
    address: list[str] = []
    is_there = threading.Event()

    async def run() -> None:
        server = await asyncio.start_server(Proxy(host, int(port)).serve, "127.0.0.1", 0, limit=1 << 20)
        address.append("http://127.0.0.1:%d" % server.sockets[0].getsockname()[1])
        is_there.set()
        async with server:
            await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(run()), daemon=True).start()
    is_there.wait()
    return address[0]
