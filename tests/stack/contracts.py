"""Checks data contracts with the JSON Schema of the Open Data Contract Standard 3.1.

    contracts.py FOLDER

FOLDER has a contract in each file. Each must be valid, and must not be without what the standard requires. Exit status:
0 no problem; 1 problems, which are printed.
"""

import json
import sys
from importlib.resources import files
from pathlib import Path

import yaml
from jsonschema import Draft201909Validator


def main() -> None:
    text = files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8")
    validator = Draft201909Validator(json.loads(text))
    paths = sorted(Path(sys.argv[1]).iterdir())
    problems = [problem for path in paths for problem in check(validator, path)]
    print("\n".join(problems) or f"{len(paths)} data contracts are valid under the JSON Schema of the standard (3.1)")
    sys.exit(1 if problems or not paths else 0)


def check(validator: Draft201909Validator, path: Path) -> list[str]:
    contract = yaml.safe_load(path.read_text(encoding="utf-8"))
    problems = [f"{path.name}: {error.json_path}: {error.message}" for error in validator.iter_errors(contract)]
    for damaged in damages(contract):
        if validator.is_valid(damaged):
            problems.append(f"{path.name}: the standard accepts it with {damaged}")
    return problems


def damages(contract: dict) -> list[dict]:
    """Contracts that the standard does not allow."""
    table = contract["schema"][0]
    column = {**table["properties"][0], "logicalType": "text"}
    return [
        {key: value for key, value in contract.items() if key != "apiVersion"},
        {**contract, "kind": "Table"},
        {**contract, "schema": [{**table, "properties": [column]}]},
    ]


if __name__ == "__main__":
    main()
