#!/usr/bin/env python3
"""Compares Tidemark with the alternatives, on the same files, in interleaved runs.

    python3 tests/bench/run.py                                   every scenario with 1 million rows
    python3 tests/bench/run.py same shuffled --rows 10000000 --runs 3
    python3 tests/bench/run.py same --only tidemark,floor        without the peers, and without installing them
    python3 tests/bench/run.py grow                              0.1, 1 and 10 million rows
    python3 tests/bench/run.py same first --resume               goes on where an earlier call ended
    python3 tests/bench/tables.py target/bench/results.json      the tables of README.md and docs/performance.md

The peers (DuckDB, Polars, ClickHouse as chDB) are installed from PyPI into a virtual environment below --work; one that
cannot be installed, fails, takes too long or finds other counts is shown as such. Each reads both exports with the types
of the schema, joins them on the primary key, and counts inserted, updated and deleted rows; all counts must agree.
Tidemark also writes the operations, and computes and checks fingerprints. In a first import, all of them write the
operations. `floor` only decompresses both exports, each in its own process, with Tidemark's library; `fastest` does so
with ISA-L. On a machine with other work, the processor time says more than the seconds.

Each round runs every program once in every scenario, and each run is saved at once: whenever it ends, there are medians
of all of them.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from databases import Changes, Databases, Server
from results import Failed, Results

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
BIN = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
# The package of each peer.
PEERS = {"fastest": "isal", "duckdb": "duckdb", "polars": "polars", "clickhouse": "chdb"}

# For each scenario: a description, the program and options that make its exports, and its share of --rows.
SCENARIOS = {
    "same": ("both exports sorted by key", "samples", [], 1),
    "shuffled": ("the second export in another order", "samples", ["--shuffle"], 1),
    "unsorted": ("both in the same order, by no column", "exports", ["--order", "unsorted"], 1),
    "first": ("a first import: every row an INSERT, in NDJSON", "samples", [], 1),
    "first-gz": ("the same through `tidemark run`, in NDJSON with gzip", "samples", [], 1),
    "quoted": ("every field in quotes", "exports", ["--quoting", "all"], 1),
    "multiline": ("quotes where needed, line breaks in 5 % of the rows", "exports", ["--quoting", "needed"], 1),
    "multiline-shuffled": ("the same, the second export in another order", "exports",
                           ["--quoting", "needed", "--order", "shuffled"], 1),
    "zstd": ("zstd instead of gzip", "exports", ["--compression", "zstd"], 1),
    "plain": ("no compression", "exports", ["--compression", "none"], 1),
    "wide": ("200 columns", "exports", ["--columns", "200"], 0.1),
    "text": ("a column of 2,000 characters", "exports", ["--columns", "4", "--text", "2000"], 0.1),
}
OTHERS = {
    "small": "1,000 exports of 1,000 rows through `tidemark run`",
    "databases": "a first import into SQLite and PostgreSQL, compared with `.import` and COPY of the same rows",
    "changes": "the changes of 3 % of the rows applied to PostgreSQL, compared with the same statements by hand, and with dlt",
    "publish": "a first import through `tidemark run`, compared with gzip -3 of the same operations",
    "grow": "sorted exports of 0.1, 1, 10 and 50 million rows, up to --rows-max",
}


def main():
    args = arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    args.begun = time.monotonic()
    build(args)
    args.python, args.missing = environment(args.work, [who for who in args.only if who in PEERS])
    args.results = Results(args.results or args.work / "results.json", args.resume, machine())
    print(f"{machine()}; medians of {args.runs} interleaved runs\n", flush=True)
    compare(args, [(name, int(args.rows * SCENARIOS[name][3])) for name in args.scenarios if name in SCENARIOS])
    others = {"small": small, "publish": publish, "databases": databases, "changes": changes, "grow": grow}
    for name in args.scenarios:
        if name in others:
            others[name](args)
    sys.exit(args.results.has_failure_of("tidemark"))


def arguments():
    listed = "\n".join(f"  {name:<20}{what[0] if isinstance(what, tuple) else what}"
                       for name, what in (SCENARIOS | OTHERS).items())
    parser = argparse.ArgumentParser(description=__doc__ + "\nScenarios:\n" + listed,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    every = [*SCENARIOS, *OTHERS]
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="the scenarios [default: all]")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of each export [default: 1,000,000]")
    parser.add_argument("--rows-max", type=int, default=10_000_000, help="the largest size of `grow` [default: 10,000,000]")
    parser.add_argument("--no-build", action="store_true", help="run what was built before")
    parser.add_argument("--runs", type=int, default=5, help="runs of each [default: 5]")
    parser.add_argument("--only", default="tidemark,floor,fastest,duckdb,polars,clickhouse", help="the programs to compare [default: all]")
    parser.add_argument("--work", type=Path, default=Path("target/bench"), help="the directory for data and peers [default: target/bench]")
    parser.add_argument("--results", type=Path, help="the file with all runs [default: WORK/results.json]")
    parser.add_argument("--resume", action="store_true", help="keep the runs in that file, and make only those that are missing")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no run after so many minutes [default: no limit]")
    parser.add_argument("--limit", type=float, default=600, help="the seconds that a run may take [default: 600]")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    args = parser.parse_args()
    unknown = [name for name in args.scenarios if name not in every]
    if unknown:
        parser.error(f"unknown scenario {unknown[0]}; expected one of {', '.join(every)}")
    args.scenarios = args.scenarios or every
    args.only = args.only.split(",")
    args.work = args.work.resolve()
    return args


def build(args, *options):
    if args.no_build:
        return
    cargo = ["cargo", "build", "--release", "--quiet"]
    subprocess.run([*cargo, "-p", "generated", "--bin", "tidemark"], cwd=ROOT, check=True)
    subprocess.run([*cargo, "-p", "tests", "--bins", *options], cwd=ROOT, check=True)


def environment(work, peers):
    """The Python of a virtual environment with these peers, and the errors of those that cannot be installed."""
    folder = work / "venv"
    python = folder / "bin" / "python"
    if peers and not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    missing = {}
    for peer in peers:
        package = PEERS[peer]
        if not list(folder.glob(f"lib/*/site-packages/{package}")):
            pip = subprocess.run([python, "-m", "pip", "install", "--quiet", package], capture_output=True, text=True)
            if pip.returncode != 0:
                missing[peer] = f"{package} cannot be installed: {pip.stderr.strip().splitlines()[-1]}"
    return str(python) if peers else sys.executable, missing


def make(work, maker, options, rows):
    """Two exports, created unless they exist, and the counts that a delta must find."""
    folder = work / "-".join([maker, str(rows), *(option.lstrip("-") for option in options)])
    counts = folder.with_suffix(".json")
    if not counts.exists():
        shutil.rmtree(folder, ignore_errors=True)
        named = ["--table", "ledger_entries", "--format", "json"] if maker == "samples" else []
        command = [BIN / f"make_{maker}", *named, "--rows", str(rows), "--out", folder, *options]
        counts.write_bytes(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return folder, json.loads(counts.read_text())


def compare(args, scenarios):
    """Compares all programs in each of the scenarios, a name and a number of rows, in rounds."""
    comparisons = [Comparison(args, name, rows) for name, rows in scenarios]
    for round in range(args.runs):
        for comparison in comparisons:
            comparison.run_round(round)
    for comparison in comparisons:
        comparison.show()


class Comparison:
    """One scenario with exports of one size."""

    def __init__(self, args, name, rows):
        what, maker, options, _ = SCENARIOS[name]
        self.args, self.name, self.rows = args, name, rows
        self.folder, data = make(args.work, maker, options, rows)
        self.is_first = name.startswith("first")
        baseline, self.snapshot = ("none" if self.is_first else data["baseline"]), data["snapshot"]
        self.expected = [data["rows"], 0, 0] if self.is_first else [data[kind] for kind in ("inserted", "updated", "deleted")]
        self.commands = self.commands_of(maker, baseline)
        exports = [export for export in (baseline, self.snapshot) if export != "none"]
        size = sum(file.stat().st_size for export in exports for file in Path(export).glob("part-*"))
        self.title = f"{name}: {rows:,} rows, {what}; {size / 2**20:,.0f} MiB"

    def commands_of(self, maker, baseline):
        args, name, snapshot = self.args, self.name, self.snapshot
        out = args.work / f"peer.ndjson{name.removeprefix('first').replace('-', '.') if self.is_first else ''}"
        self.outputs = [args.work / "operations", out]
        # The tables of `make_exports` are not compiled into `tidemark`; there is only a schema.
        tidemark, table = (BIN / "tidemark", "ledger_entries") if maker == "samples" else (BIN / "tidemark-from-schemas", "bench")
        described = subprocess.run([tidemark, "tables", table, "--format", "json"], cwd=self.folder, check=True,
                                   stdout=subprocess.PIPE).stdout.decode()
        exports = [export for export in (baseline, snapshot) if export != "none"]
        peer = lambda program: [[args.python, HERE / f"peer_{program}.py", described, baseline, snapshot, out]]
        commands = {
            "tidemark": [[tidemark, "delta", table, baseline, snapshot, "-o", args.work / "operations", "--format", "json"]],
            "floor": [[BIN / "inflate", export] for export in exports],
            "fastest": [[args.python, HERE / "inflate.py", export] for export in exports],
            "duckdb": peer("duckdb"),
            "polars": peer("polars"),
            "clickhouse": peer("clickhouse"),
        }
        is_gzip = any(Path(snapshot).glob("*.gz"))
        return {who: commands[who] for who in commands if who in args.only and (is_gzip or who != "fastest")}

    def run_round(self, round):
        """Runs each program once, unless that was done before, or it has failed."""
        args = self.args
        for who in self.commands:
            results = args.results.entry(self.name, args.rows, self.rows, who)
            is_late = time.monotonic() - args.begun > 60 * args.minutes
            if results.get("failed") or len(results["runs"]) > round or is_late:
                continue
            try:
                if who in args.missing:
                    raise Failed(args.missing[who])
                results["runs"].append(self.run_once(who))
            except Failed as failed:
                results["failed"] = str(failed)
                print(f"{self.name}: {who} failed: {failed}", file=sys.stderr, flush=True)
            args.results.save()

    def run_once(self, who):
        if self.name == "first-gz" and who == "tidemark":
            return run_from_scratch(self.args, as_first_version(self.args, self.rows, self.snapshot))
        try:
            return run(who, self.commands[who], self.folder, self.expected, self.args.limit)
        finally:
            # A first import writes gigabytes.
            for output in self.outputs:
                output.unlink(missing_ok=True)

    def show(self):
        entries = {who: self.args.results.entry(self.name, self.args.rows, self.rows, who) for who in self.commands}
        show(self.args, self.title, {who: entry["runs"] for who, entry in entries.items() if entry["runs"]})
        for who, entry in entries.items():
            if entry.get("failed"):
                print(f"  {who}: {entry['failed']}\n")


def run(who, commands, folder, expected=None, limit=None):
    """Runs commands concurrently; returns the seconds, the processor time of all, and the peak memory of the largest in
    MiB."""
    begun = time.monotonic()
    outputs = [(tempfile.TemporaryFile(), tempfile.TemporaryFile()) for _ in commands]
    children = [subprocess.Popen([str(part) for part in command], cwd=folder, stdout=out, stderr=error)
                for command, (out, error) in zip(commands, outputs)]
    usages = [wait(child, limit and begun + limit) for child in children]
    seconds = time.monotonic() - begun
    if any(usage is None for usage in usages):
        raise Failed(f"it took more than {limit:.0f} seconds")
    texts = [[text(file) for file in files] for files in outputs]
    for (_, status, _), (_, error) in zip(usages, texts):
        if status != 0:
            raise Failed((error.strip().splitlines() or [f"status {status}"])[-1])
    if expected and who not in ("floor", "fastest"):
        check_counts(json.loads(texts[0][0]), expected)
    processor = sum(usage.ru_utime + usage.ru_stime for _, _, usage in usages)
    return seconds, processor, max(usage.ru_maxrss for _, _, usage in usages) / 1024


def check_counts(report, expected):
    found = report.get("counts", report)
    found = [found[kind] for kind in ("inserted", "updated", "deleted")]
    if found != expected:
        raise Failed(f"it found {found}, expected {expected}")


def wait(child, deadline):
    """Waits for a process; returns its usage, or `None` if it did not end in time and was killed."""
    while deadline and time.monotonic() < deadline:
        ended = os.wait4(child.pid, os.WNOHANG)
        if ended[0]:
            return ended
        time.sleep(0.002)
    if not deadline:
        return os.wait4(child.pid, 0)
    child.kill()
    os.wait4(child.pid, 0)
    return None


def text(file):
    file.seek(0)
    return file.read().decode(errors="replace")


def show(args, title, seen):
    medians = {who: statistics.median(seconds for seconds, _, _ in runs) for who, runs in seen.items()}
    floor, ours = medians.get("floor"), medians.get("tidemark")
    rows = []
    for who, runs in sorted(seen.items(), key=lambda item: medians[item[0]]):
        processor, peak = statistics.median(time for _, time, _ in runs), max(peak for _, _, peak in runs)
        ratios = [f"{medians[who] / against:.2f}" if against else "" for against in (floor, ours)]
        rows.append([who, f"{medians[who]:.2f}", *ratios, f"{processor:.2f}", f"{peak:,.0f}"])
    grid(args, title, ["", "seconds", "of floor", "of tidemark", "processor", "peak MiB"], rows)


def grid(args, title, heads, rows):
    if args.markdown:
        print(f"{title}\n\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
        print("\n".join(f"| {' | '.join(row)} |" for row in rows))
    else:
        print(title)
        for row in [heads, *rows]:
            print(f"  {row[0]:<12}" + "".join(f"{cell:>13}" for cell in row[1:]))
    print(flush=True)


def small(args):
    """Two versions of 500 tenants' tables: the cost of starting up and of the registry."""
    folder, data = make(args.work, "samples", [], 1000)
    exports = args.work / "small"
    if not exports.exists():
        for tenant in range(500):
            shutil.copytree(folder / "acme", exports / f"tenant{tenant:03}")
    seconds, _, peak = zip(*(run_from_scratch(args, exports) for _ in range(args.runs)))
    median = statistics.median(seconds)
    grid(args, "small: " + OTHERS["small"], ["", "seconds", "ms an export", "peak MiB"],
         [["tidemark", f"{median:.2f}", f"{median:.2f}", f"{max(peak):.0f}"]])


