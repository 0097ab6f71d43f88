"""Train the embedded model: render scenes, fit the codec, then flow matching with a noise level for every frame.

Windows of 9 latent frames; most samples keep 1 to 6 clean context frames and share one level for the rest, some share
a level throughout, some draw one per frame, some lie on a FIFO diagonal.
The loss is weighted toward what moves, and the weight fades to uniform, so that objects survive and still parts
stay clean. Needs torch, numpy and safetensors only, so it runs on any machine with torch.
"""

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from rewards.base import UserError
from sn_eval.tabletop.codec import PatchCodec
from sn_eval.tabletop.network import SpaceTimeUNet
from sn_eval.tabletop.render import render
from sn_eval.tabletop.scene import VOCABULARY, random_scene, tokens

WINDOW = 9
WEIGHTS = "diffusion_pytorch_model.safetensors"
CLIP = 33  # frames of a training clip


@dataclass(frozen=True)
class Recipe:
    """Everything that shapes the result; saved beside the weights."""

    batch: int = 16
    learning_rate: float = 1.5e-3  # of AdamW
    muon_rate: float = 4e-3
    warmup: int = 60
    codec_clips: int = 192  # clips that the codec is fitted on
    clips_at_start: int = 512
    clips_a_step: float = 1.5
    most_clips: int = 12_000
    motion_weight: float = 12.0  # extra weight of places that change
    motion_weight_end: float = 2.0
    # shares of windows: clean context then one level, one level throughout, a level each, a FIFO diagonal
    mix: tuple[float, float, float, float] = (0.8, 0.06, 0.04, 0.1)
    usual_context: float = 0.6  # share of contexts of 3 frames, the length that sampling uses; the rest 1 to 6
    context_noise: float = 0.3  # most noise in the context: what lets the model mend a drifted one (Chen et al., 3.2)
    caption_dropout: float = 0.12
    shift: float = 2.0
    ema: float = 0.998
    seed: int = 0


class ClipPool:
    """Rendered clips as latents, growing while the training runs; oldest replaced when full."""

    def __init__(self, codec: PatchCodec, recipe: Recipe, device: torch.device, offset: int) -> None:
        self.codec, self.recipe, self.device = codec, recipe, device
        self.rng = random.Random(f"{recipe.seed}:{offset}")
        self.latents: list[Tensor] = []
        self.words: list[list[int]] = []
        self.drawn = 0

    def grow(self, clips: int) -> None:
        """Render `clips` more scenes."""
        frames, captions = draw_clips(clips, self.rng)
        latents = self.codec.to(frames.device).encode(frames).half().to(self.device)
        for latent, caption in zip(latents, captions, strict=True):
            if len(self.latents) < self.recipe.most_clips:
                self.latents.append(latent)
                self.words.append(tokens(caption))
            else:
                self.latents[self.drawn % self.recipe.most_clips] = latent
                self.words[self.drawn % self.recipe.most_clips] = tokens(caption)
            self.drawn += 1

    def sample(self, batch: int) -> tuple[Float[Tensor, "b t c h w"], Tensor]:
        """Random windows of random clips, with their captions (some dropped)."""
        windows, words = [], []
        for _ in range(batch):
            i, start = self.rng.randrange(len(self.latents)), self.rng.randrange(CLIP - WINDOW + 1)
            windows.append(self.latents[i][start : start + WINDOW])
            dropped = self.rng.random() < self.recipe.caption_dropout
            words.append([0] * len(self.words[i]) if dropped else self.words[i])
        return torch.stack(windows).float(), torch.tensor(words, device=self.device)


def draw_clips(clips: int, rng: random.Random) -> tuple[Float[Tensor, "b t 3 h w"], list[str]]:
    """Random scenes rendered from a random moment of their life, and their captions."""
    scenes = [random_scene(rng) for _ in range(clips)]
    starts = [0.0 if rng.random() < 0.55 else rng.uniform(1, 30) for _ in scenes]
    times = torch.tensor(starts)[:, None] + torch.arange(float(CLIP))
    frames = torch.cat([render(scenes[i : i + 16], times[i : i + 16]).frames for i in range(0, clips, 16)])
    return frames, [scene.said.caption() for scene in scenes]


