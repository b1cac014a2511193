#!/usr/bin/env python3
"""Times the generator with many tables, and the compiler on its output.

    python3 tests/bench/generator.py                     10, 100 and 1,000 tables
    python3 tests/bench/generator.py --tables 10,100

Each table has 20 columns, two of them in the key. It works on a copy of the workspace below --work. `build` and `check`
are the times of cargo for the generated crate alone, after its dependencies were compiled.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TYPES = ["bigint", "string", "decimal(12,2)", "date", "timestamp", "boolean", "int", "varchar(40)", "double"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", default="10,100,1000", help="numbers of tables [default: 10,100,1000]")
    parser.add_argument("--runs", type=int, default=3, help="runs of each, of which the median is printed [default: 3]")
    parser.add_argument("--work", type=Path, default=Path("target/bench"), help="the directory of the copy [default: target/bench]")
    args = parser.parse_args()
    subprocess.run(["cargo", "build", "--release", "--quiet", "-p", "generator"], cwd=ROOT, check=True)
    print(f"{'tables':>8}{'cold':>9}{'unchanged':>11}{'check':>9}{'build':>9}   seconds, medians of {args.runs} runs")
    for tables in map(int, args.tables.split(",")):
        workspace = copy(args.work.resolve() / f"generator-{tables}", tables)
        times = [generate(workspace, cold=True), generate(workspace, cold=False)]
        seen = [[generate(workspace, cold=True), generate(workspace, cold=False)] for _ in range(args.runs - 1)]
        cold, unchanged = (statistics.median(each) for each in zip(times, *seen))
        check, build = (compile_generated(workspace, how, args.runs) for how in ("check", "build"))
        print(f"{tables:>8,}{cold:>9.2f}{unchanged:>11.2f}{check:>9.2f}{build:>9.2f}", flush=True)


def copy(workspace, tables):
    """Creates a workspace with the generator, the runtime, the generated crate, and a number of schemas."""
    shutil.rmtree(workspace, ignore_errors=True)
    (workspace / "schemas").mkdir(parents=True)
    for crate in ("generator", "runtime", "generated"):
        shutil.copytree(ROOT / crate, workspace / crate)
    shutil.copy(ROOT / "Cargo.lock", workspace)
    manifest = (ROOT / "Cargo.toml").read_text()
    manifest = re.sub(r"(?m)^members = .*$", 'members = ["generated", "generator", "runtime"]', manifest)
    (workspace / "Cargo.toml").write_text(manifest)
    for number in range(tables):
        (workspace / f"schemas/table_{number:04}.yaml").write_text(schema(number))
    return workspace


def schema(number):
    columns = "".join(f'  - {{ name: c{c}, type: "{TYPES[(c + number) % len(TYPES)]}", nullable: true }}\n'
                      for c in range(18))
    return (f"table: table_{number:04}\ndescription: Table number {number}.\nprimary_key: [region, id]\ncolumns:\n"
            f"  - {{ name: region, type: string }}\n  - {{ name: id, type: bigint }}\n{columns}")


def generate(workspace, cold):
    if cold:
        for file in (workspace / "generated/src").glob("*.rs"):
            file.unlink()
    return timed([ROOT / "target/release/generator", "--root", workspace], workspace)


def compile_generated(workspace, how, runs):
    command = ["cargo", how, "--release", "--quiet", "--package", "generated"]
    # One target directory for all sizes, so that dependencies are compiled once.
    command += ["--target-dir", workspace.parent / "generator-target"]
    timed(command, workspace)
    times = []
    for _ in range(runs):
        (workspace / "generated/src/lib.rs").touch()
        times.append(timed(command, workspace))
    return statistics.median(times)


def timed(command, folder):
    begun = time.monotonic()
    subprocess.run([str(part) for part in command], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


if __name__ == "__main__":
    main()
