"""Prints how often 95 % intervals hold the truth (93 to 97 %), how often a Go is wrong where the true uplift only
equals the break-even (at most 5 %), and how often one is found at twice that.

`python -m benchmarks.decision` takes seven minutes on two cores, `--quick` a quarter of one, with errors
of simulation so large that it judges nothing. Exit code 1 where a limit is not kept.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.decision.figures import WORLDS, Covered, Decided, broken, coverage, decisions
from benchmarks.decision.machine import all_cores


@dataclass(frozen=True)
class Size:
    """Simulated experiments for a figure: of coverage, of a wrong Go, of power."""

    coverage: int
    wrong: int
    power: int


FULL, QUICK = Size(3000, 1500, 500), Size(50, 20, 10)


def markdown(coverages: list[Covered], decided: list[Decided]) -> str:
    """Both tables; a figure stands with the standard error of its simulation."""
    lines = [
        "| experiment | prompts (confirm + dev) | true uplift | Go | of it at half | Stop | planned power |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for d in decided:
        truth = "break-even" if d.times == 1 else f"{d.times} × break-even"
        lines.append(
            f"| {d.world.name} | {d.world.confirm} + {d.world.dev} | {d.uplift:.1%} ({truth}) | "
            f"{d.go:.1%} ± {d.error:.1%} | {d.early:.1%} | {d.stop:.1%} | {d.planned:.0%} |"
        )
    lines += ["", "| differences of | prompts | interval | a 95 % interval covers |", "|---|---:|---|---:|"]
    lines += [f"| {c.kind} | {c.prompts} | {c.interval} | {c.share:.1%} ± {c.error:.1%} |" for c in coverages]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Simulate, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decision", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few experiments, no judgement; less than a minute")
    parser.add_argument("--out", type=Path, help="write the figures as JSON, too")
    options = parser.parse_args(arguments)
    size = QUICK if options.quick else FULL
    with all_cores() as machine:
        decided = decisions(machine, WORLDS, 1, size.wrong) + decisions(machine, WORLDS, 2, size.power)
        coverages = coverage(machine, size.coverage)
    sys.stdout.write(markdown(coverages, decided) + "\n")
    if options.out:
        figures = {"verdicts": [asdict(each) for each in decided], "coverage": [asdict(each) for each in coverages]}
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    wrong = [] if options.quick else broken(coverages, decided)
    for line in wrong:
        sys.stderr.write(f"not kept: {line}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
