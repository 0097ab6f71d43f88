"""DINO, DINOv2 and other vision transformers through transformers: features of pictures and of places, no text.

Source: DINO (arXiv:2104.14294) and DINOv2 (arXiv:2304.07193); the pooled feature is the class token, as there.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from rewards.base import UserError
from rewards.encoders import Encoder, Network, Preprocessing, check_size, grid_of, in_one_line, state_digest

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, which all of them were trained with
NATIVE_SIZE = 224


def dino(rest: str, size: int | None) -> Encoder:
    """The encoder behind "dino:rest", a folder that transformers wrote or a hub id; nothing is cropped."""
    network = _load(rest)
    config: Any = network.config
    patch, native = getattr(config, "patch_size", None), getattr(config, "image_size", NATIVE_SIZE)
    if not isinstance(patch, int) or not isinstance(native, int):
        raise UserError(f"encoder 'dino:{rest}' is a {config.model_type}, no vision transformer of DINO's kind")
    kind = f"dino:{rest}"
    side = check_size(kind, size or min(native, NATIVE_SIZE) // patch * patch, patch)
    prepare = Preprocessing(side, MEAN, STD, multiple=patch)
    revision = getattr(config, "_commit_hash", None)
    return Encoder(f"{kind}@{size}" if size else kind, kind, state_digest(network), prepare, _Dino(network), revision)


def _load(rest: str) -> nn.Module:
    """From a folder, else from the hub's cache, else from the hub."""
    from safetensors import SafetensorError
    from transformers import AutoModel

    try:
        if Path(rest).is_dir():
            return _quiet(AutoModel.from_pretrained(rest, local_files_only=True))
        try:
            return _quiet(AutoModel.from_pretrained(rest, local_files_only=True))
        except OSError:
            with _silent_hub():
                return _quiet(AutoModel.from_pretrained(rest))
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise UserError(
            f"cannot load encoder 'dino:{rest}': {_why(error)}. "
            "Name a folder with config.json and model.safetensors, or a hub id such as facebook/dinov2-small"
        ) from error


@contextmanager
def _silent_hub() -> Iterator[None]:
    """The hub's client does not report each of its retries: what it finds in the end is said in one line."""
    from huggingface_hub.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _why(error: Exception) -> str:
    """The error in one line; transformers' own words for an unreachable hub are long and name no file to bring."""
    text = in_one_line(error)
    unreachable = isinstance(error, OSError) and "couldn't connect" in text
    return "it is not in the hub's cache, and the hub cannot be reached" if unreachable else text


def _quiet(network: Any) -> nn.Module:
    module: nn.Module = network.eval().requires_grad_(False)
    return module


class _Dino(Network):
    """The class token, or the patch tokens."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        accepts = "interpolate_pos_encoding" in inspect.signature(network.forward).parameters
        self.options = {"interpolate_pos_encoding": True} if accepts else {}  # the others always do
        self.skipped = 1 + getattr(network.config, "num_register_tokens", 0)  # type: ignore[operator, arg-type]

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        return self._tokens(x)[:, 0]

    def patches(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d gh gw"]:
        return grid_of(self._tokens(x)[:, self.skipped :], *x.shape[-2:])

    def _tokens(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n k d"]:
        tokens: Tensor = self.network(pixel_values=x, **self.options).last_hidden_state
        return tokens
