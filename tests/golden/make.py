#!/usr/bin/env python3
"""Golden vectors: rows, their canonical row bytes, row hashes and operation ids.

They are computed without the code under test: values with Python's decimal, struct, fractions, datetime and base64,
hashes with the package `xxhash` from PyPI. To regenerate `rows.json` (it must not change):

    pip install xxhash && python3 tests/golden/make.py
"""

import base64
import decimal
import json
import random
import struct
from datetime import date, datetime, timezone
from fractions import Fraction
from pathlib import Path

import xxhash

TENANT, VERSION, PREVIOUS = "acme", "20260102_V0001", "20260101_V0001"
decimal.getcontext().prec = 100


def nearest_single(text):
    """Return the 32-bit float nearest to a decimal text, not rounded to a double first; ties go to even."""
    exact = Fraction(decimal.Decimal(text))
    bits = struct.unpack(">I", struct.pack(">f", float(text)))[0]
    near = [b for b in (bits - 1, bits, bits + 1) if 0 <= b < 1 << 32]
    value = lambda b: struct.unpack(">f", struct.pack(">I", b))[0]
    near = [b for b in near if abs(value(b)) < float("inf")]
    return value(min(near, key=lambda b: (abs(Fraction(value(b)) - exact), b & 1)))


def float_text(value):
    if value != value:
        return "7ff8000000000000"
    return struct.pack(">d", value + 0.0 if value else 0.0).hex()


def is_named(text):
    return text.lstrip("+-").lower() in ("nan", "inf", "infinity")


def decimal_text(text, scale):
    value = decimal.Decimal(text).quantize(decimal.Decimal(1).scaleb(-scale))
    return format(abs(value) if value == 0 else value, "f")


def stamp(value):
    return value.strftime("T%H:%M:%S.%f")


def day(value):
    return f"{value.year:04d}-{value.month:02d}-{value.day:02d}"


def canonical(ty, options, text):
    """Return the canonical text of a field; None is NULL."""
    if options.get("trim"):
        text = text.strip(" \t")
    is_string = ty == "string" or ty.startswith(("char", "varchar"))
    if text == "" and (options.get("nullable") or not is_string):
        assert options.get("nullable"), "NULL in a column that is not nullable"
        return None
    if ty in ("tinyint", "smallint", "int", "bigint"):
        return str(int(text))
    if ty.startswith("decimal"):
        return decimal_text(text, int(ty[:-1].split(",")[1]))
    if ty == "double" or (ty == "float" and is_named(text)):
        return float_text(float(text))
    if ty == "float":
        return float_text(nearest_single(text))
    if ty == "boolean":
        words = options.get("true_values")
        return "true" if (text in words if words else text.lower() in ("true", "t", "1")) else "false"
    if ty == "binary":
        return (bytes.fromhex(text) if options["encoding"] == "hex" else base64.b64decode(text, validate=True)).hex()
    if ty in ("date", "timestamp", "timestamptz"):
        return moment(ty, options.get("format"), text)
    return text


def moment(ty, layout, text):
    if ty == "date":
        return day(datetime.strptime(text, layout) if layout else date.fromisoformat(text))
    value = datetime.strptime(text, layout) if layout else datetime.fromisoformat(text)
    if ty == "timestamptz":
        value = value.astimezone(timezone.utc)
    return day(value) + stamp(value) + ("Z" if ty == "timestamptz" else "")


def framed(data):
    return b"-" if data is None else b"%d:%s" % (len(data), data)


def row_bytes(values):
    return b"".join(framed(None if value is None else value.encode()) for value in values)


def operation_id(op, previous, key, after):
    parts = [op, TENANT, "golden", previous, VERSION]
    data = b"".join(framed(part.encode()) for part in parts) + framed(key) + framed(after)
    return xxhash.xxh3_128(data, seed=0).digest().hex()


