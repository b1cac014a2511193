"""Rebuilds a table from its published files and checks every END: check_end.py TABLE.json OUT/TENANT/TABLE"""
import base64, gzip, json, struct, sys
from pathlib import Path
from xxhash import xxh64_digest

schema, folder = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
key = schema["primary_key"]
types = {column["name"]: column["type"] for column in schema["columns"]}
hashed = key + [column["name"] for column in schema["columns"] if column["compare"] and column["name"] not in key]

def segment(type, value):
    if value is None:
        return b"-"
    if type == "float":  # written with the digits of its 32 bits, hashed as a double
        value = struct.unpack(">f", struct.pack(">f", float(value)))[0]
    if type in ("float", "double"):
        text = struct.pack(">d", float(value)).hex()
    elif type.startswith("binary"):
        text = base64.b64decode(value).hex()
    else:
        text = value if isinstance(value, str) else json.dumps(value)
    return b"%d:%s" % (len(text.encode()), text.encode())

def row_hash(row):
    row_bytes = b"".join(segment(types[name], row[name]) for name in hashed)
    return int.from_bytes(xxh64_digest(row_bytes), "big", signed=True)

def records(version):
    return (json.loads(line) for part in sorted(version.glob("part-*.ndjson.gz")) for line in gzip.open(part))

rows = {}
for version in sorted(folder.iterdir(), key=lambda version: next(records(version))["sequence"]):
    for record in records(version):
        assert record["schema"] == schema["schema"], f"{version} was published under another schema"
        id = json.dumps(record.get("key"))
        if record["op"] == "BEGIN":
            rows = {} if record["reset"] else rows
        elif record["op"] == "END":
            total = sum(map(row_hash, rows.values()))
            assert (len(rows), total) == (record["rows"], int(record["fingerprint"])), record
            print(f"{record['version']}: {len(rows)} rows, fingerprint {total}")
        elif record["op"] == "DELETE":
            del rows[id]
        else:
            rows[id] = record["key"] | record["after"]
            assert row_hash(rows[id]) == int(record["hash"]), record
