"""A reward learned from people's labels: a head over other rewards' parts, cautious where it is unsure.

Score = μ − λσ over the members of an ensemble that was fitted on resampled prompts: what the members disagree on is
not to be sought out. A clip unlike all training clips is flagged. Train a head with `sn-eval rewards fit` or
`rewards.labelling.learn.learn`. Source: REWARDS.md; selecting by μ − λσ as in Coste et al. (arXiv:2310.02743).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from rewards.base import Anchor, BaseReward, Frames, Metadata, RewardSpec, Scores, UserError
from rewards.labelling.acceptance_thresholds import SPREAD_WEIGHT
from rewards.labelling.clip_features import ClipFeatures
from rewards.labelling.heads import Head, load_head
from rewards.registry import component

COSTS: tuple[Literal["large network", "small network", "pixels"], ...] = ("large network", "small network", "pixels")
BATCH_TOLERANCE = 1e-3  # a head may scale up what its rewards leave between batches


@component("learned")
class Learned(BaseReward):
    """A head's score, 0..1: μ − λσ over its members.

    head: a file that `sn-eval rewards fit` wrote. spread_weight: λ, 0 or more. unfamiliar: what becomes of a clip
    unlike all that the head was trained on: "flag" scores it all the same, "nan" leaves it unscored; part "ood" says
    1 either way. Parts: "mean" (μ), "spread" (σ), "ood" (0 or 1). NaN where none of its rewards scored.
    Opening a head runs no code of its own, but a head over somebody's "file.py:attr" makes that reward, and so runs
    that file. Raises UserError for a head that is missing, damaged, holds a foreign type, or was trained with other
    weights.
    """

    def __init__(
        self,
        head: str,
        spread_weight: float = SPREAD_WEIGHT,
        unfamiliar: Literal["flag", "nan"] = "flag",
    ) -> None:
        if not 0 <= spread_weight < float("inf"):
            raise UserError(f"learned: spread_weight must be 0 or more; given {spread_weight}")
        self.head: Head = load_head(Path(head))
        self.features = ClipFeatures.of(self.head.recipe, head)
        self.spread_weight, self.unfamiliar = spread_weight, unfamiliar
        self.spec = _spec(self.features)

    def score(
        self, frames: Frames, prompts: list[str], *, fps: float, anchor: Anchor | None, metadata: Metadata
    ) -> Scores:
        """All features in one batch, then every member's score."""
        found = self.features(frames, prompts, fps=fps, anchor=anchor, metadata=metadata)
        table = table_of(found, self.head.names)
        scores = self.head.scores(table)
        mean, spread = scores.mean(0), scores.std(0)
        values = (mean - self.spread_weight * spread).clip(0, 1)
        strange = self.head.unfamiliar(table)
        unscored = np.isnan(table).all(1) | (strange if self.unfamiliar == "nan" else False)
        values = np.where(unscored, np.nan, values)
        parts = {"mean": mean, "spread": spread, "ood": strange.astype(np.float64)}
        return Scores(_tensor(values), None, {name: _tensor(part) for name, part in parts.items()})


def table_of(found: dict[str, Float[Tensor, "b"]], names: Sequence[str]) -> Float[np.ndarray, "b f"]:
    """Features by name as a table with a row a clip; NaN for a name that is not there."""
    b = len(next(iter(found.values())))
    columns = [found[name].cpu().double().numpy() if name in found else np.full(b, np.nan) for name in names]
    return np.stack(columns, axis=1)


def _tensor(values: Float[np.ndarray, "b"]) -> Float[Tensor, "b"]:
    return torch.from_numpy(values).float()


def _spec(features: ClipFeatures) -> RewardSpec:
    """What all rewards and the encoder behind the head declare together."""
    own = features.encoder
    families = {family for spec in features.specs for family in spec.families}
    names = {(spec.encoder, spec.encoder_sha256) for spec in features.specs if spec.encoder}
    costs = {spec.cost for spec in features.specs}
    if own is not None:
        families.add(f"encoder:{own.kind}")
        names.add((own.name, own.sha256))
        costs.add("small network")
    return RewardSpec(
        name="learned",
        families=tuple(sorted(families)),
        needs=tuple(sorted({need for spec in features.specs for need in spec.needs})),
        encoder="+".join(sorted({name for name, _ in names if name})) or None,
        encoder_sha256="+".join(sorted({digest for _, digest in names if digest})) or None,
        deterministic=all(spec.deterministic for spec in features.specs),
        batch_tolerance=max([BATCH_TOLERANCE, *(spec.batch_tolerance for spec in features.specs)]),
        cost=next(cost for cost in COSTS if cost in costs),
    )
