"""Pack a run into the bundle that the dashboard shows without runs: `python -m benchmarks.demo_run runs/tabletop-full`.

Every record goes in; videos, traces and thumbnails of as many prompts as fit, taken in turn from where the judged arm,
and then each other method at its largest budget, loses most and gains most against the baseline, so that neither side
is the one to look at. Of each prompt one seed goes in, of every arm: that which shows the difference most.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

from sn_eval.decision.analysis import analyse
from sn_eval.decision.findings import Attempt, Findings
from sn_eval.results.bundle import MEDIA, pack
from sn_eval.results.files import ResultsError
from sn_eval.results.paths import data_path
from sn_eval.results.plan import method_of
from sn_eval.results.run_folder import RunFolder

LARGEST = 8_000_000  # bytes of the bundle
RECORDS = 2_000  # bytes of a packed record with its name, at most
NOTE = "This bundle holds every record, and the videos of {prompts} prompts (one seed, every arm) to keep it small."

Shown = tuple[str, int]
"""(prompt, repeat)"""


def main() -> int:
    """Write the bundle; 1 where it is too large."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.demo_run", description=__doc__)
    parser.add_argument("run", type=Path, help="a finished run")
    parser.add_argument("--out", type=Path, default=data_path("demo_run.zip"), help="the bundle [data/demo_run.zip]")
    told = parser.parse_args()
    try:
        run = RunFolder.open(told.run)
        shown = list(_fitting(run, _in_turn(analyse(run))))
        full = [cell for each in shown for cell in _cells(run, each)]
        path = pack(run, told.out, full, note=NOTE.format(prompts=len(shown)))
    except ResultsError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    size = path.stat().st_size
    print(f"{path}: {size:,} bytes, {len(run.plan.cells)} records, {len(full)} videos of {len(shown)} prompts")  # noqa: T201
    return int(size > LARGEST)


def _in_turn(found: Findings) -> list[Shown]:
    """What the arms show in turn, each prompt once."""
    turns = zip(*(_extremes(found, arm) for arm in _arms(found)), strict=False)
    shown: dict[str, int] = {}
    for prompt, repeat in (each for turn in turns for each in turn):
        shown.setdefault(prompt, repeat)
    return list(shown.items())


def _arms(found: Findings) -> list[str]:
    """The judged arm, and of every other method the one with the largest budget."""
    largest = {arm.method: arm.name for arm in sorted(found.arms, key=lambda a: a.budget_nfe or 0) if not arm.baseline}
    judged = found.verdict.arm
    return list(dict.fromkeys((judged, *(name for name in largest.values() if method_of(name) != method_of(judged)))))


def _extremes(found: Findings, arm: str) -> Iterator[Shown]:
    """The largest loss of an arm, its largest gain, the second largest loss, …: by acceptance, then by the reward."""
    differences: dict[str, dict[int, tuple[float, float]]] = {}
    of = {(each.arm, each.prompt, each.repeat): each for each in found.attempts if each.split == "confirm"}
    for (name, prompt, repeat), theirs in of.items():
        base = of.get((found.baseline, prompt, repeat))
        if name == arm and base is not None:
            differences.setdefault(prompt, {})[repeat] = _difference(found, base, theirs)
    means = {prompt: tuple(map(fmean, zip(*each.values(), strict=True))) for prompt, each in differences.items()}
    rising = sorted(means, key=lambda prompt: (means[prompt], prompt))
    for low, high in zip(rising, reversed(rising), strict=True):
        yield low, min(differences[low], key=lambda repeat: differences[low][repeat])
        yield high, max(differences[high], key=lambda repeat: differences[high][repeat])


def _difference(found: Findings, base: Attempt, theirs: Attempt) -> tuple[float, float]:
    """(of acceptance, of the searched reward on the whole video)."""
    return tuple(  # type: ignore[return-value]  # two
        (b or 0.0) - (a or 0.0) for a, b in ((base.accepted, theirs.accepted), (base.rewarded, theirs.rewarded))
    )


def _fitting(run: RunFolder, wanted: Sequence[Shown]) -> Iterator[Shown]:
    """As many of the first as leave room for all records."""
    left = LARGEST - RECORDS * len(run.plan.cells)
    records = run.records()
    for each in wanted:
        left -= sum(size for cell in _cells(run, each) for name, size in records[cell].files.items() if name in MEDIA)
        if left < 0:
            return
        yield each


def _cells(run: RunFolder, shown: Shown) -> list[str]:
    """Its cells, of every arm."""
    return [cell.cell for cell in run.plan.cells if (cell.prompt, cell.repeat) == shown]


if __name__ == "__main__":
    raise SystemExit(main())
