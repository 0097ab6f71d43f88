"""Which clips to label next: those that a head's members disagree on most, and some at random.

Disagreement alone keeps asking about one odd corner; the random fifth keeps the labels a fair sample of what there
is. Source: query by committee (Seung, Opper and Sompolinsky, COLT 1992); REWARDS.md.
"""

import numpy as np
from jaxtyping import Float

RANDOM_SHARE = 0.2


def propose(disagreement: Float[np.ndarray, "n"], count: int, seed: int = 0) -> list[tuple[int, str]]:
    """At most `count` places with the reason why, "disagreement" (largest first) or "random"; each place once.

    >>> propose(np.array([0.1, 0.9, 0.5]), 2)[0]
    (1, 'disagreement')
    """
    count = min(count, len(disagreement))
    at_random = round(RANDOM_SHARE * count)
    order = np.argsort(-disagreement, kind="stable")
    chosen, rest = order[: count - at_random], order[count - at_random :]
    drawn = np.random.default_rng(seed).choice(rest, at_random, replace=False)
    return [(int(i), "disagreement") for i in chosen] + [(int(i), "random") for i in drawn]


def pairs(groups: list[str], limit: int = 20_000, seed: int = 0) -> list[tuple[int, int]]:
    """Pairs of places with equal groups, each once; above `limit` a random sample of so many."""
    found = [(i, j) for i in range(len(groups)) for j in range(i + 1, len(groups)) if groups[i] == groups[j]]
    if len(found) <= limit:
        return found
    kept = np.random.default_rng(seed).choice(len(found), limit, replace=False)
    return [found[i] for i in sorted(kept)]
