"""Failures of Step Functions that the emulator does not raise: a path that does not exist, a state that is too large.

https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""

import json

from ministack.services import stepfunctions

# Errors that no retrier and no catcher handles, not even `States.ALL`.
FINAL = ("States.Runtime", "States.DataLimitExceeded")
# The largest input or output of a state, in characters.
LIMIT = 256 * 1024


def apply() -> None:
    refuse_missing_paths()
    limit_results()
    never_catch_final_errors()
    limit_maps()


def limit_maps() -> None:
    """The emulator ignores MaxConcurrencyPath, and runs all items of a map at once."""
    run = stepfunctions._run_map_items

    def patched(state: dict, data: object, execution: dict, ctx: dict) -> object:
        if path := state.get("MaxConcurrencyPath"):
            state = {**state, "MaxConcurrency": stepfunctions._resolve_path_or_ctx(path, data, ctx)}
        return run(state, data, execution, ctx)

    stepfunctions._run_map_items = patched


def refuse_missing_paths() -> None:
    """On AWS, a path that does not exist, in Parameters or in an ItemSelector, ends the execution. The emulator gives
    null."""
    resolve = stepfunctions._resolve_params_obj

    def patched(template: object, data: object, ctx: dict | None = None) -> object:
        for name, path in template.items() if isinstance(template, dict) else ():
            if name.endswith(".$") and isinstance(path, str) and path.startswith("$"):
                whole, names = (ctx or {}, path[2:]) if path.startswith("$$") else (data, path[1:])
                if not exists(whole, names):
                    raise stepfunctions._ExecutionError("States.Runtime", f"The JSONPath '{path}' could not be found in the input")
        return resolve(template, data, ctx)

    stepfunctions._resolve_params_obj = patched


def exists(data: object, names: str) -> bool:
    """Returns whether a path of plain names leads to a value, which may be null."""
    for name in filter(None, names.split(".")):
        if not isinstance(data, dict) or name not in data:
            return False
        data = data[name]
    return True


def limit_results() -> None:
    """The emulator does not limit the combined results of a map."""
    run = stepfunctions._apply_result_selector

    def patched(state: dict, data: object) -> object:
        if len(json.dumps(data)) > LIMIT:
            raise stepfunctions._ExecutionError("States.DataLimitExceeded", f"a result is longer than {LIMIT} characters")
        return run(state, data)

    stepfunctions._apply_result_selector = patched


def never_catch_final_errors() -> None:
    """In the emulator `States.ALL` catches everything."""
    matches = stepfunctions._error_matches
    stepfunctions._error_matches = lambda wanted, error: error not in FINAL and matches(wanted, error)
