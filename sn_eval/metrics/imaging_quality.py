"""Are the frames technically sound? MUSIQ, trained on SPAQ's ratings of photographs: noise, blur, exposure.

Source: MUSIQ (arXiv:2108.05997), as used in VBench's imaging quality (arXiv:2311.17982): rating/100, pictures with a
longer side above 512 pixels brought to that first. The network is that of the package pyiqa, the weights are the user's
(musiq_spaq_ckpt-358bb6af.pth of pyiqa's); without them there is no such score.
"""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rewards.base import UserError
from rewards.encoders import file_digest, in_one_line
from rewards.registry import component
from sn_eval.metrics.base import Block, Clip, Metric, MetricSpec, PerFrame, check_mode
from sn_eval.metrics.features import read_tensors
from sn_eval.results.evaluation import Mode

SIDE = 512  # the longer side is brought down to
AT_ONCE = 8  # frames of a pass


@component("imaging_quality")
class ImagingQuality(Metric):
    """Mean over frames of MUSIQ's rating (0 to 100), divided by 100; 0..1.

    weights: file of MUSIQ-SPAQ's weights, as pyiqa has them. Needs the package pyiqa. Large frames are smoothed before
    they are shrunk, and ratings outside of 0..100 count as its ends; in mode "reference" neither is done, as published,
    and pictures are shrunk bilinearly without antialias.
    """

    def __init__(self, weights: str, mode: Mode = "fixed") -> None:
        check_mode("imaging_quality", mode)
        self.network, self.published = load_musiq(Path(weights)), mode == "reference"
        self.spec = MetricSpec(
            "imaging_quality", ("encoder:musiq-spaq",), encoder="musiq-spaq", encoder_sha256=file_digest(Path(weights)),
            range=(-1.0, 2.0) if self.published else (0.0, 1.0),  # a regression may leave the scale it was fitted to
            cost="large network", falls_under=("blur",), mode=mode,
        )  # fmt: skip

    def start(self, clip: Clip) -> PerFrame:
        """One rating a frame."""
        return PerFrame(self._rate, pairs=False)

    def _rate(self, block: Block) -> Float[Tensor, "n"]:
        frames = shrunk(block.frames, published=self.published)
        self.network.to(frames.device)
        ratings = torch.cat([self.network(some).reshape(-1) for some in frames.split(AT_ONCE)]) / 100
        return ratings if self.published else ratings.clamp(0, 1)


def shrunk(frames: Float[Tensor, "t 3 h w"], *, published: bool) -> Float[Tensor, "t 3 h2 w2"]:
    """Frames whose longer side is at most SIDE; smaller ones stay as they are.

    published: sides are cut off to whole pixels (so 512 may end as 511), and nothing is smoothed first.

    >>> shrunk(torch.zeros(1, 3, 300, 1024), published=False).shape
    torch.Size([1, 3, 150, 512])
    """
    h, w = frames.shape[-2:]
    if max(h, w) <= SIDE:
        return frames
    scale = float(SIDE) / max(h, w)
    size = [max(1, int(scale * side) if published else round(scale * side)) for side in (h, w)]
    small = F.interpolate(frames, size, mode="bilinear", antialias=not published, align_corners=False)
    return small.clamp(0, 1)


def load_musiq(weights: Path) -> nn.Module:
    """pyiqa's network with these weights; UserError without the package, the file, or a fit between them."""
    try:
        from pyiqa.archs.musiq_arch import MUSIQ
    except ImportError as error:
        raise UserError(
            f'imaging_quality needs the package pyiqa ({in_one_line(error)}): pip install "sn-eval[quality]"'
        ) from error
    if not weights.is_file():
        raise UserError(
            f"imaging_quality: there are no weights {weights}; name the file of MUSIQ-SPAQ's weights "
            "(musiq_spaq_ckpt-358bb6af.pth of pyiqa)"
        )
    network: Any = MUSIQ(pretrained=False)
    try:
        network.load_state_dict({key.removeprefix("module."): x for key, x in read_tensors(weights).items()})
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"imaging_quality: {weights} holds no weights of MUSIQ-SPAQ: {in_one_line(error)}. "
            "Name musiq_spaq_ckpt-358bb6af.pth of pyiqa"
        ) from error
    loaded: nn.Module = network.eval().requires_grad_(False)
    return loaded
