"""Train tabletop-clip: a small open_clip model that says whether a text is true of a frame of the tabletop world.

The renderer knows which facts hold in a frame, so the contrast is exact: every true text must beat every false one,
and a text that is neither is left out. Plain contrastive training would take equal captions for wrong ones.
Source: CLIP (arXiv:2103.00020), with the positives of supervised contrastive learning (arXiv:2004.11362).
"""

import gzip
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int8, UInt8
from safetensors.torch import save_file
from torch import Tensor

from rewards.base import UserError
from sn_eval.tabletop import captions
from sn_eval.tabletop.captions import GROUPS, Statement
from sn_eval.tabletop.codec import PatchCodec
from sn_eval.tabletop.scene import SIZE

CONFIG, WEIGHTS, MERGES = "open_clip_config.json", "open_clip_model.safetensors", "bpe.txt.gz"


@dataclass(frozen=True)
class ClipRecipe:
    """Everything that shapes the result; saved beside the weights."""

    batch: int = 64  # frames a step
    captions: int = 32  # of the batch's own frames, besides the questions
    object_weight: float = 4.0  # of the question about objects, where colours must be bound to the right things
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup: int = 100
    layers: tuple[int, ...] = (1, 2, 2, 1)
    width: int = 16
    text_width: int = 128
    text_layers: int = 2
    embed: int = 128
    context: int = 32  # tokens
    scenes_at_start: int = 512
    scenes_a_step: int = 2
    moments: int = 8  # frames of each scene
    most_frames: int = 24_000
    decoded: float = 0.5  # share of frames that went through the codec
    latent_noise: float = 0.35  # most noise on their latents: what a video model's errors look like
    seed: int = 0


# --- the words ----------------------------------------------------------------------------------------------


def merges(words: list[str]) -> list[tuple[str, str]]:
    """Byte-pair merges under which each word is one token; other words fall into pieces.

    Source: Sennrich et al. (arXiv:1508.07909), stopped when every word is whole.

    >>> merges(["ab", "abc"])
    [('a', 'b'), ('a', 'b</w>'), ('ab', 'c</w>')]
    """
    split = {word: [*word[:-1], word[-1] + "</w>"] for word in words}
    found: list[tuple[str, str]] = []
    while any(len(parts) > 1 for parts in split.values()):
        pairs = Counter(pair for parts in split.values() for pair in pairwise(parts))
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        found.append(best)
        split = {word: _merged(parts, best) for word, parts in split.items()}
    return found


def _merged(parts: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    for part in parts:
        if out and (out[-1], part) == pair:
            out[-1] += part
        else:
            out.append(part)
    return out


def write_merges(path: Path) -> None:
    """The merges of the world's words, as open_clip's SimpleTokenizer reads them (the same bytes every time)."""
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges(captions.words()))]
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))


