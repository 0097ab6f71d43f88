"""Which pairs a rater judges blind, in which order, and which side is A: always the same for a rater, and balanced."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

from sn_eval.results.plan import Planned

BLOCK = 4  # of so many pairs in a row, half have either maker on the left
PATTERNS = tuple(frozenset(places) for places in combinations(range(BLOCK), BLOCK // 2))

Maker: TypeAlias = tuple[str, int | None]
"""An arm; with a repeat where both are of one arm."""


@dataclass(frozen=True)
class Turn:
    """A pair of cells of one prompt: a is shown as A, on the left."""

    a: Planned
    b: Planned

    @property
    def prompt(self) -> str:
        """What both were asked for."""
        return self.a.prompt


def makers(left: Planned, right: Planned) -> tuple[Maker, Maker]:
    """What two cells are examples of, whichever stands on the left.

    Two arms are held against each other repeat by repeat; of one arm, two repeats.
    """
    both = [(cell.arm, cell.repeat if left.arm == right.arm else None) for cell in (left, right)]
    first, second = sorted(both, key=lambda maker: (maker[0], maker[1] or 0))
    return first, second


def pairs_of(cells: Sequence[Planned], both: tuple[Maker, Maker]) -> list[tuple[Planned, Planned]]:
    """Every pair of the two makers on confirm prompts, in the order of the plan."""
    sides: list[dict[tuple[str, int], Planned]] = [{}, {}]
    for cell in cells:
        for side, (arm, repeat) in zip(sides, both, strict=True):
            if cell.split == "confirm" and cell.arm == arm and repeat in (None, cell.repeat):
                side[cell.prompt, cell.repeat if repeat is None else 0] = cell
    return [(cell, sides[1][place]) for place, cell in sides[0].items() if place in sides[1]]


def turns(cells: Sequence[Planned], both: tuple[Maker, Maker], rater: str) -> list[Turn]:
    """The pairs of a plan in a rater's own order; among every BLOCK in a row, each maker is as often on the left.

    It hangs on the plan and the rater alone, so that a session goes on where it was, while the run still grows.
    """
    pairs = sorted(pairs_of(cells, both), key=lambda pair: _lot(rater, pair))
    found = []
    for start in range(0, len(pairs), BLOCK):
        block = pairs[start : start + BLOCK]
        turned = PATTERNS[_lot(f"sides {rater}", block[0]) % len(PATTERNS)]
        found += [Turn(*(pair[::-1] if place in turned else pair)) for place, pair in enumerate(block)]
    return found


def _lot(salt: str, pair: tuple[Planned, Planned]) -> int:
    text = "\0".join((salt, pair[0].cell, pair[1].cell))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
