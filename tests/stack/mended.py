"""The AWS emulator with faults of its own mended, so that what fails in a test is Tidemark's.

The mends reach into the emulator, so they are for one version of it; with another, each is to be looked at again. What is
wrong without a mend stands beside it, and `check_mended.py` shows that it holds."""

import sys
from importlib.metadata import version

from ministack import app

import mended_flow
import mended_rights
import mended_source
import mended_stacks

VERSION = "1.5.33"

if __name__ == "__main__":
    if (found := version("ministack")) != VERSION:
        sys.exit(f"the mends are for ministack {VERSION}, and this is {found}: look at each of them again")
    mended_stacks.mend()
    mended_source.mend()
    mended_rights.mend()
    mended_flow.mend()
    app.main()
