"""How far is the end of a video from its start, and how fast does it get there?

Source: start–end contrast |M(first 15 %) − M(last 15 %)| of FramePack (arXiv:2504.12626), for any number M a frame.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from rewards.base import UserError
from rewards.encoders import Encoder, create_encoder
from rewards.functional import slope, start_and_end
from rewards.registry import component
from sn_eval.metrics import quantities
from sn_eval.metrics.base import Block, Clip, Measured, Metric, MetricSpec, check_mode
from sn_eval.metrics.quantities import Quantity
from sn_eval.results.evaluation import Mode

What = Literal["subject", "light", "colour", "contrast", "sharpness"]


@dataclass(frozen=True)
class Kind:
    """What a drift of one quantity is: how it is measured, with what, how far it can go, which faults it must show.

    make: a new measurement for each video (some remember its first frame). Faults are named where the gap grows with
    them by reasoning: a thing exchanged for the last tenth of a video is as far from the start as one for a half.
    """

    make: Callable[[], Quantity]
    family: str
    most: float
    falls_under: tuple[str, ...] = ()
    holds_under: tuple[str, ...] = ()


KINDS = {
    "light": Kind(lambda: quantities.light, "photometric", 100, ("gain_ramp", "exposure_jump"), ("object_motion",)),
    "colour": Kind(
        quantities.ColourShift, "photometric", 200, ("colour_cast", "colour_drift"), ("exposure", "object_motion")
    ),
    "contrast": Kind(lambda: quantities.contrast, "photometric", 50),
    "sharpness": Kind(lambda: quantities.sharpness, "sharpness", 7, ("blur",), ("exposure", "object_motion")),
}


@component("drift")
class Drift(Metric):
    """Gap between the means of a quantity over the first and the last 15 % of frames; 0 none, lower is better.

    quantity: "subject" (cosine of features with the first frame's, 0..1; `encoder` says which features, the default is
    imagenet-lite0), "light" (mean L*, 0..100), "colour" (mean tone's distance from the first frame's; about 1 is seen),
    "contrast" (standard deviation of L*), "sharpness" (log of the mean spatial frequency: 0.69 is half as fine).
    The curve is each frame's distance from the start's mean. Parts: `start`, `end`, and `slope`, the quantity's signed
    change a second by least squares over all frames. Both modes compute the published formula. NaN for a single frame.
    """

    def __init__(self, quantity: What = "subject", encoder: str | None = None, mode: Mode = "fixed") -> None:
        self.quantity = quantity
        self.question = f"How far has the {quantity} got from start to end?"
        name = f"drift_{quantity}"
        check_mode(name, mode)
        if quantity == "subject":
            made = create_encoder(encoder or "imagenet-lite0")
            self.kind = Kind(lambda: quantities.Likeness(made), f"encoder:{made.kind}", 1, ("morph",))
            self.spec = _spec(name, self.kind, mode, made)
            return
        if encoder is not None:
            raise UserError(f"{name} uses no encoder; given {encoder!r}: leave it out, or choose quantity=subject")
        if quantity not in KINDS:
            raise UserError(f"drift: quantity must be one of subject, {', '.join(KINDS)}; given {quantity!r}")
        self.kind = KINDS[quantity]
        self.spec = _spec(name, self.kind, mode)

    def start(self, clip: Clip) -> "Followed":
        """Keeps one number a frame, and the first frame's features where it needs them."""
        return Followed(self.kind.make(), clip.fps)


def _spec(name: str, kind: Kind, mode: Mode, encoder: Encoder | None = None) -> MetricSpec:
    """What a drift of this kind declares."""
    return MetricSpec(
        name, (kind.family,), range=(0.0, float(kind.most)), encoder=encoder.name if encoder else None,
        encoder_sha256=encoder.sha256 if encoder else None, cost="small network" if encoder else "pixels",
        falls_under=kind.falls_under, holds_under=kind.holds_under, higher_is_better=False, mode=mode,
    )  # fmt: skip


class Followed:
    """A quantity, frame by frame, and how far it drifted."""

    def __init__(self, quantity: Quantity, fps: float) -> None:
        self.quantity, self.fps = quantity, fps
        self.curve: list[float] = []

    def add(self, block: Block) -> None:
        """Measure the new frames."""
        self.curve += self.quantity(block).tolist()

    def result(self) -> Measured:
        """The gap, and what it is made of."""
        if not self.curve:
            return Measured(math.nan, note="needs two frames")
        curve = torch.tensor(self.curve, dtype=torch.float64)
        start, end = (float(mean) for mean in start_and_end(curve))
        parts = {"slope": float(slope(curve, self.fps)), "start": start, "end": end}
        if len(curve) < 2:
            return Measured(math.nan, [math.nan], parts, "needs two frames")
        away = (curve - start).abs().tolist()  # like the value, lower is better
        note = "" if start == start and end == end else "its first or its last frames are flat: no detail to measure"
        return Measured(abs(start - end), away, parts, note)
