"""The same tables on a GPU, in float32 and bfloat16, where there is one; otherwise one line says that there is none.

`python -m benchmarks.speed.device` prints them. bfloat16 is torch's autocast: weights stay in float32, the network's
products and convolutions are made in bfloat16. Exit code 1 where a limit is missed, as in the tables themselves.
"""

import argparse
import sys

import torch

from benchmarks.speed import batching, fifo_schedule, overhead
from benchmarks.speed.tables import progress

NONE = "No CUDA device here: the tables above are the CPU's alone."


def report(kind: str = "cuda") -> tuple[list[str], bool]:
    """Lines to print, and whether the limits are kept; one line, and no miss, where there is no such device."""
    if kind == "cuda" and not torch.cuda.is_available():
        return [NONE], True
    lines, kept = [], True
    for dtype in (torch.float32, torch.bfloat16):
        name = str(dtype).removeprefix("torch.")
        with torch.autocast(kind, dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
            for part in (overhead, batching, fifo_schedule):
                progress(f"device, {name}, {part.__name__}")
                found, within = part.report(device=kind)
                lines += [f"**{name}** {found[0]}", *found[1:]]
                kept = kept and within
    return lines, kept


def main() -> int:
    """Prints the lines."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.device", description=__doc__)
    parser.parse_args()
    lines, kept = report()
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
