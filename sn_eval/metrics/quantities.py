"""What may drift in a long video, as one number a frame: the subject, light, colour, contrast, sharpness.

Each is a pure function of the frames that a block brings, or remembers the first frame alone; sources stand at each.
Light, colour and contrast are measured on a small picture: they are matters of large areas, and its cost does not grow.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from rewards.encoders import Encoder
from rewards.functional import cos_plus, fit_within, luminance, mean_frequency, tone
from sn_eval.metrics.base import Block

SHARP_SIDE = 512  # longer side up to which detail is looked at
FLAT = 0.002  # standard deviation of grey (0..1), half a step of 8 bits: what is below has no detail to lose

Quantity = Callable[[Block], Float[Tensor, "n"]]  # one number for each new frame


class Likeness:
    """max(0, cosine) of each frame's features and the first frame's; 0..1. Source: VBench (arXiv:2311.17982)."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.first: Float[Tensor, "1 d"] | None = None

    def __call__(self, block: Block) -> Float[Tensor, "n"]:
        """Encode the new frames."""
        features = self.encoder(block.frames)
        if self.first is None:
            self.first = features[:1].clone()
        return cos_plus(features, self.first)


class ColourShift:
    """Distance of each frame's mean tone from the first frame's, in steps of a*, b* at L* 34; exposure leaves it alone.

    0 for the first frame, at most 200. About 1 is seen. Source: see `rewards.functional.tone`.
    """

    def __init__(self) -> None:
        self.first: Float[Tensor, "1 2"] | None = None

    def __call__(self, block: Block) -> Float[Tensor, "n"]:
        """Mean tone of the new frames, against the first."""
        now = tone(block.lab).mean((-2, -1))
        if self.first is None:
            self.first = now[:1].clone()
        return (now - self.first).norm(dim=-1)


def light(block: Block) -> Float[Tensor, "n"]:
    """Mean CIE L* of each new frame, 0..100."""
    return block.lab[:, 0].mean((-2, -1))


def contrast(block: Block) -> Float[Tensor, "n"]:
    """Standard deviation of CIE L* over each new frame, 0..50: RMS contrast. It shrinks with the light, too.

    Source: Peli, "Contrast in complex images" (JOSA A 7, 1990).
    """
    return block.lab[:, 0].flatten(1).std(1, correction=0)


def sharpness(block: Block) -> Float[Tensor, "n"]:
    """Logarithm of the mean spatial frequency (radians a pixel) of each new frame, −5.1..1.4; NaN for a flat one.

    0.69 less means half as fine. sRGB values plus 0.055 are, but for the dark, a power of the light: more light
    multiplies them, so exposure and contrast leave this alone. Noise counts as detail. Source: `mean_frequency`.
    """
    return mean_frequency(luminance(fit_within(block.frames, SHARP_SIDE)), FLAT).log()
