"""FIFO search against the public algorithm's own schedule of calls: counts by formula, and their worth in time.

`python -m benchmarks.speed.fifo_schedule` prints two tables: both schedules on the embedded model with a reward that
has an encoder, timed; and their counts at the sizes of the public code (f = 16, n = 4, T = 64, 96 frames), on the
Gaussian model. k = 5 candidates, m = 3 beams, one look. Counts that differ from the formulas are an error. The base
clip that a queue starts from is made before, and in no figure.

Exit code 1 where the measured ratio of seconds is below 95 % of either prediction: counts times unit costs, of calls of
the sizes that each schedule makes; and counts times what a unit costs alone, which asks that batches lose nothing. All
are taken in one run, in which the two schedules take turns step by step: other work on the machine slows both alike.
"""

import argparse
import copy
import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import Any

from benchmarks.speed.public_schedule import PublicSchedule
from benchmarks.speed.subject import PROMPT, MeanOfPixels, made_model, made_reward
from benchmarks.speed.tables import progress, table, verdict
from benchmarks.speed.watching import Watch, total
from sn_eval import models
from sn_eval.interfaces import State
from sn_eval.rollouts.fifo import FifoRollout
from sn_eval.search.noise_search import NoiseSearch

LIMIT = 0.95
BEAMS, CANDIDATES = 3, 5
CHUNKS, STEPS = 4, 12  # 24 frames; the drain is 38 % of the steps, in the public code's runs of 100 frames 43 %


@dataclass(frozen=True)
class Counts:
    """What a search spends: window evaluations, decoded frames, calls of the reward and the frames they were given."""

    evaluations: int
    decoded: int
    calls: int
    scored: int


@dataclass(frozen=True)
class Spent:
    """One schedule in one run: its counts, seconds in all, and the watch that saw them."""

    counts: Counts
    seconds: float
    watch: Watch

    @property
    def predicted(self) -> float:
        """Seconds by counts and unit costs, each kind of call by its own size."""
        return self.watch.inside

    @property
    def unscored(self) -> float:
        """Seconds without those in the reward."""
        return self.seconds - total(self.watch.scoring).seconds


@dataclass(frozen=True)
class Begun(FifoRollout):
    """The rollout, whose start was made before."""

    begun: State | None = None

    def start(self, prompts: Any, image: Any, seed: int, noise_seed: int | None = None) -> State:
        """What was begun."""
        assert self.begun is not None
        return self.begun

    def overhead(self) -> int:
        """None: it was spent before."""
        return 0


@dataclass(frozen=True)
class Round:
    """Both schedules on one video. `unshared`: our evaluations if beams shared no windows."""

    public: Spent
    ours: Spent
    unshared: int

    @property
    def measured(self) -> float:
        """Seconds of the public schedule, by ours."""
        return self.public.seconds / self.ours.seconds

    @property
    def predicted(self) -> float:
        """The same, by counts and unit costs."""
        return self.public.predicted / self.ours.predicted

    @property
    def by_counts(self) -> float:
        """The same if a unit cost what it costs in the public schedule's calls of one sample or frame."""
        unit = [each.seconds / each.units for each in map(total, self.public.watch.kinds)]

        def cost(counts: Counts) -> float:
            return unit[0] * counts.evaluations + unit[1] * counts.decoded + unit[2] * counts.scored

        return cost(self.public.counts) / cost(self.ours.counts)


# --- formulas ---------------------------------------------------------------------------------------------


def public_formula(rollout: FifoRollout, beams: int, candidates: int) -> Counts:
    """p·(k + windows − 1) evaluations, p·k·f decoded frames and p·k·f calls a step, p = 1 in the first step, then m;
    and a frame shown a beam and step.
    """
    size, windows = _sizes(rollout)
    alive = [min(beams, candidates**steps) for steps in range(rollout.pieces + 1)]  # before each step, and at the end
    parents, shown = sum(alive[:-1]), sum(alive[-rollout.frames :])
    looked = parents * candidates * size
    return Counts(parents * (candidates + windows - 1), looked + shown, looked, looked)