def run_from_scratch(args, exports):
    for folder in ("out", "state"):
        shutil.rmtree(args.work / folder, ignore_errors=True)
    command = [BIN / "tidemark", "run", exports, "--out", args.work / "out", "--state", args.work / "state"]
    return run("tidemark", [command], args.work)


def as_first_version(args, rows, snapshot):
    """A folder of exports in which the snapshot is the only version."""
    exports = args.work / f"publish-{rows}"
    if not exports.exists():
        shutil.copytree(snapshot, exports / "acme/ledger_entries/20260101_V0001")
    return exports


def publish(args):
    folder, data = make(args.work, "samples", [], args.rows)
    exports = as_first_version(args, args.rows, data["snapshot"])
    operations = args.work / "operations"
    subprocess.run([BIN / "tidemark", "delta", "ledger_entries", "none", data["snapshot"], "-o", operations], check=True,
                   stderr=subprocess.DEVNULL)
    seen = {"tidemark": [], "gzip -3": []}
    for _ in range(args.runs):
        seen["tidemark"].append(run_from_scratch(args, exports))
        seen["gzip -3"].append(run("gzip", [["sh", "-c", f"gzip -3 < {operations} > {operations}.gz"]], args.work))
    show(args, f"publish: {args.rows:,} rows, {OTHERS['publish']}; {operations.stat().st_size / 2**20:,.0f} MiB of JSON", seen)


