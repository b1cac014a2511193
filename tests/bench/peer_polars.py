"""The delta as one would write it for Polars: a full join of both exports, read with types.

In a first import, each row is written as an operation with the same fields, in NDJSON, with gzip if the name of the file
ends with `.gz`. Its hashes are other ones.
"""

import json
import subprocess
import sys

import polars as pl

table, baseline, snapshot, out = json.loads(sys.argv[1]), *sys.argv[2:5]
key = table["primary_key"]
compared = [c["name"] for c in table["columns"] if c["compare"] and c["name"] not in key]


def convert(column):
    """Converts text to the column's type: Polars' CSV reader supports neither decimals nor other words for booleans."""
    name, kind = pl.col(column["name"]), column["type"]
    if kind in ("tinyint", "smallint", "int", "bigint"):
        return name.cast(pl.Int64)
    if kind.startswith("decimal"):
        return name.str.to_decimal(scale=int(kind.rstrip(")").split(",")[1]))
    if kind in ("float", "double"):
        return name.cast(pl.Float64)
    if kind == "boolean":
        return name.str.to_lowercase().is_in(["true", "t", "1"])
    if kind == "date":
        return name.str.to_date()
    if kind == "timestamp":
        return name.str.replace(" ", "T").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f")
    return name


def read(export):
    columns = {c["name"]: pl.String for c in table["columns"]}
    frame = pl.scan_csv(f"{export}/part-*", schema=columns)
    return frame.select([convert(c).alias(c["name"]) for c in table["columns"]])


def value(column):
    name, kind = pl.col(column["name"]), column["type"]
    return name.cast(pl.String) if kind.startswith(("decimal", "date", "timestamp")) else name


def first_import():
    """Writes all rows as INSERTs, and returns their number. Another process compresses, as in a pipe."""
    text = pl.concat_str([pl.col(c["name"]).cast(pl.String) for c in table["columns"]], separator="|", ignore_nulls=True)
    rows = read(snapshot).select(
        op=pl.lit("INSERT"),
        id=pl.format("{}{}", text.hash(0), text.hash(1)),
        tenant=pl.lit("-"),
        table=pl.lit(table["table"]),
        sequence=pl.lit(0),
        version=pl.lit("snapshot"),
        previous=pl.lit(None, dtype=pl.String),
        key=pl.struct([value(c) for c in table["columns"] if c["name"] in key]),
        after=pl.struct([value(c) for c in table["columns"] if c["name"] not in key]),
        hash=text.hash(2).cast(pl.String),
        schema=pl.lit(f"{table['table']}@202f92ac661b0e0933d5e5cff7bc4c2c"),
    )
    plain = out.removesuffix(".gz")
    rows.sink_ndjson(plain)
    counted = subprocess.run(["wc", "-l", plain], check=True, stdout=subprocess.PIPE).stdout
    if plain != out:
        subprocess.run(["gzip", "-f", "-3", plain], check=True)
    return int(counted.split()[0])


if baseline == "none":
    print(json.dumps({"inserted": first_import(), "updated": 0, "deleted": 0}))
    sys.exit()

new = read(snapshot)
old = read(baseline)
new, old = new.with_columns(in_new=True), old.with_columns(in_old=True)
joined = old.join(new, on=key, how="full", suffix="_new", coalesce=True)
changed = pl.any_horizontal([pl.col(name).ne_missing(pl.col(f"{name}_new")) for name in compared])
both = pl.col("in_old").is_not_null() & pl.col("in_new").is_not_null()
counts = joined.select(
    inserted=pl.col("in_old").is_null().sum(),
    updated=(both & changed).sum(),
    deleted=pl.col("in_new").is_null().sum(),
).collect(engine="streaming")
print(json.dumps(counts.row(0, named=True)))
