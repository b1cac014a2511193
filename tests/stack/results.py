"""Values as strings, as Athena writes them in GetQueryResults and in the CSV file of a query."""

import base64
from decimal import Decimal

# Types whose name in Athena is not Trino's.
TYPES = {"real": "float"}


def column(described: dict) -> dict:
    """Athena's description of a column."""
    signature = described["typeSignature"]
    name, sizes = signature["rawType"], [argument["value"] for argument in signature["arguments"]
                                         if argument["kind"] == "LONG"]
    precision, scale = (sizes + [0, 0])[:2] if name in ("decimal", "varchar", "char") else (0, 0)
    return {"CatalogName": "hive", "SchemaName": "", "TableName": "", "Name": described["name"],
            "Label": described["name"], "Type": TYPES.get(name, name), "Precision": precision, "Scale": scale,
            "Nullable": "UNKNOWN", "CaseSensitive": name in ("varchar", "char")}


def table(columns: list[dict], rows: list[list]) -> list[list[str | None]]:
    """The names of the columns, then the rows."""
    signatures = [column["typeSignature"] for column in columns]
    return [[column["name"] for column in columns],
            *([None if value is None else text(value, signature) for value, signature in zip(row, signatures)]
              for row in rows)]


def text(value: object, signature: dict) -> str:
    if value is None:
        return "null"
    inner = [argument["value"] for argument in signature["arguments"]]
    match signature["rawType"]:
        case "boolean":
            return "true" if value else "false"
        case "real" | "double":
            return number(value)
        case "varbinary":
            return base64.b64decode(value).hex(" ")
        case "array":
            return f"[{', '.join(text(one, inner[0]) for one in value)}]"
        case "map":
            return f"{{{', '.join(f'{key}={text(one, inner[1])}' for key, one in sorted(value.items()))}}}"
        case "row":
            return f"{{{', '.join(member(one, of) for one, of in zip(value, inner))}}}"
    return str(value)


def member(value: object, of: dict) -> str:
    name = (of.get("fieldName") or {}).get("name")
    shown = text(value, of["typeSignature"])
    return f"{name}={shown}" if name else shown


def number(value: float | str) -> str:
    """A floating point number as Java writes it. Numbers that are not finite are strings already."""
    if isinstance(value, str):
        return value
    value = float(value)
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    rest = "".join(map(str, digits[1:])) or "0"
    return f"{'-' if sign else ''}{digits[0]}.{rest}E{exponent + len(digits) - 1}"


def csv(lines: list[list[str | None]]) -> str:
    """Every value is quoted; NULL is empty."""
    quoted = [",".join("" if value is None else '"' + value.replace('"', '""') + '"' for value in line) for line in lines]
    return "\n".join(quoted) + "\n"
