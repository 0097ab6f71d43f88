"""Videos in, a table out: every video is decoded once, block by block, and all metrics see each block.

A finished video is kept at once (a file of its own in `keep`), so a run that was killed goes on where it stopped. A
video that cannot be read is reported, and the others are evaluated.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from pydantic import ValidationError
from torch import Tensor

from rewards.base import UserError
from rewards.encoders import file_digest
from rewards.remembering import remembering
from sn_eval.evaluation.sources import Source, open_source
from sn_eval.evaluation.suite import Judge, Suite
from sn_eval.metrics.base import Block, Clip, Measured, Tally, block_length, blocks
from sn_eval.results.evaluation import Evaluation, VideoResult
from sn_eval.results.files import write_whole

OnVideo = Callable[[int, int, str], None]  # (videos done, in all, the one that is next)
OnFrames = Callable[[int, int | None], None]  # (frames done of this video, in all where known)


@dataclass(frozen=True)
class Watched:
    """What is told while it goes on."""

    on_video: OnVideo = lambda done, total, name: None
    on_frames: OnFrames = lambda done, total: None


def evaluate(
    sources: Sequence[Source],
    suite: Suite,
    *,
    failed: dict[str, str] | None = None,
    notes: Sequence[str] = (),
    keep: Path | None = None,
    watched: Watched | None = None,
) -> Evaluation:
    """Measure every source with every metric of the suite.

    failed: sources that were found wanting before (path → why); further ones join them. keep: a folder for finished
    videos; what is there already, of the same file, suite and knowledge, is not measured again.
    """
    watched = watched or Watched()
    videos, broken = [], dict(failed or {})
    for number, source in enumerate(sources):
        watched.on_video(number, len(sources), source.name)
        try:
            videos.append(_kept_or_measured(source, suite, keep, watched.on_frames))
        except UserError as error:
            broken[str(source.path)] = str(error)
    watched.on_video(len(sources), len(sources), "")
    return Evaluation(
        suite=suite.name, mode=suite.mode, measures=suite.measures, videos=tuple(videos), failed=broken,
        notes=tuple(notes),
    )  # fmt: skip


def _kept_or_measured(source: Source, suite: Suite, keep: Path | None, on_frames: OnFrames) -> VideoResult:
    """The result that a former run left, else a new one."""
    if keep is None:
        return evaluate_one(source, suite, on_frames)
    path = keep / f"{_identity(source, suite)}.json"
    with suppress(OSError, ValidationError):  # not there, or damaged: measured again
        return VideoResult.model_validate_json(path.read_text(encoding="utf-8"))
    found = evaluate_one(source, suite, on_frames)
    write_whole(path, found.model_dump_json() + "\n")
    return found


def _identity(source: Source, suite: Suite) -> str:
    """A name that changes with the file, what is said of it, and what is measured."""
    try:
        digest = file_digest(source.path)
        anchor = file_digest(source.anchor) if source.anchor else ""
    except OSError as error:
        raise UserError(f"cannot read {error.filename}: {error.strerror}. Choose a video that plays") from error
    told = [
        digest, anchor, str(source.path), source.name, source.prompt, source.fps, dict(source.metadata), suite.name,
        [[measure.model_dump(mode="json"), judge.weight, judge.normal, repr(sorted(_settings(judge)))]
         for measure, judge in zip(suite.measures, suite.judges, strict=True)],
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:24]


def _settings(judge: Judge) -> Iterator[tuple[str, str]]:
    """The plain parameters that a metric was made with, as it keeps them."""
    for name, value in vars(judge.metric).items():
        if isinstance(value, str | int | float | bool | tuple | type(None)):
            yield name, repr(value)


def evaluate_one(source: Source, suite: Suite, on_frames: OnFrames = lambda done, total: None) -> VideoResult:
    """One video, measured by all. UserError where it cannot be read."""
    clip, frames = open_source(source)
    bench = Bench.of(suite, clip)
    done, size = 0, (0, 0)
    with torch.no_grad(), remembering():
        for block in blocks(frames):
            bench.add(block)
            done, size = done + len(block), (block.frames.shape[-1], block.frames.shape[-2])
            on_frames(done, clip.frames)
        if done == 0:
            raise UserError(f"cannot read {source.path}: it holds no frames. Choose a video that plays")
        found = bench.results()  # inside: a reward may score its last piece only now
    values = {key: _number(measured.value) for key, measured in found.items()}
    notes = [f"{key}: {measured.note}" for key, measured in found.items() if measured.note]
    return VideoResult(
        video=source.name, path=str(source.path), prompt=source.prompt, group=_group(source), frames=done,
        fps=clip.fps, width=size[0], height=size[1],
        frames_per_chunk=_whole(clip.metadata.get("frames_per_chunk")), values=values,
        parts={key: dict(measured.parts) for key, measured in found.items() if measured.parts},
        curves={key: tuple(measured.curve) for key, measured in found.items() if len(measured.curve) == done},
        notes=(*clip.notes, *notes), total=suite.total(values),
    )  # fmt: skip


@dataclass
class Bench:
    """The metrics of a suite at work on one video; one that cannot go on is left out, and it is said why."""

    keys: tuple[str, ...]
    tallies: dict[str, Tally]
    refused: dict[str, str]

    @classmethod
    def of(cls, suite: Suite, clip: Clip) -> "Bench":
        """Start every metric."""
        bench = cls(tuple(measure.key for measure in suite.measures), {}, {})
        for judge in suite.judges:
            try:
                bench.tallies[judge.measure.key] = judge.metric.start(clip)
            except UserError as error:
                bench.refused[judge.measure.key] = str(error)
        return bench

    def add(self, block: Block) -> None:
        """Show a block to all."""
        for key, tally in list(self.tallies.items()):
            try:
                tally.add(block)
            except UserError as error:
                self._refuse(key, error)

    def results(self) -> dict[str, Measured]:
        """What each says at the end, in the suite's order."""
        found = {}
        for key, tally in list(self.tallies.items()):
            try:
                found[key] = tally.result()
            except UserError as error:
                self._refuse(key, error)
        found |= {key: Measured(math.nan, note=why) for key, why in self.refused.items()}
        return {key: found[key] for key in self.keys}

    def _refuse(self, key: str, error: UserError) -> None:
        self.refused[key] = str(error)
        self.tallies.pop(key, None)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _group(source: Source) -> str:
    """What the manifest calls a group, else the method of one of our own runs."""
    return str(source.metadata.get("group") or source.metadata.get("method") or "")


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and value >= 1 else None


def measure_frames(
    frames: Float[Tensor, "t 3 h w"], suite: Suite, clip: Clip | None = None, block: int | None = None
) -> dict[str, Measured]:
    """A video that is in memory already, measured by all; for tests, benchmarks and notebooks."""
    clip = clip or Clip(frames=len(frames))
    bench = Bench.of(suite, clip)
    with torch.no_grad(), remembering():
        for some in blocks(iter(frames.split(block or block_length(*frames.shape[-2:])))):
            bench.add(some)
        return bench.results()
