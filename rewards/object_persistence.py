"""Is what the anchor shows still there, still itself, and only once?

Score of a thing = mean_t v_t·cos+(g_t, g_anchor) · (1 − λ₁·i) · (1 − λ₂·d): v visibility, g its look, i the
share of frames whose identity differs from the anchor's, d the share of frames with a second one. Identity is
compared with the anchor, never with the frame before, since comparing neighbours follows a morph. Source:
REWARDS.md.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewards.base import Anchor, BaseReward, Frames, Metadata, Scores, UserError, anchor_or_first, flags
from rewards.functional import cos_plus
from rewards.locating.by_name import LocatorName, located_spec, locator_named
from rewards.locating.regions import Located, Locator, Regions
from rewards.registry import component

BORDER = 1 / 32  # share of the picture's width, and two places at least: nearer, a thing touches the border


@component("object_persistence")
class ObjectPersistence(BaseReward):
    """Is everything that the anchor's first frame shows still there, still itself, and only once? 0..1.

    locator: "colour" follows up to `things` coloured things by their colours; "feature" follows one thing (metadata
    {"mask": [h w]}, else what stands out) by patch features of `encoder`; "owl" and "grounding_dino" find what phrases
    name (metadata {"objects": ["a red ball", …]}, else `objects`, else the prompt) and compare crops by `encoder`.
    weights: of "owl" or "grounding_dino", a folder or a hub id. segmenter: SAM 2 that makes masks of their boxes, too.
    identity_weight, duplicate_weight: λ₁ and λ₂, 0..1.
    metadata {"exit_allowed": True}: a thing that leaves through the border is not missed.
    NaN when the anchor shows nothing that can be followed. Source: REWARDS.md.
    """

    def __init__(
        self,
        things: int = 3,
        identity_weight: float = 0.5,
        duplicate_weight: float = 0.5,
        locator: LocatorName = "colour",
        encoder: str = "imagenet-lite0@128",
        weights: str | None = None,
        segmenter: str | None = None,
        objects: list[str] | None = None,
    ) -> None:
        for name, weight in {"identity_weight": identity_weight, "duplicate_weight": duplicate_weight}.items():
            if not 0 <= weight <= 1:
                raise UserError(f"object_persistence: {name} must lie in 0..1; given {weight}")
        self.costs = identity_weight, duplicate_weight
        self.locator: Locator = locator_named(locator, things, encoder, weights, segmenter, objects)
        self.spec = located_spec("object_persistence", self.locator, FALLS, HOLDS)

    def score(
        self, frames: Frames, prompts: list[str], *, fps: float, anchor: Anchor | None, metadata: Metadata
    ) -> Scores:
        """Locate in the anchor and in all frames at once, then compare frame by frame."""
        video = torch.cat([anchor_or_first(frames, anchor)[:, :1], frames], dim=1)
        located = self.locator(video, prompts, metadata)
        traces = _traces(located, flags(metadata, "exit_allowed", len(frames)))
        return _score(traces, located.shown, *self.costs)


FALLS = ("vanish", "swap", "morph", "duplicate")
HOLDS = ("translation", "scale", "exposure", "asked_exit")


@dataclass(frozen=True)
class Traces:
    """What is measured of each thing in each frame, all 0..1."""

    visible: Float[Tensor, "b t k"]
    alike: Float[Tensor, "b t k"]
    differs: Float[Tensor, "b t k"]
    copies: Float[Tensor, "b t k"]
    counts: Bool[Tensor, "b t k"]


def _traces(located: Located, exit_allowed: list[bool]) -> Traces:
    """Compare frames 1.. with frame 0, the anchor."""
    found, look = located.found, located.look
    own = found.areas[:, :1]
    instances = (own > 0.3 * own[..., :1]).sum(-1).clamp(1, own.shape[-1] - 1)
    kept = torch.arange(own.shape[-1], device=own.device) < instances.unsqueeze(-1)
    share = (found.areas * kept).sum(-1) / (own * kept).sum(-1).clamp(min=1e-6)
    enough = (
        1 - 0.5 / instances
    )  # of one thing half its area counts as whole (room for scale 0.8), of two 3/4
    visible = (share[:, 1:] / enough).clamp(0, 1)
    extra = found.areas.gather(-1, instances.expand(-1, found.areas.shape[1], -1).unsqueeze(-1)).squeeze(-1)
    extra = extra / own[..., 0].clamp(min=1e-6)
    total = found.areas.sum(-1) / own.sum(-1).clamp(min=1e-6)
    copies = (((extra - 0.25) / 0.25).clamp(0, 1) * ((total - 1.2) / 0.2).clamp(0, 1))[:, 1:]
    alike = cos_plus(look[:, 1:], look[:, :1])
    differs = ((located.same - alike) / (located.same - located.other)).clamp(0, 1) * (visible > 0.2)
    gone = _leaves(found, visible) & visible.new_tensor(exit_allowed).bool()[:, None, None]
    return Traces(visible, alike, differs, copies, ~gone)


def _leaves(found: Regions, visible: Float[Tensor, "b t k"]) -> Bool[Tensor, "b t k"]:
    """At the border, or not seen and at the border when it was last seen."""
    body = found.largest > 0.5
    near = max(2, round(BORDER * body.shape[-1]))
    edge = torch.ones(body.shape[-2:], dtype=torch.bool, device=body.device)
    edge[near:-near, near:-near] = False
    touches = (body & edge).flatten(3).any(-1)
    seen = visible >= 0.5
    steps = torch.arange(visible.shape[1], device=visible.device).view(1, -1, 1)
    last_seen = torch.where(seen, steps + 1, 0).cummax(1).values  # 0: in the anchor
    at_border = touches.gather(1, last_seen)
    return at_border & (~seen | ~touches[:, :1])  # what stood at the border from the start may stay there


def _score(
    traces: Traces, valid: Bool[Tensor, "b k"], identity_weight: float, duplicate_weight: float
) -> Scores:
    """The formula of the module's docstring, averaged over the things that exist."""
    counts = traces.counts & valid[:, None]
    per_thing = _mean(traces.visible * traces.alike, counts, 1)
    identity, copies = _mean(traces.differs, counts, 1), _mean(traces.copies, counts, 1)
    score = per_thing * (1 - identity_weight * identity) * (1 - duplicate_weight * copies)
    scored = counts.any(1)
    parts = {"visible": _mean(traces.visible, counts, 1), "identity": 1 - identity, "single": 1 - copies}
    frame = traces.visible * traces.alike
    frame = frame * (1 - identity_weight * traces.differs) * (1 - duplicate_weight * traces.copies)
    return Scores(
        _mean(score, scored, 1),
        _mean(frame, counts, 2),
        {name: _mean(part, scored, 1) for name, part in parts.items()},
    )


def _mean(x: Tensor, counts: Tensor, dim: int) -> Tensor:
    """Mean over what counts along `dim`; NaN where nothing does."""
    return x.masked_fill(~counts, torch.nan).nanmean(dim)
