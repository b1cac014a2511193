"""Athena's API in front of Trino: the calls that Tidemark makes, with Athena's limits and messages."""

import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import aws
import results
import sql
from engine import Engine
from execution import Execution, Services
from failures import BadFailure, Failures, scopes_of
from user_agent import application

# https://docs.aws.amazon.com/athena/latest/ug/service-limits.html and the constraints of the API's reference
MAX_SQL, MIN_TOKEN, MAX_TOKEN, MAX_PARAMETER, MAX_PAGE = 262_144, 32, 128, 1024, 1000
TARGET = "AmazonAthena."
# Work groups are in the emulator, where CloudFormation creates them.
FORWARDED = {"CreateWorkGroup", "GetWorkGroup", "UpdateWorkGroup", "DeleteWorkGroup", "ListWorkGroups"}
# The account of the emulator.
ACCOUNT = "000000000000"
NO_OUTPUT = ("No output location provided. You did not provide an output location for  your query results. Either specify "
             "an S3 bucket location or enable Athena managed query results in your workgroup settings.")


class ApiError(Exception):
    def __init__(self, kind: str, message: str, code: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.kind, self.code, self.status = kind, code, status

    def body(self) -> dict:
        codes = {"AthenaErrorCode": self.code, "ErrorCode": self.code} if self.code else {}
        return {"__type": self.kind, "Message": str(self), **codes}


def invalid(message: str, code: str = "INVALID_INPUT") -> ApiError:
    return ApiError("InvalidRequestException", message, code)


class Athena:
    """The calls, and their results so far."""

    def __init__(self, engine_address: str, aws_address: str) -> None:
        self.aws_address = aws_address
        self.services = Services(Engine(engine_address), aws.client("s3", aws_address), aws.client("glue", aws_address))
        # Made on first use, and not safe for threads: two would make two sets, and neither catches the other's.
        _ = self.services.glue.exceptions
        self.workgroups = aws.client("athena", aws_address)
        self.lock, self.failures = threading.Lock(), Failures()
        self.executions: dict[str, Execution] = {}
        self.tokens: dict[str, tuple[Execution, str]] = {}
        self.log: list[dict] = []
        self.actions: dict[str, Callable[[dict], dict]] = {
            "StartQueryExecution": self.start, "GetQueryExecution": self.get, "StopQueryExecution": self.stop,
            "GetQueryResults": self.results, "GetQueryRuntimeStatistics": self.runtime_statistics}

    def call(self, action: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict]:
        begun, request, effect = time.monotonic(), json.loads(body or b"{}"), {}
        belongs_to = self.scopes(request)
        failure = self.failures.for_call(action, belongs_to)
        try:
            if failure and not failure.after:
                raise ApiError(failure.error, failure.message, status=failure.status)
            status, effect = self.perform(action, request, body, headers)
            if failure:
                raise ApiError(failure.error, failure.message, status=failure.status)
            answer = effect
        except ApiError as error:
            status, answer = error.status, error.body()
        agents = (value for name, value in headers.items() if name.lower() in ("user-agent", "x-amz-user-agent"))
        entry = {"action": action, "id": request.get("QueryExecutionId") or effect.get("QueryExecutionId"),
                 "error": answer.get("__type"), "caller": application(*agents), "scopes": belongs_to,
                 "seconds": round(time.monotonic() - begun, 4)}
        with self.lock:
            self.log.append(entry)
        return status, answer

    def scopes(self, request: dict) -> list[str]:
        """What a call belongs to: that of the statement that it names, or starts."""
        execution = self.executions.get(request.get("QueryExecutionId"))
        return scopes_of(execution.request if execution else request)

    def perform(self, action: str, request: dict, body: bytes, headers: dict[str, str]) -> tuple[int, dict]:
        if action in FORWARDED:
            return self.forward(body, headers)
        if action not in self.actions:
            known = ", ".join(sorted([*self.actions, *FORWARDED]))
            raise ApiError("UnknownOperationException", f"this test server supports {known}, not {action}")
        return 200, self.actions[action](request)

    def forward(self, body: bytes, headers: dict[str, str]) -> tuple[int, dict]:
        kept = {name: value for name, value in headers.items() if name.lower() not in ("host", "content-length")}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.aws_address, body, kept), timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def start(self, request: dict) -> dict:
        token = checked_token(request.get("ClientRequestToken"))
        location, cutoff = self.settings(request)
        checked_statement(request)
        try:
            execution = Execution(self.services, request, location, cutoff)
            list(sql.placeholders(execution.text))
            sql.check_literals(request.get("ExecutionParameters", []))
        except sql.Refused as refused:
            raise invalid(str(refused), "MALFORMED_QUERY") from None
        content = json.dumps({name: value for name, value in request.items() if name != "ClientRequestToken"}, sort_keys=True)
        with self.lock:
            before, known = self.tokens.setdefault(token, (execution, content))
            if known != content:
                raise invalid("Idempotent parameters do not match", "IDEMPOTENT_PARAMETER_MISMATCH")
            if before is not execution:
                return {"QueryExecutionId": before.id}
            self.executions[execution.id] = execution
        threading.Thread(target=self.run, args=(execution,), daemon=True).start()
        return {"QueryExecutionId": execution.id}

    def run(self, execution: Execution) -> None:
        execution.run(self.failures.for_statement(scopes_of(execution.request)))
        with self.lock:
            self.log.append(execution.log_entry())

    def settings(self, request: dict) -> tuple[str, float]:
        """The location of results, and how many bytes may be scanned. The work group's settings win where it enforces
        them."""
        try:
            group = self.workgroups.get_work_group(WorkGroup=request.get("WorkGroup", "primary"))["WorkGroup"]
        except self.workgroups.exceptions.InvalidRequestException:
            raise invalid("WorkGroup is not found.") from None
        settings = group.get("Configuration", {})
        groups = settings.get("ResultConfiguration", {}).get("OutputLocation")
        own = request.get("ResultConfiguration", {}).get("OutputLocation")
        owner = request.get("ResultConfiguration", {}).get("ExpectedBucketOwner", ACCOUNT)
        if owner != ACCOUNT:
            raise invalid(f"The bucket of the output belongs to {ACCOUNT}, not to {owner}.")
        # CloudFormation passes on the template's booleans as strings.
        is_enforced = str(settings.get("EnforceWorkGroupConfiguration", True)).lower() == "true"
        location = groups if groups and is_enforced else own or groups
        if not location:
            raise invalid(NO_OUTPUT)
        return location, float(settings.get("BytesScannedCutoffPerQuery") or "inf")

    def execution(self, request: dict) -> Execution:
        name = request.get("QueryExecutionId")
        if name not in self.executions:
            raise invalid(f"QueryExecution {name} was not found", "QUERY_EXECUTION_NOT_FOUND")
        return self.executions[name]

    def get(self, request: dict) -> dict:
        return {"QueryExecution": self.execution(request).described()}

    def stop(self, request: dict) -> dict:
        self.execution(request).is_stopped.set()
        return {}

    def results(self, request: dict) -> dict:
        execution = self.execution(request)
        refuse_unfinished(execution.state)
        count, begin = request.get("MaxResults", MAX_PAGE), request.get("NextToken", "0")
        if not 1 <= count <= MAX_PAGE or not begin.isdecimal():
            raise invalid(f"MaxResults must be 1 to {MAX_PAGE}, and NextToken that of the previous page")
        begin = int(begin)
        rows = [{"Data": [{} if value is None else {"VarCharValue": value} for value in line]}
                for line in execution.lines[begin:begin + count]]
        columns = [results.column(column) for column in execution.answer.columns] if execution.lines else []
        page = {"UpdateCount": 0, "ResultSet": {"Rows": rows, "ResultSetMetadata": {"ColumnInfo": columns}}}
        return page | ({"NextToken": str(begin + count)} if begin + count < len(execution.lines) else {})

    def runtime_statistics(self, request: dict) -> dict:
        execution = self.execution(request)
        timeline, stats = execution.statistics(), execution.answer.stats
        return {"QueryRuntimeStatistics": {
            "Timeline": {name: value for name, value in timeline.items() if name.endswith("InMillis")},
            "Rows": {"InputRows": stats.get("processedRows", 0), "InputBytes": execution.scanned}}}