def our_formula(rollout: FifoRollout, candidates: int, rows: Sequence[Mapping[str, Any]]) -> tuple[Counts, int]:
    """What a search of one look spends whose trace has these rows; and the evaluations if beams shared nothing.

    p·k tail windows a searched step, decoded (f frames each) and scored in one call. Then (windows − 1)·u windows of u
    surviving parents; with sharing a window that is j windows before the last one is denoised once for all beams that
    had one ancestor j steps ago, since what parts them comes nearer by a window a step. In the drain the last window,
    too, and none that reach no shown frame. A shown frame is the first window's, decoded once where that is shared.
    """
    size, windows = _sizes(rollout)
    paths: dict[str, tuple[str, ...]] = {}  # by lineage: the lineages that led to it
    unshared = shared = looked = calls = shown = 0
    for depth, made in groupby((row for row in rows if row["kind"] == "final"), lambda row: row["step"]):
        kept = [(row["key"], row["parent"]) for row in made]
        before = max(1, len(paths))
        paths = {key: (*paths.get(parent, ()), key) for key, parent in kept}
        searched, live = rollout.matters(depth), min(windows, rollout.pieces - depth)
        lags = [windows - 1 - window for window in range(live)]
        if searched:
            looked, calls = looked + before * candidates, calls + 1
            lags.remove(0)  # the look was its step
        distinct = [len({path[: max(0, depth + 1 - lag)] for path in paths.values()}) for lag in lags]
        shared += sum(distinct)
        unshared += sum(len(paths) if lag == 0 else len({parent for _, parent in kept}) for lag in lags)
        shown += distinct[0] if depth >= rollout.pieces - rollout.frames else 0
    return Counts(looked + shared, looked * size + shown, calls, looked * size), looked + unshared


def _sizes(rollout: FifoRollout) -> tuple[int, int]:
    """(frames of a window, windows)."""
    size = rollout.window or rollout.model.frames_per_chunk
    return size, rollout.steps // (size // 2 if rollout.lookahead else size)


def _equal(what: str, found: Any, said: Any) -> None:
    if found != said:
        raise RuntimeError(f"{what}: {found} counted, {said} by the formula")


# --- runs -------------------------------------------------------------------------------------------------


def compare(
    rollout: FifoRollout, reward: Any, beams: int = BEAMS, candidates: int = CANDIDATES, seed: int = 0
) -> Round:
    """Both schedules on one video, a step of each in turn. RuntimeError where counts are not what the formulas say."""
    begun, seconds = rollout.start([PROMPT], None, seed), 0.0
    rows: list[dict[str, Any]] = []
    with Watch(copy.deepcopy(rollout.model), reward) as theirs, Watch(rollout.model, reward) as ours:
        public, searched = _begun(rollout, theirs, begun), _begun(rollout, ours, begun)
        schedule = PublicSchedule(public, theirs.reward, PROMPT, beams, candidates).run(seed)

        def their_turn(done: int, pieces: int) -> None:
            nonlocal seconds
            began = theirs.now()
            next(schedule)
            seconds += theirs.now() - began

        method, began = NoiseSearch(candidates, ((1, beams),)), ours.now()
        made = method(
            searched, ours.reward, [PROMPT], emit=lambda frames: None, seed=seed, trace=rows.append,
            on_progress=their_turn,
        )  # fmt: skip
        whole = ours.now() - began
    said, unshared = our_formula(rollout, candidates, rows)
    _equal("what our search says that it spent", made.evaluations, said.evaluations)
    return Round(
        _spent("the public schedule", theirs, seconds, public_formula(rollout, beams, candidates)),
        _spent("ours", ours, whole - seconds, said),
        unshared,
    )


def _begun(rollout: FifoRollout, watch: Watch, begun: State) -> Any:
    fields = {each.name: getattr(rollout, each.name) for each in dataclasses.fields(rollout)}
    return Begun(**(fields | {"model": watch.model}), begun=begun)


def _spent(whose: str, watch: Watch, seconds: float, said: Counts) -> Spent:
    decoded, scored = total(watch.decode), total(watch.scoring)
    found = Counts(watch.evaluated, decoded.units, scored.calls, scored.units)
    _equal(f"what {whose} spent", found, said)
    return Spent(found, seconds, watch)


# --- printing ---------------------------------------------------------------------------------------------


