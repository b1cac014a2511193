"""A first import into SQLite and PostgreSQL, compared with what their own tools take to load the same rows; and the
changes of the next version, compared with the same statements written by hand, and with dlt's merge of the export.

The server is a real one, started for the occasion, with its defaults. The bare table has the same columns and primary
key, and in PostgreSQL the same types; its rows come from a CSV file that is not compressed. Tidemark reads the compressed export, checks it, makes
and keeps its change set, and loads three more columns.
"""

import csv
import gzip
import json
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

    def psql(self, *commands, database="postgres"):
        options = [part for command in commands for part in ("-c", command)]
        return [program("psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-U", "postgres", "-d", database, *options]

    def sql(self, *commands, database="postgres"):
        subprocess.run(self.psql(*commands, database=database), check=True, capture_output=True)

    def address(self, database="postgres"):
        return f"postgres://postgres@{str(self.folder).replace('/', '%2F')}/{database}"

    def cpu(self):
        """The processor time of all connections that have ended, in seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def program(name):
    """Debian keeps the programs of each version out of the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else name


def timed(measure, server=None):
    """Seconds, the processor time of the command and of the server, and the peak memory of the command."""
    before = server.cpu() if server else 0
    seconds, cpu, peak = measure()
    if server:
        time.sleep(0.2)  # It takes note of a connection that has ended.
        cpu += server.cpu() - before
    return seconds, cpu, peak


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
        ours = timed(lambda: self.into("sqlite:shop.db"))
        bare = f"CREATE TABLE bench ({self.columns}, PRIMARY KEY (id)) WITHOUT ROWID"
        (self.folder / "bare.db").unlink(missing_ok=True)
        subprocess.run(["sqlite3", "bare.db", bare], cwd=self.folder, check=True)
        command = ["sqlite3", "bare.db", f".import --csv --skip 1 {self.csv} bench"]
        return ours, timed(lambda: self.run(".import", [command], self.folder))

    def postgres(self, server):
        """Pairs of Tidemark's import and a bare COPY."""
        server.sql("DROP TABLE IF EXISTS bench, bare, _tidemark, _tidemark_tables")
        ours = timed(lambda: self.into(server.address()), server)
        server.sql(f"CREATE TABLE bare AS SELECT {self.columns} FROM bench LIMIT 0", "ALTER TABLE bare ADD PRIMARY KEY (id)",
                   "DROP TABLE bench", "CHECKPOINT")
        copy = f"\\copy bare ({self.columns}) FROM '{self.csv}' WITH (FORMAT csv, HEADER)"
        return ours, timed(lambda: self.run("COPY", [server.psql(copy)], self.folder), server)


class Changes:
    """The changes of the second version, in databases that hold the first one."""

    # The statements by hand. A table has the columns of the export, and its primary key.
    BY_HAND = """
        BEGIN;
        CREATE TEMPORARY TABLE changes AS SELECT 'INSERT' AS op, {columns} FROM hand LIMIT 0;
        COPY changes FROM STDIN WITH (FORMAT csv);
        DELETE FROM hand WHERE id IN (SELECT id FROM changes WHERE op = 'DELETE');
        UPDATE hand SET {sets} FROM changes c WHERE hand.id = c.id AND c.op = 'UPDATE';
        INSERT INTO hand SELECT {columns} FROM changes WHERE op = 'INSERT';
        COMMIT;"""

    def __init__(self, tidemark, folder, data, server, run):
        self.tidemark, self.folder, self.server, self.run = tidemark, folder, server, run
        self.exports, self.out = folder / "two", folder / "out"
        for version, kind in (("V1", "baseline"), ("V2", "snapshot")):
            if not (self.exports / "acme/bench" / version).exists():
                shutil.copytree(data[kind], self.exports / "acme/bench" / version)
        self.publish()
        part = next(Path(data["snapshot"]).glob("part-*"))
        with gzip.open(part, "rt") as file:
            self.columns = file.readline().strip().split(",")
        self.write_changes()
        self.prepare()

    def publish(self):
        """Publishes both versions as files."""
        if not self.out.exists():
            state = self.folder / "published"
            shutil.rmtree(state, ignore_errors=True)
            command = [self.tidemark, "run", self.exports, "--out", self.out, "--state", state]
            subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL)

    def write_changes(self):
        """The operations of the second version, as somebody would have them who writes statements."""
        self.changes = self.folder / "changes.csv"
        self.number = 0
        with open(self.changes, "w", newline="") as file:
            rows = csv.writer(file)
            for part in sorted((self.out / "acme/bench/V2").glob("*.gz")):
                for line in gzip.open(part, "rt"):
                    operation = json.loads(line)
                    if "key" in operation:
                        row = operation["key"] | (operation.get("after") or {})
                        rows.writerow([operation["op"], *(row.get(name) for name in self.columns)])
                        self.number += 1

    def prepare(self):
        """A database with the first version for each of the two, to be copied for each run."""
        self.server.sql("CREATE DATABASE ours")
        self.apply("ours", "--create", "--until", "V1")
        self.server.sql("CREATE DATABASE by_hand TEMPLATE ours")
        names = ", ".join(self.columns)
        self.server.sql(f"CREATE TABLE hand AS SELECT {names} FROM bench", "ALTER TABLE hand ADD PRIMARY KEY (id)", "DROP TABLE bench",
                        database="by_hand")
        for database in ("ours", "by_hand"):
            self.server.sql("VACUUM ANALYZE", database=database)

    def apply(self, database, *options):
        command = [self.tidemark, "apply", self.out, "--to", self.server.address(database), *options]
        return self.run("tidemark", [command], self.folder)

    def fresh(self, template):
        self.server.sql("DROP DATABASE IF EXISTS changed", f"CREATE DATABASE changed TEMPLATE {template} STRATEGY FILE_COPY", "CHECKPOINT")

    def ours(self):
        self.fresh("ours")
        return timed(lambda: self.apply("changed"), self.server)

    def by_hand(self):
        self.fresh("by_hand")
        columns = ", ".join(self.columns)
        sets = ", ".join(f"{name} = c.{name}" for name in self.columns if name != "id")
        script = self.folder / "by_hand.sql"
        script.write_text(self.BY_HAND.format(columns=columns, sets=sets).replace("FROM STDIN", f"FROM '{self.changes}'")
                          .replace("COPY", "\\copy", 1))
        return timed(lambda: self.run("psql", [self.server.psql(database="changed") + ["-f", script]], self.folder), self.server)

    def dlt(self, python):
        """dlt's merge of the second export into a table that it filled with the first one."""
        self.server.sql("DROP DATABASE IF EXISTS dlt", "CREATE DATABASE dlt")
        shutil.rmtree(self.folder / ".dlt", ignore_errors=True)
        merge = [python, Path(__file__).parent / "peer_dlt.py", self.server.address("dlt")]
        for version in ("V1", "V2"):
            export = self.exports / "acme/bench" / version
            measured = timed(lambda: self.run("dlt", [[*merge, export]], self.folder), self.server)
        return measured
