"""A clip that a reward is tried on, with all that the reward is told of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from rewards.base import Reward


@dataclass(frozen=True)
class Sample:
    """Frames RGB 0..1 and the frames before them (anchor). source: where it comes from; group: what it is of."""

    frames: Float[Tensor, "t 3 h w"]
    anchor: Float[Tensor, "ta 3 h w"]
    prompt: str
    fps: float
    source: str = ""
    group: str = ""
    metadata: Mapping[str, Any] | None = None


def score(reward: Reward, samples: Sequence[Sample]) -> np.ndarray:
    """One value a sample, NaN where not scored; each is scored alone, as their sizes and lengths may differ."""
    return np.array([_one(reward, sample) for sample in samples])


def _one(reward: Reward, sample: Sample) -> float:
    told = None if sample.metadata is None else [sample.metadata]
    scores = reward(sample.frames[None], [sample.prompt], fps=sample.fps, anchor=sample.anchor[None], metadata=told)
    return float(scores.values[0])
