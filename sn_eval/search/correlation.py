"""How much a preview says about the finished piece: rank correlation of their scores, and what picking by
it gains.

Spearman's rho within one context (the candidates of one beam at one step), averaged over contexts: between
contexts scores differ for reasons that no candidate can help. A search only finishes what it kept, so its
own figure is that of the kept ones; `preview_correlation` finishes all and is unbiased.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from rewards.base import Reward
from sn_eval.interfaces import Branch, Image, Rollout, State
from sn_eval.search.candidates import propose
from sn_eval.search.judge import Judge


def ranks(values: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """Ranks from 1, the mean rank where values are equal.

    >>> ranks(torch.tensor([3.0, 1.0, 3.0]))
    tensor([2.5000, 1.0000, 2.5000], dtype=torch.float64)
    """
    below = (values[None] < values[:, None]).sum(1, dtype=torch.float64)
    same = (values[None] == values[:, None]).sum(1, dtype=torch.float64)
    return below + (same + 1) / 2


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Rank correlation of the pairs that are scored on both sides; None where either side does not vary.

    >>> spearman([1.0, 2.0, 3.0], [10.0, 20.0, 15.0]), spearman([1.0, 1.0], [0.0, 1.0])
    (0.5, None)
    """
    pairs = torch.tensor([first, second], dtype=torch.float64)
    pairs = pairs[:, ~pairs.isnan().any(0)]
    if pairs.shape[1] < 2 or bool((pairs == pairs[:, :1]).all(1).any()):
        return None
    return round(float(torch.corrcoef(torch.stack([ranks(side) for side in pairs]))[0, 1]), 12)


@dataclass
class Pairs:
    """Preview and final scores of finished branches, less the mean of their step, by look: the last 1,000."""

    pairs: dict[int, deque[tuple[float, float]]] = field(default_factory=dict)

    def add(self, branches: Sequence[Branch], finals: Sequence[float]) -> None:
        """One step's finished branches."""
        for stage, (look, _) in enumerate(branches[0].previews):
            both = [(b.previews[stage][1], f) for b, f in zip(branches, finals, strict=True)]
            both = [pair for pair in both if not any(map(math.isnan, pair))]
            if len(both) > 1:
                means = [sum(side) / len(both) for side in zip(*both, strict=True)]
                self.pairs.setdefault(look, deque(maxlen=1000)).extend(
                    (p - means[0], f - means[1]) for p, f in both
                )

    def correlations(self) -> dict[int, float | None]:
        """Spearman's rho by look."""
        return {look: spearman(*map(list, zip(*pairs, strict=True))) for look, pairs in self.pairs.items()}


@dataclass(frozen=True)
class LookReport:
    """What a preview is worth: over `contexts`, mean and standard deviation of Spearman's rho between
    preview and final score (a context whose previews are all alike counts 0: blind), the mean gain in final
    score of the
    preview's top pick over the average candidate, and the gain of the best candidate of all (the most there
    is)."""

    look: int
    contexts: int
    rho: float
    rho_sd: float
    gain: float
    best_gain: float


def preview_correlation(
    rollout: Rollout,
    reward: Reward,
    prompts: Sequence[str],
    looks: Sequence[int],
    *,
    candidates: int = 16,
    seeds: Sequence[int] = (0,),
    image: Image | None = None,
) -> list[LookReport]:
    """A report for each look: all candidates of every context are finished.

    A context is a prompt, a seed and one of the rollout's pieces (the video goes on with the plain
    candidate).
    """
    judge = Judge(reward, rollout.model.fps)
    tables = [
        table
        for prompt in prompts
        for seed in seeds
        for table in _contexts(
            rollout, judge, rollout.start([prompt], image, seed), sorted(looks), candidates
        )
    ]
    return [_report(look, [(t[look], t[0]) for t in tables]) for look in sorted(looks)]


def _contexts(
    rollout: Rollout, judge: Judge, state: State, looks: Sequence[int], candidates: int
) -> list[dict[int, list[float]]]:
    """For each piece: scores of all candidates by look; 0 stands for the finished ones."""
    tables = []
    for _ in range(rollout.pieces):
        branches = rollout.expand(propose(state, candidates, rollout.noise_shape()))
        table: dict[int, list[float]] = {}
        for look in looks:
            branches = judge.previews(rollout.refine(branches, look), look)
            table[look] = [b.score for b in branches]
        finished = rollout.commit(branches)
        clips = [f.frames for f in finished if f.frames is not None]
        table[0] = [value for value, _ in judge.clips(clips, branches)]
        tables.append(table)
        state = finished[0].state
    return tables


def _report(look: int, contexts: Sequence[tuple[list[float], list[float]]]) -> LookReport:
    rhos = torch.tensor([spearman(preview, final) or 0.0 for preview, final in contexts])
    gains = torch.tensor([_gains(preview, final) for preview, final in contexts]).nanmean(0).tolist()
    spread = float(rhos.std()) if len(rhos) > 1 else 0.0
    return LookReport(look, len(contexts), float(rhos.mean()), spread, *gains)


def _gains(preview: Sequence[float], final: Sequence[float]) -> tuple[float, float]:
    """(final score of the preview's top pick, of the best candidate), each less the mean."""
    scored = [(p, f) for p, f in zip(preview, final, strict=True) if not (math.isnan(p) or math.isnan(f))]
    if not scored:
        return (math.nan, math.nan)
    mean = sum(f for _, f in scored) / len(scored)
    picked = max(scored, key=lambda pair: pair[0])[1]
    return (picked - mean, max(f for _, f in scored) - mean)