def shifted(u: Tensor, shift: float) -> Tensor:
    """Flow-matching time shift: shift * u / (1 + (shift - 1) u), for u in 0..1."""
    return shift * u / (1 + (shift - 1) * u)


def draw_levels(batch: int, recipe: Recipe, rng: torch.Generator) -> tuple[Float[Tensor, "b t"], Bool[Tensor, "b t"]]:
    """Noise level of each frame, and which frames count in the loss (context frames do not)."""
    uniform = lambda *size: torch.rand(*size, generator=rng)  # noqa: E731
    place, kind = torch.arange(WINDOW)[None], uniform(batch, 1)
    continues, same, each = torch.tensor(recipe.mix).cumsum(0)[:3]
    context = 1 + (uniform(batch, 1) * 5.999).long()
    context = torch.where(uniform(batch, 1) < recipe.usual_context, torch.full_like(context, 3), context)
    shared = shifted(uniform(batch, 1), recipe.shift).expand(-1, WINDOW)
    dirty = recipe.context_noise * uniform(batch, 1).square() * (uniform(batch, 1) < 0.5)
    continued = torch.where(place < context, dirty.expand(-1, WINDOW), shared)
    span = 0.1 + 0.9 * uniform(batch, 1)
    diagonal = (1 - span) * uniform(batch, 1) + span * (place + uniform(batch, 1)) / WINDOW
    levels = torch.where(kind < same, shared, torch.where(kind < each, uniform(batch, WINDOW), diagonal))
    levels = torch.where(kind < continues, continued, levels)
    return levels.clamp(0, 1), (kind >= continues) | (place >= context)


def motion_weights(z: Float[Tensor, "b t c h w"], extra: float) -> Float[Tensor, "b t 1 h w"]:
    """1 + extra * change of a place (from the frame before, and from the window played backwards); mean 1 a frame."""
    step = torch.zeros_like(z[:, :, :1])
    step[:, 1:] = (z[:, 1:] - z[:, :-1]).abs().mean(2, keepdim=True)
    change = step + (z - z.flip(1)).abs().mean(2, keepdim=True)
    weights = 1 + extra * (change / 0.5).clamp(max=1)
    return weights / weights.mean((-1, -2), keepdim=True)


def flow_loss(
    network: SpaceTimeUNet, z: Tensor, words: Tensor, recipe: Recipe, extra: float, rng: torch.Generator
) -> Tensor:
    """Weighted mean squared error of the velocity eps - x0 on the frames that count."""
    sigma, counted = draw_levels(len(z), recipe, rng)
    sigma, counted = sigma.to(z.device), counted.to(z.device)
    noise = torch.randn(z.shape, generator=rng).to(z.device)
    s = sigma[..., None, None, None]
    velocity = network((1 - s) * z + s * noise, sigma, network.encode_text(words))
    error = (velocity - (noise - z)).square() * motion_weights(z, extra)
    return (error.mean((2, 3, 4)) * counted).sum() / counted.sum().clamp(min=1)


HIDDEN = ("down", "middle", "attention", "up", "shrink", "grow", "text.layers")


class Optimizer:
    """Muon for the matrices of the hidden layers, AdamW for all else.

    Muon (K. Jordan et al., 2024; torch.optim.Muon) orthogonalises the momentum, which makes more of each step. It takes
    matrices only, so it is given each convolution's weight as one, in a view: the network must be stored channels last.
    """

    def __init__(self, network: SpaceTimeUNet, recipe: Recipe) -> None:
        hidden = [p for name, p in network.named_parameters() if name.startswith(HIDDEN) and p.ndim > 1]
        self.pairs = [(p, torch.nn.Parameter(_matrix(p.detach()))) for p in hidden]
        mine = {id(p) for p in hidden}
        rest = [p for p in network.parameters() if id(p) not in mine]
        self.parts = {
            "muon": torch.optim.Muon(
                [matrix for _, matrix in self.pairs], recipe.muon_rate, 0.01, adjust_lr_fn="match_rms_adamw"
            ),
            "adamw": torch.optim.AdamW(rest, recipe.learning_rate, betas=(0.9, 0.98), weight_decay=0.01),
        }
        self.rates = {"muon": recipe.muon_rate, "adamw": recipe.learning_rate}

    def step(self, share: float) -> None:
        """One step at this share of the learning rates; takes the network's gradients."""
        for weight, matrix in self.pairs:
            matrix.grad = None if weight.grad is None else _matrix(weight.grad)
        for name, part in self.parts.items():
            for group in part.param_groups:
                group["lr"] = share * self.rates[name]
            part.step()

    def state_dict(self) -> dict[str, object]:
        """Both optimisers' states."""
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, state: dict[str, dict[str, object]]) -> None:
        """Go on from a saved state."""
        for name, part in self.parts.items():
            part.load_state_dict(state[name])


