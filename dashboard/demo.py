"""The run that is shown where there is none: the suite `tabletop-full`, packed by `python -m benchmarks.demo_run`."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from sn_eval.results.bundle import unpack
from sn_eval.results.paths import data_path

BUNDLE = "demo_run.zip"


@cache
def demo_run() -> Path:
    """Its folder, unpacked for the life of this process. ResultsError where the bundle is missing or damaged."""
    place = Path(tempfile.mkdtemp(prefix="sn-eval-demo-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return unpack(data_path(BUNDLE), place / "demo")
