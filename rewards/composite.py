"""Several rewards as one: a weighted mean of its parts, with frozen normalisation, hard constraints and a NaN
rule.

Nothing is normalised over the candidate batch, so a score never depends on what else is in it. Source:
REWARDS.md.

As YAML (`rewards.create("composite", file="mine.yaml")`; the whole form is in `rewards.templates`)::

    name: mine
    parts:
      - {use: object_persistence, weight: 2, floor: 0.5}
      - {use: motion_floor, reference: last spring, reference_values: [0.2, 0.5, 0.7, 0.9, 1.0]}
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

import rewards
from rewards.base import Anchor, BaseReward, Frames, Metadata, Reward, RewardSpec, Scores, UserError
from rewards.registry import component, did_you_mean, fits

Z_LIMIT = 3.0  # normalised parts are clipped here, so that one part cannot drown the others


@dataclass(frozen=True)
class Part:
    """One part of a composite, as written in YAML.

    use: the reward (a name, "file.py:attr", or a Reward). weight: above 0. params: the reward's own
    parameters.
    floor: a value below it vetoes the candidate. missing: what NaN means, "skip" (the other parts decide) or
    "worst".
    A part counts as it is, or normalised, so that parts on unlike scales can be weighed: by `mean` and `std`
    as clip((value − mean)/std, ±3), or by `reference_values` as the normal score of its rank among them,
    clip(Φ⁻¹(rank), ±3), which needs no bell shape. Both are frozen on a reference set that `reference` names.
    reference_values: the set's values of this part, or evenly spaced quantiles of them; two different at
    least.
    """

    use: Any
    weight: float = 1.0
    params: Mapping[str, Any] | None = None
    floor: float | None = None
    mean: float | None = None
    std: float | None = None
    reference: str | None = None
    reference_values: Sequence[float] | None = None
    missing: Literal["skip", "worst"] = "skip"

    def make(self) -> Reward:
        """The reward itself."""
        made: Reward = (
            rewards.create(self.use, **(self.params or {})) if isinstance(self.use, str) else self.use
        )
        return made

    def normal(self, values: Tensor) -> Tensor:
        """Values on the scale of a weighted mean."""
        if self.reference_values is not None:
            return torch.special.ndtri(self.rank(values)).clamp(-Z_LIMIT, Z_LIMIT)
        if self.mean is None or self.std is None:
            return values
        return ((values - self.mean) / self.std).clamp(-Z_LIMIT, Z_LIMIT)

    def rank(self, values: Tensor) -> Tensor:
        """Where values stand among the reference values, 0..1."""
        assert self.reference_values is not None  # checked when the composite was made
        return rank_among(values, self.reference_values)


@component("composite")
class Composite(BaseReward):
    """The weighted mean of its parts; a candidate with a part below its floor ranks below every one without.

    parts: a list of mappings with `use`, and optionally `weight`, `params`, `floor`, `mean` and `std` or
    `reference_values`, `reference`, `missing` (see Part). Result: Σ w·part / Σ w over the parts that were
    scored; a veto takes off the width of the range.
    combine: "mean" of the parts' values, or "mean_rank" of their ranks (0..1), for which every part has
    `reference_values`. The rank is taken in the frozen reference, never within the batch: there a lone
    candidate would always be first, the same video would score otherwise in other company, and scores of two
    steps, methods or days could not be compared.
    file: a YAML file with all of this (see `rewards.templates.Template`), in place of the other parameters.
    parts of the result: each part's contribution under its own name, its own parts as "name/part".
    NaN when no part was scored. name: how it is called in records.
    """

    def __init__(
        self,
        parts: Sequence[Mapping[str, Any]] = (),
        name: str = "composite",
        combine: Literal["mean", "mean_rank"] = "mean",
        file: str | None = None,
    ) -> None:
        self.acceptance: tuple[Any, ...] = ()
        if file is not None:
            if parts:
                raise UserError(f"composite: file {file} and parts both say what it is made of; give one")
            from rewards.templates import read  # reads YAML: only for those who use it

            template = read(file)
            parts, name, combine = template.parts, template.name, template.combine
            self.acceptance = template.acceptance
        if not parts:
            raise UserError(
                "composite needs parts (at least one part, such as [{'use': 'object_persistence'}]), "
                "or file='mine.yaml'"
            )
        self.parts = [part_of(row, index) for index, row in enumerate(parts)]
        self.combine = combine
        if combine == "mean_rank" and any(part.reference_values is None for part in self.parts):
            raise UserError("composite: combine 'mean_rank' needs reference_values in every part")
        self.rewards = [part.make() for part in self.parts]
        self.names = _distinct([made.spec.name for made in self.rewards])
        self.spec = _spec(name, self.parts, [made.spec for made in self.rewards], self._range())

    def score(
        self, frames: Frames, prompts: list[str], *, fps: float, anchor: Anchor | None, metadata: Metadata
    ) -> Scores:
        """Call each part once, then weigh."""
        given = [made(frames, prompts, fps=fps, anchor=anchor, metadata=metadata) for made in self.rewards]
        values = torch.stack([self._filled(i, scores.values) for i, scores in enumerate(given)])
        below = torch.stack([v < _or_least(p.floor) for v, p in zip(values, self.parts, strict=True)])
        mixed = self._mix(values)
        width = self._range()[1] - self._range()[0]
        named = {}
        for name, scores in zip(self.names, given, strict=True):
            named[name] = scores.values
            named |= {f"{name}/{part}": value for part, value in scores.parts.items()}
        by_frame = [scores.per_frame for scores in given if scores.per_frame is not None]
        per_frame = self._mix(torch.stack(by_frame)) if len(by_frame) == len(given) else None
        return Scores(mixed - width * below.any(0), per_frame, named)

    def _filled(self, index: int, values: Float[Tensor, "b"]) -> Float[Tensor, "b"]:
        """Values with NaN replaced where it counts as worst."""
        worst = self.rewards[index].spec.range[0]
        return values.nan_to_num(worst) if self.parts[index].missing == "worst" else values

    def _mix(self, values: Float[Tensor, "parts *n"]) -> Float[Tensor, "*n"]:
        """Weighted mean over the parts that were scored; NaN where none was."""
        normal = torch.stack([self._scaled(part, v) for part, v in zip(self.parts, values, strict=True)])
        weights = values.new_tensor([part.weight for part in self.parts]).view(-1, *[1] * (values.ndim - 1))
        scored = ~normal.isnan()
        return (normal.nan_to_num(0.0) * weights).sum(0) / (weights * scored).sum(0)

    def _scaled(self, part: Part, values: Tensor) -> Tensor:
        return part.rank(values) if self.combine == "mean_rank" else part.normal(values)

    def _range(self) -> tuple[float, float]:
        """Lowest and highest result without a veto; where a part may be skipped, the others' extremes bound
        it.
        """
        ends = [
            self._scaled(part, torch.tensor(made.spec.range)).tolist()
            for part, made in zip(self.parts, self.rewards, strict=True)
        ]
        return min(low for low, _ in ends), max(high for _, high in ends)


def part_of(row: Mapping[str, Any], index: int) -> Part:
    """A part from its YAML mapping; UserError names what is wrong and what is allowed."""
    where = f"composite, part {index + 1}"
    allowed = {name: field.type for name, field in Part.__dataclass_fields__.items()}
    if not isinstance(row, Mapping) or "use" not in row:
        raise UserError(
            f"{where}: must be a mapping with 'use', such as {{'use': 'motion_floor'}}; given {row!r}"
        )
    for key, value in row.items():
        if key not in allowed:
            guess = did_you_mean(str(key), list(allowed))
            raise UserError(f"{where}: unknown key {key!r}.{guess} Allowed: {', '.join(allowed)}")
        if not fits(value, allowed[key]):
            raise UserError(f"{where}: {key} cannot be {value!r}; allowed keys: {', '.join(allowed)}")
    part = Part(**row)
    _check(part, where)
    return part


def _check(part: Part, where: str) -> None:
    """Raise UserError unless the part's figures go together."""
    if part.weight <= 0:
        raise UserError(f"{where}: weight must be above 0; given {part.weight}: leave the part out instead")
    if (part.mean is None) != (part.std is None) or (part.std is not None and part.std <= 0):
        raise UserError(
            f"{where}: mean and std go together, with std above 0; given {part.mean} and {part.std}"
        )
    values = part.reference_values
    if values is None:
        return
    if part.mean is not None:
        raise UserError(f"{where}: mean and std, or reference_values: give one of the two")
    if len(set(values)) < 2 or not all(map(math.isfinite, values)):
        raise UserError(
            f"{where}: reference_values must hold two different numbers at least; given {list(values)!r}"
        )
    if not part.reference:
        raise UserError(
            f"{where}: reference_values need `reference`, the name of the set that they were measured on"
        )


