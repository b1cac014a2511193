"""The delta as one would write it for DuckDB: a full join of both exports, read with types.

In a first import, each row is written as an operation with the same fields, in NDJSON, with gzip if the name of the file
ends with `.gz`. Its hashes are other ones.
"""

import json
import sys

import duckdb

table, baseline, snapshot, out = json.loads(sys.argv[1]), *sys.argv[2:5]
key = table["primary_key"]
compared = [c["name"] for c in table["columns"] if c["compare"] and c["name"] not in key]


def typed(column):
    name = column["type"].upper()
    return {"STRING": "VARCHAR", "TIMESTAMPTZ": "TIMESTAMPTZ"}.get(name, name)


def read(export):
    types = {c["name"]: typed(c) for c in table["columns"]}
    source = f"read_csv('{export}/part-*', header = true, columns = {json.dumps(types).replace(chr(34), chr(39))})"
    return f"SELECT * FROM {source}" + (" WHERE false" if export == "none" else "")


def value(column):
    name, kind = column["name"], column["type"]
    return f"'{name}': {name}" + ("::VARCHAR" if kind.startswith(("decimal", "date", "timestamp")) else "")


def first_import():
    """Writes all rows as INSERTs, and returns their number."""
    struct = lambda columns: "{" + ", ".join(map(value, columns)) + "}"
    is_key = lambda column: column["name"] in key
    keys = [column for column in table["columns"] if is_key(column)]
    rest = [column for column in table["columns"] if not is_key(column)]
    text = "concat_ws('|', " + ", ".join(column["name"] for column in table["columns"]) + ")"
    rows = f"""
        SELECT 'INSERT' AS op, md5({text}) AS id, '-' AS tenant, '{table["table"]}' AS "table", 0 AS sequence,
               'snapshot' AS version, NULL AS previous, {struct(keys)} AS "key", {struct(rest)} AS "after",
               hash({text})::VARCHAR AS hash, '{table["table"]}@202f92ac661b0e0933d5e5cff7bc4c2c' AS "schema"
        FROM ({read(snapshot)})
    """
    compression = "gzip" if out.endswith(".gz") else "uncompressed"
    return duckdb.execute(f"COPY ({rows}) TO '{out}' (FORMAT json, COMPRESSION {compression})").fetchone()[0]


if baseline == "none":
    print(json.dumps({"inserted": first_import(), "updated": 0, "deleted": 0}))
    sys.exit()

old = read(baseline)
keys = ", ".join(key)
changed = " OR ".join(f"n.{name} IS DISTINCT FROM o.{name}" for name in compared)
row = duckdb.execute(f"""
    SELECT count(*) FILTER (WHERE o.{key[0]} IS NULL),
           count(*) FILTER (WHERE o.{key[0]} IS NOT NULL AND n.{key[0]} IS NOT NULL AND ({changed})),
           count(*) FILTER (WHERE n.{key[0]} IS NULL)
    FROM ({old}) o FULL JOIN ({read(snapshot)}) n USING ({keys})
""").fetchone()
print(json.dumps(dict(zip(["inserted", "updated", "deleted"], row))))
