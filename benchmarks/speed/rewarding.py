"""Speed of rewards: batched against looped, the share of time outside of the encoder, and what an import takes.

`python -m benchmarks.speed.rewarding` prints it; `python -m benchmarks.speed` does too, with the rest. Exit code 1
where importing `rewards` takes longer than a second beyond torch's own import.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any, Self

import torch

import rewards
from rewards.base import UserError
from rewards.encoders import Encoder, create_encoder

IMPORT_LIMIT = 1.0  # seconds
CLIPS, FRAMES, SIZE = 32, 16, 64
REWARDS: dict[str, dict[str, Any]] = {
    "anchor_consistency": {"encoder": "imagenet-lite0@64"},
    "event_presence": {},
}
IMPORT = "import time, torch; began = time.perf_counter(); import rewards; print(time.perf_counter() - began)"


@dataclass(frozen=True)
class Speed:
    """One reward on one batch: seconds batched and looped, calls of its encoder, passes of the network that these were
    split into, and the share of time outside of the network.
    """

    name: str
    batched: float
    looped: float
    calls: int
    passes: int
    outside: float

    def __str__(self) -> str:
        return (
            f"{self.name}: {CLIPS} clips x {FRAMES} frames in one batch {self.batched:.2f} s, "
            f"{self.looped / self.batched:.2f} times as fast as one by one; encoder calls a batch: {self.calls}, "
            f"network passes: {self.passes}, "
            f"time outside of the encoder: {self.outside:.1%}"
        )


class Watch:
    """Counts the calls of encoders, and counts and times the passes of one encoder's network, in a `with` block."""

    def __init__(self, network: torch.nn.Module) -> None:
        self.calls, self.passes, self.seconds = 0, 0, 0.0
        self._network, self._whole, self._began = network, Encoder._run, 0.0

    def __enter__(self) -> Self:
        def run(encoder: Encoder, *args: Any) -> torch.Tensor:
            self.calls += 1
            return self._whole(encoder, *args)

        Encoder._run = run
        self._hooks = [
            self._network.register_forward_pre_hook(self._start),
            self._network.register_forward_hook(self._stop),
        ]
        return self

    def _start(self, *_: Any) -> None:
        self.passes, self._began = self.passes + 1, time.perf_counter()

    def _stop(self, *_: Any) -> None:
        self.seconds += time.perf_counter() - self._began

    def __exit__(self, *_: object) -> None:
        Encoder._run = self._whole
        for hook in self._hooks:
            hook.remove()


def measure(name: str, params: dict[str, Any], clips: int = CLIPS, frames: int = FRAMES, repeats: int = 3) -> Speed:
    """One reward with an encoder, on random pixels; the best of `repeats` each, after one to warm up."""
    made = rewards.create(name, **params)
    video = torch.rand(clips, frames, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    prompts = ["a red ball rolls to the left"] * clips
    anchor = video[:, :1]

    def batched() -> None:
        made(video, prompts, fps=8.0, anchor=anchor)

    def looped() -> None:
        for i in range(clips):
            made(video[i : i + 1], prompts[:1], fps=8.0, anchor=anchor[i : i + 1])

    batched()
    with Watch(create_encoder(made.spec.encoder).network) as watch:
        began = time.perf_counter()
        batched()
        outside = 1 - watch.seconds / (time.perf_counter() - began)
    return Speed(name, _best(batched, repeats), _best(looped, repeats), watch.calls, watch.passes, outside)


def _best(run: Callable[[], None], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times)


def import_seconds(repeats: int = 3) -> float:
    """What `import rewards` takes beyond torch's own import, in a fresh interpreter; the median."""
    command = [sys.executable, "-c", IMPORT]
    return median(
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(repeats)
    )


def report() -> tuple[list[str], bool]:
    """Lines to print, and whether the limit is kept."""
    seconds = import_seconds()
    kept = seconds <= IMPORT_LIMIT
    verdict = "within" if kept else "ABOVE"
    return [
        *(_line(name, params) for name, params in REWARDS.items()),
        f"import rewards beyond torch: {seconds:.3f} s ({verdict} {IMPORT_LIMIT:g} s)",
    ], kept


def _line(name: str, params: dict[str, Any]) -> str:
    try:
        return str(measure(name, params))
    except UserError as error:
        return f"{name}: not measured: {error}"


def main() -> int:
    """Prints the lines."""
    lines, kept = report()
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
