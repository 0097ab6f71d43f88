"""`python -m benchmarks.methods RUN`: what every arm of a run costs and gains, the cheapest that keeps enough of the
reference's gain, chosen on dev prompts, and what that one does on confirm prompts. Reads a run that is under way, too.

The run is made by `sn-eval poc run tabletop-methods` (see benchmarks/suites/README.md).
"""

import argparse
import math
import sys
from pathlib import Path

from benchmarks.methods.reporting import report
from benchmarks.methods.showing import markdown
from sn_eval.cli.console import friendly, print_json


def main(arguments: list[str] | None = None) -> int:
    """Print Markdown, or JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.methods", description=__doc__)
    parser.add_argument("run", type=Path, help="folder of the run, e.g. runs/tabletop-methods")
    parser.add_argument("--reference", default="best_of_8", help="arm whose gain is to be kept [best_of_8]")
    parser.add_argument("--keep", type=_share, default=0.95, help="share of it that is enough [0.95]")
    parser.add_argument("--measure", help="evaluator's label, or acceptance [the first primary outcome]")
    parser.add_argument("--arm", action="append", default=[], help="judge this one, too, on confirm prompts; repeat")
    parser.add_argument("--json", action="store_true", help="all figures as JSON, for machines")
    given = parser.parse_args(arguments)
    with friendly():
        found = report(
            given.run, reference=given.reference, keep=given.keep, measure=given.measure, arms=given.arm
        )
        if given.json:
            print_json(found)
        else:
            sys.stdout.write(markdown(found))
    return 0


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text}: give a share above 0, at most 1, e.g. 0.95")
    return value


if __name__ == "__main__":
    sys.exit(main())
