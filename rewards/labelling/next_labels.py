"""Which clips to label next: those that a head's members disagree on most, and some at random.

Disagreement alone keeps asking about one odd corner; the random fifth keeps the labels a fair sample of what there
is. Source: query by committee (Seung, Opper and Sompolinsky, COLT 1992); REWARDS.md.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

RANDOM_SHARE = 0.2
MOST = 2  # questions about one clip, as long as there are others


def propose(
    disagreement: Float[np.ndarray, "n"], questions: Sequence[tuple[int, ...]], count: int, seed: int = 0
) -> list[tuple[int, str]]:
    """At most `count` places of questions with the reason why, "disagreement" (largest first) or "random".

    questions: the clips that each is about, one or a pair. None is proposed twice, and no clip is in more than two
    while there are others.

    >>> propose(np.array([0.1, 0.9, 0.5]), [(0,), (1,), (2,)], 2)
    [(1, 'disagreement'), (2, 'disagreement')]
    """
    count = min(count, len(questions))
    at_random = round(RANDOM_SHARE * count)
    order = _spread_out(np.argsort(-disagreement, kind="stable").tolist(), questions)
    chosen, rest = order[: count - at_random], order[count - at_random :]
    drawn = np.random.default_rng(seed).permutation(rest)[:at_random].tolist()
    return [(place, "disagreement") for place in chosen] + [(place, "random") for place in drawn]


def _spread_out(order: Sequence[int], questions: Sequence[tuple[int, ...]]) -> list[int]:
    """The same places, those whose clips have been asked about `MOST` times put behind the others."""
    asked: Counter[int] = Counter()
    first, later = [], []
    for place in order:
        if max(asked[clip] for clip in questions[place]) < MOST:
            asked.update(questions[place])
            first.append(place)
        else:
            later.append(place)
    return first + later


def pairs(groups: Sequence[str], limit: int = 20_000, seed: int = 0) -> list[tuple[int, int]]:
    """Pairs of places with equal groups, each once; above `limit` a random sample of so many.

    >>> pairs(["x", "y", "x"])
    [(0, 2)]
    """
    found = [(i, j) for i in range(len(groups)) for j in range(i + 1, len(groups)) if groups[i] == groups[j]]
    if len(found) <= limit:
        return found
    kept = np.random.default_rng(seed).choice(len(found), limit, replace=False)
    return [found[i] for i in sorted(kept)]
