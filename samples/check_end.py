"""Rebuilds a table from its published files and checks every END: check_end.py TABLE.json OUT/TENANT/TABLE"""
import gzip, json, sys
from pathlib import Path
from row_hash import carry_over, row_hash

table, rows = json.loads(Path(sys.argv[1]).read_text()), {}
for part in sorted(Path(sys.argv[2]).glob("*/*.gz"), key=lambda part: part.name):  # in the order of publication
    for record in map(json.loads, gzip.open(part)):
        op, key = record["op"], json.dumps(record.get("key"))
        if op == "BEGIN":
            rows = {} if record["reset"] else rows
            if "schema_change" in record:
                rows = {key: carry_over(row, record["schema_change"]) for key, row in rows.items()}
        elif op == "DELETE":
            del rows[key]
        elif op in ("INSERT", "UPDATE"):
            rows[key] = record["key"] | record["after"]
        else:
            is_current = record["schema"] == table["schema"]  # under an earlier schema, rows are only counted
            total = sum(row_hash(table, row) for row in rows.values()) if is_current else int(record["fingerprint"])
            assert (len(rows), total) == (record["rows"], int(record["fingerprint"])), record
            print(f"{record['version']}: {len(rows)} rows, {'fingerprint' if is_current else 'not checked:'} {total}")
