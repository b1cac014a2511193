"""What Athena does to a statement before its engine sees it: its kind, its parameters, and UNLOAD."""

import re
from dataclasses import dataclass

# Texts in quotes, comments, a place for a parameter, parentheses and words; everything else is of no interest.
TOKENS = re.compile(r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | \? | [()] | \w+""", re.X | re.S)
CLAUSES = {"SELECT", "FROM", "WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "OFFSET", "FETCH", "UNION",
           "INTERSECT", "EXCEPT", "WITH", "ON", "VALUES"}
# What Athena takes for an expression and what for a text depends on the value (abc is a text, 17 is a number):
# https://docs.aws.amazon.com/athena/latest/ug/querying-with-prepared-statements.html asks for quotes around strings.
LITERAL = re.compile(r"""\s* (?: (?:DATE|TIME|TIMESTAMP|DECIMAL)?\s*'(?:[^']|'')*' | [+-]?\d+(?:\.\d*)?(?:E[+-]?\d+)?
                     | TRUE | FALSE | NULL ) \s*""", re.X | re.I)
COMMENTS = re.compile(r"(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*", re.S)
UNLOAD = re.compile(r"UNLOAD\s*\((?P<query>.*)\)\s*TO\s*'(?P<target>[^']+)'\s*WITH\s*\((?P<options>[^()]*)\)\s*\Z",
                    re.S | re.I)
OPTION = re.compile(r"\s*(\w+)\s*=\s*(?:'([^']*)'|ARRAY\s*\[([^\]]*)\])\s*(?:,|\Z)", re.I)
# https://docs.aws.amazon.com/athena/latest/ug/unload.html
FORMATS, COMPRESSIONS = {"AVRO", "JSON", "ORC", "PARQUET", "TEXTFILE"}, {"gzip", "none", "snappy", "zstd"}


class Refused(Exception):
    """A statement that Athena does not take."""


class Miscounted(Exception):
    """Fewer or more parameters than places for them."""


def stripped(text: str) -> str:
    """The statement without comments before it and a semicolon behind it."""
    return text[COMMENTS.match(text).end():].rstrip().removesuffix(";").rstrip()


def kinds(text: str) -> dict[str, str]:
    """What Athena says of a statement's kind."""
    word = re.match(r"\(*\s*(\w*)", text)[1].upper()
    if word in ("SELECT", "WITH", "VALUES", "TABLE"):
        return {"StatementType": "DML", "SubstatementType": "SELECT"}
    if word in ("EXPLAIN", "UNLOAD", "INSERT", "DELETE", "UPDATE", "MERGE"):
        return {"StatementType": "DML", "SubstatementType": word}
    return {"StatementType": "UTILITY" if word in ("SHOW", "DESCRIBE", "DESC") else "DDL"}


def bound(text: str, parameters: list[str]) -> str:
    """The statement with its parameters, which are SQL literals, in their places; those stand only in WHERE."""
    check_literals(parameters)
    places = list(places_in(text))
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
            raise Refused(f"the execution parameter {parameter!r} is no SQL literal; a text needs quotes: 'it''s'")


def places_in(text: str):
    """Where each `?` is. Parentheses inside WHERE belong to it, unless they begin a query of their own."""
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
                raise Refused(f"a parameter (?) stands in {levels[-1] or 'no clause'}, and may only stand in WHERE")
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
    """The parts of an UNLOAD; none when the statement is something else."""
    if not re.match(r"UNLOAD\b", text, re.I):
        return None
    found = UNLOAD.match(text)
    if not found:
        raise Refused("write UNLOAD (query) TO 's3://bucket/prefix/' WITH (format = '…', …)")
    bucket, prefix = place(found["target"])
    if not prefix:
        raise Refused(f"UNLOAD goes to a prefix of a bucket, and {found['target']} names none")
    options = unload_options(found["options"])
    return Unload(found["query"], bucket, prefix, options["format"].upper(), options["compression"].lower(),
                  tuple(re.findall(r"'([^']*)'", options["partitioned_by"])))


def unload_options(text: str) -> dict[str, str]:
    options, begin = {"compression": "gzip", "partitioned_by": ""}, 0
    while begin < len(text):
        found = OPTION.match(text, begin)
        if not found:
            raise Refused(f"the options of UNLOAD cannot be read from {text[begin:]!r} on")
        options[found[1].lower()] = found[2] if found[2] is not None else found[3]
        begin = found.end()
    unknown = options.keys() - {"format", "compression", "partitioned_by"}
    if unknown:
        raise Refused(f"of UNLOAD's options only format, compression and partitioned_by are known, not {', '.join(unknown)}")
    if options.get("format", "").upper() not in FORMATS or options["compression"].lower() not in COMPRESSIONS:
        raise Refused(f"UNLOAD needs a format of {sorted(FORMATS)} and a compression of {sorted(COMPRESSIONS)}")
    return options


def place(uri: str) -> tuple[str, str]:
    """Bucket and prefix; the prefix is empty or ends with a slash."""
    found = re.fullmatch(r"s3://([a-z0-9.-]{3,63})(?:/(.*))?", uri)
    if not found:
        raise Refused("outputLocation is not a valid S3 path.")
    prefix = (found[2] or "").rstrip("/")
    return found[1], f"{prefix}/" if prefix else ""
