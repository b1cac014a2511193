"""A proxy in front of the emulator: it writes down every call, and lets some of them fail.

    POST   /_rules   a list of rules, which replace those that are there
    DELETE /_rules   no rules, and an empty log
    GET    /_log     every call since: service, operation, resource, caller, status, fault

A rule is {"match": …, "what": …} with, if wanted, "nth" (from which matching call on, from 1), "count" (for how many; 0 is all),
"body" (a pattern that the call's body must match as well), "error", "status" and "seconds". `match` is a pattern for
`service operation caller`. `what` is

    error          the call is answered with an error, and has no effect
    drop_before    the connection ends, and the call has no effect
    drop_after     the call has its effect, and the connection ends without an answer
    delay          the call takes `seconds` longer
    entries        of a PutRecords call every second record is turned away, as a shard does that has enough
"""

import asyncio
import json
import re
import threading
import urllib.parse
from dataclasses import dataclass, field

KINDS = ("error", "drop_before", "drop_after", "delay", "entries")
XML = ("s3", "sqs-query", "cloudformation", "iam", "sts", "sns")


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
    seen: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.what not in KINDS:
            raise ValueError(f"`{self.what}` is none of {', '.join(KINDS)}")

    def strikes(self, call: "Call") -> bool:
        words = f"{call.service} {call.operation} {call.caller}"
        if not re.search(self.match, words) or (self.body and not re.search(self.body.encode(), call.body)):
            return False
        self.seen += 1
        return self.seen >= self.nth and (self.count == 0 or self.seen < self.nth + self.count)


@dataclass
class Call:
    """A call as it was sent."""
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
        """What IAM calls it: the name of the call, or those of what a transaction holds."""
        if self.operation == "TransactWriteItems":
            names = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
            kinds = {kind for item in json.loads(self.body)["TransactItems"] for kind in item}
            return sorted(f"dynamodb:{names[kind]}" for kind in kinds)
        if self.service == "s3":
            names = {"ListObjectsV2": "ListBucket", "DeleteObjects": "DeleteObject"}
            return [f"s3:{names.get(self.operation, self.operation)}"]
        return [f"{self.service}:{self.operation}"]

    @property
    def caller(self) -> str:
        """What the SDK calls the program that uses it: `app/NAME` in its user agent."""
        app = re.search(r"\bapp/([\w-]+)", f"{self.header('x-amz-user-agent')} {self.header('user-agent')}")
        return app.group(1) if app else "-"

    @property
    def resource(self) -> str:
        if self.service == "s3":
            return urllib.parse.unquote(self.path)
        named = re.search(rb'"(?:TableName|StreamName|StreamARN|stateMachineArn|QueueUrl|IndexName)"\s*:\s*"([^"]+)"', self.body)
        role = re.search(rb"RoleArn=([^&]+)", self.body)
        return named.group(1).decode() if named else urllib.parse.unquote(role.group(1).decode()) if role else ""


def s3_operation(method: str, path: str) -> str:
    place, _, query = path.partition("?")
    is_object = place.strip("/").count("/") > 0
    if method == "POST" and query.startswith("delete"):
        return "DeleteObjects"
    if method == "GET" and not is_object:
        return "ListObjectsV2"
    return {"GET": "GetObject", "PUT": "PutObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}.get(method, method)


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
        """Whether the connection goes on."""
        if call.path in ("/_rules", "/_log"):
            writer.write(self.own(call))
            await writer.drain()
            return True
        rule = next((rule for rule in self.rules if rule.strikes(call)), None)
        entry = {"service": call.service, "operation": call.operation, "actions": call.actions, "resource": call.resource, "caller": call.caller,
                 "status": 0, "fault": rule.what if rule else None}
        self.log.append(entry)
        if rule and rule.what == "drop_before":
            return False
        if rule and rule.what == "error":
            entry["status"] = rule.status
            writer.write(failure(call, rule))
            await writer.drain()
            return True
        if rule and rule.what == "delay":
            await asyncio.sleep(rule.seconds)
        turned_away: list[int] = []
        if rule and rule.what == "entries":
            call, turned_away = without_entries(call)
        head, body = await self.forward(call)
        entry["status"] = int(head.split(b" ", 2)[1])
        if rule and rule.what == "drop_after":
            return False
        if turned_away:
            body = with_failures(body, turned_away)
        writer.write(answer_of(head, body, call.method))
        await writer.drain()
        return True

    def own(self, call: Call) -> bytes:
        if call.path == "/_log":
            return response(200, json.dumps(self.log).encode())
        if call.method == "DELETE":
            self.rules, self.log = [], []
            return response(200, b"{}")
        try:
            self.rules = [Rule(**rule) for rule in json.loads(call.body)]
        except (TypeError, ValueError) as error:
            return response(400, json.dumps({"error": str(error)}).encode())
        return response(200, b"{}")

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
    headers = [(name, value) for name, value in (line.split(b": ", 1) if b": " in line else (line.rstrip(b":"), b"") for line in lines)]
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
    """An answer with its length, so that the connection can go on."""
    status, *lines = head[:-4].split(b"\r\n")
    dropped = (b"connection", b"transfer-encoding") + (() if method == "HEAD" else (b"content-length",))
    kept = [line for line in lines if line.split(b":")[0].lower() not in dropped]
    if method != "HEAD":
        kept.append(b"Content-Length: " + str(len(body)).encode())
    return b"\r\n".join([status, *kept]) + b"\r\n\r\n" + body


def response(status: int, body: bytes, kind: str = "application/json", extra: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


def failure(call: Call, rule: Rule) -> bytes:
    if call.service in XML:
        body = f"<Error><Code>{rule.error}</Code><Message>on demand</Message><RequestId>0</RequestId></Error>"
        return response(rule.status, f'<?xml version="1.0"?>{body}'.encode(), "application/xml")
    body = json.dumps({"__type": rule.error, "message": "on demand"}).encode()
    return response(rule.status, body, "application/x-amz-json-1.1", f"x-amzn-errortype: {rule.error}\r\n")


def without_entries(call: Call) -> tuple[Call, list[int]]:
    """The call without every second record, and their places."""
    asked = json.loads(call.body)
    places = list(range(1, len(asked["Records"]), 2))
    asked["Records"] = [record for place, record in enumerate(asked["Records"]) if place not in places]
    return Call(call.method, call.path, call.headers, json.dumps(asked).encode()), places


def with_failures(body: bytes, places: list[int]) -> bytes:
    answer = json.loads(body)
    for place in places:
        answer["Records"].insert(place, {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "on demand"})
    answer["FailedRecordCount"] = answer.get("FailedRecordCount", 0) + len(places)
    return json.dumps(answer).encode()


def serve(target: str) -> str:
    """Starts it beside everything else, and tells where it is."""
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
