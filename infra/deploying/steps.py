"""A deployment in steps, each of which a stack can be rolled back from.

What holds data comes first and alone: whatever fails later, the stack falls back to it and can be deployed again. And one
operation on nested stacks touches 2,500 resources at most, so that many tables come, change or go in several steps:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""

from __future__ import annotations

import json
import re
from pathlib import Path

# Of the 2,500, some are left to be sure.
MOST = 2_400
# What a nested stack is taken for that is in no template here.
UNKNOWN = 1_000
DATA, SHARED, CONSUMER = "Data", "Shared", "SampleConsumer"
WORDS = {DATA: "what holds data", SHARED: "the pipeline", CONSUMER: "the sample consumer"}

Template = dict


def steps(old: Template, new: Template, sizes: dict[str, int]) -> list[tuple[str, Template]]:
    """The templates that lead from one to the other, and in words what each is about."""
    before, after = old.get("Resources", {}), new["Resources"]
    gone = sorted((name for name in before if name not in after), key=rank, reverse=True)
    changed = sorted((name for name in after if before.get(name) != after[name]), key=rank)
    found, done = [], set()
    for names in chunks([*gone, *changed], sizes, DATA not in before):
        done.update(names)
        mixed = {name: after[name] for name in after if name in done or before.get(name) == after[name]}
        mixed.update({name: before[name] for name in before if name not in done and name not in mixed})
        found.append((words(names, set(gone)), having(new, mixed)))
    # Where no nested stack changes, parameters and outputs may.
    return [*found[:-1], (found[-1][0], new)] if found else [("settings", new)]


def rank(name: str) -> tuple[int, str]:
    """A stack comes after those that it depends on."""
    return {DATA: 0, SHARED: 1, CONSUMER: 3}.get(name, 2), name


def chunks(names: list[str], sizes: dict[str, int], is_first: bool) -> list[list[str]]:
    """As many nested stacks at a time as one operation may touch; what holds data by itself when it is made."""
    found, size = [], 0
    for name in names:
        more = sizes.get(name, UNKNOWN)
        is_alone = is_first and found and found[-1] == [DATA]
        if not found or is_alone or size + more > MOST:
            found.append([])
            size = 0
        found[-1].append(name)
        size += more
    return found


def words(names: list[str], gone: set[str]) -> str:
    """What a step is about. The sample consumer is mostly off, and named where it comes alone."""
    groups = sum(name not in WORDS for name in names)
    told = [WORDS[name] for name in names if name in WORDS and (name != CONSUMER or names == [CONSUMER])]
    told += [f"{groups} group{'s' if groups > 1 else ''} of tables"] if groups else []
    return ("removes " if set(names) <= gone else "") + ", ".join(told)


def only(template: Template, names: set[str]) -> Template:
    """The template with these nested stacks alone."""
    return having(template, {name: one for name, one in template["Resources"].items() if name in names})


def having(template: Template, resources: dict) -> Template:
    """The template with these resources, and the outputs that name no others. Its parameters stay, with their values."""
    missing = [name for name in template["Resources"] if name not in resources]
    outputs = {key: output for key, output in template.get("Outputs", {}).items()
               if not any(re.search(rf'["{{]{name}[".]', json.dumps(output)) for name in missing)}
    return {**template, "Resources": resources, "Outputs": outputs}


def sizes(template: Path) -> dict[str, int]:
    """How many resources each nested stack is, with all that it nests. The generator writes the templates, so that lines can
    be counted."""
    nested = re.findall(r"^  (\w+):\n    Type: AWS::CloudFormation::Stack\n(?:    .*\n)*?      TemplateURL: (\S+)",
                        template.read_text(), re.M)
    return {name: 1 + resources(template.parent / url) for name, url in nested}


def resources(template: Path) -> int:
    return len(re.findall(r"^    Type: AWS::", template.read_text(), re.M)) + sum(size - 1 for size in sizes(template).values())
