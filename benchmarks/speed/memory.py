"""Peak memory of a short and a long video on the Gaussian model, and what is alive at both ends of the long one.

`python -m benchmarks.speed.memory METHOD '{"knob": 1}' CHUNKS [chunk|fifo]` prints it as JSON; a process of its own,
because a peak never falls. A chunk has two frames: 5000 chunks are 10,000 frames, and the short video has 200.
"""

import gc
import json
import resource
import sys
from typing import Any

import torch

from rewards.base import Scores
from sn_eval import models, rollouts, search

SHORT = 100
STEPS = {"chunk": 2, "fifo": 4}


def near_start(frames: Any, prompts: Any, *, fps: float, anchor: Any = None, metadata: Any = None) -> Scores:
    """A reward that needs the beam's anchors."""
    return Scores(-(frames - anchor[:, :1]).abs().mean((1, 2, 3, 4)))


def peak(method: str, knobs: dict[str, Any], chunks: int, kind: str) -> dict[str, Any]:
    """Peak of the process in KiB, frames, and (number, bytes) of the tensors alive at the short video's length and
    after the last step, by chunks made.
    """
    alive = {}

    def look(done: int, total: int) -> None:
        if done in (total * SHORT // chunks, total):
            gc.collect()
            tensors = [each for each in gc.get_objects() if type(each) is torch.Tensor]
            size = sum(each.untyped_storage().nbytes() for each in tensors)
            alive[chunks if done == total else SHORT] = (len(tensors), size)

    model = models.create("gaussian", size=24, frames_per_chunk=2)
    rollout = rollouts.create(kind, model=model, steps=STEPS[kind], chunks=chunks, eta=0.5)
    run = search.create(method, **knobs)
    run(rollout, near_start, ["p"], emit=lambda frames: None, trace=lambda row: None, on_progress=look)
    return {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, "frames": rollout.frames, "alive": alive}


def main() -> None:
    """Measures and prints."""
    method, knobs, chunks = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
    kind = sys.argv[4] if len(sys.argv) > 4 else "chunk"
    torch.set_num_threads(1)
    peak(method, knobs, SHORT, kind)  # imports and pools are not the video's
    short, long = (peak(method, knobs, length, kind) for length in (SHORT, chunks))
    growth = {"short": short["peak"], "long": long["peak"], "ratio": long["peak"] / short["peak"]}
    frames = {"short": short["frames"], "long": long["frames"]}
    sys.stdout.write(json.dumps({**growth, "frames": frames, "alive": long["alive"]}) + "\n")


if __name__ == "__main__":
    main()
