#!/usr/bin/env python3
"""Compares a local Trino, the engine inside Athena, with the native engine on the same exports in S3.

    python3 tests/bench/athena.py                       1 million rows
    python3 tests/bench/athena.py --rows 10000000       needs 24 GiB of memory and 2 GB of disk

Both run as `tidemark delta` over the emulator of tests/stack. The counts must be those of the generated exports.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import run as bench

ROOT = bench.ROOT
TABLE = "ledger_entries"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of each export [default: 1,000,000]")
    parser.add_argument("--runs", type=int, default=1, help="runs of each [default: 1]")
    parser.add_argument("--work", type=Path, default=Path("target/bench"), help="the directory for data [default: target/bench]")
    parser.add_argument("--memory", default="16G", help="the size of Trino's heap [default: 16G]")
    args = parser.parse_args()
    args.work = args.work.resolve()
    args.work.mkdir(parents=True, exist_ok=True)
    cargo = ["cargo", "build", "--release", "--quiet", "--package", "tests", "--features", "aws", "--bins"]
    subprocess.run(cargo, cwd=ROOT, check=True)
    _, data = bench.make(args.work, "samples", [], args.rows)
    print(f"{bench.machine()}; {args.rows:,} rows\n", flush=True)
    environment = os.environ | {"TIDEMARK_TRINO_LONG": "1"}
    stack = subprocess.Popen([sys.executable, ROOT / "tests/stack", "serve", "--memory", args.memory], env=environment,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        measure(args, data, json.loads(stack.stdout.readline()))
    finally:
        stack.stdin.close()
        stack.wait()


def measure(args, data, endpoints):
    account = os.environ | {
        "AWS_ENDPOINT_URL": endpoints["aws"], "AWS_ENDPOINT_URL_ATHENA": endpoints["athena"],
        "AWS_REGION": endpoints["region"], "AWS_DEFAULT_REGION": endpoints["region"], "AWS_ACCESS_KEY_ID": endpoints["access_key"],
        "AWS_SECRET_ACCESS_KEY": endpoints["secret_key"]}
    bucket = endpoints["bucket"]
    # boto3 is in the stack's virtual environment.
    python = next(Path(os.environ.get("TIDEMARK_CACHE") or Path.home() / ".cache/tidemark").glob("stack-*/venv/bin/python"))
    prepare = f"""
import boto3, json, pathlib
bucket = {bucket!r}
glue, s3 = boto3.client("glue"), boto3.client("s3")
glue.create_database(DatabaseInput={{"Name": "tidemark"}})
table = pathlib.Path({str(ROOT / f"generated/ddl/{TABLE}.json")!r}).read_text().replace("BUCKET", bucket)
glue.create_table(DatabaseName="tidemark", TableInput=json.loads(table))
for version, folder in (("V1", {data["baseline"]!r}), ("V2", {data["snapshot"]!r})):
    for part in pathlib.Path(folder).iterdir():
        s3.upload_file(str(part), bucket, f"acme/{TABLE}/{{version}}/{{part.name}}")
"""
    subprocess.run([python, "-c", prepare], env=account, check=True)
    exports = [f"s3://{bucket}/acme/{TABLE}/{version}" for version in ("V1", "V2")]
    rows = []
    for name, pair, expected in (
        ("delta", exports, [data[kind] for kind in ("inserted", "updated", "deleted")]),
        ("first import", ["none", exports[1]], [data["rows"], 0, 0]),
    ):
        for engine in ("athena", "native"):
            for _ in range(args.runs):
                begun = time.monotonic()
                command = [bench.BIN / "tidemark-under-test", "delta", TABLE, *pair, "-o", args.work / "operations",
                           "--format", "json", "--engine", engine]
                report = json.loads(subprocess.run(command, env=account, check=True, stdout=subprocess.PIPE).stdout)
                found = [report["counts"][kind] for kind in ("inserted", "updated", "deleted")]
                if found != expected:
                    sys.exit(f"{engine} found {found}, expected {expected}")
                seconds, scan, peak = time.monotonic() - begun, report["findings"].get("scan"), ""
                if scan:
                    log = json.load(urllib.request.urlopen(endpoints["athena"] + "/_log"))
                    peak = next(entry["peak"] for entry in log if entry.get("statement") == scan["id"])
                rows.append([name, engine, f"{seconds:.1f}", f"{scan['millis'] / 1000:.1f}" if scan else "",
                             f"{scan['bytes'] / 1e6:,.0f}" if scan else "", f"{peak / 2**20:,.0f}" if scan else ""])
                print("  " + "".join(f"{cell:>14}" for cell in rows[-1]), flush=True)
    print("\n  " + "".join(f"{head:>14}" for head in ("", "engine", "seconds", "of these SQL", "MB read", "peak MiB")))


if __name__ == "__main__":
    main()
