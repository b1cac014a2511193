"""The delta as one would write it for ClickHouse (chDB): a full join of both exports, read with types.

In a first import, each row is written as an operation with the same fields, in NDJSON, with gzip if the name of the file
ends with `.gz`. Its hashes are other ones.
"""

import json
import sys

from chdb import session

table, baseline, snapshot, out = json.loads(sys.argv[1]), *sys.argv[2:5]
key = table["primary_key"]
columns = table["columns"]
compared = [c["name"] for c in columns if c["compare"] and c["name"] not in key]
TYPES = {
    "tinyint": "Int8", "smallint": "Int16", "int": "Int32", "bigint": "Int64", "float": "Float32", "double": "Float64",
    "boolean": "Bool", "date": "Date32", "timestamp": "DateTime64(6, 'UTC')", "timestamptz": "DateTime64(6, 'UTC')",
}
SETTINGS = """ SETTINGS join_use_nulls = 1, date_time_input_format = 'best_effort', format_csv_null_representation = '',
    input_format_csv_use_default_on_bad_values = 0, input_format_parallel_parsing = 1,
    output_format_json_quote_64bit_integers = 0, output_format_json_named_tuples_as_objects = 1,
    engine_file_truncate_on_insert = 1"""


def typed(column):
    kind = column["type"]
    name = TYPES.get(kind) or (kind.capitalize() if kind.startswith("decimal") else "String")
    return name if column["name"] in key else f"Nullable({name})"


def read(export):
    structure = ", ".join(f"{c['name']} {typed(c)}" for c in columns)
    return f"file('{export}/part-*', 'CSVWithNames', {quoted(structure)})"


def quoted(text):
    return "'" + text.replace("'", "\\'") + "'"


def value(column):
    name, kind = column["name"], column["type"]
    if kind.startswith(("decimal", "date", "timestamp")):
        return f"toString({name})"
    return name


def first_import():
    """Writes all rows as INSERTs, and returns their number."""
    def struct(part):
        types = ", ".join(f"{c['name']} {'Nullable(String)' if value(c) != c['name'] else typed(c)}" for c in part)
        return f"CAST(tuple({', '.join(map(value, part))}), {quoted(f'Tuple({types})')})"
    keys = [c for c in columns if c["name"] in key]
    rest = [c for c in columns if c["name"] not in key]
    text = "concat(" + ", '|', ".join(f"ifNull(toString({c['name']}), '')" for c in columns) + ")"
    rows = f"""
        SELECT 'INSERT' AS op, lower(hex(sipHash128({text}))) AS id, '-' AS tenant, '{table["table"]}' AS "table",
               0 AS sequence, 'snapshot' AS version, NULL AS previous, {struct(keys)} AS "key", {struct(rest)} AS "after",
               toString(xxHash64({text})) AS hash, '{table["table"]}@202f92ac661b0e0933d5e5cff7bc4c2c' AS "schema"
        FROM {read(snapshot)}"""
    query(f"INSERT INTO FUNCTION file('{out}', 'JSONEachRow') {rows} {SETTINGS}")
    return int(query(f"SELECT count() FROM file('{out}', 'LineAsString')").strip())


def query(sql):
    return str(session.Session().query(sql, "TSV"))


if baseline == "none":
    print(json.dumps({"inserted": first_import(), "updated": 0, "deleted": 0}))
    sys.exit()

changed = " OR ".join(f"NOT (n.{name} <=> o.{name})" for name in compared)
joined = " AND ".join(f"o.{name} = n.{name}" for name in key)
counts = query(f"""
    SELECT countIf(isNull(o.{key[0]})), countIf(isNotNull(o.{key[0]}) AND isNotNull(n.{key[0]}) AND ({changed})),
           countIf(isNull(n.{key[0]}))
    FROM (SELECT * FROM {read(baseline)}) AS o FULL JOIN (SELECT * FROM {read(snapshot)}) AS n ON {joined}
    {SETTINGS}""")
print(json.dumps(dict(zip(["inserted", "updated", "deleted"], map(int, counts.split())))))
