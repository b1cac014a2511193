"""The delta as one would write it for Polars: a full join of both exports, read with types."""

import json
import sys

import polars as pl

table, baseline, snapshot = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
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


new = read(snapshot)
old = read(snapshot).head(0) if baseline == "none" else read(baseline)
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
