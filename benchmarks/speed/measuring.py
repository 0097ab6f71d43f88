"""What a suite costs beyond its encoders and its optical flow, and whether length costs memory.

`python -m benchmarks.speed.measuring` prints both; `python -m benchmarks.speed` does too, with the rest. Exit code 1
where a limit is not kept. With `--peak N` it prints the peak memory of this process after a video of N frames.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rewards.encoders import Encoder
from rewards.flow import flow
from sn_eval.evaluation.evaluate import evaluate_one, measure_frames
from sn_eval.evaluation.sources import Source
from sn_eval.evaluation.suite import load_suite
from sn_eval.video import VideoWriter

COST_LIMIT, MEMORY_LIMIT = 1.3, 1.05
FRAMES, SIDE = 64, 256
SHORT, LONG, SMALL = 200, 10_000, 64


def moving(frames: int, side: int) -> Float[Tensor, "t 3 h w"]:
    """A smooth random texture that slides by a pixel a frame."""
    coarse = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    wide = F.interpolate(coarse, (side, side + 64), mode="bicubic", align_corners=False).clamp(0, 1)[0]
    return torch.stack([wide[..., t % 64 : t % 64 + side] for t in range(frames)])


def cost(name: str = "bundled", repeats: int = 3) -> float:
    """CPU time of a suite on one video, by that of its encoder and flow calls in the same run; the least of `repeats`.

    Within one run, since other work on the machine slows both alike; tests see to it that no call is made twice.
    """
    video, suite = moving(FRAMES, SIDE), load_suite(name)
    measure_frames(video, suite)  # warms up
    found = []
    for _ in range(repeats):
        with Calls() as calls:
            began = time.process_time()
            measure_frames(video, suite)
            found.append((time.process_time() - began) / calls.seconds)
    return min(found)


class Calls:
    """CPU seconds in the calls of encoders and of optical flow, in a `with` block."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._encode, self._flow = Encoder._run, flow
        self._places = [module for module in sys.modules.values() if vars(module).get("flow") is flow]

    def _timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.process_time()
            try:
                return call(*args, **kwargs)
            finally:
                self.seconds += time.process_time() - began

        return timed

    def __enter__(self) -> Self:
        Encoder._run = self._timed(self._encode)
        for module in self._places:
            module.flow = self._timed(self._flow)
        return self

    def __exit__(self, *_: object) -> None:
        Encoder._run = self._encode
        for module in self._places:
            module.flow = self._flow


# --- memory -----------------------------------------------------------------------------------------------


def peak(frames: int, suite: str = "bundled") -> int:
    """Peak memory of this process in KiB after a video of so many frames was written and evaluated."""
    pattern = moving(64, SMALL)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.mp4"
        with VideoWriter(path, fps=8) as video:
            for begin in range(0, frames, 64):
                video.write(pattern[: min(64, frames - begin)])
        evaluate_one(Source(path, "long"), load_suite(suite))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def growth(long: int = LONG, suite: str = "bundled") -> float:
    """Peak memory of a long video by that of a short one, each in a process of its own: a peak never falls."""
    found = []
    for frames in (SHORT, long):
        command = [sys.executable, "-m", "benchmarks.speed.measuring", "--peak", str(frames), "--suite", suite]
        found.append(int(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    return found[1] / found[0]


# --- printing ---------------------------------------------------------------------------------------------


def report() -> tuple[list[str], bool]:
    """Lines to print, and whether the limits are kept."""
    ratio, grown = cost(), growth()
    lines = [
        f"suite bundled on {FRAMES} frames of {SIDE}x{SIDE}: {ratio:.2f} times the time of its encoder and flow calls "
        f"({'within' if ratio <= COST_LIMIT else 'ABOVE'} {COST_LIMIT:g})",
        f"peak memory of evaluating {LONG:,} frames: {grown:.3f} times that of {SHORT} "
        f"({'within' if grown <= MEMORY_LIMIT else 'ABOVE'} {MEMORY_LIMIT:g})",
    ]
    return lines, ratio <= COST_LIMIT and grown <= MEMORY_LIMIT


def main() -> int:
    """Prints the lines, or the peak."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.measuring", description=__doc__)
    parser.add_argument("--peak", type=int, help="frames of the video whose peak memory is printed (KiB)")
    parser.add_argument("--suite", default="bundled")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.peak:
        sys.stdout.write(f"{peak(options.peak, options.suite)}\n")
        return 0
    lines, kept = report()
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
