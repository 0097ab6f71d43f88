"""What can be said of a mean when all values seen are the same: not that it is certain, but how far it may be off.

If more than a share u of prompts were different, n alike in a row would come with a chance below (1 − u)^n; so at
confidence c at most u = 1 − ((1 − c)/2)^(1/n) are, and these lie at the end of the range at worst (the "rule of three",
Hanley & Lippman-Hand, JAMA 1983, for a two-sided interval).
"""


def reach(value: float, n: int, low: float, high: float, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the mean of n ≥ 1 values that were all `value`, where values lie between low and high.

    >>> [round(bound, 3) for bound in reach(1.0, 12, 0.0, 1.0)]
    [0.735, 1.0]
    >>> [round(bound, 3) for bound in reach(0.0, 12, -1.0, 1.0)]
    [-0.265, 0.265]
    """
    unseen = 1 - ((1 - confidence) / 2) ** (1 / n)
    return value + unseen * (low - value), value + unseen * (high - value)
