"""A first import into SQLite and PostgreSQL, compared with what their own tools take to load the same rows.

The server is a real one, started for the occasion, with its defaults. The bare table has the same columns and primary
key, and in PostgreSQL the same types; its rows come from a CSV file that is not compressed. Tidemark reads the compressed export, checks it, makes
and keeps its change set, and loads three more columns.
"""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

NOBODY = "65534"


class Server:
    """A PostgreSQL that listens on a socket only. It refuses to run as root."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="tidemark-bench-"))
        self.unprivileged = []
        if os.geteuid() == 0:
            os.chown(self.folder, int(NOBODY), int(NOBODY))
            self.unprivileged = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]
        data = self.folder / "data"
        command = [*self.unprivileged, program("initdb"), "--username=postgres", "--auth=trust", "--encoding=UTF8",
                   "--locale=C.UTF-8", "--no-instructions", "-D", data]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.folder)
        log = open(self.folder / "log", "w")
        self.process = subprocess.Popen([*self.unprivileged, program("postgres"), "-D", data, "-k", self.folder,
                                         "-c", "listen_addresses="], stdout=log, stderr=log, cwd=self.folder)
        while subprocess.run(self.psql("SELECT 1"), capture_output=True).returncode != 0:
            time.sleep(0.1)

    def psql(self, *commands):
        options = [part for command in commands for part in ("-c", command)]
        return [program("psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-U", "postgres", *options]

    def sql(self, *commands):
        subprocess.run(self.psql(*commands), check=True, capture_output=True)

    def address(self):
        return f"postgres://postgres@{str(self.folder).replace('/', '%2F')}/postgres"

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def program(name):
    """Debian keeps the programs of each version out of the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else name


class Databases:
    """What is measured; `tidemark` is the command line, `folder` has the schema and the exports."""

    def __init__(self, tidemark, folder, snapshot, run):
        self.tidemark, self.folder, self.run = tidemark, folder, run
        self.exports = folder / "import"
        if not self.exports.exists():
            shutil.copytree(snapshot, self.exports / "acme/bench/V1")
        self.csv = folder / "rows.csv"
        if not self.csv.exists():
            part = next(Path(snapshot).glob("part-*"))
            with open(self.csv, "wb") as file:
                subprocess.run(["gzip", "-dc", part], check=True, stdout=file)
        self.columns = self.csv.open().readline().strip()

    def into(self, sink):
        """A first import by Tidemark, from nothing."""
        for name in ("state", "shop.db"):
            path = self.folder / name
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        command = [self.tidemark, "run", self.exports, "--sink", sink, "--create", "--state", self.folder / "state"]
        return self.run("tidemark", [command], self.folder)

    def sqlite(self):
        """Pairs of Tidemark's import and the shell's."""
        ours = self.into("sqlite:shop.db")
        bare = f"CREATE TABLE bench ({self.columns}, PRIMARY KEY (id)) WITHOUT ROWID"
        (self.folder / "bare.db").unlink(missing_ok=True)
        subprocess.run(["sqlite3", "bare.db", bare], cwd=self.folder, check=True)
        theirs = self.run(".import", [["sqlite3", "bare.db", f".import --csv --skip 1 {self.csv} bench"]], self.folder)
        return ours, theirs

    def postgres(self, server):
        """Pairs of Tidemark's import and a bare COPY."""
        server.sql("DROP TABLE IF EXISTS bench, bare, _tidemark, _tidemark_tables")
        ours = self.into(server.address())
        server.sql(f"CREATE TABLE bare AS SELECT {self.columns} FROM bench LIMIT 0", "ALTER TABLE bare ADD PRIMARY KEY (id)",
                   "DROP TABLE bench", "CHECKPOINT")
        copy = f"\\copy bare ({self.columns}) FROM '{self.csv}' WITH (FORMAT csv, HEADER)"
        return ours, self.run("COPY", [server.psql(copy)], self.folder)