def timed(rounds: Sequence[Round], title: str) -> tuple[list[str], bool]:
    """A table of counts (of the last round), unit costs and seconds (medians), and whether the limit is kept."""
    last = rounds[-1]

    def middle(of: Callable[[Round], float]) -> float:
        return median(of(each) for each in rounds)

    reached, alone = middle(lambda r: r.measured / r.predicted), middle(lambda r: r.measured / r.by_counts)
    units = [
        [f"ms {what}: {size}", *(_unit(spent.watch, kind, by_size) for spent in (last.public, last.ours)), "", ""]
        for what, size, kind, by_size in (
            ("a window evaluation", "mean", "denoise", False), ("a window evaluation", "by batch", "denoise", True),
            ("a decoded frame", "mean", "decode", False), ("a frame in the reward", "mean", "scoring", False),
            ("a call of the reward", "by frames", "scoring", True),
        )
    ]  # fmt: skip
    seconds = [
        _seconds_row("seconds by counts and unit costs", [(r.public.predicted, r.ours.predicted) for r in rounds]),
        _seconds_row("seconds, measured", [(r.public.seconds, r.ours.seconds) for r in rounds]),
        _seconds_row("… without those in the reward", [(r.public.unscored, r.ours.unscored) for r in rounds]),
    ]
    limit = f"at least {LIMIT:.0%}"
    return [
        title, "", *table(HEAD, [*_count_rows(last), *units, *seconds]), "",
        f"ratio of seconds, measured / predicted: {reached:.1%} ({verdict(reached >= LIMIT, limit)}); "
        f"by counts alone, a unit at the cost of a call of one, {middle(lambda r: r.by_counts):.2f} is predicted, "
        f"measured / predicted {alone:.1%} ({verdict(alone >= LIMIT, limit)}). Medians of {len(rounds)}.", "",
    ], min(reached, alone) >= LIMIT  # fmt: skip


def counted(found: Round, title: str) -> list[str]:
    """A table of counts."""
    return [title, "", *table(HEAD, _count_rows(found)), ""]


HEAD = (f"k = {CANDIDATES}, m = {BEAMS}", "public schedule", "ours", "ratio", "by formula")


def _count_rows(found: Round) -> list[list[str]]:
    public, ours = found.public.counts, found.ours.counts
    rows = [
        ("window evaluations", public.evaluations, ours.evaluations),
        ("… if beams shared none", public.evaluations, found.unshared),
        ("decoded frames", public.decoded, ours.decoded),
        ("calls of the reward", public.calls, ours.calls),
        ("frames in the reward", public.scored, ours.scored),
    ]  # counts are equal to the formulas, or there was an error
    return [[what, f"{a:,}", f"{b:,}", f"{a / b:.2f}", f"{a / b:.2f}"] for what, a, b in rows]


def _seconds_row(what: str, pairs: Sequence[tuple[float, float]]) -> list[str]:
    public, ours = (median(side) for side in zip(*pairs, strict=True))
    return [what, f"{public:.1f}", f"{ours:.1f}", f"{median(a / b for a, b in pairs):.2f}", ""]


def _unit(watch: Watch, kind: str, by_size: bool) -> str:
    """Milliseconds a unit: the mean, or those of the smallest, the commonest and the largest calls."""
    calls = getattr(watch, kind)
    if not by_size:
        whole = total(calls)
        return f"{1e3 * whole.seconds / whole.units:.2f}"
    sizes = sorted({min(calls), max(calls, key=lambda size: calls[size].units), max(calls)})
    per_call = kind == "scoring"
    parts = [(size, calls[size].calls if per_call else calls[size].units, calls[size].seconds) for size in sizes]
    return ", ".join(f"{1e3 * seconds / units:.2f} ({size})" for size, units, seconds in parts)


def report(path: str | None = None, device: str = "cpu", rounds: int = 3) -> tuple[list[str], bool]:
    """Lines to print, and whether the limit is kept."""
    model, words = made_model(path, device)
    reward, named = made_reward()
    rollout = FifoRollout(model, STEPS, CHUNKS)
    found = []
    for number in range(rounds):
        found.append(compare(rollout, reward, seed=number))
        progress(f"fifo_schedule, round {number + 1} of {rounds}: {found[-1].measured:.2f} times")
    size, windows = _sizes(rollout)
    what = (
        f"f = {size}, T = {STEPS} ({windows} windows), {rollout.frames} frames in {rollout.pieces} steps, "
        f"{STEPS - 1} of them the drain; reward {named}"
    )
    lines, kept = timed(found, f"FIFO search on {words}; {what}:")
    return [*lines, *_at_public_sizes()], kept


def _at_public_sizes() -> list[str]:
    model = models.create("gaussian", size=2, frames_per_chunk=16)
    rollout = FifoRollout(model, steps=64, chunks=6)
    title = f"The same at the public code's sizes (f = 16, n = 4, T = 64, 8 windows, {rollout.frames} frames), counted:"
    return counted(compare(rollout, MeanOfPixels()), title)


def main() -> int:
    """Prints the lines."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.fifo_schedule", description=__doc__)
    parser.add_argument("--path", help="folder of other tabletop weights (default: the embedded ones)")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    lines, kept = report(options.path, rounds=options.rounds)
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
