"""Pack a run into the bundle that the dashboard shows without runs: `python -m benchmarks.demo_run runs/tabletop-full`.

Every record goes in; videos, traces and thumbnails of as many prompts as fit, taken in turn from where the judged arm
gains most and where it loses most against the baseline, so that neither side is the one to look at.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from sn_eval.decision.analysis import analyse
from sn_eval.decision.findings import Findings
from sn_eval.results.bundle import MEDIA, pack
from sn_eval.results.files import ResultsError
from sn_eval.results.paths import data_path
from sn_eval.results.run_folder import RunFolder

LARGEST = 8_000_000  # bytes of the bundle
RECORDS = 2_500  # bytes of a packed record with its name, at most
NOTE = "This bundle holds every record, and the videos of {prompts} prompts (first seed, every arm) to keep it small."


def main() -> int:
    """Write the bundle; 1 where it is too large."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.demo_run", description=__doc__)
    parser.add_argument("run", type=Path, help="a finished run")
    parser.add_argument("--out", type=Path, default=data_path("demo_run.zip"), help="the bundle [data/demo_run.zip]")
    told = parser.parse_args()
    try:
        run = RunFolder.open(told.run)
        prompts = list(_fitting(run, _in_turn(analyse(run))))
        full = [cell for prompt in prompts for cell in _cells(run, prompt)]
        path = pack(run, told.out, full, note=NOTE.format(prompts=len(prompts)))
    except ResultsError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    size = path.stat().st_size
    print(f"{path}: {size:,} bytes, {len(run.plan.cells)} records, {len(full)} videos of {len(prompts)} prompts")  # noqa: T201
    return int(size > LARGEST)


def _in_turn(found: Findings) -> list[str]:
    """Confirm prompts: the largest loss, the largest gain, the second largest loss, … of the primary outcome."""
    primary = next(each for each in found.comparisons if each.primary)
    judge = next(each for each in found.comparisons if each.arm == primary.arm and each.outcome != primary.outcome)
    differences, ties = primary.difference.per_prompt, judge.difference.per_prompt
    rising = sorted(differences, key=lambda prompt: (differences[prompt], ties.get(prompt, 0.0), prompt))
    turns = zip(rising, reversed(rising), strict=True)
    return list(dict.fromkeys(prompt for pair in turns for prompt in pair))


def _fitting(run: RunFolder, prompts: Sequence[str]) -> Iterator[str]:
    """As many of the first prompts as leave room for all records."""
    left = LARGEST - RECORDS * len(run.plan.cells)
    records = run.records()
    for prompt in prompts:
        left -= sum(size for cell in _cells(run, prompt) for name, size in records[cell].files.items() if name in MEDIA)
        if left < 0:
            return
        yield prompt


def _cells(run: RunFolder, prompt: str) -> list[str]:
    """Its cells of the first seed, of every arm."""
    first = run.experiment.seeds[0]
    return [cell.cell for cell in run.plan.cells if cell.prompt == prompt and cell.repeat == first]


if __name__ == "__main__":
    raise SystemExit(main())
