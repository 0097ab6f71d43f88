"""A reward that costs nothing, for experiments on the analytic model."""

from rewards.base import reward


@reward(family="brightness", range=(0.0, 1.0))
def bright(frames, prompts, *, fps, anchor=None, metadata=None):
    """Mean brightness of the video."""
    return frames.mean(dim=(2, 3, 4))
