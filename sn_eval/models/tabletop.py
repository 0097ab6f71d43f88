"""The embedded tabletop model: a small video diffusion model with a noise level for every frame (arXiv:2407.01392).

Clean context frames stand in front of the new ones at level 0, so one network continues a chunk and runs a FIFO
queue. Flow matching: x = (1-sigma) x0 + sigma eps, and the network gives the velocity eps - x0.
"""

import hashlib
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from rewards.base import UserError
from rewards.registry import component
from sn_eval.interfaces import Clip, Cond, History, Image, Latents, Schedule, Video
from sn_eval.results.paths import data_path
from sn_eval.sampling import flow_schedule, normal, x0_from_flow
from sn_eval.tabletop import scene as world
from sn_eval.tabletop.codec import PatchCodec
from sn_eval.tabletop.network import SpaceTimeUNet
from sn_eval.tabletop.render import clip
from sn_eval.tabletop.train import WEIGHTS

EMPTY = [0] * world.MAX_WORDS


@component("tabletop")
class TabletopModel:
    """The embedded video model: 64x64 frames of a table, continued from 1 to 3 context frames and a caption.

    path: folder with other weights in the same layout (`sn-eval tabletop train` writes it). guidance: scale of
    classifier-free guidance, 1 for none. start: "scene" renders the prompt's scene as the start frames, "text"
    begins from nothing (text-to-video). context_noise: level to which the context is noised, and declared to be, so
    that what drift left in it is mended rather than copied (arXiv:2407.01392, section 3.2); 0 trusts it as it is.
    device: where it runs.
    """

    name = "tabletop"
    capability: Literal["stepwise", "black_box"] = "stepwise"
    per_frame_levels = True
    frames_per_chunk = 6
    context_frames = 3
    fps = float(world.FPS)

    def __init__(
        self,
        path: str | None = None,
        guidance: float = 1.0,
        start: str = "scene",
        context_noise: float = 0.0,
        device: str = "cpu",
    ) -> None:
        if start not in ("scene", "text"):
            raise UserError(f"start is {start!r}; it must be 'scene' (render the prompt's scene) or 'text'")
        if not 0 <= context_noise < 1:
            raise UserError(f"context_noise is {context_noise}; it must lie in 0 (none) … below 1")
        folder = Path(path) if path else data_path("models/tabletop")
        index = _json(folder, "model_index.json")
        self.guidance, self.from_text = guidance, start == "text"
        self.context_noise, self.device = context_noise, torch.device(device)
        self.shift = float(index.get("shift", 1.0))
        if list(index.get("words", ())) != list(world.VOCABULARY):
            raise UserError(f"{folder} was trained on other words than this version knows: train it again. {_HELP}")
        self.denoiser = _load(SpaceTimeUNet, folder / "denoiser").to(self.device)
        self.denoiser.to(memory_format=torch.channels_last)  # convolutions are a quarter faster so
        self.codec = _load(PatchCodec, folder / "codec").to(self.device)
        self._text: dict[str, tuple[Tensor, Tensor]] = {}

    @property
    def fingerprint(self) -> str:
        """A hash of weights and configuration: two models with the same one make the same videos."""
        digest = hashlib.sha256(repr((self.guidance, self.from_text, self.context_noise, self.shift)).encode())
        for module in (self.denoiser, self.codec):
            for name, value in sorted(module.state_dict().items()):
                digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    @property
    def evaluations_per_call(self) -> int:
        """2 with guidance, else 1."""
        return 1 if self.guidance == 1.0 else 2

    def schedule(self, steps: int) -> Schedule:
        """Flow-matching levels, shifted as in training."""
        return flow_schedule(steps, self.shift)

    def start(self, prompt: str, image: Image | None, seed: int) -> History:
        """First frames: the image (its middle square, at 64x64), the prompt's rendered scene, or none ("text")."""
        if image is not None:
            frames = F.interpolate(_middle(image)[None].float(), (world.SIZE, world.SIZE), mode="area").clamp(0, 1)
        elif self.from_text:
            world.parse(prompt)
            return History()
        else:
            scene = self.scene(prompt, seed)
            frames = clip(scene, self.context_frames).frames[0]
        frames = frames.to(self.device)
        return History(latents=self.codec.encode(frames), frames=frames)

    @staticmethod
    def scene(prompt: str, seed: int) -> world.Scene:
        """The scene that `start` renders for a prompt and seed."""
        return world.complete(world.parse(prompt), random.Random(f"{seed}:{prompt}"))

    def condition(self, prompts: Sequence[str], histories: Sequence[History]) -> Cond:
        """Caption features and the clean context of each sample; histories of one call are equally long."""
        asked = [self._words(world.parse(prompt).caption()) for prompt in prompts]
        text = {f"text{i}": torch.cat(each) for i, each in enumerate(zip(*asked, strict=True))}
        shape = self.latent_shape(0)
        context = [torch.zeros(shape, device=self.device) if h.latents is None else self._seen(h) for h in histories]
        if len({len(latents) for latents in context}) > 1:
            raise UserError(f"context of {sorted({len(c) for c in context})} frames in one batch: start all alike")
        return Cond(tuple(prompts), {"context": torch.stack(context), **text})

    def latent_shape(self, frames: int) -> tuple[int, int, int, int]:
        """One latent a frame: 16 channels, a quarter of the picture's side."""
        side = world.SIZE // self.codec.patch
        return (frames, len(self.codec.scale), side, side)

    @torch.no_grad()
    def denoise(self, x: Latents, times: Float[Tensor, "b t"], cond: Cond) -> Latents:
        """The estimate of the clean new frames, guided by the caption."""
        context = cond.tensors["context"]
        known = context.shape[1]
        window = torch.cat([context, x], 1)
        sigma = torch.cat([times.new_full((len(x), known), self.context_noise), times], 1)
        text = tuple(cond.tensors[f"text{i}"] for i in range(2))
        if self.guidance == 1.0:
            velocity = self.denoiser(window, sigma, text)
        else:
            empty = tuple(each.expand_as(like) for each, like in zip(self._words(""), text, strict=True))
            text = tuple(torch.cat(pair) for pair in zip(text, empty, strict=True))
            asked, free = self.denoiser(window.repeat(2, 1, 1, 1, 1), sigma.repeat(2, 1), text).chunk(2)
            velocity = free + self.guidance * (asked - free)
        return x0_from_flow(x, velocity[:, known:], times)

    @torch.no_grad()
    def decode(self, latents: Latents, histories: Sequence[History]) -> Video:
        """Pixels of the latents: linear, one frame at a time."""
        return self.codec.decode(latents)

    def extend(self, history: History, latents: Clip, frames: Float[Tensor, "t 3 H W"]) -> History:
        """Keeps the last context frames."""
        join = lambda old, new: (new if old is None else torch.cat([old, new]))[-self.context_frames :].clone()  # noqa: E731
        return History(join(history.latents, latents), join(history.frames, frames), chunks=history.chunks + 1)

    def _seen(self, history: History) -> Clip:
        """The context as the network gets it. Its noise is the same for all beams of a step, and every time."""
        assert history.latents is not None
        context = history.latents[-self.context_frames :]
        if self.context_noise == 0:
            return context
        noise = normal(tuple(context.shape), "context", history.chunks).to(context)
        return (1 - self.context_noise) * context + self.context_noise * noise

    @torch.no_grad()
    def _words(self, caption: str) -> tuple[Tensor, Tensor]:
        if caption not in self._text:
            words = torch.tensor([world.tokens(caption) if caption else EMPTY], device=self.device)
            self._text[caption] = self.denoiser.encode_text(words)
        return self._text[caption]


