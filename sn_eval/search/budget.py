"""Solving a search's knobs for a budget: as near under it as whole numbers allow.

The number of candidates is the same for every piece as far as the budget goes; what is left buys one more
for pieces spread evenly over the video, then more for the first piece (which has one parent, so its
candidates are cheap).
"""

from collections.abc import Callable

from rewards.base import UserError

Cost = Callable[[tuple[int, ...]], int]


def too_small(budget: int, minimum: int, what: str) -> UserError:
    """The error of a budget that does not make one video."""
    return UserError(
        f"a budget of {budget} denoiser evaluations is too small for {what}: the minimum is {minimum}; "
        "raise --budget, or make a shorter video with --chunks or --steps"
    )


def largest(fits: Callable[[int], bool], start: int) -> int:
    """The largest n ≥ start with fits(n), where fits is true up to some n and false above.

    >>> largest(lambda n: n * n <= 50, 1)
    7
    """
    high = start + 1
    while fits(high):
        high *= 2
    low = max(start, high // 2)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def spread(total: int) -> list[int]:
    """All of 0 … total−1 in an order whose every beginning lies evenly (bit-reversal).

    >>> spread(5)
    [0, 4, 2, 1, 3]
    """
    bits = max(1, (total - 1).bit_length())
    return sorted(range(total), key=lambda i: int(f"{i:0{bits}b}"[::-1], 2))


def fit_candidates(cost: Cost, pieces: int, beams: int, budget: int) -> tuple[int, ...] | None:
    """Candidates for each piece, at most `budget` by `cost`, which must not fall as candidates are added.

    None where one candidate for each piece is too much.
    """
    if budget < cost((1,) * pieces):
        return None
    base = largest(lambda k: cost((k,) * pieces) <= budget, 1)
    widest = beams * (base + 1)  # as many as a later piece tries in all its beams
    options = (_filled(cost, pieces, base, first, budget) for first in range(base, widest + 1))
    return max((counts for counts in options if cost(counts) <= budget), key=cost)


def _filled(cost: Cost, pieces: int, base: int, first: int, budget: int) -> tuple[int, ...]:
    """`first` candidates for the first piece, `base` for the others, one more where it still fits."""
    order = spread(pieces - 1)

    def raised(count: int) -> tuple[int, ...]:
        more = set(order[:count])
        return (first, *(base + (i in more) for i in range(pieces - 1)))

    return raised(largest(lambda n: n < pieces and cost(raised(n)) <= budget, 0))
