"""What the emulator's Step Functions let through: a path that leads nowhere, and a state that is too large.

https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""

import json

from ministack.services import stepfunctions

# What no retrier and no catcher sees, `States.ALL` included.
FINAL = ("States.Runtime", "States.DataLimitExceeded")
# How large the input or the output of a state may be.
LIMIT = 256 * 1024


def mend() -> None:
    refuse_missing_paths()
    limit_results()
    let_nobody_catch_what_is_final()


def refuse_missing_paths() -> None:
    """A path in Parameters or in an ItemSelector that leads nowhere gives null; it ends the execution."""
    resolve = stepfunctions._resolve_params_obj

    def mended(template: object, data: object, ctx: dict | None = None) -> object:
        for name, path in template.items() if isinstance(template, dict) else ():
            if name.endswith(".$") and isinstance(path, str) and path.startswith("$"):
                whole, names = (ctx or {}, path[2:]) if path.startswith("$$") else (data, path[1:])
                if not is_there(whole, names):
                    raise stepfunctions._ExecutionError("States.Runtime", f"The JSONPath '{path}' could not be found in the input")
        return resolve(template, data, ctx)

    stepfunctions._resolve_params_obj = mended


def is_there(data: object, names: str) -> bool:
    """Whether something stands at a path of plain names, null included."""
    for name in filter(None, names.split(".")):
        if not isinstance(data, dict) or name not in data:
            return False
        data = data[name]
    return True


def limit_results() -> None:
    """What the items of a map come to together may be of any size."""
    run = stepfunctions._apply_result_selector

    def mended(state: dict, data: object) -> object:
        if len(json.dumps(data)) > LIMIT:
            raise stepfunctions._ExecutionError("States.DataLimitExceeded", f"a result has more than {LIMIT} characters")
        return run(state, data)

    stepfunctions._apply_result_selector = mended


def let_nobody_catch_what_is_final() -> None:
    """`States.ALL` catches everything."""
    matches = stepfunctions._error_matches
    stepfunctions._error_matches = lambda wanted, error: error not in FINAL and matches(wanted, error)