def _matrix(weight: Tensor) -> Tensor:
    """A weight as a matrix [outputs, inputs]: a view, where a convolution's weight is stored channels last."""
    if weight.ndim == 2:
        return weight
    return weight.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1).flatten(1)


@dataclass
class Training:
    """The state that a checkpoint holds."""

    network: SpaceTimeUNet
    average: SpaceTimeUNet
    optimizer: Optimizer
    codec: PatchCodec
    step: int = 0
    seconds: float = 0.0  # time spent in steps so far, over all resumed runs

    def save(self, path: Path) -> None:
        """Write the checkpoint whole or not at all."""
        state = {name: getattr(self, name).state_dict() for name in ("network", "average", "optimizer", "codec")}
        torch.save(state | {"step": self.step, "seconds": self.seconds}, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    def load(self, path: Path) -> None:
        """Continue from a checkpoint."""
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            for name in ("network", "average", "optimizer", "codec"):
                getattr(self, name).load_state_dict(state[name])
        except Exception as error:
            raise UserError(f"cannot resume from {path}: {error}. Remove the file to start afresh.") from error
        self.step, self.seconds = state["step"], state["seconds"]

    def load_weights(self, folder: Path) -> None:
        """Begin with weights that `save_weights` wrote."""
        try:
            denoiser, codec = (load_file(folder / part / WEIGHTS) for part in ("denoiser", "codec"))
            for network in (self.network, self.average):
                network.load_state_dict({name: value.float() for name, value in denoiser.items()})
            self.codec.load_state_dict(codec)
        except (OSError, SafetensorError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:160]
            raise UserError(f"cannot start from {folder}: {reason}. Name a folder that training wrote.") from error


def new_training(recipe: Recipe, device: torch.device) -> Training:
    """Fresh network, average, optimiser, and a codec fitted on freshly rendered scenes."""
    torch.manual_seed(recipe.seed)  # only weights' initial values come from the global generator
    network, average = (
        SpaceTimeUNet(vocabulary=len(VOCABULARY)).to(device).to(memory_format=torch.channels_last) for _ in range(2)
    )
    average.load_state_dict(network.state_dict())
    optimizer = Optimizer(network, recipe)
    frames, _ = draw_clips(recipe.codec_clips, random.Random(f"codec:{recipe.seed}"))
    codec = PatchCodec().fit(frames[:, ::6].flatten(0, 1))
    latents = codec.encode(frames)
    for net in (network, average):
        net.spread.copy_(latents[:, ::6].flatten(0, 1).std((0, 2, 3)))
        net.change.copy_((latents[:, 1:WINDOW] - latents[:, :1]).flatten(0, 1).square().mean((0, 2, 3)).sqrt())
    return Training(network, average, optimizer, codec)


def _cosine(done: float) -> float:
    return 0.5 * (1 + torch.cos(torch.tensor(torch.pi * min(done, 1.0))).item())


def train(
    out: Path,
    minutes: float,
    recipe: Recipe | None = None,
    device: str = "cpu",
    checkpoint_minutes: float = 5.0,
    start_from: Path | None = None,
    on_step: Callable[[Training, float, float], None] | None = None,
    on_checkpoint: Callable[[Training], None] | None = None,
) -> Training:
    """Train for `minutes` in all (time of earlier, resumed runs counts) and save the average's weights to `out`.

    Resumes from `out/checkpoint.pt` where that exists, else begins with the weights and codec in the folder
    `start_from` (saved ones; the optimiser starts afresh), else from nothing. `on_step(training, loss, done)` sees
    every step, `done` in 0..1; `on_checkpoint(training)` runs after each checkpoint.
    """
    recipe = recipe or Recipe()
    place = torch.device(device)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / "checkpoint.pt"
    training = new_training(recipe, place)
    if checkpoint.exists():
        training.load(checkpoint)
    elif start_from is not None:
        training.load_weights(start_from)
    pool = ClipPool(training.codec, recipe, place, training.step)
    pool.grow(recipe.clips_at_start)
    rng = torch.Generator().manual_seed(recipe.seed * 1_000_003 + training.step)
    saved = training.seconds
    for loss, done in _steps(training, pool, recipe, minutes * 60, rng):
        if on_step:
            on_step(training, loss, done)
        if training.seconds - saved > checkpoint_minutes * 60:
            saved = training.seconds
            training.save(checkpoint)
            if on_checkpoint:
                on_checkpoint(training)
    training.save(checkpoint)
    save_weights(training, recipe, out)
    if on_checkpoint:
        on_checkpoint(training)
    return training


def _steps(
    training: Training, pool: ClipPool, recipe: Recipe, budget: float, rng: torch.Generator
) -> Iterator[tuple[float, float]]:
    """Optimiser steps until `budget` seconds are spent; yields the loss and the share done."""
    owed, typical = 0.0, None
    parameters = [p for p in training.network.parameters() if p.requires_grad]
    half = next(training.network.parameters()).is_cuda or torch.cpu._is_avx512_bf16_supported()  # else it is slower
    while training.seconds < budget:
        began = time.monotonic()
        done = training.seconds / budget
        share = min(1.0, (training.step + 1) / recipe.warmup) * max(_cosine(done), 0.01)
        fade = max(0.0, (done - 0.5) / 0.5)
        extra = recipe.motion_weight + fade * (recipe.motion_weight_end - recipe.motion_weight)
        z, words = pool.sample(recipe.batch)
        with torch.autocast(z.device.type, torch.bfloat16, enabled=half):
            loss = flow_loss(training.network, z, words, recipe, extra, rng)
        training.network.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        training.optimizer.step(share)
        decay = min(recipe.ema, (1 + training.step) / (10 + training.step))
        with torch.no_grad():
            for mean, value in zip(training.average.parameters(), training.network.parameters(), strict=True):
                mean.lerp_(value, 1 - decay)
        training.step += 1
        owed += recipe.clips_a_step
        if owed >= 16:
            pool.grow(int(owed))
            owed = 0.0
        took = time.monotonic() - began
        typical = took if typical is None else 0.95 * typical + 0.05 * min(took, 5 * typical)
        training.seconds += min(took, 5 * typical)  # a process that was suspended did not train meanwhile
        yield loss.item(), training.seconds / budget


def save_weights(training: Training, recipe: Recipe, out: Path) -> None:
    """Write the averaged network and the codec in diffusers' folder layout, as safetensors.

    The network is stored as fp16; the codec is tiny and would show its rounding in every pixel: fp32.
    """
    for folder, kind, module, dtype in (
        ("denoiser", "SpaceTimeUNet", training.average, torch.float16),
        ("codec", "PatchCodec", training.codec, torch.float32),
    ):
        (out / folder).mkdir(parents=True, exist_ok=True)
        tensors = {name: value.to(dtype).contiguous() for name, value in module.state_dict().items()}
        path = out / folder / WEIGHTS
        save_file(tensors, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)  # whole or not at all
        _write_json(out / folder / "config.json", {"_class_name": kind, **module.config})
    trained = {"steps": training.step, "minutes": round(training.seconds / 60, 1), **asdict(recipe)}
    _write_json(out / "model_index.json", {
        "_class_name": "TabletopModel", "denoiser": ["sn_eval.tabletop.network", "SpaceTimeUNet"],
        "codec": ["sn_eval.tabletop.codec", "PatchCodec"], "window": WINDOW, "shift": recipe.shift,
        "words": list(VOCABULARY), "training": trained,
    })  # fmt: skip


def _write_json(path: Path, data: dict[str, object]) -> None:
    path.with_suffix(".new").write_text(json.dumps(data, indent=1) + "\n")
    path.with_suffix(".new").replace(path)
