"""Amazon's DynamoDB Local as a process, on the Java that Trino has."""

import urllib.error
import urllib.request
from pathlib import Path

import trino


def command(home: Path, port: int) -> list[str | Path]:
    jars = home / "dynamodb"
    # Without Java's second compiler it takes half of a processor's time to start, which Trino has meanwhile.
    return [trino.java(home), f"-Djava.library.path={jars}", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", f"{jars}/*",
            "com.amazonaws.services.dynamodbv2.local.main.ServerRunner", "-inMemory", "-sharedDb",
            # It would tell Amazon how it is used.
            "-disableTelemetry", "-port", str(port)]


def is_healthy(address: str) -> bool:
    """A request that nobody signed is refused, by a server that is there."""
    try:
        urllib.request.urlopen(address, timeout=5)
    except urllib.error.HTTPError as error:
        return error.code == 400
    return False