def yaml(columns, key):
    lines = ["table: golden", f"primary_key: [{', '.join(key)}]", "columns:"]
    for name, ty, options in columns:
        fields = [f"name: {name}", f'type: "{ty}"'] + [f"{option}: {json.dumps(value)}" for option, value in options.items()]
        lines.append(f"  - {{ {', '.join(fields)} }}")
    return "\n".join(lines + ["source: { compression: none }", ""])


def vector(columns, key, fields, before=None):
    """Return a row as an INSERT of a first import and as a DELETE and, with `before`, also as an UPDATE of that row."""
    def images(fields):
        values = {name: canonical(ty, options, text) for (name, ty, options), text in zip(columns, fields, strict=True)}
        rest = [(name, options) for name, _, options in columns if name not in key]
        key_bytes = row_bytes(values[name] for name in key)
        after = row_bytes(values[name] for name, _ in rest)
        compared = row_bytes(values[name] for name, options in rest if options.get("compare", True))
        return key_bytes, after, key_bytes + compared

    def hashed(row):
        return str(struct.unpack(">q", xxhash.xxh64(row, seed=0).digest())[0])

    key_bytes, after, row = images(fields)
    made = {
        "schema": yaml(columns, key),
        "fields": fields,
        "row_bytes": row.decode(),
        "hash": hashed(row),
        "insert": operation_id("INSERT", "", key_bytes, after),
        "delete": operation_id("DELETE", PREVIOUS, key_bytes, b""),
    }
    if before:
        old_key, _, old_row = images(before)
        assert old_key == key_bytes and old_row != row
        made |= {"before": before, "previous_hash": hashed(old_row)}
        made["update"] = operation_id("UPDATE", PREVIOUS, key_bytes, after)
    return made


def one(ty, texts, **options):
    """Return one vector per text, for a table with a key and one column."""
    columns = [("id", "int", {}), ("v", ty, options)]
    return [vector(columns, ["id"], [str(number), text]) for number, text in enumerate(texts, 1)]


def handwritten():
    null = {"nullable": True}
    yield from one("tinyint", ["127", "-128", "007", "+5", "-0", ""], **null)
    yield from one("bigint", ["9223372036854775807", "-9223372036854775808", "+0000000000000000000000001"])
    yield from one("decimal(12,2)", ["1.5", "1.50", "+01.500", ".5", "5.", "-0.00", "-9999999999.99", ""], **null)
    yield from one("decimal(38,0)", ["9" * 38, "-" + "9" * 38, "000.000"])
    yield from one("decimal(38,38)", ["0." + "9" * 38, "-." + "0" * 37 + "1"])
    yield from one("float", ["0.1", "-0.0", "nan", "-NaN", "INF", "-infinity", "16777217", "1e-45", "1e-60", "3.4028235e38", "-1.5E+1", ""], **null)
    # Just above the midpoint of two floats, but its nearest double is the midpoint: rounding twice would round down.
    yield from one("float", ["1.000000059604644775390626", "1.000000059604644775390625", "1.000000178813934326171874"])
    yield from one("double", ["0.1", "-0.0", "NAN", "+inf", "-Infinity", "9007199254740993", "5e-324", "1e-400", "1.7976931348623157e308", ".5", "5.", "1e2"])
    yield from one("boolean", ["true", "T", "1", "False", "f", "0", ""], **null)
    yield from one("boolean", ["Y", "ja", "N"], true_values=["Y", "ja"], false_values=["N"])
    yield from one("string", ["a", "", "-", "1:a", "é", "e\u0301", "日本語", "😀", 'say "hi", you', " a ", "\t", "\\N"])
    yield from one("string", ["a", "", "NULL"], **null)
    yield from one("string", [" a ", "  ", "\tb c\t"], trim=True, **null)
    yield from one("varchar(3)", ["😀😀😀", "", "ab "])
    yield from one("char(4)", ["a", "日本語x"])
    yield from one("binary", ["DEADbeef", "00", "ff"], encoding="hex")
    yield from one("binary", ["3q2+7w==", "AA==", "//8="], encoding="base64")
    yield from one("date", ["0001-01-01", "9999-12-31", "2024-02-29", ""], **null)
    yield from one("date", ["31.12.2025", "01.02.0003"], format="%d.%m.%Y")
    yield from one("timestamp", ["2026-01-01 08:00:00", "2026-01-01T08:00:00.500000", "0001-01-01T00:00:00.000001"])
    yield from one("timestamp", ["20260102030405123456", "2026010203040507"], format="%Y%m%d%H%M%S%f")
    yield from one("timestamp", ["31/12/2025 23:59"], format="%d/%m/%Y %H:%M")
    yield from one("timestamptz", ["2026-01-01T00:30:00+01:00", "2024-02-29 23:00:00-03:00", "2025-12-31T23:59:59.999999Z", "2026-01-01T08:00:00+05:45"])
    yield from one("timestamptz", ["2026-01-01 01:00:00+0100", "2026-01-01 01:00:00Z"], format="%Y-%m-%d %H:%M:%S%z")
    key = [("a", "string", {}), ("b", "string", {}), ("v", "string", null)]
    yield vector(key, ["a", "b"], ["a", "bc", "x"])
    yield vector(key, ["a", "b"], ["ab", "c", "x"])
    yield vector(key, ["b", "a"], ["a", "bc", "x"])
    yield vector(key, ["a", "b"], ["a", "NULL", ""])
    orders = [
        ("region", "string", {}),
        ("order_id", "bigint", {}),
        ("amount", "decimal(12,2)", null),
        ("updated_at", "timestamp", {}),
        ("exported_by", "string", {"nullable": True, "compare": False}),
    ]
    before = ["eu-west", "17", "", "2020-12-31 07:00:00", "ann"]
    yield vector(orders, ["region", "order_id"], ["eu-west", "17", "12.5", "2020-12-31 08:00:00", ""], before)
    yield vector(orders, ["region", "order_id"], ["eu-west", "0017", "12.50", "2020-12-31T08:00:00.0", "bob"], before)


