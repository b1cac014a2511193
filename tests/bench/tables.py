#!/usr/bin/env python3
"""Prints the tables of README.md and docs/performance.md from the results of run.py, for each number of rows.

    python3 tests/bench/tables.py target/bench/results.json
"""

import json
import statistics
import sys
from pathlib import Path

COLUMNS = {
    "same": "sorted by key",
    "unsorted": "same order, not by key",
    "shuffled": "different orders",
    "multiline": "line breaks in quotes",
    "multiline-shuffled": "the same, different orders",
    "first": "first import",
    "first-gz": "first import, gzip",
    "quoted": "all in quotes",
    "zstd": "zstd",
    "plain": "not compressed",
    "wide": "200 columns",
    "text": "2,000 characters",
}
ROWS = {
    "fastest": "fastest (ISA-L decompresses both)",
    "floor": "floor (zlib-rs decompresses both)",
    "tidemark": "**tidemark**",
    "polars": "Polars",
    "duckdb": "DuckDB",
    "clickhouse": "ClickHouse (chDB)",
}


def main():
    results = json.loads(Path(sys.argv[1]).read_text())
    print(f"{results['machine']}\n")
    for base in sorted({entry["base"] for entry in results["programs"]}, reverse=True):
        entries = [entry for entry in results["programs"] if entry["base"] == base]
        table("README.md", base, entries, [row for row in ROWS if row != "fastest"], list(COLUMNS)[:6])
        table("docs/performance.md", base, entries, list(ROWS), list(COLUMNS))
        for entry in entries:
            if entry.get("failed"):
                print(f"{entry['scenario']}: {entry['program']}: {entry['failed']}")


def table(page, base, entries, rows, columns):
    cells = {(entry["program"], entry["scenario"]): entry for entry in entries}
    columns = [column for column in columns if any((row, column) in cells for row in rows)]
    counts = {len(entry["runs"]) for entry in entries if entry["runs"]}
    print(f"{page}: {base:,} rows, medians of {' or '.join(map(str, sorted(counts)))}\n")
    print(f"| | {' | '.join(COLUMNS[column] for column in columns)} |\n|{'---|' * (len(columns) + 1)}")
    for row in rows:
        if any((row, column) in cells for column in columns):
            print(f"| {ROWS[row]} | {' | '.join(cell(cells.get((row, column)), row) for column in columns)} |")
    ratios(cells, columns)
    print()


def cell(entry, program):
    if entry is None or not entry["runs"]:
        return "failed" if entry and entry.get("failed") else ""
    seconds, peak = median(entry, 0), max(run[2] for run in entry["runs"])
    if program in ("fastest", "floor"):
        return f"{seconds:.2f} s"
    return f"{seconds:.2f} s, " + (f"{peak:,.0f} MiB" if peak < 1000 else f"{peak / 1024:,.1f} GiB")


def ratios(cells, columns):
    """What the goals are about: the time of Tidemark as a multiple of the floor, and how much faster it is than the best
    of the peers."""
    for column in columns:
        entries = {program: cells.get((program, column)) for program in ROWS}
        times = {program: median(entry, 0) for program, entry in entries.items() if entry and entry["runs"]}
        peers = {program: times[program] for program in ("polars", "duckdb", "clickhouse") if program in times}
        if "tidemark" not in times or not peers:
            continue
        best = min(peers, key=peers.get)
        floor = f"{times['tidemark'] / times['floor']:.2f} times the floor, " if "floor" in times else ""
        print(f"<!-- {column}: {floor}{peers[best] / times['tidemark']:.2f} times faster than {best} -->")


def median(entry, kind):
    return statistics.median(run[kind] for run in entry["runs"])


if __name__ == "__main__":
    main()
