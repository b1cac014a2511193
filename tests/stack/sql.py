"""How Athena prepares a statement for its engine: the kind of statement, parameters, and UNLOAD."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Quoted strings and names, comments, `?`, parentheses and words; everything else is skipped.
TOKENS = re.compile(r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | \? | [()] | \w+""", re.X | re.S)
CLAUSES = {"SELECT", "FROM", "WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "OFFSET", "FETCH", "UNION",
           "INTERSECT", "EXCEPT", "WITH", "ON", "VALUES"}
# Athena guesses from the value whether a parameter is a string (abc) or an expression (17), so quotes are required
# here: https://docs.aws.amazon.com/athena/latest/ug/querying-with-prepared-statements.html
LITERAL = re.compile(r"""\s* (?: (?:DATE|TIME|TIMESTAMP|DECIMAL)?\s*'(?:[^']|'')*' | [+-]?\d+(?:\.\d*)?(?:E[+-]?\d+)?
                     | TRUE | FALSE | NULL ) \s*""", re.X | re.I)
COMMENTS = re.compile(r"(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*", re.S)
UNLOAD = re.compile(r"UNLOAD\s*\((?P<query>.*)\)\s*TO\s*'(?P<target>[^']+)'\s*WITH\s*\((?P<options>[^()]*)\)\s*\Z",
                    re.S | re.I)
OPTION = re.compile(r"\s*(\w+)\s*=\s*(?:'([^']*)'|ARRAY\s*\[([^\]]*)\])\s*(?:,|\Z)", re.I)
# https://docs.aws.amazon.com/athena/latest/ug/unload.html
FORMATS, COMPRESSIONS = {"AVRO", "JSON", "ORC", "PARQUET", "TEXTFILE"}, {"gzip", "none", "snappy", "zstd"}


class Refused(Exception):
    """A statement that Athena rejects."""


class Miscounted(Exception):
    """The number of parameters is not that of placeholders."""


def stripped(text: str) -> str:
    """The statement without leading comments and a trailing semicolon."""
    return text[COMMENTS.match(text).end():].rstrip().removesuffix(";").rstrip()


def kinds(text: str) -> dict[str, str]:
    """The kind of a statement, as Athena reports it."""
    word = re.match(r"\(*\s*(\w*)", text)[1].upper()
    if word in ("SELECT", "WITH", "VALUES", "TABLE"):
        return {"StatementType": "DML", "SubstatementType": "SELECT"}
    if word in ("EXPLAIN", "UNLOAD", "INSERT", "DELETE", "UPDATE", "MERGE"):
        return {"StatementType": "DML", "SubstatementType": word}
    return {"StatementType": "UTILITY" if word in ("SHOW", "DESCRIBE", "DESC") else "DDL"}


def bound(text: str, parameters: list[str]) -> str:
    """The statement with its parameters, which are SQL literals, in place of `?`, which may only be in WHERE."""
    check_literals(parameters)
    places = list(placeholders(text))
    if len(places) != len(parameters):
        raise Miscounted(f"Incorrect number of parameters: expected {len(places)} but found {len(parameters)}")
    pieces, last = [], 0
    for place, parameter in zip(places, parameters):
        pieces += [text[last:place], parameter]
        last = place + 1
    return "".join([*pieces, text[last:]])


def check_literals(parameters: list[str]) -> None:
    for parameter in parameters:
        if not LITERAL.fullmatch(parameter):
            raise Refused(f"the execution parameter {parameter!r} is not an SQL literal; quote strings: 'it''s'")


def placeholders(text: str) -> Iterator[int]:
    """The position of each `?`. Parentheses inside WHERE belong to it, unless they begin a subquery."""
    levels, before = [""], ""
    for token in TOKENS.finditer(text):
        word = token.group().upper()
        if word == "(":
            levels.append(levels[-1])
        elif word == ")" and len(levels) > 1:
            levels.pop()
        elif word == "FROM" and before == "DISTINCT" and levels[-1] != "SELECT":
            pass  # IS DISTINCT FROM
        elif word in CLAUSES:
            levels[-1] = word
        elif word == "?":
            if levels[-1] != "WHERE":
                raise Refused(f"a parameter (?) is in {levels[-1] or 'no clause'}; it may only be in WHERE")
            yield token.start()
        before = word


@dataclass(frozen=True)
class Unload:
    query: str
    bucket: str
    prefix: str
    format: str
    compression: str
    partitions: tuple[str, ...]

    @property
    def target(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def create_table(self, name: str) -> str:
        partitioned = ", ".join(f"'{column}'" for column in self.partitions)
        options = [f"format = '{self.format}'", f"external_location = '{self.target}'"]
        options += [f"partitioned_by = ARRAY[{partitioned}]"] if partitioned else []
        return f"CREATE TABLE {name} WITH ({', '.join(options)}) AS {self.query}"


def unload(text: str) -> Unload | None:
    """The parts of an UNLOAD; None for any other statement."""
    if not re.match(r"UNLOAD\b", text, re.I):
        return None
    found = UNLOAD.match(text)
    if not found:
        raise Refused("expected UNLOAD (query) TO 's3://bucket/prefix/' WITH (format = '…', …)")
    bucket, prefix = place(found["target"])
    if not prefix:
        raise Refused(f"{found['target']} has no prefix; UNLOAD writes to a prefix of a bucket")
    options = unload_options(found["options"])
    return Unload(found["query"], bucket, prefix, options["format"].upper(), options["compression"].lower(),
                  tuple(re.findall(r"'([^']*)'", options["partitioned_by"])))


def unload_options(text: str) -> dict[str, str]:
    options, begin = {"compression": "gzip", "partitioned_by": ""}, 0
    while begin < len(text):
        found = OPTION.match(text, begin)
        if not found:
            raise Refused(f"cannot parse the options of UNLOAD from {text[begin:]!r} on")
        options[found[1].lower()] = found[2] if found[2] is not None else found[3]
        begin = found.end()
    unknown = options.keys() - {"format", "compression", "partitioned_by"}
    if unknown:
        raise Refused(f"unknown options of UNLOAD: {', '.join(unknown)}; supported are format, compression and partitioned_by")
    if options.get("format", "").upper() not in FORMATS or options["compression"].lower() not in COMPRESSIONS:
        raise Refused(f"UNLOAD expects a format out of {sorted(FORMATS)} and a compression out of {sorted(COMPRESSIONS)}")
    return options


def place(uri: str) -> tuple[str, str]:
    """Bucket and prefix; the prefix is empty or ends with a slash."""
    found = re.fullmatch(r"s3://([a-z0-9.-]{3,63})(?:/(.*))?", uri)
    if not found:
        raise Refused("outputLocation is not a valid S3 path.")
    prefix = (found[2] or "").rstrip("/")
    return found[1], f"{prefix}/" if prefix else ""
