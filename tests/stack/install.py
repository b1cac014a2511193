"""Installs everything the stack needs, with pip, Maven and cargo, into a directory named after the pinned versions."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import processes

HERE = Path(__file__).resolve().parent

TRINO = "476"
TRINO_SHA256 = "cfd5accde17e8ebd251eeeb78aed1f490e77bb3a164d95a0f454bf8a7c1cbd3f"
GUARD = "3.2.1"
# The rules of others for templates and policies, and for the state machine.
RULES, ASL = HERE / "rules.txt", HERE / "asl/package-lock.json"
DYNAMODB = HERE / "dynamodb.pom.xml"
# The hash of the names and contents of all its files.
DYNAMODB_SHA256 = "a335618b7b37e633e1208b824d6f62aa7668fba0ce44aca3c195ccf992a0ac7f"
# Trino comes with 60 plugins. `hive` reads CSV on S3 through Glue and writes JSON; `memory` holds small tables of
# tests.
PLUGINS = ["hive", "memory"]
MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
PYTHON = (3, 11)
# How many lines of a failed tool's output are shown.
SHOWN = 3


class Missing(Exception):
    """Something that the machine lacks, and how to install it."""


def install() -> Path:
    """Returns the directory with everything in it. Concurrent calls wait for each other; a killed installation starts
    again."""
    if sys.version_info < PYTHON:
        raise Missing(f"this is Python {sys.version.split()[0]}; install {'.'.join(map(str, PYTHON))} or newer")
    cache = Path(os.environ.get("TIDEMARK_CACHE") or Path.home() / ".cache/tidemark")
    home = cache.expanduser().resolve() / f"stack-{pins()}"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with open(home / "lock", "w") as lock:
            wait_for(lock)
            if not ((home / "trino").exists() and (home / "dynamodb").exists()):
                need_maven()
            # At the same time: some wait for the network, and one compiles.
            with ThreadPoolExecutor() as pool:
                parts = [pool.submit(once, home / "guard", "bin/cfn-guard", guard), pool.submit(once, home / "trino", "lib", trino),
                         pool.submit(once, home / "venv", "bin/python", environment),
                         pool.submit(once, home / "rules", "bin/python", rules), pool.submit(once, home / "asl", "node_modules/asl-validator", asl),
                         pool.submit(once, home / "dynamodb", "DynamoDBLocal-2.6.1.jar", dynamodb)]
            for part in parts:
                part.result()
    except OSError as error:
        raise Missing(f"{error}; check {home}, or set TIDEMARK_CACHE to a directory with 3 GB of free space") from error
    return home


def wait_for(lock: IO) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        progress("waiting for another installation to finish …")
        fcntl.flock(lock, fcntl.LOCK_EX)


def pins() -> str:
    """A hash of all pinned versions and of Python's: another version of anything is another directory."""
    files = "".join(file.read_text() for file in (HERE / "requirements.txt", RULES, ASL, DYNAMODB))
    text = f"{files} {sys.version_info[:2]} {TRINO_SHA256} {PLUGINS} {GUARD}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def once(target: Path, witness: str, make: Callable[[Path], None]) -> None:
    """Creates a directory under a temporary name, and renames it when it is complete. `witness` is a file in it: a
    virtual environment whose Python was removed since is created again."""
    if (target / witness).exists():
        return
    begun = time.monotonic()
    aside = target.with_name(f"{target.name}.part")
    for old in (aside, target):
        if old.exists():
            shutil.rmtree(old)
    progress(f"installing {target.name} into {target.parent} …")
    make(aside)
    aside.rename(target)
    progress(f"{target.name} is installed after {time.monotonic() - begun:.0f} s")


def environment(folder: Path, requirements: Path = HERE / "requirements.txt") -> None:
    command([sys.executable, "-m", "venv", folder], "cannot create a virtual environment",
            "install Python's venv (on Debian: apt-get install python3-venv)")
    # Its scripts contain the temporary path: use only its python, with -m.
    command([folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-compile",
             "--require-hashes", "--requirement", requirements],
            "cannot install packages from PyPI", "check the network and pip's configuration")


