"""Starts the AWS emulator with its known faults fixed, so that a failing test points at Tidemark.

The patches reach into the emulator's internals, so they are for one version of it. Review each before you raise it."""

import gc
import sys
from importlib.metadata import version

from ministack import app

from patches import flow, idle_functions, kinesis_source, objects, rights, stacks

VERSION = "1.5.33"

if __name__ == "__main__":
    if (found := version("ministack")) != VERSION:
        sys.exit(f"the patches are for ministack {VERSION}, but {found} is installed: review each patch, then change VERSION")
    for patch in (stacks, kinesis_source, rights, flow, objects, idle_functions):
        patch.apply()
    # What it keeps lives as long as it does, and is not garbage.
    gc.freeze()
    gc.set_threshold(100_000)
    app.main()
