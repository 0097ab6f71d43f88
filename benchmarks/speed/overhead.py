"""What a search spends outside of bare denoiser, decoder and reward, chunk by chunk and in FIFO mode.

`python -m benchmarks.speed.overhead` prints it; exit code 1 above 3 %. k = 5 candidates, m = 3 beams, one look. The
reward is a mean of pixels, the cheapest there is, so the share is an upper bound of what a real reward leaves. Only the
network's own time counts as the denoiser's: what the model's adapter does around it counts as outside. The model's own
start (a rendered scene, encoded) is in neither.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.speed.subject import PROMPT, MeanOfPixels, made_model
from benchmarks.speed.tables import progress, table, verdict
from benchmarks.speed.watching import Watch, total
from sn_eval import rollouts
from sn_eval.search.noise_search import NoiseSearch

LIMIT = 0.03
ROUNDS = 3
BEAMS, CANDIDATES = 3, 5
ROLLOUTS: dict[str, dict[str, Any]] = {"chunk": {"steps": 8, "chunks": 2}, "fifo": {"steps": 12, "chunks": 3}}


@dataclass(frozen=True)
class Split:
    """Seconds of one search, by what they went to. adapter: the model around its network; rest: search and rollout."""

    network: float
    decode: float
    reward: float
    adapter: float
    rest: float

    @property
    def whole(self) -> float:
        """All of them."""
        return self.network + self.decode + self.reward + self.adapter + self.rest

    @property
    def outside(self) -> float:
        """The share outside of network, decoder and reward."""
        return (self.adapter + self.rest) / self.whole


def measure(model: Any, name: str, beams: int = BEAMS) -> Split:
    """One searched video."""
    with Watch(model, MeanOfPixels()) as watch:
        rollout = rollouts.create(name, model=watch.model, **ROLLOUTS[name])
        method = NoiseSearch(CANDIDATES, ((1, beams),))
        began = watch.now()
        method(rollout, watch.reward, [PROMPT], emit=lambda frames: None, trace=lambda row: None)
        whole = watch.now() - began - watch.started
    denoise, decode, scoring = (total(kind).seconds for kind in watch.kinds)
    return Split(watch.network, decode, scoring, denoise - watch.network, whole - denoise - decode - scoring)


def report(path: str | None = None, device: str = "cpu") -> tuple[list[str], bool]:
    """Lines to print, and whether the limit is kept."""
    model, words = made_model(path, device)
    found: dict[str, list[Split]] = {name: [] for name in ROLLOUTS}
    for name in ROLLOUTS:
        measure(model, name, beams=1)  # warms up
    for number in range(ROUNDS):
        for name, rows in found.items():
            rows.append(measure(model, name))
            progress(f"overhead, round {number + 1} of {ROUNDS}, {name}: {rows[-1].outside:.2%}")
    shares = {name: median(row.outside for row in rows) for name, rows in found.items()}
    kept = max(shares.values()) <= LIMIT
    head = ("seconds of a search, k = 5, m = 3", "network", "decode", "reward", "adapter", "search", "outside")
    return [
        f"Outside of bare denoiser, decoder and reward, on {words}, medians of {ROUNDS}:", "",
        *table(head, [_row(name, rows, shares[name]) for name, rows in found.items()]), "",
        f"outside: {max(shares.values()):.2%} ({verdict(kept, f'at most {LIMIT:.0%}')})", "",
    ], kept  # fmt: skip


def _row(name: str, rows: Sequence[Split], share: float) -> list[str]:
    parts = [median(getattr(row, part) for row in rows) for part in ("network", "decode", "reward", "adapter", "rest")]
    setting = ", ".join(f"{knob} {value}" for knob, value in ROLLOUTS[name].items())
    return [f"{name} ({setting})", *(f"{seconds:.3f}" for seconds in parts), f"{share:.2%}"]


def main() -> int:
    """Prints the lines."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.overhead", description=__doc__)
    parser.add_argument("--path", help="folder of other tabletop weights (default: the embedded ones)")
    lines, kept = report(parser.parse_args().path)
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