def databases(args):
    """Needs PostgreSQL, which is started here, and SQLite's shell."""
    build(args, "--features", "postgres")
    folder, data = make(args.work, "exports", [], args.rows)
    imports = Databases(BIN / "tidemark-from-schemas", folder, data["snapshot"], run)
    server = Server()
    try:
        for name, other, measure in [
            ("SQLite", ".import", imports.sqlite),
            ("PostgreSQL", "COPY", lambda: imports.postgres(server)),
        ]:
            pairs = [measure() for _ in range(args.runs)]
            seen = {"tidemark": [ours for ours, _ in pairs], other: [theirs for _, theirs in pairs]}
            against(args, f"databases: {args.rows:,} rows of 12 columns into {name}", seen, other)
    finally:
        server.stop()


def against(args, title, seen, other):
    """The medians of runs of which the processor time is known, too, compared with those of another program."""
    medians = {name: [statistics.median(one[kind] for one in runs) for kind in range(3)] for name, runs in seen.items()}
    rows = [[name, f"{seconds:.2f}", f"{seconds / medians[other][0]:.2f}", f"{cpu:.2f}", f"{cpu / medians[other][1]:.2f}", f"{peak:,.0f}"]
            for name, (seconds, cpu, peak) in medians.items()]
    grid(args, title, ["", "seconds", f"of {other}", "CPU", f"of {other}", "peak MiB"], rows)


