"""Fetches what the stack needs, by pip and Maven, into a directory that is named after what is pinned here."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent

TRINO = "476"
TRINO_SHA256 = "cfd5accde17e8ebd251eeeb78aed1f490e77bb3a164d95a0f454bf8a7c1cbd3f"
# Trino comes with 60 plugins; these read CSV on S3 through Glue, and write JSON.
PLUGINS = ["hive", "memory"]
MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"


class Missing(Exception):
    """Something that the machine lacks, and how to get it."""


def install():
    """The directory with everything in it. Two calls at once wait for each other; a killed one is begun anew."""
    pins = (HERE / "requirements.txt").read_text() + TRINO + TRINO_SHA256 + str(PLUGINS)
    cache = Path(os.environ.get("TIDEMARK_CACHE") or Path.home() / ".cache/tidemark")
    home = cache / f"stack-{hashlib.sha256(pins.encode()).hexdigest()[:12]}"
    home.mkdir(parents=True, exist_ok=True)
    with open(home / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        once(home / "venv", environment)
        once(home / "trino", trino)
    return home


def once(target, make):
    """Makes a directory beside its place and renames it when it is whole."""
    if target.exists():
        return
    begun = time.monotonic()
    aside = target.with_name(f"{target.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    print(f"test stack: installing {target.name} …", file=sys.stderr, flush=True)
    make(aside)
    aside.rename(target)
    print(f"test stack: {target.name} is there after {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)


def environment(folder):
    command([sys.executable, "-m", "venv", folder], "Python's venv", "install python3-venv")
    # A virtual environment knows its own path: its scripts are not used, only its python with -m.
    command([folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
             "--requirement", HERE / "requirements.txt"], "packages from PyPI", "look at what pip says above")


def trino(folder):
    folder.mkdir()
    if not shutil.which("mvn"):
        raise Missing("there is no `mvn`; install Maven (on Debian: apt-get install maven)")
    command(["mvn", "--quiet", "--batch-mode", f"{MAVEN_PLUGIN}:copy", f"-Dartifact=io.trino:trino-server:{TRINO}:tar.gz",
             f"-DoutputDirectory={folder}", f"-Dmaven.repo.local={folder / 'm2'}"], "Trino from Maven Central", "look at what mvn says above")
    archive = folder / f"trino-server-{TRINO}.tar.gz"
    with open(archive, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != TRINO_SHA256:
        raise Missing(f"{archive.name} has the SHA-256 {found}, and {TRINO_SHA256} is right; look at where Maven gets it from")
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
    shutil.rmtree(folder / "m2")


def command(words, what, advice):
    try:
        # What the tools print is no answer of ours.
        done = subprocess.run([str(word) for word in words], stdout=sys.stderr.fileno())
    except OSError as error:
        raise Missing(f"{what}: {error}; {advice}") from error
    if done.returncode != 0:
        raise Missing(f"{what}: `{words[0]}` failed with status {done.returncode}; {advice}")
