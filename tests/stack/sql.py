"""What Athena does to a statement before its engine sees it: parameters, and UNLOAD."""

import re
from dataclasses import dataclass

# Texts in quotes, comments, a place for a parameter, and words; everything else is of no interest.
TOKENS = re.compile(r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | \? | [()] | \w+""", re.X | re.S)
CLAUSES = {"SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "WITH"}
UNLOAD = re.compile(r"\s*UNLOAD\s*\((?P<query>.*)\)\s*TO\s*'(?P<target>s3://[^']+)'\s*WITH\s*\((?P<options>.*)\)\s*;?\s*$",
                    re.S | re.I)


class Refused(Exception):
    """A statement that Athena does not take."""


def bound(text, parameters):
    """The statement with its parameters, which are SQL literals, in their places; those stand only in WHERE."""
    pieces, clauses, left, last = [], [""], list(parameters), 0
    for token in TOKENS.finditer(text):
        word = token.group().upper()
        if word == "(":
            clauses.append("")
        elif word == ")" and len(clauses) > 1:
            clauses.pop()
        elif word in CLAUSES:
            clauses[-1] = word
        elif word == "?":
            if clauses[-1] != "WHERE":
                raise Refused(f"a parameter stands in {clauses[-1] or 'parentheses'}, and may only stand in WHERE")
            if not left:
                raise Refused("Incorrect number of parameters: there are more places than parameters")
            pieces += [text[last:token.start()], left.pop(0)]
            last = token.end()
    if left:
        raise Refused("Incorrect number of parameters: there are more parameters than places")
    return "".join([*pieces, text[last:]])


@dataclass
class Unload:
    query: str
    target: str
    format: str
    compression: str
    partitions: list

    def create_table(self, name):
        partitioned = ", ".join(f"'{column}'" for column in self.partitions)
        options = [f"format = '{self.format}'", f"external_location = '{self.target}'"]
        options += [f"partitioned_by = ARRAY[{partitioned}]"] if partitioned else []
        return f"CREATE TABLE {name} WITH ({', '.join(options)}) AS {self.query}"


def unload(text):
    """The parts of an UNLOAD; `None` when the statement is something else."""
    found = UNLOAD.match(re.sub(r"\A(\s*--[^\n]*\n)*", "", text))
    if not found:
        return None
    options = {name.lower(): value for name, value in re.findall(r"(\w+)\s*=\s*'([^']*)'", found["options"])}
    partitions = re.search(r"partitioned_by\s*=\s*ARRAY\s*\[(.*?)\]", found["options"], re.S | re.I)
    return Unload(found["query"], found["target"], options.get("format", "PARQUET").upper(),
                  options.get("compression", "gzip"), re.findall(r"'([^']*)'", partitions[1]) if partitions else [])
