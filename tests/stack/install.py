"""Fetches what the stack needs, by pip and Maven, into a directory that is named after what is pinned here."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import processes

HERE = Path(__file__).resolve().parent

TRINO = "476"
TRINO_SHA256 = "cfd5accde17e8ebd251eeeb78aed1f490e77bb3a164d95a0f454bf8a7c1cbd3f"
GUARD = "3.2.1"
DYNAMODB = HERE / "dynamodb.pom.xml"
# Of the names and contents of all files that it needs.
DYNAMODB_SHA256 = "a335618b7b37e633e1208b824d6f62aa7668fba0ce44aca3c195ccf992a0ac7f"
# Trino comes with 60 plugins; these read CSV on S3 through Glue and write JSON, and hold small tables of a test's own.
PLUGINS = ["hive", "memory"]
MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
PYTHON = (3, 11, 4)
# So many lines of what a tool said are worth showing.
SHOWN = 3


class Missing(Exception):
    """Something that the machine lacks, and how to get it."""


def install() -> Path:
    """The directory with everything in it. Two calls at once wait for each other; a killed one is begun anew."""
    if sys.version_info < PYTHON:
        raise Missing(f"this is Python {sys.version.split()[0]}; install {'.'.join(map(str, PYTHON))} or newer")
    cache = Path(os.environ.get("TIDEMARK_CACHE") or Path.home() / ".cache/tidemark")
    home = cache.expanduser().resolve() / f"stack-{pins()}"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with open(home / "lock", "w") as lock:
            wait_for(lock)
            once(home / "trino", "lib", trino)
            once(home / "venv", "bin/python", environment)
            once(home / "guard", "bin/cfn-guard", guard)
            once(home / "dynamodb", "DynamoDBLocal-2.6.1.jar", dynamodb)
    except OSError as error:
        raise Missing(f"{error}; look at {home}, or let TIDEMARK_CACHE name a directory with 3 GB to spare") from error
    return home


def wait_for(lock: IO) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        progress("waiting for another installation to end …")
        fcntl.flock(lock, fcntl.LOCK_EX)


def pins() -> str:
    """Another version of anything, also of Python, is another directory."""
    text = f"{(HERE / 'requirements.txt').read_text()} {sys.version_info[:2]} {TRINO_SHA256} {PLUGINS} {GUARD} {DYNAMODB.read_text()}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def once(target: Path, witness: str, make: Callable[[Path], None]) -> None:
    """Makes a directory beside its place, and renames it when it is whole. `witness` is a file of it: an environment
    whose Python was removed since is made again."""
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
    progress(f"{target.name} is there after {time.monotonic() - begun:.0f} s")


def environment(folder: Path) -> None:
    command([sys.executable, "-m", "venv", folder], "a virtual environment cannot be made",
            "install Python's venv (on Debian: apt-get install python3-venv)")
    # Its scripts name the place where it is made, not the one where it will be: only its python is used, with -m.
    command([folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
             "--require-hashes", "--requirement", HERE / "requirements.txt"],
            "packages cannot be had from PyPI", "look at the network and at pip's configuration")


def trino(folder: Path) -> None:
    folder.mkdir()
    if not shutil.which("mvn"):
        raise Missing("there is no `mvn`; install Maven (on Debian: apt-get install maven)")
    command(["mvn", "--quiet", "--batch-mode", f"{MAVEN_PLUGIN}:copy", f"-Dartifact=io.trino:trino-server:{TRINO}:tar.gz",
             f"-DoutputDirectory={folder}", f"-Dmaven.repo.local={folder / 'm2'}"],
            "Trino cannot be had from Maven Central", "look at the network and at Maven's settings")
    archive = folder / f"trino-server-{TRINO}.tar.gz"
    with open(archive, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != TRINO_SHA256:
        raise Missing(f"{archive.name} has the SHA-256 {found} where {TRINO_SHA256} is right; look at where Maven gets it")
    shutil.rmtree(folder / "m2")
    unpack(archive, folder)


def dynamodb(folder: Path) -> None:
    """Amazon's own DynamoDB Local and all that it needs. Its native libraries come with it, as files of their own."""
    command(["mvn", "--quiet", "--batch-mode", "--strict-checksums", "--file", DYNAMODB, f"{MAVEN_PLUGIN}:copy-dependencies",
             "-DincludeScope=runtime", f"-DoutputDirectory={folder}", f"-Dmaven.repo.local={folder / 'm2'}"],
            "DynamoDB Local cannot be had from Maven Central", "look at the network and at Maven's settings")
    shutil.rmtree(folder / "m2")
    if (found := digest(folder)) != DYNAMODB_SHA256:
        raise Missing(f"the files of DynamoDB Local have the SHA-256 {found} where {DYNAMODB_SHA256} is right; look at where Maven gets them")


def digest(folder: Path) -> str:
    """Of the names of a folder's files and what is in them."""
    lines = (f"{hashlib.sha256(file.read_bytes()).hexdigest()} {file.name}\n" for file in sorted(folder.iterdir()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def guard(folder: Path) -> None:
    """The program that judges templates by rules, built as crates.io has it."""
    command(["cargo", "install", "--quiet", "--locked", "--root", folder, "--version", GUARD, "cfn-guard"],
            "cfn-guard cannot be built", "look at the network and at cargo's configuration")


def unpack(archive: Path, folder: Path) -> None:
    """The libraries and the plugins that are needed; the rest, and the archive, go."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="tar")
    # Plugins share files by hard links, so that none can be left out before all are there.
    unpacked = folder / f"trino-server-{TRINO}"
    (unpacked / "lib").rename(folder / "lib")
    (folder / "plugin").mkdir()
    for plugin in PLUGINS:
        (unpacked / "plugin" / plugin).rename(folder / "plugin" / plugin)
    shutil.rmtree(unpacked)
    archive.unlink()


def command(words: list[str | Path], trouble: str, advice: str) -> None:
    """Runs a tool, whose words are only of interest when it fails."""
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
