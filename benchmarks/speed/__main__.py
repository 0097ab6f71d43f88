"""Prints two ratios: time outside of model, decoder and reward (at most 3 %), and batched candidates
against a loop; then the same for rewards with an encoder, what `import rewards` takes (at most 1 s), what a suite of
metrics costs beyond its encoders and flow (at most 1.3 times), whether a long video costs memory (at most 1.05), and
what a store of 10,000 cells takes to list, tabulate and find finished (at most 2 s each); and what the harness takes
of a cell (at most 3 %), a finished run to see that it is (at most 2 s), and how much faster processes are; and what a
visitor of the dashboard waits for (at most 3 s, and 1 s from page to page), where there is a browser.

`python -m benchmarks.speed` uses the embedded model where its weights are found, else the Gaussian model
made as heavy as it (and says which). The reward is a mean of pixels: the cheapest there is, so the first
ratio is an upper bound of what a real reward leaves. Exit code 1 where a limit is not kept.
"""

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.speed import measuring, rewarding, running, showing, storing
from rewards.base import Scores, UserError
from sn_eval import models, rollouts, search
from sn_eval.search.candidates import propose

LIMIT = 0.03
PROMPT = "a red ball rolls to the right on a wood table"
TIMED = ("start", "condition", "denoise", "decode", "extend")


class Stopwatch:
    """Seconds by what they went to."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def timed(self, what: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, its time counted."""

        def call(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[what] += time.perf_counter() - began

        return call

    def model(self, model: Any) -> Any:
        """The same model with its methods timed."""
        for name in TIMED:
            setattr(model, name, self.timed(name, getattr(model, name)))
        return model


def mean_of_pixels(
    frames: Any, prompts: Any, *, fps: float, anchor: Any = None, metadata: Any = None
) -> Scores:
    """The cheapest reward there is."""
    return Scores(frames.mean((1, 2, 3, 4)))


def made_model(path: str | None) -> tuple[Any, str]:
    """The model to measure with, and what it is in words."""
    try:
        model = models.create("tabletop", path=path)
        return model, f"{model.name} on {model.device}, {torch.get_num_threads()} threads"
    except UserError as error:
        if path:
            raise
        model = models.create("gaussian", size=64, frames_per_chunk=6)
        weight = torch.randn(1024, 1024)

        def work(module: Any, inputs: Any, output: Any) -> None:
            for _ in inputs[0]:
                torch.mm(weight, weight)  # about as long as one evaluation of the embedded model

        model.denoiser.register_forward_hook(work)
        return model, f"gaussian, made heavier (the embedded model is not here: {error})"


def overhead(path: str | None, chunks: int, steps: int) -> tuple[float, str]:
    """(share of the time outside of model, decoder and reward; a table in words) of a searched video."""
    watch = Stopwatch()
    model, words = made_model(path)
    rollout = rollouts.create("chunk", model=watch.model(model), steps=steps, chunks=chunks)
    method = search.create("scaling_noise", beams=2, candidates=4, look=max(1, steps // 2))
    reward = watch.timed("reward", mean_of_pixels)
    rows: list[dict[str, Any]] = []
    began = time.perf_counter()
    method(rollout, reward, [PROMPT], emit=lambda frames: None, trace=rows.append)
    total = time.perf_counter() - began
    parts = ", ".join(f"{what} {seconds:.2f} s" for what, seconds in watch.seconds.most_common())
    return 1 - sum(watch.seconds.values()) / total, f"{words}; {chunks} chunks in {total:.2f} s: {parts}"


def batching(path: str | None, candidates: int, steps: int) -> float | None:
    """Time of a loop over candidates, by the time of one batch of them (the best of three each).

    None for the stand-in: its extra work is a loop by construction.
    """
    model, _ = made_model(path)
    if model.name == "gaussian":
        return None
    rollout = rollouts.create("chunk", model=model, steps=steps, chunks=1)
    branches = rollout.expand(propose(rollout.start([PROMPT], None, 0), candidates, rollout.noise_shape()))

    def best(run: Callable[[], Any]) -> float:
        times = []
        for _ in range(3):
            began = time.perf_counter()
            run()
            times.append(time.perf_counter() - began)
        return min(times)

    loop = best(lambda: [rollout.refine([branch], steps) for branch in branches])
    return loop / best(lambda: rollout.refine(branches, steps))


def memory() -> float:
    """Peak memory of 2,000 chunks by that of 20, on the Gaussian model."""
    knobs = json.dumps({"beams": 2, "candidates": 2, "look": 1})
    command = [sys.executable, "-m", "benchmarks.speed.memory", "scaling_noise", knobs, "2000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout)["ratio"])


def main() -> int:
    """Runs both and prints them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--path", help="folder of other tabletop weights (default: the embedded ones)")
    parser.add_argument("--chunks", type=int, default=6)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--candidates", type=int, default=8)
    options = parser.parse_args()
    share, words = overhead(options.path, options.chunks, options.steps)
    ratio = batching(options.path, options.candidates, options.steps)
    faster = f"{ratio:.2f} times as fast as one by one" if ratio else "only measured on a real network"
    grown = memory()
    lines, light = rewarding.report()
    measured, lean = measuring.report()
    stored, quick = storing.report()
    ran, fast = running.report()
    showed, prompt = showing.report()
    verdict = "within" if share <= LIMIT else "ABOVE"
    sys.stdout.write(
        f"{words}\n"
        f"outside of model, decoder and reward: {share:.2%} of the time ({verdict} {LIMIT:.0%})\n"
        f"peak memory at 2,000 chunks: {grown:.3f} times that at 20\n"
        f"{options.candidates} candidates in one batch: {faster}\n"
        + "".join(f"{line}\n" for line in [*lines, *measured, *stored, *ran, *showed])
    )
    return 0 if share <= LIMIT and light and lean and quick and fast and prompt else 1


if __name__ == "__main__":
    sys.exit(main())
