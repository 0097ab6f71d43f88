"""What a sample of the denoiser costs in batches of 1 to 16, and which batch is best.

`python -m benchmarks.speed.batching` prints it, for the two calls that rollouts make: a chunk behind its clean context,
and a window of a FIFO queue. The batches of a round follow each other, so that other work on the machine slows all
alike; medians of several rounds.
"""

import argparse
import sys
import time
from statistics import median
from typing import Any

import torch

from benchmarks.speed.subject import PROMPT, made_model
from benchmarks.speed.tables import progress, table
from sn_eval.interfaces import History
from sn_eval.sampling import normal

BATCHES = (1, 2, 4, 8, 16)
ROUNDS = 5


def seconds_a_sample(model: Any, history: History, batch: int) -> float:
    """One call of the denoiser on so many samples of a chunk's length, by their number."""
    shape = model.latent_shape(model.frames_per_chunk)
    x = normal((batch, *shape), "batching").to(model.device)
    times = torch.full((batch, shape[0]), 0.5, device=model.device)
    cond = model.condition([PROMPT] * batch, [history] * batch)
    began = _now(model)
    model.denoise(x, times, cond)
    return (_now(model) - began) / batch


def _now(model: Any) -> float:
    if model.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def report(path: str | None = None, device: str = "cpu") -> tuple[list[str], bool]:
    """Lines to print; there is no limit."""
    model, words = made_model(path, device)
    calls = {"chunk": model.start(PROMPT, None, 0), "window of a queue": History()}
    found: dict[tuple[str, int], list[float]] = {}
    for number in range(ROUNDS + 1):
        for name, history in calls.items():
            for batch in BATCHES:
                seconds = seconds_a_sample(model, history, batch)
                if number:  # the first round warms up
                    found.setdefault((name, batch), []).append(seconds)
        progress(f"batching, round {number} of {ROUNDS}")
    middle = {key: median(rows) for key, rows in found.items()}
    best = {name: min(BATCHES, key=lambda batch: middle[name, batch]) for name in calls}
    rows = [
        [name, *(f"{1e3 * middle[name, batch]:.1f}" for batch in BATCHES), f"{best[name]}",
         f"{middle[name, 1] / middle[name, best[name]]:.2f}"]
        for name in calls
    ]  # fmt: skip
    head = ("ms a sample in a batch of", *map(str, BATCHES), "best batch", "times as fast as 1")
    return [f"Batching, {words}, medians of {ROUNDS}:", "", *table(head, rows), ""], True


def main() -> int:
    """Prints the lines."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.batching", description=__doc__)
    parser.add_argument("--path", help="folder of other tabletop weights (default: the embedded ones)")
    lines, _ = report(parser.parse_args().path)
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
