"""All runs of a benchmark, in a file that is written after each of them."""

import json
import os


class Failed(Exception):
    """A program that cannot be measured."""


class Results:
    """The runs of each program by scenario and number of rows."""

    def __init__(self, path, resume, machine):
        self.path = path
        self.all = {"machine": machine, "programs": []}
        if resume and path.exists():
            self.all = json.loads(path.read_text())
            # What failed is tried again.
            for entry in self.all["programs"]:
                entry.pop("failed", None)

    def entry(self, scenario, base, rows, program):
        """The runs of a program in a scenario: of each, the seconds, the processor time and the peak memory in MiB.
        `base` is the number of rows of most scenarios of the same call."""
        named = {"scenario": scenario, "base": base, "rows": rows, "program": program}
        for entry in self.all["programs"]:
            if named.items() <= entry.items():
                return entry
        entry = {**named, "runs": []}
        self.all["programs"].append(entry)
        return entry

    def has_failure_of(self, program):
        return any(entry["program"] == program and entry.get("failed") for entry in self.all["programs"])

    def save(self):
        draft = self.path.with_suffix(".draft")
        draft.write_text(json.dumps(self.all, indent=1))
        os.replace(draft, self.path)
