"""Refuses latents and frames that hold NaN or infinity: what a model gives is checked where it is made."""

from collections.abc import Callable

import torch
from torch import Tensor

from sn_eval.interfaces import NoVideo


def finite(values: Tensor, model: str, what: str, where: Callable[[int], str]) -> Tensor:
    """The batch as it is, once every sample is finite; else NoVideo.

    what: the values in words ("latents"). where: the place of a sample in the video, in words.
    """
    if bool(values.sum().isfinite()):  # as good as looking at each value, and much cheaper; overflow is no verdict
        return values
    fine = torch.isfinite(values).flatten(1).all(1)
    if bool(fine.all()):
        return values
    bad = int((~fine).nonzero()[0])
    raise NoVideo(
        f"model {model!r} gave NaN or infinite {what} in {where(bad)}; what was finished is kept. "
        "Try float32 or less guidance"
    )
