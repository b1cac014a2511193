"""The delta as one would write it for DuckDB: a full join of both exports, read with types."""

import json
import sys

import duckdb

table, baseline, snapshot = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
key = table["primary_key"]
compared = [c["name"] for c in table["columns"] if c["compare"] and c["name"] not in key]


def typed(column):
    name = column["type"].upper()
    return {"STRING": "VARCHAR", "TIMESTAMPTZ": "TIMESTAMPTZ"}.get(name, name)


def read(export):
    types = {c["name"]: typed(c) for c in table["columns"]}
    source = f"read_csv('{export}/part-*', header = true, columns = {json.dumps(types).replace(chr(34), chr(39))})"
    return f"SELECT * FROM {source}" + (" WHERE false" if export == "none" else "")


old = read(snapshot) + " WHERE false" if baseline == "none" else read(baseline)
keys = ", ".join(key)
changed = " OR ".join(f"n.{name} IS DISTINCT FROM o.{name}" for name in compared)
row = duckdb.execute(f"""
    SELECT count(*) FILTER (WHERE o.{key[0]} IS NULL),
           count(*) FILTER (WHERE o.{key[0]} IS NOT NULL AND n.{key[0]} IS NOT NULL AND ({changed})),
           count(*) FILTER (WHERE n.{key[0]} IS NULL)
    FROM ({old}) o FULL JOIN ({read(snapshot)}) n USING ({keys})
""").fetchone()
print(json.dumps(dict(zip(["inserted", "updated", "deleted"], row))))