def checked_token(token: str | None) -> str:
    if token is None:
        raise invalid("clientRequestToken is null or empty")
    for is_wrong, constraint in ((len(token) < MIN_TOKEN, f"greater than or equal to {MIN_TOKEN}"),
                                 (len(token) > MAX_TOKEN, f"less than or equal to {MAX_TOKEN}")):
        if is_wrong:
            raise invalid("1 validation error detected: Value at 'clientRequestToken' failed to satisfy constraint: "
                          f"Member must have length {constraint}")
    return token


def checked_statement(request: dict) -> None:
    if not 1 <= len(request.get("QueryString", "").encode()) <= MAX_SQL:
        raise invalid("1 validation error detected: Value at 'queryString' failed to satisfy constraint: Member must have "
                      f"length less than or equal to {MAX_SQL}")
    if any(not 1 <= len(parameter) <= MAX_PARAMETER for parameter in request.get("ExecutionParameters", [])):
        raise invalid(f"each of executionParameters must have a length of 1 to {MAX_PARAMETER}")


def refuse_unfinished(state: str) -> None:
    if state in ("QUEUED", "RUNNING"):
        raise invalid(f"Query has not yet finished. Current state: {state}", "INVALID_QUERY_EXECUTION_STATE")
    if state == "FAILED":
        raise invalid(f"Query did not finish successfully. Final query state: {state}", "INVALID_QUERY_EXECUTION_STATE")
    if state == "CANCELLED":
        raise invalid("Could not find results", "RESULT_NOT_FOUND")


class Handler(BaseHTTPRequestHandler):
    """The API at `/`; for tests `/_failures` and `/_log`, each with `?scope=` or without."""
    protocol_version = "HTTP/1.1"
    # Headers and body are two writes: without this, every response waits 40 ms for the client's acknowledgement.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        api, (path, _, scope) = self.server.api, self.path.partition("?scope=")
        with api.lock:
            log = [entry for entry in api.log if not scope or scope in entry["scopes"]]
        self.answer(*((200, log) if path == "/_log" else (404, {"message": "expected GET /_log"})))

    def do_DELETE(self) -> None:
        path, _, scope = self.path.partition("?scope=")
        if path == "/_failures":
            self.server.api.failures.clear(scope or None)
        self.answer(*((200, {}) if path == "/_failures" else (404, {"message": "expected DELETE /_failures"})))

    def do_POST(self) -> None:
        api, body = self.server.api, self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/_failures":
            try:
                api.failures.add(json.loads(body))
                self.answer(200, {})
            except BadFailure as bad:
                self.answer(400, {"message": str(bad)})
        else:
            self.answer(*api.call(self.headers.get("X-Amz-Target", "").removeprefix(TARGET), body, dict(self.headers)))

    def answer(self, status: int, body: dict | list) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """`/_log` has every call already."""


class Listener(ThreadingHTTPServer):
    # Many tests connect at once.
    request_queue_size = 128


def serve(engine_address: str, aws_address: str) -> str:
    """Starts the API; returns its address."""
    server = Listener(("127.0.0.1", 0), Handler)
    server.api = Athena(engine_address, aws_address)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"
