#!/usr/bin/env python3
"""Times `tidemark delta` beside what one would otherwise run, on the same files, in interleaved runs.

    python3 tests/bench/run.py                          1 million rows, same order and shuffled
    python3 tests/bench/run.py --rows 10000000 --runs 3
    python3 tests/bench/run.py --only tidemark,floor    without the peers, and without installing them

The peers (DuckDB, Polars) come from PyPI into an environment below --work, which is made when it is not there. Each
reads both exports with the schema's types, joins them on the primary key, and counts what was inserted, updated and
deleted; all must find the same. `floor` only inflates both exports, each in a process of its own, with what Tidemark
inflates with; `fastest` does so with ISA-L.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
PEERS = ["duckdb", "polars", "isal"]


def main():
    args = arguments()
    work = Path(args.work).resolve()
    work.mkdir(parents=True, exist_ok=True)
    build()
    python = environment(work) if set(args.only) & {"duckdb", "polars", "fastest"} else sys.executable
    print(f"{machine()}\n")
    for order in args.orders:
        data = make(work, args.rows, order)
        measure(args, work, data, python, order)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of each export (1,000,000)")
    parser.add_argument("--runs", type=int, default=5, help="runs of each; medians are shown (5)")
    parser.add_argument("--orders", default="same,shuffled,first", help="same,shuffled,first")
    parser.add_argument("--only", default="tidemark,floor,fastest,duckdb,polars", help="who runs")
    parser.add_argument("--work", default="target/bench", help="where data and the peers lie (target/bench)")
    args = parser.parse_args()
    args.orders = args.orders.split(",")
    args.only = args.only.split(",")
    return args


def build():
    subprocess.run(["cargo", "build", "--release", "--quiet", "-p", "generated", "--bin", "tidemark"], cwd=ROOT, check=True)
    bins = ["--bin", "make_samples", "--bin", "inflate"]
    subprocess.run(["cargo", "build", "--release", "--quiet", "-p", "tests", *bins], cwd=ROOT, check=True)


def environment(work):
    """The Python of an environment that has the peers."""
    folder = work / "venv"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS], check=True)
    return str(python)


def make(work, rows, order):
    """Two exports of `ledger_entries`, and the counts that a delta must find."""
    folder = work / f"{rows}-{'shuffled' if order == 'shuffled' else 'same'}"
    counts = folder.with_suffix(".json")
    if not counts.exists():
        command = [ROOT / "target/release/make_samples", "--table", "ledger_entries", "--rows", str(rows)]
        command += ["--out", folder, "--format", "json"] + (["--shuffle"] if order == "shuffled" else [])
        made = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        counts.write_bytes(made.stdout)
    return json.loads(counts.read_text())


def measure(args, work, data, python, order):
    baseline = "none" if order == "first" else data["baseline"]
    snapshot = data["snapshot"]
    expected = [data["rows"], 0, 0] if order == "first" else [data[name] for name in ("inserted", "updated", "deleted")]
    described = describe()
    commands = {
        "tidemark": [[ROOT / "target/release/tidemark", "delta", "ledger_entries", baseline, snapshot,
                      "-o", work / "operations.ndjson", "--format", "json"]],
        "floor": [[ROOT / "target/release/inflate", export] for export in (baseline, snapshot) if export != "none"],
        "fastest": [[python, HERE / "inflate.py", export] for export in (baseline, snapshot) if export != "none"],
        "duckdb": [[python, HERE / "peer_duckdb.py", described, baseline, snapshot]],
        "polars": [[python, HERE / "peer_polars.py", described, baseline, snapshot]],
    }
    seen = {name: [] for name in commands if name in args.only}
    for _ in range(args.runs):
        for name in seen:
            seen[name].append(run(name, commands[name], expected))
    show(args, order, seen)


def describe():
    """The table's columns, as `tidemark tables` tells them."""
    tables = subprocess.run([ROOT / "target/release/tidemark", "tables", "ledger_entries", "--format", "json"],
                            check=True, stdout=subprocess.PIPE)
    return tables.stdout.decode()


def run(name, commands, expected):
    """Runs the commands at once. Gives seconds, and the peak of the largest in MiB."""
    begun = time.monotonic()
    children = [subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                for command in commands]
    outputs = [child.stdout.read() for child in children]
    usages = [os.wait4(child.pid, 0) for child in children]
    seconds = time.monotonic() - begun
    if any(status != 0 for _, status, _ in usages):
        sys.exit(f"{name} failed: {children[0].stderr.read().decode()}")
    if name not in ("floor", "fastest"):
        said = json.loads(outputs[0])
        found = said.get("counts", said)
        found = [found[kind] for kind in ("inserted", "updated", "deleted")]
        if found != expected:
            sys.exit(f"{name} found {found}, and {expected} is right")
    return seconds, max(usage.ru_maxrss for _, _, usage in usages) / 1024


def show(args, order, seen):
    medians = {name: statistics.median(seconds for seconds, _ in runs) for name, runs in seen.items()}
    floor = medians.get("floor")
    print(f"{args.rows:,} rows, {order}, medians of {args.runs} runs")
    print(f"{'':<10}{'seconds':>9}{'of floor':>10}{'peak MiB':>10}")
    for name, runs in sorted(seen.items(), key=lambda item: medians[item[0]]):
        ratio = f"{medians[name] / floor:.2f}" if floor else ""
        print(f"{name:<10}{medians[name]:>9.2f}{ratio:>10}{max(peak for _, peak in runs):>10.0f}")
    print(flush=True)


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores of {model}, {memory:.0f} GiB"


if __name__ == "__main__":
    main()