def model_config(recipe: ClipRecipe, vocabulary: int) -> dict[str, Any]:
    """open_clip's configuration of the two towers."""
    return {
        "embed_dim": recipe.embed,
        "vision_cfg": {"image_size": SIZE, "layers": list(recipe.layers), "width": recipe.width, "head_width": 64},
        "text_cfg": {"context_length": recipe.context, "vocab_size": vocabulary, "width": recipe.text_width,
                     "heads": max(1, recipe.text_width // 32), "layers": recipe.text_layers},
    }  # fmt: skip


# --- the frames ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Batch:
    """Single frames (RGB 0..1) and what they show, as in `captions.Look`."""

    frames: Float[Tensor, "n 3 h w"]
    facts: Int8[Tensor, "n f"]
    degree: Float[Tensor, "n e"]


class FramePool:
    """Frames and what they show, growing while the training runs; oldest replaced when full."""

    def __init__(self, recipe: ClipRecipe, offset: int) -> None:
        self.recipe = recipe
        self.rng = random.Random(f"clip:{recipe.seed}:{offset}")
        self.frames: UInt8[Tensor, "n 3 h w"] = torch.zeros(recipe.most_frames, 3, SIZE, SIZE, dtype=torch.uint8)
        self.facts: Int8[Tensor, "n f"] = torch.zeros(recipe.most_frames, len(captions.FACTS), dtype=torch.int8)
        self.degree: UInt8[Tensor, "n e"] = torch.zeros(recipe.most_frames, len(captions.EVENTS), dtype=torch.uint8)
        self.drawn = 0

    def grow(self, scenes: int) -> None:
        """Render moments of further scenes."""
        for begin in range(0, scenes, 16):
            made = [captions.training_scene(self.rng) for _ in range(min(16, scenes - begin))]
            times = [[self.rng.uniform(0, captions.LATEST) for _ in range(self.recipe.moments)] for _ in made]
            seen = captions.look(made, torch.tensor(times))
            place = (self.drawn + torch.arange(seen.facts[..., 0].numel())) % len(self.frames)
            self.frames[place] = (seen.frames.flatten(0, 1) * 255).round().byte()
            self.facts[place] = seen.facts.flatten(0, 1)
            self.degree[place] = (seen.degree.flatten(0, 1) * 255).round().byte()
            self.drawn += len(place)

    def sample(self) -> Batch:
        """A batch of frames 0..1 and what they show."""
        known = min(self.drawn, len(self.frames))
        rows = torch.tensor([self.rng.randrange(known) for _ in range(self.recipe.batch)])
        return Batch(self.frames[rows].float() / 255, self.facts[rows], self.degree[rows].float() / 255)


def decoded(
    frames: Float[Tensor, "n 3 h w"], codec: PatchCodec, recipe: ClipRecipe, rng: torch.Generator
) -> Float[Tensor, "n 3 h w"]:
    """Some of the frames as the codec gives them back, with noise of random strength on their latents."""
    latents = codec.encode(frames)
    level = recipe.latent_noise * torch.rand(len(frames), 1, 1, 1, generator=rng) ** 2
    through = codec.decode(latents + level * torch.randn(latents.shape, generator=rng))
    return torch.where(torch.rand(len(frames), 1, 1, 1, generator=rng) < recipe.decoded, through, frames)


def augmented(frames: Float[Tensor, "n 3 h w"], rng: torch.Generator) -> Float[Tensor, "n 3 h w"]:
    """Each frame mirrored, shifted, zoomed, exposed, sharpened or blurred a little, as no fact depends on it."""
    between = lambda low, high: low + (high - low) * torch.rand(len(frames), 1, 1, 1, generator=rng)  # noqa: E731
    theta = torch.zeros(len(frames), 2, 3)
    mirror = (between(-1, 1) > 0).float() * 2 - 1
    zoom = between(0.82, 1.08)
    theta[:, 0, 0], theta[:, 1, 1] = (mirror * zoom).flatten(), (zoom * between(0.95, 1.05)).flatten()
    theta[:, :, 2] = torch.cat([between(-0.1, 0.1), between(-0.1, 0.1)], 1).flatten(1)
    frames = F.grid_sample(
        frames, F.affine_grid(theta, list(frames.shape), align_corners=False),
        padding_mode="border", align_corners=False,
    )  # fmt: skip
    soft = F.avg_pool2d(frames, 3, 1, 1, count_include_pad=False)
    frames = soft + between(0.0, 1.6) * (frames - soft)
    grey = frames.mean(1, keepdim=True)
    frames = grey + between(0.85, 1.15) * (frames - grey)
    mean = frames.mean((1, 2, 3), keepdim=True)
    frames = (mean + between(0.88, 1.12) * (frames - mean)) * between(0.86, 1.14)
    noise = between(0.0, 0.02) * torch.randn(frames.shape, generator=rng)
    return (frames + noise).clamp(0, 1)


# --- the loss -----------------------------------------------------------------------------------------------


def contrast(logits: Float[Tensor, "n s"], true: Int8[Tensor, "n s"]) -> Float[Tensor, ""]:
    """Mean over rows and their true columns of −log of the true one's share among itself and the false ones.

    >>> contrast(torch.tensor([[2.0, 9.0, 2.0]]), torch.tensor([[1, -1, 0]], dtype=torch.int8)).item()  # ln 2
    0.6931471824645996
    """
    false = logits.masked_fill(true != 0, -torch.inf).logsumexp(1, keepdim=True)
    counts = (true == 1) & false.isfinite()
    loss = F.softplus(false.nan_to_num(neginf=-1e4) - logits) * counts
    return (loss.sum(1) / counts.sum(1).clamp(min=1)).sum() / counts.any(1).sum().clamp(min=1)


def statements(facts: Int8[Tensor, "n f"], count: int, rng: random.Random) -> list[list[Statement]]:
    """A step's texts: a question of each group, then captions of `count` of the frames."""
    rows = rng.sample(range(len(facts)), min(count, len(facts)))
    return [*(captions.question(group, rng) for group in GROUPS), [captions.caption(facts[i], rng) for i in rows]]


def by_degree(logits: Float[Tensor, "n 2"], degree: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """Cross-entropy of (not yet, happened) against how far it has gone: the probability learns to be the degree."""
    return F.binary_cross_entropy_with_logits(logits[:, 1] - logits[:, 0], degree, reduction="none")


def step_loss(training: "ClipTraining", batch: Batch, half: bool) -> Float[Tensor, ""]:
    """Each group's question, and the captions both ways."""
    blocks = statements(batch.facts, training.recipe.captions, training.rng)
    tokens = training.tokenizer([each.text for block in blocks for each in block])
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        images = training.model.encode_image(
            normalised(batch.frames).contiguous(memory_format=torch.channels_last)
        )
        texts = training.model.encode_text(tokens)
    scale = training.model.logit_scale.exp().clamp(max=100)
    logits = scale * F.normalize(images.float(), dim=-1) @ F.normalize(texts.float(), dim=-1).T
    parts = logits.split([len(block) for block in blocks], 1)
    losses = [_block_loss(part, block, batch) for part, block in zip(parts, blocks, strict=True)]
    losses[list(GROUPS).index("object")] *= training.recipe.object_weight
    own = captions.truth(batch.facts, blocks[-1])
    return torch.stack([*losses, contrast(parts[-1].T, own.T)]).mean()


def _block_loss(logits: Tensor, block: list[Statement], batch: Batch) -> Float[Tensor, ""]:
    """A question about an event is answered by degrees; of anything else, every true text beats every false one."""
    event = block[-1].facts[0]
    if len(block) != 2 or event not in captions.EVENTS:
        return contrast(logits, captions.truth(batch.facts, block))
    counts = torch.ones(len(logits))
    if block[0].facts == ("upright",):
        counts = (batch.facts[:, captions.INDEX["glass"]] == 1).float()  # without a glass nothing stands
    degree = batch.degree[:, list(captions.EVENTS).index(event)]
    return (by_degree(logits, degree) * counts).sum() / counts.sum().clamp(min=1)


# --- the training -------------------------------------------------------------------------------------------


@dataclass
class ClipTraining:
    """The state that a checkpoint holds."""

    recipe: ClipRecipe
    model: Any
    tokenizer: Any
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0  # time spent in steps so far, over all resumed runs
    rng: random.Random = field(default_factory=random.Random)

    def save(self, path: Path) -> None:
        """Write the checkpoint whole or not at all."""
        state = {name: getattr(self, name).state_dict() for name in ("model", "optimizer")}
        torch.save(state | {"step": self.step, "seconds": self.seconds}, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    def load(self, path: Path) -> None:
        """Continue from a checkpoint."""
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            for name in ("model", "optimizer"):
                getattr(self, name).load_state_dict(state[name])
            self.step, self.seconds = int(state["step"]), float(state["seconds"])
        except Exception as error:
            reason = " ".join(str(error).split())[:160]
            raise UserError(f"cannot resume from {path}: {reason}. Remove the file to start afresh.") from error


def new_training(recipe: ClipRecipe, out: Path) -> ClipTraining:
    """A fresh model; writes the tokenizer's merges to `out`."""
    from open_clip import CLIP, SimpleTokenizer

    write_merges(out / MERGES)
    tokenizer = SimpleTokenizer(str(out / MERGES), context_length=recipe.context)
    torch.manual_seed(recipe.seed)  # only weights' initial values come from the global generator
    model = CLIP(**model_config(recipe, tokenizer.vocab_size)).to(memory_format=torch.channels_last)
    plain = [p for p in model.parameters() if p.ndim < 2]
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    groups = [{"params": plain, "weight_decay": 0.0}, {"params": matrices, "weight_decay": recipe.weight_decay}]
    return ClipTraining(recipe, model, tokenizer, torch.optim.AdamW(groups, recipe.learning_rate, betas=(0.9, 0.98)))


def train(
    out: Path,
    minutes: float,
    codec: PatchCodec,
    recipe: ClipRecipe | None = None,
    checkpoint_minutes: float = 5.0,
    on_step: Callable[[ClipTraining, float, float], None] | None = None,
) -> ClipTraining:
    """Train for `minutes` in all (time of earlier, resumed runs counts); weights and configuration go to `out`.

    Resumes from `out/checkpoint.pt` where that exists. codec: what decoded frames come from. `on_step(training, loss,
    done)` sees every step, `done` in 0..1.
    """
    recipe = recipe or ClipRecipe()
    out.mkdir(parents=True, exist_ok=True)
    training, checkpoint = new_training(recipe, out), out / "checkpoint.pt"
    if checkpoint.exists():
        training.load(checkpoint)
    training.rng = random.Random(f"clip-words:{recipe.seed}:{training.step}")
    saved = training.seconds
    training.model.train()
    for loss, done in _steps(training, codec, minutes * 60):
        if on_step:
            on_step(training, loss, done)
        if training.seconds - saved > checkpoint_minutes * 60:
            saved = training.seconds
            training.save(checkpoint)
    training.save(checkpoint)
    save_weights(training, out)
    return training


@torch.no_grad()
def _batch(pool: FramePool, codec: PatchCodec, rng: torch.Generator) -> Batch:
    batch = pool.sample()
    return replace(batch, frames=augmented(decoded(batch.frames, codec, pool.recipe, rng), rng))


def normalised(frames: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """RGB 0..1 to −1..1: mean and standard deviation 0.5."""
    return (frames - 0.5) / 0.5


def _steps(training: ClipTraining, codec: PatchCodec, budget: float) -> Iterator[tuple[float, float]]:
    """Optimiser steps until `budget` seconds are spent; yields the loss and the share done."""
    recipe, typical = training.recipe, None
    pool = FramePool(recipe, training.step)
    pool.grow(recipe.scenes_at_start)
    rng = torch.Generator().manual_seed(recipe.seed * 1_000_003 + training.step)
    half = torch.cpu._is_avx512_bf16_supported()  # else it is slower
    while training.seconds < budget:
        began = time.monotonic()
        done = training.seconds / budget
        cosine = 0.5 * (1 + torch.cos(torch.tensor(torch.pi * done)).item())
        for group in training.optimizer.param_groups:
            group["lr"] = recipe.learning_rate * min(1.0, (training.step + 1) / recipe.warmup) * max(cosine, 0.002)
        pool.grow(recipe.scenes_a_step)
        loss = step_loss(training, _batch(pool, codec, rng), half)
        training.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(training.model.parameters(), 1.0)
        training.optimizer.step()
        training.step += 1
        took = time.monotonic() - began
        typical = took if typical is None else 0.95 * typical + 0.05 * min(took, 5 * typical)
        training.seconds += min(took, 5 * typical)  # a process that was suspended did not train meanwhile
        yield loss.item(), training.seconds / budget


def save_weights(training: ClipTraining, out: Path) -> None:
    """Write the model as a folder that open_clip loads by `local-dir:`, weights as fp16 safetensors."""
    tensors = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in training.model.state_dict().items()
    }
    path = out / WEIGHTS
    save_file(tensors, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)  # whole or not at all
    half = [0.5, 0.5, 0.5]
    config = {
        "model_cfg": model_config(training.recipe, training.tokenizer.vocab_size),
        "preprocess_cfg": {"mean": half, "std": half, "interpolation": "bicubic", "resize_mode": "squash"},
        "training": {"steps": training.step, "minutes": round(training.seconds / 60, 1), **asdict(training.recipe)},
    }
    new = (out / CONFIG).with_suffix(".new")
    new.write_text(json.dumps(config, indent=1) + "\n")
    new.replace(out / CONFIG)
