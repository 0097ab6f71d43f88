"""A stage before the first look: candidates whose guessed score is low are never previewed.

The guess costs no decode and no reward; it is asked of the noise alone, or of the latents of a short look
(`interfaces.Predictor`). Learnt verifiers on latents: arXiv:2606.20310.
"""

import math
from collections.abc import Sequence

from rewards.base import UserError
from sn_eval.interfaces import Branch, Predictor, Rollout
from sn_eval.search.trace import Tracer


def going_on(count: int, keep: float) -> int:
    """How many of so many candidates of one beam are previewed: the share, rounded up, and at least one.

    >>> going_on(8, 0.25), going_on(3, 0.5), going_on(10, 0.01)
    (2, 2, 1)
    """
    return min(count, max(1, math.ceil(keep * count - 1e-9)))  # 0.07·100 is a little more than 7


def foreseen(rollout: Rollout, tracer: Tracer, predictor: Predictor, branches: Sequence[Branch]) -> list[Branch]:
    """The branches of each beam that are worth a look, after the predictor's own."""
    if predictor.look:
        tracer.previewed(branches, predictor.look)
        branches = rollout.refine(branches, predictor.look, decode=False)
    guesses = [float(guess) for guess in predictor.scores(branches)]
    if len(guesses) != len(branches) or any(map(math.isinf, guesses)):
        raise UserError("the predictor must give a finite score, or NaN for 'not known', for each candidate")
    beams: dict[tuple[int, int], list[int]] = {}
    for row, branch in enumerate(branches):
        beams.setdefault(branch.candidate.parent.identity, []).append(row)

    def rank(row: int) -> tuple[float, tuple[int, int]]:
        return (math.inf if math.isnan(guesses[row]) else -guesses[row], branches[row].candidate.order)

    best = {row for rows in beams.values() for row in sorted(rows, key=rank)[: going_on(len(rows), predictor.keep)]}
    kept = [branches[row] for row in sorted(best)]
    tracer.predicted(predictor.look, branches, guesses, kept)
    return kept
