"""Do the frames please? A linear head on CLIP's image features, fitted by others to people's aesthetic ratings.

Source: LAION's aesthetic predictor, as used in VBench's aesthetic quality (arXiv:2311.17982): rating/10, with OpenAI's
CLIP ViT-L/14. The head's file is the user's (sa_0_4_vit_l_14_linear.pth of LAION's); nothing stands in for it.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from rewards.base import UserError
from rewards.encoders import Encoder, file_digest
from rewards.functional import unit
from rewards.registry import component
from sn_eval.metrics.base import Block, Clip, PerFrame
from sn_eval.metrics.features import FeatureMetric, read_tensors
from sn_eval.results.evaluation import Mode

Head = tuple[Float[Tensor, "1 d"], Float[Tensor, "1"]]


@component("aesthetic_quality")
class AestheticQuality(FeatureMetric):
    """Mean over frames of the rating (1 to 10) that a linear head gives, divided by 10.

    head: its file, a state dict of `weight` [1, d] and `bias` [1] as .pth or .safetensors; the digest of the encoder's
    weights is followed by that of this file. encoder: the one it was fitted on. The range is what the head can return:
    (bias ± length of weight)/10. Mode "reference" also resizes as VBench does (bicubic, no antialias).
    """

    def __init__(self, head: str, encoder: str = "open_clip:ViT-L-14/openai", mode: Mode = "fixed") -> None:
        self.weight, self.bias = read_head(Path(head))  # before the encoder, which may have to be fetched
        super().__init__("aesthetic_quality", encoder, mode, published_resize="bicubic", falls_under=("blur",))
        check_fit(head, self.weight, self.encoder)
        reach, middle = float(self.weight.norm()), float(self.bias)
        self.spec = replace(
            self.spec, range=((middle - reach) / 10, (middle + reach) / 10),
            encoder_sha256=f"{self.encoder.sha256}+{file_digest(Path(head))}",
        )  # fmt: skip

    def start(self, clip: Clip) -> PerFrame:
        """One rating a frame."""
        return PerFrame(rating(self.encoder, self.weight, self.bias), pairs=False)


def rating(
    encoder: Encoder, weight: Float[Tensor, "1 d"], bias: Float[Tensor, "1"]
) -> Callable[[Block], Float[Tensor, "n"]]:
    """A function from a block to (weight · unit features + bias)/10 of each new frame."""

    def rate(block: Block) -> Float[Tensor, "n"]:
        features = unit(encoder(block.frames).float())
        return (features @ weight[0].to(features) + bias.to(features)) / 10

    return rate


def read_head(path: Path) -> Head:
    """Weight and bias from a .pth or .safetensors file; UserError for anything else."""
    if not path.is_file():
        raise UserError(f"aesthetic_quality: there is no file {path}; name that of a linear head (.pth, .safetensors)")
    try:
        state = read_tensors(path)
        if set(state) != {"weight", "bias"}:
            raise ValueError(f"it holds {', '.join(sorted(state)[:4]) or 'nothing'}")
        weight, bias = state["weight"].float(), state["bias"].float()
        if weight.ndim != 2 or weight.shape[0] != 1 or tuple(bias.shape) != (1,):
            raise ValueError(f"its weight is {list(weight.shape)}, its bias {list(bias.shape)}")
        if not (weight.isfinite().all() and bias.isfinite().all()):
            raise ValueError("its numbers are not finite")
    except ValueError as error:
        raise UserError(
            f"aesthetic_quality: {path} is no linear head: {error}. It must be a state dict of weight "
            "[1, d] and bias [1]"
        ) from error
    return weight, bias


def check_fit(head: str, weight: Float[Tensor, "1 d"], encoder: Encoder) -> None:
    """UserError where the head was fitted on features of another length."""
    features = encoder(torch.zeros(1, 3, encoder.size, encoder.size)).shape[-1]
    if features != weight.shape[1]:
        raise UserError(
            f"aesthetic_quality: head {head} takes {weight.shape[1]} features, encoder {encoder.name!r} gives "
            f"{features}: name the encoder that it was fitted on"
        )
