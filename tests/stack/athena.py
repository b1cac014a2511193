"""Athena's API in front of Trino: the calls that Tidemark makes, with Athena's own limits and words.

`POST /_failures` takes a list of failures on demand, each for the nth call or statement from then on:

    {"call": "StartQueryExecution", "nth": 1, "error": "ThrottlingException", "status": 400}
    {"statement": true, "nth": 1, "state": "FAILED", "category": 1, "type": 233, "retryable": true, "reason": "…"}
    {"statement": true, "nth": 1, "queued": 3}                        seconds before it runs

`GET /_log` gives every call so far, and for statements what Trino says of them.
"""

import json
import threading
import time
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3

import sql
import trino

# https://docs.aws.amazon.com/athena/latest/ug/service-limits.html
MAX_SQL = 262_144
TOKEN = range(32, 129)
SCAN_CUTOFF_LEAST = 10_000_000


class ApiError(Exception):
    def __init__(self, kind, message, status=400):
        super().__init__(message)
        self.kind, self.status = kind, status


def invalid(message):
    return ApiError("InvalidRequestException", message)


class Athena:
    """What happened so far."""

    def __init__(self, endpoint, s3):
        self.endpoint, self.s3 = endpoint, s3
        self.lock = threading.Lock()
        self.executions, self.tokens, self.log, self.failures, self.workgroups = {}, {}, [], [], {}

    def call(self, action, request):
        with self.lock:
            self.log.append({"call": action, "id": request.get("QueryExecutionId")})
            failure = self.failing(lambda one: one.get("call") == action)
        if failure:
            raise ApiError(failure["error"], failure.get("message", "on demand"), failure.get("status", 400))
        actions = {"StartQueryExecution": self.start, "GetQueryExecution": self.get, "StopQueryExecution": self.stop,
                   "GetQueryResults": self.results, "GetWorkGroup": self.workgroup, "CreateWorkGroup": self.create}
        if action not in actions:
            raise ApiError("UnknownOperationException", f"{action} is not one of {', '.join(actions)}")
        return actions[action](request)

    def failing(self, matches):
        """The failure whose turn it is, of those that match."""
        for failure in [failure for failure in self.failures if matches(failure)]:
            failure["nth"] = failure.get("nth", 1) - 1
            if failure["nth"] == 0:
                self.failures.remove(failure)
                return failure
        return None

    def start(self, request):
        token, text = request.get("ClientRequestToken") or str(uuid.uuid4()), request.get("QueryString", "")
        if len(token) not in TOKEN:
            raise invalid("clientRequestToken must have a length of 32 to 128")
        if not 1 <= len(text.encode()) <= MAX_SQL:
            raise invalid(f"queryString must have a length of at most {MAX_SQL} bytes")
        if not request.get("ResultConfiguration", {}).get("OutputLocation"):
            raise invalid("No output location provided. An output location is required either through the Workgroup "
                          "result configuration setting or as an API input.")
        said = json.dumps({name: value for name, value in request.items() if name != "ClientRequestToken"}, sort_keys=True)
        with self.lock:
            if token in self.tokens:
                execution, before = self.tokens[token]
                if before != said:
                    raise invalid("Idempotent parameters do not match")
                return {"QueryExecutionId": execution.id}
            execution = Execution(self, request)
            self.tokens[token] = execution, said
            self.executions[execution.id] = execution
            failure = self.failing(lambda one: one.get("statement"))
        threading.Thread(target=execution.run, args=(failure or {},), daemon=True).start()
        return {"QueryExecutionId": execution.id}

    def execution(self, request):
        try:
            return self.executions[request["QueryExecutionId"]]
        except KeyError:
            raise invalid(f"QueryExecution {request.get('QueryExecutionId')} was not found") from None

    def get(self, request):
        return {"QueryExecution": self.execution(request).described()}

    def stop(self, request):
        self.execution(request).is_stopped.set()
        return {}

    def results(self, request):
        execution = self.execution(request)
        if execution.state != "SUCCEEDED":
            raise invalid(f"Query did not finish successfully. Final query state: {execution.state}")
        most, begin = min(request.get("MaxResults", 1000), 1000), int(request.get("NextToken", 0))
        # The first row of the first page names the columns.
        rows = [[column["name"] for column in execution.columns], *execution.rows]
        page = {"ResultSet": {"Rows": [{"Data": [{} if value is None else {"VarCharValue": shown(value)} for value in row]}
                                       for row in rows[begin:begin + most]]}}
        return page | ({"NextToken": str(begin + most)} if begin + most < len(rows) else {})

    def workgroup(self, request):
        name = request.get("WorkGroup", "primary")
        if name != "primary" and name not in self.workgroups:
            raise invalid(f"WorkGroup {name} is not found.")
        return {"WorkGroup": {"Name": name, "State": "ENABLED", "Configuration": self.workgroups.get(name, {})}}

    def create(self, request):
        configuration = request.get("Configuration", {})
        if configuration.get("BytesScannedCutoffPerQuery", SCAN_CUTOFF_LEAST) < SCAN_CUTOFF_LEAST:
            raise invalid(f"BytesScannedCutoffPerQuery must be at least {SCAN_CUTOFF_LEAST}")
        self.workgroups[request["Name"]] = configuration
        return {}


