"""Which branches go on: the best ones, ε-greedily each beam's own best, or particles resampled by weight.

All three depend on scores and lineages only, never on where a branch stands in the batch. NaN (not scored)
ranks below every number; ties go to the lower candidate index, the plain path first.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from sn_eval.interfaces import Branch, State
from sn_eval.sampling import child, generator

Select = Callable[[Sequence[Branch], int], list[Branch]]


def rank(branch: Branch) -> tuple[float, tuple[int, int], int]:
    """Sort key: best score first, then the candidate's own order; copies of one candidate have their own keys."""
    candidate = branch.candidate
    return (math.inf if math.isnan(branch.score) else -branch.score, candidate.order, candidate.key)


def top(branches: Sequence[Branch], keep: int) -> list[Branch]:
    """The `keep` best, best first (ScalingNoise's beam search)."""
    return sorted(branches, key=rank)[:keep]


def own_best(branches: Sequence[Branch], keep: int) -> list[Branch]:
    """Each beam's own best, best first, filled up with the best of the rest: every beam goes on."""
    ranked = sorted(branches, key=rank)
    firsts = list({b.candidate.parent.identity: b for b in reversed(ranked)}.values())
    chosen = {id(b) for b in firsts}
    return [*sorted(firsts, key=rank), *(b for b in ranked if id(b) not in chosen)][:keep]


def epsilon_greedy(branches: Sequence[Branch], keep: int, epsilon: float) -> list[Branch]:
    """With probability `epsilon` each beam's own best, else the best of all (ScalingNoise: ε = 0.2)."""
    parent = branches[0].candidate.parent
    coin = torch.rand(1, generator=generator(parent.seed, parent.depth, "epsilon"))
    return (own_best if float(coin) < epsilon else top)(branches, keep)


def resample(branches: Sequence[Branch], keep: int, strength: float, threshold: float = 0.5) -> list[Branch]:
    """Sequential Monte Carlo: log weight += strength·score; systematic resampling when the ESS falls too low.

    A copy of a particle gets a lineage of its own, so that a stochastic sampler parts it from the original.
    Steering by Feynman–Kac weights: Singhal et al., arXiv:2501.06848; ESS trigger: Del Moral et al. 2006,
    section 3.5.
    """
    ordered = sorted(branches, key=lambda b: b.candidate.order)
    gains = torch.tensor([strength * b.score for b in ordered], dtype=torch.float64)
    weights = torch.tensor([b.candidate.parent.log_weight for b in ordered], dtype=torch.float64)
    weights = (weights + gains).nan_to_num(nan=-math.inf)
    if bool(weights.isinf().all()):
        weights = torch.zeros_like(weights)  # nothing was scored: all particles are alike
    weights = weights - weights.logsumexp(0)
    effective = math.exp(-float((2 * weights).logsumexp(0)))
    if len(ordered) <= keep and effective >= threshold * len(ordered):
        return [_weighted(b, float(w)) for b, w in zip(ordered, weights, strict=True)]
    return _systematic(ordered, weights.exp(), keep)


def _systematic(branches: Sequence[Branch], shares: torch.Tensor, keep: int) -> list[Branch]:
    parent = branches[0].candidate.parent
    offset = torch.rand(1, generator=generator(parent.seed, parent.depth, "resample"), dtype=torch.float64)
    points = (torch.arange(keep, dtype=torch.float64) + offset) / keep
    picks = torch.searchsorted(shares.cumsum(0), points).clamp(max=len(branches) - 1).tolist()
    copies = [picks[:i].count(pick) for i, pick in enumerate(picks)]
    return [_copy(_weighted(branches[p], 0.0), c) for p, c in zip(picks, copies, strict=True)]


def branched(branches: Sequence[Branch], copies: int) -> list[Branch]:
    """Each branch as so many, the first with its own lineage: a stochastic sampler parts them from here on.

    Diffusion latent beam search (Oshima et al., arXiv:2501.19252): beams branch between looks. Copies that are made
    after a later look are counted on from those of earlier ones, which may still be there.
    """
    earlier = (copies - 1) * max(len(branches[0].previews) - 1, 0)
    numbers = [0, *range(earlier + 1, earlier + copies)]
    return [_copy(branch, number) for branch in branches for number in numbers]


def _weighted(branch: Branch, log_weight: float) -> Branch:
    """The branch with its particle's weight, which travels in the parent's state."""
    parent: State = replace(branch.candidate.parent, log_weight=log_weight)
    return replace(branch, candidate=replace(branch.candidate, parent=parent))


def _copy(branch: Branch, copy: int) -> Branch:
    if copy == 0:
        return branch
    return replace(branch, candidate=replace(branch.candidate, key=child(branch.candidate.key, -copy)))
