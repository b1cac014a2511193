"""Splits a deployment into steps, each of which can be rolled back.

The first step creates the data alone. If a later step fails, the stack rolls back to the data and can be deployed
again. And because one operation on nested stacks can touch at most 2,500 resources, adding, changing or removing many
tables takes several steps:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""

from __future__ import annotations

import json
import re
from pathlib import Path

# The maximum number of resources in a step, which leaves a margin below 2,500.
MAX_RESOURCES = 2_400
# The assumed size of a nested stack that has no template here.
UNKNOWN_SIZE = 1_000
DATA, SHARED, CONSUMER, APPLY = "Data", "Shared", "SampleConsumer", "Apply"
TITLES = {DATA: "the data", SHARED: "the pipeline", CONSUMER: "the sample consumer", APPLY: "the function for PostgreSQL"}
# Both are usually off.
OPTIONAL = (CONSUMER, APPLY)

Template = dict


def steps(old: Template, new: Template, sizes: dict[str, int]) -> list[tuple[str, Template]]:
    """Returns the templates that lead from one to the other, each with a title."""
    before, after = old.get("Resources", {}), new["Resources"]
    removed = sorted((name for name in before if name not in after), key=rank, reverse=True)
    changed = sorted((name for name in after if before.get(name) != after[name]), key=rank)
    result, done = [], set()
    for names in chunks([*removed, *changed], sizes, DATA not in before):
        done.update(names)
        mixed = {name: after[name] for name in after if name in done or before.get(name) == after[name]}
        mixed.update({name: before[name] for name in before if name not in done and name not in mixed})
        result.append((title(names, set(removed)), with_resources(new, mixed)))
    # If no nested stack changes, parameters and outputs still may.
    return [*result[:-1], (result[-1][0], new)] if result else [("settings", new)]


def rank(name: str) -> tuple[int, str]:
    """Sorts a stack after those that it depends on."""
    return {DATA: 0, SHARED: 1, CONSUMER: 3, APPLY: 3}.get(name, 2), name


def chunks(names: list[str], sizes: dict[str, int], is_first: bool) -> list[list[str]]:
    """Groups nested stacks into as many as one operation may touch. The data is alone when it is created."""
    result, size = [], 0
    for name in names:
        added = sizes.get(name, UNKNOWN_SIZE)
        is_after_data = is_first and result and result[-1] == [DATA]
        if not result or is_after_data or size + added > MAX_RESOURCES:
            result.append([])
            size = 0
        result[-1].append(name)
        size += added
    return result


def title(names: list[str], removed: set[str]) -> str:
    """Describes a step. What is usually off is mentioned only if it is alone."""
    groups = sum(name not in TITLES for name in names)
    parts = [TITLES[name] for name in names if name in TITLES and (name not in OPTIONAL or names == [name])]
    parts += [f"{groups} group{'s' if groups > 1 else ''} of tables"] if groups else []
    return ("remove " if set(names) <= removed else "") + ", ".join(parts)


def only(template: Template, names: set[str]) -> Template:
    """Returns the template with these nested stacks only."""
    return with_resources(template, {name: one for name, one in template["Resources"].items() if name in names})


def with_resources(template: Template, resources: dict) -> Template:
    """Returns the template with these resources, without the outputs that refer to others. The parameters remain, so
    that they keep their values."""
    missing = [name for name in template["Resources"] if name not in resources]
    outputs = {key: output for key, output in template.get("Outputs", {}).items()
               if not any(re.search(rf'["{{]{name}[".]', json.dumps(output)) for name in missing)}
    return {**template, "Resources": resources, "Outputs": outputs}


def sizes(template: Path) -> dict[str, int]:
    """Returns the number of resources in each nested stack, including those nested in it. Counting lines is enough,
    because the generator writes the templates."""
    nested = re.findall(r"^  (\w+):\n    Type: AWS::CloudFormation::Stack\n(?:    .*\n)*?      TemplateURL: (\S+)",
                        template.read_text(), re.M)
    return {name: 1 + resources(template.parent / url) for name, url in nested}


def resources(template: Path) -> int:
    return len(re.findall(r"^    Type: AWS::", template.read_text(), re.M)) + sum(size - 1 for size in sizes(template).values())
