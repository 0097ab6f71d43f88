"""What speed is measured on: the embedded model and a reward with an encoder, or stand-ins where these are missing."""

from typing import Any

import torch

import rewards
from rewards.base import RewardSpec, Scores, UserError
from sn_eval import models

PROMPT = "a red ball rolls to the right on a wood table"
ENCODER = "imagenet-lite0@64"


def made_model(path: str | None = None, device: str = "cpu") -> tuple[Any, str]:
    """The embedded model (`path`: other weights of its kind) and what it is in words.

    The Gaussian model, made about as heavy, where its weights are missing; that one is on the CPU whatever `device` is.
    """
    try:
        model = models.create("tabletop", path=path, device=device)
        return model, f"{model.name} on {_place(model.device)}"
    except UserError as error:
        if path:
            raise
        model = models.create("gaussian", size=64, frames_per_chunk=6)
        weight = torch.randn(1024, 1024)

        def work(module: Any, inputs: Any, output: Any) -> None:
            for _ in inputs[0]:
                torch.mm(weight, weight)  # about as long as one evaluation of the embedded model

        model.denoiser.register_forward_hook(work)
        return model, f"gaussian, made heavier, on {_place(model.device)} (the embedded model is not here: {error})"


def made_reward() -> tuple[Any, str]:
    """A reward with an image encoder and what it is in words; the mean of pixels where its weights are missing."""
    try:
        return rewards.create("anchor_consistency", encoder=ENCODER), f"anchor_consistency ({ENCODER})"
    except UserError as error:
        return MeanOfPixels(), f"mean of pixels (no encoder here: {error})"


class MeanOfPixels:
    """The cheapest reward there is."""

    spec = RewardSpec("mean_of_pixels", ("pixels",))

    def __call__(
        self, frames: Any, prompts: Any, *, fps: float, anchor: Any = None, metadata: Any = None
    ) -> Scores:
        """Brightness."""
        return Scores(frames.float().mean((1, 2, 3, 4)))


def _place(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{device.type}, {threads} thread{'s' if threads > 1 else ''}"