class Execution:
    """One statement."""

    def __init__(self, api, request):
        self.api, self.request, self.id = api, request, str(uuid.uuid4())
        self.state, self.reason, self.error = "QUEUED", None, None
        self.submitted, self.completed = time.time(), None
        self.columns, self.rows, self.scanned, self.manifest, self.peak = [], [], 0, None, 0
        self.is_stopped = threading.Event()

    def run(self, failure):
        try:
            self.is_stopped.wait(failure.get("queued", 0))
            if "state" in failure:
                error = {"ErrorCategory": failure.get("category", 2), "ErrorType": failure.get("type", 0),
                         "Retryable": failure.get("retryable", False), "ErrorMessage": failure.get("reason", "on demand")}
                return self.end(failure["state"], failure.get("reason", "on demand"), error)
            self.state = "RUNNING"
            text = sql.bound(self.request["QueryString"], self.request.get("ExecutionParameters", []))
            unload = sql.unload(text)
            if unload:
                self.unload(unload)
            else:
                self.columns, self.rows = self.trino(text)
            self.end("SUCCEEDED")
        except sql.Refused as refused:
            self.fail(str(refused), 2, 1001)
        except trino.Failed as failed:
            self.told(failed.error)
        except Exception as error:  # A fault of this server must not leave a statement running for ever.
            self.fail(f"the test server failed: {error!r}", 1, 0)

    def end(self, state, reason=None, error=None):
        self.completed, self.reason, self.error = time.time(), reason, error
        self.state = state
        self.api.log.append({"statement": self.id, "state": state, "reason": reason, "scanned": self.scanned,
                             "peak": self.peak, "seconds": self.completed - self.submitted})

    def fail(self, reason, category, kind, retryable=False):
        self.end("FAILED", reason, {"ErrorCategory": category, "ErrorType": kind, "Retryable": retryable,
                                    "ErrorMessage": reason})

    def told(self, error):
        """What Trino says, as Athena puts it."""
        reason = f"{error.get('errorName')}: {error.get('message')}"
        if error.get("errorName") == "USER_CANCELED":
            if self.scanned > self.cutoff():
                return self.end("CANCELLED", "Bytes scanned limit was exceeded")
            return self.end("CANCELLED", "Query cancelled by user")
        is_users = error.get("errorType") == "USER_ERROR" or error.get("errorType") == "EXTERNAL"
        self.fail(reason, 2 if is_users else 1, 1301 if is_users else 233, error.get("errorType") == "INTERNAL_ERROR")

    def cutoff(self):
        configuration = self.api.workgroups.get(self.request.get("WorkGroup", "primary"), {})
        return configuration.get("BytesScannedCutoffPerQuery", float("inf"))

    def trino(self, text, session=()):
        database = self.request.get("QueryExecutionContext", {}).get("Database", "default")

        def watch(answer):
            stats = answer.get("stats", {})
            self.scanned = max(self.scanned, stats.get("physicalInputBytes", 0), stats.get("processedBytes", 0))
            self.peak = max(self.peak, stats.get("peakMemoryBytes", 0))
            return self.is_stopped.is_set() or self.scanned > self.cutoff()

        columns, rows, _ = self.api.endpoint.run(text, database, session, watch)
        return columns, rows

    def unload(self, unload):
        """UNLOAD is a table that is made and forgotten; what it wrote stays."""
        bucket, prefix = place(unload.target)
        if self.keys(bucket, prefix):
            raise trino.Failed({"errorName": "HIVE_PATH_ALREADY_EXISTS", "errorType": "EXTERNAL",
                                "message": f"Target directory for table '{unload.target}' already exists"})
        table = f"unload_{self.id.replace('-', '_')}"
        compression = {"gzip": "GZIP", "none": "NONE"}[unload.compression]
        self.trino(unload.create_table(table), [f"{trino.CATALOG}.compression_codec={compression}"])
        # A table over a location of its own does not take its files along.
        self.trino(f"DROP TABLE {table}")
        written = "".join(f"s3://{bucket}/{key}\n" for key in self.keys(bucket, prefix))
        home, path = place(self.request["ResultConfiguration"]["OutputLocation"])
        key = f"{path}{self.id}-manifest.csv"
        self.api.s3.put_object(Bucket=home, Key=key, Body=written.encode())
        self.manifest = f"s3://{home}/{key}"

    def keys(self, bucket, prefix):
        pages = self.api.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def described(self):
        now = self.completed or time.time()
        status = {"State": self.state, "SubmissionDateTime": self.submitted}
        status |= {"StateChangeReason": self.reason} if self.reason else {}
        status |= {"CompletionDateTime": self.completed} if self.completed else {}
        status |= {"AthenaError": self.error} if self.error else {}
        millis = int((now - self.submitted) * 1000)
        statistics = {"DataScannedInBytes": self.scanned, "EngineExecutionTimeInMillis": millis,
                      "TotalExecutionTimeInMillis": millis, "QueryQueueTimeInMillis": 0}
        statistics |= {"DataManifestLocation": self.manifest} if self.manifest else {}
        return {"QueryExecutionId": self.id, "Query": self.request["QueryString"], "StatementType": "DML",
                "Status": status, "Statistics": statistics, "WorkGroup": self.request.get("WorkGroup", "primary"),
                "ResultConfiguration": self.request["ResultConfiguration"],
                "EngineVersion": {"EffectiveEngineVersion": "Athena engine version 3"}}


def shown(value):
    return {True: "true", False: "false"}.get(value) if isinstance(value, bool) else str(value)


def place(uri):
    found = urllib.parse.urlparse(uri)
    return found.netloc, found.path.lstrip("/")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, self.server.api.log)

    def do_DELETE(self):
        with self.server.api.lock:
            self.server.api.failures.clear()
        self.answer(200, {})

    def do_POST(self):
        api, body = self.server.api, json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        if self.path == "/_failures":
            with api.lock:
                api.failures += body
            return self.answer(200, {})
        try:
            self.answer(200, api.call(self.headers["X-Amz-Target"].removeprefix("AmazonAthena."), body))
        except ApiError as error:
            self.answer(error.status, {"__type": error.kind, "Message": str(error), "message": str(error)})

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def start(endpoint, aws, credentials):
    """The address of an API that answers from now on."""
    access_key, secret_key, region = credentials
    s3 = boto3.client("s3", endpoint_url=aws, region_name=region, aws_access_key_id=access_key,
                      aws_secret_access_key=secret_key, config=boto3.session.Config(s3={"addressing_style": "path"}))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.api = Athena(endpoint, s3)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"
