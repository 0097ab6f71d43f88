"""Prints what the toolkit costs beyond models, decoders and rewards, and what its schedule of calls saves.

`python -m benchmarks.speed` runs every part, `--only overhead,length` some of them, and prints Markdown on stdout,
progress on stderr. Exit code 1 where a limit is missed or a part fails; the other parts are printed all the same. Each
part also runs alone, some with options of their own: `python -m benchmarks.speed.PART --help`.
"""

import argparse
import logging
import sys
import time
from importlib import import_module

from benchmarks.speed.tables import progress

log = logging.getLogger(__name__)

PARTS = {
    "overhead": "time outside of bare denoiser, decoder and reward, both rollouts (at most 3 %)",
    "batching": "what a sample costs in batches of 1 to 16",
    "fifo_schedule": "FIFO search against the public algorithm's schedule of calls (at least 95 % of the prediction)",
    "length": "cost of a frame and peak memory from 200 to 10,000 frames, both rollouts (at most 1.05 times)",
    "device": "overhead, batching and fifo_schedule on a GPU in float32 and bfloat16, where there is one",
    "rewarding": "rewards batched against looped; what `import rewards` takes (at most 1 s)",
    "measuring": "a suite of metrics by its encoders and flow (at most 1.3 times); memory of a long video (1.05)",
    "storing": "a store of 10,000 cells: listed, tabulated, found finished (at most 2 s each)",
    "running": "what the harness takes of a cell (at most 3 %), a finished run (2 s); what processes gain",
    "showing": "what a visitor of the dashboard waits for (at most 3 s, and 1 s from page to page)",
}
"""Modules of this package with `report() -> (lines to print, whether the limits are kept)`, and what they measure."""


def chosen(text: str) -> list[str]:
    """The parts named, in their own order; ArgumentTypeError for a name that is none."""
    names = {name.strip() for name in text.split(",")}
    if unknown := sorted(names - PARTS.keys()):
        raise argparse.ArgumentTypeError(f"no part {unknown[0]!r}; choose from {', '.join(PARTS)}")
    return [name for name in PARTS if name in names]


def measured(name: str) -> tuple[list[str], bool]:
    """A part's lines and whether its limits are kept; a part that fails says so, its traceback is on stderr."""
    began = time.perf_counter()
    try:
        lines, kept = import_module(f"benchmarks.speed.{name}").report()
    except Exception as error:
        log.exception("%s failed", name)
        lines, kept = [f"FAILED: {type(error).__name__}: {error}"], False
    progress(f"{name}: {time.perf_counter() - began:.0f} s, {'limits kept' if kept else 'LIMITS MISSED'}")
    return lines, kept


def main() -> int:
    """Runs the parts and prints each when it is done."""
    listed = "\n".join(f"  {name:14} {what}" for name, what in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed", description=__doc__, epilog=f"parts:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--only", type=chosen, default=list(PARTS), metavar="PART,PART", help="(default: all)")
    missed = []
    for name in parser.parse_args().only:
        lines, kept = measured(name)
        missed += [] if kept else [name]
        shown = lines if any(line.startswith("|") for line in lines) else [f"- {line}" for line in lines]
        sys.stdout.write(f"## {name}\n\n" + "\n".join(shown).rstrip() + "\n\n")
        sys.stdout.flush()
    sys.stdout.write(f"Limits missed: {', '.join(missed)}.\n" if missed else "All limits kept.\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