def rank_among(values: Float[Tensor, "*n"], reference: Sequence[float]) -> Float[Tensor, "*n"]:
    """The share of reference values below each value, ties counted half, linear in between; NaN stays NaN.

    Beyond the reference's ends it stays at theirs, ½/n and 1 − ½/n: the reference says nothing about there.

    >>> rank_among(torch.tensor([-1.0, 0.0, 0.5, 2.0, 9.0]), [0.0, 1.0, 2.0, 2.0]).tolist()
    [0.125, 0.125, 0.25, 0.75, 0.75]
    """
    levels, counts = torch.unique(values.new_tensor(reference), return_counts=True)
    ranks = (counts.cumsum(0) - counts / 2) / len(reference)
    above = torch.searchsorted(levels, values.contiguous()).clamp(1, len(levels) - 1)
    share = ((values - levels[above - 1]) / (levels[above] - levels[above - 1])).clamp(0, 1)
    rank: Tensor = ranks[above - 1] + share * (ranks[above] - ranks[above - 1])
    return rank


def _spec(
    name: str, parts: list[Part], specs: list[RewardSpec], unvetoed: tuple[float, float]
) -> RewardSpec:
    """What a composite declares: its parts' families and needs, the slowest cost, the widest tolerance.

    What lowers a part lowers it; it holds only under what leaves every part as it is.
    """
    low, high = unvetoed
    veto = high - low if any(part.floor is not None for part in parts) else 0.0
    encoders = sorted({spec.encoder for spec in specs if spec.encoder})
    digests = sorted({spec.encoder_sha256 for spec in specs if spec.encoder_sha256})
    costs: list[Literal["pixels", "small network", "large network"]] = [
        "pixels",
        "small network",
        "large network",
    ]
    return RewardSpec(
        name=name,
        families=tuple(sorted({family for spec in specs for family in spec.families})),
        range=(low - veto, high),
        needs=tuple(sorted({need for spec in specs for need in spec.needs})),
        encoder="+".join(encoders) or None,
        encoder_sha256="+".join(digests) or None,
        deterministic=all(spec.deterministic for spec in specs),
        batch_tolerance=max(spec.batch_tolerance for spec in specs),
        cost=max((spec.cost for spec in specs), key=costs.index),
        falls_under=tuple(sorted({name for spec in specs for name in spec.falls_under})),
        holds_under=tuple(sorted(set.intersection(*(set(spec.holds_under) for spec in specs)))),
    )


def _or_least(floor: float | None) -> float:
    return -torch.inf if floor is None else floor


def _distinct(names: list[str]) -> list[str]:
    """Names with a number behind those that come again.

    >>> _distinct(["a", "b", "a"])
    ['a', 'b', 'a_2']
    """
    return [n if names[:i].count(n) == 0 else f"{n}_{names[:i].count(n) + 1}" for i, n in enumerate(names)]