def changes(args):
    """Needs PostgreSQL, which is started here. dlt is installed if it is asked for: --only tidemark,dlt."""
    build(args, "--features", "postgres")
    folder, data = make(args.work, "exports", [], args.rows)
    server = Server()
    try:
        measured = Changes(BIN / "tidemark-from-schemas", folder, data, server, run)
        measures = {"tidemark": measured.ours, "by hand": measured.by_hand}
        if "dlt" in args.only:
            python, _ = environment(args.work, ["duckdb"])
            subprocess.run([python, "-m", "pip", "install", "--quiet", "dlt[postgres]", "pyarrow"], check=True)
            measures["dlt"] = lambda: measured.dlt(python)
        runs = {name: [] for name in measures}
        for _ in range(args.runs):
            for name, measure in measures.items():
                runs[name].append(measure())
        against(args, f"changes: {measured.number:,} operations on {args.rows:,} rows of 12 columns in PostgreSQL", runs, "by hand")
    finally:
        server.stop()


def grow(args):
    only = args.only
    args.only = [who for who in only if who in ("tidemark", "floor")]
    sizes = [rows for rows in (100_000, 1_000_000, 10_000_000, 50_000_000) if rows <= args.rows_max]
    compare(args, [("same", rows) for rows in sizes])
    args.only = only


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores of {model}, {memory:.0f} GiB"


if __name__ == "__main__":
    main()
