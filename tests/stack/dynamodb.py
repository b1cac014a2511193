"""How to start Amazon's DynamoDB Local, with Trino's Java."""

import urllib.error
import urllib.request
from pathlib import Path

import trino


def command(home: Path, port: int) -> list[str | Path]:
    jars = home / "dynamodb"
    # Without Java's optimising compiler it needs half of the CPU time to start, while Trino starts too.
    return [trino.java(home), f"-Djava.library.path={jars}", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", f"{jars}/*",
            "com.amazonaws.services.dynamodbv2.local.main.ServerRunner", "-inMemory", "-sharedDb",
            # By default it reports usage to Amazon.
            "-disableTelemetry", "-port", str(port)]


def is_healthy(address: str) -> bool:
    """A server that is up rejects an unsigned request."""
    try:
        urllib.request.urlopen(address, timeout=5)
    except urllib.error.HTTPError as error:
        return error.code == 400
    return False
