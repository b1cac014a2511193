"""How to start the AWS emulator."""

import os
import urllib.request
from pathlib import Path

import aws

HERE = Path(__file__).resolve().parent
# Step Functions wait for a tenth of the time that a state or a retry says.
WAIT_SCALE = "0.1"


def command(home: Path) -> list[str | Path]:
    return [home / "venv/bin/python", HERE / "patched_emulator.py"]


def environment(folder: Path, port: int) -> dict[str, str]:
    """Lambda functions inherit it, so it contains nothing of an AWS account that the user may have. With AUTH, the
    emulator checks the rights of the caller; the account itself may do anything."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    account = {"AUTH": "true", "AWS_ACCESS_KEY_ID": aws.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": aws.SECRET_KEY}
    return kept | account | {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "IOT_MTLS_ENABLED": "0", "SFN_WAIT_SCALE": WAIT_SCALE, "TMPDIR": str(folder)}


def is_healthy(address: str) -> bool:
    with urllib.request.urlopen(f"{address}/_ministack/health", timeout=5) as answer:
        return answer.status == 200