def _middle(image: Float[Tensor, "3 H W"]) -> Float[Tensor, "3 S S"]:
    """The largest square in the middle."""
    height, width = image.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[:, top : top + side, left : left + side]


def _json(folder: Path, name: str) -> dict[str, Any]:
    """A JSON file of a model folder; UserError where it is missing or broken."""
    try:
        return dict(json.loads((folder / name).read_text()))
    except FileNotFoundError as error:
        raise UserError(f"no {name} in {folder}: that is no tabletop model. {_HELP}") from error
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"cannot read {folder / name}: {error}. {_HELP}") from error


def _load(kind: type[nn.Module], folder: Path) -> Any:
    """A module with its configuration and weights, in float32 and evaluation mode."""
    config = {key: value for key, value in _json(folder, "config.json").items() if not key.startswith("_")}
    path = folder / WEIGHTS
    try:
        module = kind(**config)
        weights = load_file(path)
        module.load_state_dict({name: value.float() for name, value in weights.items()})
    except FileNotFoundError as error:
        raise UserError(f"missing weights {path}. {_HELP}") from error
    except (SafetensorError, OSError) as error:
        raise UserError(f"weights {path} are truncated or not safetensors ({error}). {_HELP}") from error
    except (RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"weights {path} do not fit their config.json ({reason}). {_HELP}") from error
    return module.eval().requires_grad_(False)


_HELP = (
    "Restore the folder (`git checkout data/models`), name another with path=…, or train one: `sn-eval tabletop train`"
)