def pseudorandom():
    """Yield rows of a table with many types; the seed is fixed."""
    rng = random.Random(20260102)
    null = {"nullable": True}
    columns = [
        ("n", "decimal(20,6)", {}), ("b", "bigint", {}), ("s", "string", null), ("f", "float", null), ("d", "double", null),
        ("t", "timestamptz", {}), ("x", "string", {"compare": False}), ("h", "binary", {"encoding": "hex"}), ("day", "date", null),
    ]
    letters = "aé日😀-:0,\" '"
    for _ in range(100):
        number = f"{rng.choice('+-')}{rng.randrange(10**rng.randrange(1, 15))}.{rng.randrange(10**6):06d}"
        offset = rng.randrange(-14 * 60, 14 * 60 + 1)
        zone = f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"
        local = datetime(rng.randrange(2, 9999), rng.randrange(1, 13), rng.randrange(1, 29), rng.randrange(24), rng.randrange(60), rng.randrange(60), rng.randrange(10**6))
        def text(max_length):
            return "".join(rng.choice(letters) for _ in range(rng.randrange(max_length)))
        def real():
            return rng.choice(["", f"{rng.choice('+-')}{rng.randrange(10**9)}.{rng.randrange(10**9)}e{rng.randrange(-40, 25)}"])
        def row():
            return [number, str(big), text(12), real(), real(), f"{day(local)} {local.strftime('%H:%M:%S.%f')}{zone}", text(3),
                    rng.randbytes(rng.randrange(1, 9)).hex(), rng.choice(["", day(local)])]
        big = rng.randrange(-2**63, 2**63)
        yield vector(columns, ["b", "n"], row(), row())


def main():
    vectors = [*handwritten(), *pseudorandom()]
    lines = ",\n".join(json.dumps(made, ensure_ascii=False) for made in vectors)
    Path(__file__).with_name("rows.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(len(vectors), "vectors")


if __name__ == "__main__":
    main()
