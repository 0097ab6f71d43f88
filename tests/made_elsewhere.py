"""Candidates for tests of `poc import`: rendered tabletop scenes, the later ones disturbed more and more."""

import random
from collections.abc import Sequence
from pathlib import Path

import torch

from sn_eval.tabletop.render import render
from sn_eval.tabletop.scene import FPS, complete, parse
from sn_eval.video import VideoWriter

PROMPTS = (
    "a red ball rolls to the left, on a wooden table, grey wall, warm light from the left",
    "a blue cube slides to the right, on a white table, mint wall, white light from the right",
    "a green ball rolls to the right, a red bottle stands still, on a black table, pink wall, cool light from the left",
)


def scene_frames(prompt: str, count: int = 10, seed: int = 0, disturbed: float = 0.0) -> torch.Tensor:
    """Frames [t 3 64 64] of one scene; disturbed: how much the light flickers and drifts, 0..1."""
    rng = random.Random(f"{prompt} {seed}")
    frames = render([complete(parse(prompt), rng)], torch.arange(count).float()[None]).frames[0]
    drift = 1 - disturbed * torch.linspace(0, 1, count)
    flicker = 1 + 0.3 * disturbed * torch.tensor([(-1.0) ** i for i in range(count)])
    return (frames * (drift * flicker).view(-1, 1, 1, 1)).clamp(0, 1)


def film(path: Path, frames: torch.Tensor, fps: float = FPS) -> Path:
    """An mp4 of these frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, fps=fps) as video:
        video.write(frames)
    return path


def folders(root: Path, prompts: Sequence[str] = PROMPTS, candidates: int = 4, count: int = 10) -> Path:
    """A folder for each prompt with its candidates, of which the first is undisturbed."""
    for number, prompt in enumerate(prompts):
        for i in range(candidates):
            disturbed = i / max(candidates - 1, 1)
            film(root / f"p{number}" / f"v_{i + 1:02d}.mp4", scene_frames(prompt, count, i, disturbed))
        (root / f"p{number}" / "prompt.txt").write_text(prompt + "\n", encoding="utf-8")
    return root
