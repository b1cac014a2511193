"""Rebuilds a table from its published files and checks every END: check_end.py TABLE.json OUT/TENANT/TABLE"""
import base64, decimal, gzip, json, struct, sys
from pathlib import Path
from xxhash import xxh64_digest

table, rows = json.loads(Path(sys.argv[1]).read_text()), {}
types = {column["name"]: column["type"] for column in table["columns"]}
compared = [column["name"] for column in table["columns"] if column["compare"]]
hashed = table["primary_key"] + [name for name in compared if name not in table["primary_key"]]

def text(type, value):  # canonical, also for a value that was written under an earlier type
    if type in ("float", "double"):  # a float is written with the digits of its 32 bits, and hashed as a double
        return struct.pack(">d", *struct.unpack(">" + type[0], struct.pack(">" + type[0], float(value)))).hex()
    if type.endswith("int") or type.startswith("decimal"):
        return f"{decimal.Decimal(value):.{type[:-1].partition(',')[2] or 0}f}"
    if type.startswith("binary"):
        return base64.b64decode(value).hex()
    return value if isinstance(value, str) else json.dumps(value)

def row_hash(row):
    texts = [None if row[name] is None else text(types[name], row[name]).encode() for name in hashed]
    row_bytes = b"".join(b"-" if text is None else b"%d:%s" % (len(text), text) for text in texts)
    return int.from_bytes(xxh64_digest(row_bytes), "big", signed=True)

def carry_over(row, change):  # a row that is not sent again, to the schema of the next version
    names = {column["from"]: column["to"] for column in change["renamed"]}
    row = {names.get(name, name): value for name, value in row.items() if name not in change["dropped"]}
    return row | {column["name"]: column["value"] for column in change["added"]}

for part in sorted(Path(sys.argv[2]).glob("*/*.gz"), key=lambda part: part.name):  # in the order of publication
    for record in map(json.loads, gzip.open(part)):
        key = json.dumps(record.get("key"))
        if record["op"] == "BEGIN" and record["reset"]:
            rows = {}
        elif record["op"] == "BEGIN" and "schema_change" in record:
            rows = {key: carry_over(row, record["schema_change"]) for key, row in rows.items()}
        elif record["op"] == "DELETE":
            del rows[key]
        elif record["op"] in ("INSERT", "UPDATE"):
            rows[key] = record["key"] | record["after"]
        elif record["op"] == "END":
            is_current = record["schema"] == table["schema"]  # under an earlier schema, rows are only counted
            total = sum(map(row_hash, rows.values())) if is_current else int(record["fingerprint"])
            assert (len(rows), total) == (record["rows"], int(record["fingerprint"])), record
            print(f"{record['version']}: {len(rows)} rows, {'fingerprint' if is_current else 'not checked:'} {total}")
