"""What the harness takes of a cell, what a run of 10,000 finished cells takes to see that, and what processes gain.

`python -m benchmarks.speed.running` prints all three; `python -m benchmarks.speed` does too, with the rest. Exit code 1
where a limit is not kept: 3 % of a cell outside of model, decoder, rewards, evaluators and video encoder; two seconds;
1.5 times as many cells an hour on two cores (on other numbers of cores it is only printed), where a cell has one thread
in both; torch's own threads speed up a single cell, too, so what is left to gain against that is printed beside.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.speed import storing
from sn_eval.poc import executors
from sn_eval.poc.executors import Crew
from sn_eval.poc.executors.process import cores
from sn_eval.poc.run import Watched, run
from sn_eval.poc.sources import sources_key
from sn_eval.poc.worker import Worker
from sn_eval.results.experiment import Experiment
from sn_eval.results.plan import Plan
from sn_eval.results.run_folder import SPEC

OVERHEAD, SECONDS, GAIN = 0.03, 2.0, 1.5
REPEATS = 3
PROMPTS = ("a red ball rolls to the right, on a wooden table", "a blue cube turns, on a white table")
NOT_OURS = ("generate", "preview", "decode", "reward", "encode", "write")  # phases of a record; the rest is the harness


def experiment(seeds: int) -> Experiment:
    """Cells as in the suites: 6 chunks of 8 steps, plain and searched at three videos' cost."""
    return Experiment.model_validate(
        {"name": "speed", "reward": "tabletop_quality", "methods": ["plain", "best_of_n", "scaling_noise"],
         "evaluators": [{"use": "anchor_consistency", "params": {"encoder": "imagenet-lite0@96"}}, "motion_floor"],
         "budget": {"unit": "videos", "amounts": [3]}, "prompts": PROMPTS, "seeds": range(seeds)}
    )  # fmt: skip


# --- overhead ---------------------------------------------------------------------------------------------


def overhead() -> dict[str, tuple[float, float]]:
    """By arm: (seconds of a cell, share of them that is neither model, decoder, rewards, evaluators nor encoder)."""
    with tempfile.TemporaryDirectory() as folder:
        worker, judging = Worker(Crew(experiment(1), Path(folder), Path.cwd())), Clock()
        plan, cells, _ = worker.plan(None)
        for each in (*worker.cast.evaluators, worker.cast.reward):
            type(each).__call__ = judging.timed(type(each).__call__)
        found: dict[str, list[tuple[float, float]]] = {}
        for planned, cell in zip(plan.cells, cells, strict=True):
            judging.seconds, began = 0.0, time.perf_counter()
            worker.perform(cell, 1)
            took = time.perf_counter() - began
            phases = worker.store.record(cell.id).cost.seconds.by_phase
            searched = phases.get("reward", 0.0)  # of these, the searched reward's are in its phase already
            theirs = sum(phases.get(phase, 0.0) for phase in NOT_OURS) + max(0.0, judging.seconds - searched)
            found.setdefault(planned.arm, []).append((took, 1 - theirs / took))
    return {arm: min(rows, key=lambda row: row[1]) for arm, rows in found.items()}


class Clock:
    """Seconds in the outermost of calls that may be nested (a composite calls its parts)."""

    def __init__(self) -> None:
        self.seconds, self._depth = 0.0, 0

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, its seconds counted."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            self._depth += 1
            began = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                self._depth -= 1
                self.seconds += 0.0 if self._depth else time.perf_counter() - began

        return timed


# --- a finished run ---------------------------------------------------------------------------------------


def nothing_to_do() -> float:
    """Seconds of `sn-eval poc run` on 10,000 finished cells, from the start of the process to its end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        storing.make_run(folder)
        declared = storing.experiment()
        Plan.load(folder).model_copy(update={"sources": sources_key(declared)}).save(folder)
        command = [sys.executable, "-m", "sn_eval", "poc", "run", str(folder / SPEC), "--out", str(folder), "--quiet"]
        taken = []
        for _ in range(REPEATS + 1):  # the first writes the snapshot, as the end of a run does
            began = time.perf_counter()
            told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            taken.append(time.perf_counter() - began)
            if "0 of them made now" not in told:
                raise RuntimeError(told)
    return min(taken[1:])


# --- processes --------------------------------------------------------------------------------------------


def throughput(seeds: int) -> tuple[float, float, float, int]:
    """(cells a minute one by one on one thread, on all threads, in a process a core, cells), from plan to end."""
    rates = []
    for name, options in (
        ("serial", {"threads": 1}), ("serial", {"threads": cores()}), ("process", {"workers": cores()})
    ):  # fmt: skip
        began: list[float] = []

        def first(done: int, total: int, what: str, began: list[float] = began) -> None:
            began or began.append(time.perf_counter())

        with tempfile.TemporaryDirectory() as folder:
            executor = executors.create(name, **options)
            outcome = run(experiment(seeds), Path(folder), executor=executor, watched=Watched(cells=first))
        rates.append(60 * outcome.done / (time.perf_counter() - began[0]))
    return rates[0], rates[1], rates[2], outcome.done


# --- printing ---------------------------------------------------------------------------------------------


def report(seeds: int = 2) -> tuple[list[str], bool]:
    """Lines to print, and whether the limits are kept."""
    shares, waited = overhead(), nothing_to_do()
    one, threaded, many, cells = throughput(seeds)
    kept = all(share <= OVERHEAD for _, share in shares.values()) and waited <= SECONDS
    fast = many >= GAIN * one or cores() != 2
    lines = [
        f"harness of a cell, {arm}: {share:.2%} of {took:.2f} s ({_within(share <= OVERHEAD)} {OVERHEAD:.0%})"
        for arm, (took, share) in shares.items()
    ]
    return [
        *lines,
        f"poc run on 10,000 finished cells: {waited:.2f} s ({_within(waited <= SECONDS)} {SECONDS:g} s)",
        f"{cells} cells on {cores()} cores: {one:.1f} a minute serial on one thread, {threaded:.1f} on all; {many:.1f} "
        f"by processes of one thread, {many / one:.2f} times the first ({'within' if fast else 'BELOW'} {GAIN:g}) and "
        f"{many / threaded:.2f} times the second",
    ], kept and fast


def _within(kept: bool) -> str:
    return "within" if kept else "ABOVE"


def main() -> int:
    """Prints the lines."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.running", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2, help="6 cells each, for the throughput")
    options = parser.parse_args()
    torch.set_num_threads(cores())
    lines, kept = report(options.seeds)
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
