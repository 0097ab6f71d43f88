"""A pool of candidate videos to try a reward on: many noises for each prompt, from the same first frames.

Candidate j of prompt i is the very video that `best_of_n` makes as its j-th for seed i. The pool is kept on disk
batch by batch, so that a second audit is quick and a killed run loses one batch at most.
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from rewards.base import Reward, UserError
from sn_eval.interfaces import Progress, State
from sn_eval.models.tabletop import TabletopModel
from sn_eval.results.files import cannot_write
from sn_eval.rollouts.chunk import ChunkRollout
from sn_eval.sampling import sub_seed
from sn_eval.search.candidates import plain
from sn_eval.video import to_uint8

BATCH = 16  # also what a cached file holds
LAYOUT = 1  # of the cached files


@dataclass(frozen=True)
class Pool:
    """Candidates [p, n, t, 3, h, w] and the first frames they share [p, ta, 3, h, w], bytes (a 64 px frame: 12 kB).

    prompts, seeds: of each row; the seed fixes the first frames.
    """

    frames: UInt8[Tensor, "p n t 3 h w"]
    anchors: UInt8[Tensor, "p ta 3 h w"]
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    fps: float

    def scores(self, reward: Reward, on_progress: Progress | None = None) -> np.ndarray:
        """What a reward (or metric) gives to every candidate, [prompts, candidates], NaN where it scores none.

        Metadata holds the seed, by which `tabletop_truth` finds the scene. on_progress: (scored, in all).
        """
        table = np.full(self.frames.shape[:2], np.nan)
        for row, (prompt, seed) in enumerate(zip(self.prompts, self.seeds, strict=True)):
            anchor = self.anchors[row, None].float() / 255
            for begin in range(0, table.shape[1], BATCH):
                part = self.frames[row, begin : begin + BATCH].float() / 255
                told = [{"seed": seed}] * len(part)
                scored = reward(part, [prompt] * len(part), fps=self.fps, anchor=anchor, metadata=told)
                table[row, begin : begin + BATCH] = scored.values.cpu().numpy()
                if on_progress:
                    on_progress(row * table.shape[1] + begin + len(part), table.size)
        return table


def build_pool(
    model: TabletopModel,
    prompts: Sequence[str],
    *,
    candidates: int = 64,
    chunks: int = 1,
    steps: int = 8,
    cache: Path | None = None,
    on_progress: Progress | None = None,
) -> Pool:
    """Plain videos of `chunks` chunks: `candidates` for each prompt, prompt i with seed i.

    Takes about 0.36 s a chunk on one core and 0.20 s on two: 10 prompts x 64 candidates x 1 chunk are 4 and 2 minutes.
    A second time they are read: cache (a folder) keeps every batch under a name that hashes weights, first frames and
    parameters. on_progress: (videos done, in all). Deterministic on one machine with one number of threads. Raises
    UserError for no prompts or candidates, ResultsError for an unwritable cache.
    """
    if not prompts or candidates < 1:
        raise UserError(f"{len(prompts)} prompts and {candidates} candidates: a pool needs at least 1 of each")
    rollout = ChunkRollout(model, steps=steps, chunks=chunks)
    rows, anchors, total = [], [], len(prompts) * candidates
    for seed, prompt in enumerate(prompts):
        start = rollout.start([prompt], None, seed)
        if start.fixed is None:
            raise UserError("the pool needs first frames that candidates share: take a model with start 'scene'")
        anchors.append(to_uint8(start.fixed).cpu())
        made = []
        for begin in range(0, candidates, BATCH):
            numbers = range(begin, min(begin + BATCH, candidates))
            made.append(_batch(rollout, prompt, seed, numbers, anchors[-1], cache))
            if on_progress:
                on_progress(seed * candidates + numbers.stop, total)
        rows.append(torch.cat(made))
    return Pool(torch.stack(rows), torch.stack(anchors), tuple(prompts), tuple(range(len(prompts))), model.fps)


def _batch(
    rollout: ChunkRollout, prompt: str, seed: int, numbers: range, anchor: Tensor, cache: Path | None
) -> UInt8[Tensor, "b t 3 h w"]:
    """The candidates with these numbers: from the cache where they are there, else made and put there."""
    if cache is None:
        return _made(rollout, prompt, seed, numbers)
    model = rollout.model
    assert isinstance(model, TabletopModel)
    known = [LAYOUT, model.fingerprint, rollout.steps, rollout.chunks, prompt, seed, numbers.start, numbers.stop]
    digest = hashlib.sha256(json.dumps(known).encode() + anchor.numpy().tobytes()).hexdigest()
    path = cache / f"pool-{digest[:24]}.safetensors"
    try:
        return load_file(path)["frames"]
    except (OSError, SafetensorError, KeyError):  # not there, or damaged: it is made again
        frames = _made(rollout, prompt, seed, numbers)
        _keep(frames, path)
        return frames


def _made(rollout: ChunkRollout, prompt: str, seed: int, numbers: range) -> UInt8[Tensor, "b t 3 h w"]:
    """Plain sampling of all of them in one batch."""
    states: list[State] = [rollout.start([prompt], None, seed, sub_seed(seed, j)) for j in numbers]
    shown = []
    for _ in range(rollout.chunks):
        done = rollout.commit(rollout.expand([plain(state, rollout.noise_shape()) for state in states]))
        states = [each.state for each in done]
        shown.append(torch.stack([to_uint8(each.frames).cpu() for each in done if each.frames is not None]))
    return torch.cat(shown, dim=1)


def _keep(frames: Tensor, path: Path) -> None:
    """Whole or absent, as a killed run must leave no half file."""
    partial = path.with_suffix(".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({"frames": frames}, partial)
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            partial.unlink()
        raise cannot_write(path, error if isinstance(error, OSError) else OSError(str(error))) from error
