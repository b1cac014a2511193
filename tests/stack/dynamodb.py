"""Amazon's DynamoDB Local as a process, on the Java that Trino has."""

import urllib.error
import urllib.request
from pathlib import Path

import trino


def command(home: Path, port: int) -> list[str | Path]:
    jars = home / "dynamodb"
    return [trino.java(home), f"-Djava.library.path={jars}", "-Xmx256m", "-cp", f"{jars}/*",
            "com.amazonaws.services.dynamodbv2.local.main.ServerRunner", "-inMemory", "-sharedDb", "-port", str(port)]


def is_healthy(address: str) -> bool:
    """A request that nobody signed is refused, by a server that is there."""
    try:
        urllib.request.urlopen(address, timeout=5)
    except urllib.error.HTTPError as error:
        return error.code == 400
    return False
