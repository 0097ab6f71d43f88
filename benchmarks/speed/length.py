"""What a frame costs and what a video keeps in memory as it grows from 200 to 10,000 frames: both must stay flat.

`python -m benchmarks.speed.length` prints it, for both rollouts, searched on the Gaussian model, where nothing hides
what rollout and search keep. Each length is a process of its own, because a peak never falls. Exit code 1 where 10,000
frames need more than 1.05 times the memory of 200, or of the evaluations a frame. `--one ROLLOUT FRAMES` measures one.
"""

import argparse
import json
import subprocess
import sys
import time
from typing import Any

import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from benchmarks.speed import memory
from benchmarks.speed.tables import progress, table, verdict

LIMIT = 1.05
LENGTHS = (200, 1000, 5000, 10_000)
ROLLOUTS = ("chunk", "fifo")
METHOD, KNOBS = "scaling_noise", {"beams": 2, "candidates": 2, "look": 1}
FRAMES_A_CHUNK = 2  # of the model in `memory`


def one(rollout: str, frames: int) -> dict[str, Any]:
    """Seconds and evaluations a frame, and the peak memory of this process in KiB."""
    torch.set_num_threads(1)
    memory.peak(METHOD, KNOBS, memory.SHORT, rollout)  # imports and pools are not the video's
    seen = 0

    def count(module: Any, inputs: Any) -> None:
        nonlocal seen
        seen += len(inputs[0])

    hook, began = register_module_forward_pre_hook(count), time.perf_counter()
    found = memory.peak(METHOD, KNOBS, frames // FRAMES_A_CHUNK, rollout)
    hook.remove()
    return {"seconds": (time.perf_counter() - began) / frames, "nfe": seen / frames, "peak": found["peak"]}


def report() -> tuple[list[str], bool]:
    """Lines to print, and whether cost and memory stay flat."""
    rows, worst = [], {"peak": 0.0, "nfe": 0.0}
    for rollout in ROLLOUTS:
        first: dict[str, Any] = {}
        for frames in LENGTHS:
            command = [sys.executable, "-m", "benchmarks.speed.length", "--one", rollout, str(frames)]
            found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
            first = first or found
            progress(f"length, {rollout}, {frames:,} frames: {found['peak'] / first['peak']:.3f} times the memory")
            rows.append(
                [f"{rollout}, {frames:,}", f"{1e3 * found['seconds']:.2f}", f"{found['nfe']:.3f}",
                 f"{found['peak'] / 1024:.0f}", f"{found['peak'] / first['peak']:.3f}"]
            )  # fmt: skip
        worst = {what: max(value, found[what] / first[what]) for what, value in worst.items()}
    head = ("searched on the Gaussian model, frames", "ms a frame", "NFE a frame", "peak MiB", "times that at 200")
    kept = {what: value <= LIMIT for what, value in worst.items()}
    return [
        "Cost and memory by length:", "", *table(head, rows), "",
        f"at {LENGTHS[-1]:,} frames, by that at {LENGTHS[0]}: peak memory {worst['peak']:.3f} "
        f"({verdict(kept['peak'], f'at most {LIMIT:g}')}), NFE a frame {worst['nfe']:.3f} "
        f"({verdict(kept['nfe'], f'at most {LIMIT:g}')})", "",
    ], all(kept.values())  # fmt: skip


def main() -> int:
    """Prints the lines, or what one length takes as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.length", description=__doc__)
    parser.add_argument("--one", nargs=2, metavar=("ROLLOUT", "FRAMES"))
    options = parser.parse_args()
    if options.one:
        sys.stdout.write(json.dumps(one(options.one[0], int(options.one[1]))) + "\n")
        return 0
    lines, kept = report()
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
