"""The hash of a row, from its values as they are in operations."""
import base64, decimal, json, struct
from xxhash import xxh64_digest

def text(type, value):  # canonical, also for a value that was written under an earlier type
    if type in ("float", "double"):  # a float is written with the digits of its 32 bits, and hashed as a double
        return struct.pack(">d", *struct.unpack(">" + type[0], struct.pack(">" + type[0], float(value)))).hex()
    if type.endswith("int") or type.startswith("decimal"):
        return f"{decimal.Decimal(value):.{type[:-1].partition(',')[2] or 0}f}"
    if type.startswith("binary"):
        return base64.b64decode(value).hex()
    return value if isinstance(value, str) else json.dumps(value)

def row_hash(table, row):
    columns = {column["name"]: column for column in table["columns"]}
    compared = [name for name in columns if columns[name]["compare"] and name not in table["primary_key"]]
    names = table["primary_key"] + compared
    texts = [None if row[name] is None else text(columns[name]["type"], row[name]).encode() for name in names]
    row_bytes = b"".join(b"-" if text is None else b"%d:%s" % (len(text), text) for text in texts)
    return int.from_bytes(xxh64_digest(row_bytes), "big", signed=True)

def carry_over(row, change):  # a row that is not sent again, to the schema of the next version
    names = {column["from"]: column["to"] for column in change["renamed"]}
    row = {names.get(name, name): value for name, value in row.items() if name not in change["dropped"]}
    return row | {column["name"]: column["value"] for column in change["added"]}
