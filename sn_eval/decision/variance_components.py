"""How much of a measurement's variation lies between prompts, and how much between attempts at one prompt.

One-way random effects (Shrout & Fleiss, "Intraclass correlations", Psychological Bulletin 1979, ICC(1,1)), with the
mean group size for unequal groups (Searle, Casella & McCulloch, "Variance Components", 1992, section 3.6).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class VarianceComponents:
    """between: variance of the prompts' true means, 0 where attempts explain all. within: of attempts at one prompt.

    icc: between ÷ (between + within), the correlation of two attempts at one prompt; None where nothing varies.
    """

    between: float
    within: float
    icc: float | None
    prompts: int
    attempts: int


def variance_components(groups: Mapping[str, Sequence[float]]) -> VarianceComponents | None:
    """Of attempts by prompt; None without two prompts, or without a prompt that has two attempts.

    >>> variance_components({"a": [1.0, 3.0], "b": [5.0, 7.0]})
    VarianceComponents(between=7.0, within=2.0, icc=0.7777777777777778, prompts=2, attempts=4)
    """
    values = [np.asarray(each, dtype=float) for each in groups.values() if len(each)]
    sizes = np.array([len(each) for each in values])
    count, total = len(values), int(sizes.sum())
    if count < 2 or total <= count:
        return None
    means = np.array([each.mean() for each in values])
    grand = float(sizes @ means) / total
    within = sum(float(((each - mean) ** 2).sum()) for each, mean in zip(values, means, strict=True)) / (total - count)
    among = float(sizes @ (means - grand) ** 2) / (count - 1)
    size = (total - float((sizes**2).sum()) / total) / (count - 1)
    between = max(0.0, (among - within) / size)
    icc = between / (between + within) if between + within > 0 else None
    return VarianceComponents(between, within, icc, count, total)