def rules(folder: Path) -> None:
    environment(folder, RULES)


def asl(folder: Path) -> None:
    folder.mkdir()
    for file in (ASL, ASL.with_name("package.json")):
        shutil.copy(file, folder)
    command(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", folder],
            "cannot install packages from npm", "install npm (on Debian: apt-get install nodejs npm), and check the network")


def trino(folder: Path) -> None:
    folder.mkdir()
    command(["mvn", "--quiet", "--batch-mode", f"{MAVEN_PLUGIN}:copy", f"-Dartifact=io.trino:trino-server:{TRINO}:tar.gz",
             f"-DoutputDirectory={folder}", f"-Dmaven.repo.local={folder / 'm2'}"],
            "cannot download Trino from Maven Central", "check the network and Maven's settings")
    archive = folder / f"trino-server-{TRINO}.tar.gz"
    with open(archive, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != TRINO_SHA256:
        raise Missing(f"{archive.name} has the SHA-256 {found}, expected {TRINO_SHA256}; check which repository Maven uses")
    shutil.rmtree(folder / "m2")
    unpack(archive, folder)


def need_maven() -> None:
    if not shutil.which("mvn"):
        raise Missing("`mvn` was not found; install Maven (on Debian: apt-get install maven)")


def dynamodb(folder: Path) -> None:
    """Amazon's DynamoDB Local and its dependencies, native libraries included."""
    command(["mvn", "--quiet", "--batch-mode", "--strict-checksums", "--file", DYNAMODB, f"{MAVEN_PLUGIN}:copy-dependencies",
             "-DincludeScope=runtime", f"-DoutputDirectory={folder}", f"-Dmaven.repo.local={folder / 'm2'}"],
            "cannot download DynamoDB Local from Maven Central", "check the network and Maven's settings")
    shutil.rmtree(folder / "m2")
    if (found := digest(folder)) != DYNAMODB_SHA256:
        raise Missing(f"the files of DynamoDB Local have the SHA-256 {found}, expected {DYNAMODB_SHA256}; check which repository Maven uses")


def digest(folder: Path) -> str:
    """The SHA-256 of the names and contents of a folder's files."""
    lines = (f"{hashlib.sha256(file.read_bytes()).hexdigest()} {file.name}\n" for file in sorted(folder.iterdir()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def guard(folder: Path) -> None:
    """cfn-guard, which checks templates against rules, built from crates.io. It runs for seconds: compile it fast."""
    command(["env", "CARGO_PROFILE_RELEASE_OPT_LEVEL=0", "CARGO_PROFILE_RELEASE_DEBUG=false", "cargo", "install", "--quiet", "--locked", "--root", folder, "--version", GUARD, "cfn-guard"],
            "cannot build cfn-guard", "check the network and cargo's configuration")


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks the libraries and the plugins in use; removes the rest, and the archive."""
    command(["tar", "--extract", "--gzip", "--file", archive, "--directory", folder], "cannot unpack Trino", f"check {archive}")
    # Plugins share files by hard links, so all are unpacked before some are removed.
    unpacked = folder / f"trino-server-{TRINO}"
    (unpacked / "lib").rename(folder / "lib")
    (folder / "plugin").mkdir()
    for plugin in PLUGINS:
        (unpacked / "plugin" / plugin).rename(folder / "plugin" / plugin)
    shutil.rmtree(unpacked)
    archive.unlink()


def command(words: list[str | Path], trouble: str, advice: str) -> None:
    """Runs a tool; shows the end of its output when it fails."""
    try:
        done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, preexec_fn=processes.die_with_parent(os.getpid()))
    except OSError as error:
        raise Missing(f"{trouble}: {error}; {advice}") from error
    if done.returncode != 0:
        lines = done.stdout.decode(errors="replace").strip().splitlines()
        worst = [line for line in lines if "ERROR" in line][:SHOWN] or lines[-SHOWN:]
        raise Missing(f"{trouble}; {advice}. `{Path(words[0]).name}` said\n" + "\n".join(f"  {line}" for line in worst))


def progress(text: str) -> None:
    print(f"test stack: {text}", file=sys.stderr, flush=True)
