"""One video made elsewhere becomes a finished cell: decoded once, measured, copied, recorded; no model is loaded."""

import hashlib
import math
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import av
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from rewards.base import Reward, UserError
from rewards.functional import fit_within
from rewards.remembering import remembering
from sn_eval.evaluation.by_piece import ByPiece
from sn_eval.evaluation.evaluate import Bench
from sn_eval.evaluation.sources import open_source
from sn_eval.evaluation.suite import Judge, Suite
from sn_eval.metrics.base import Block, Clip, Measured, Metric, MetricSpec, Tally, blocks, described
from sn_eval.poc.candidates import Candidate
from sn_eval.results.per_frame import save_curves
from sn_eval.results.record import Component, Cost, Environment, Quantity, Record, Seconds, versions
from sn_eval.video import SHEET_TILES, SheetRow, Strip, VideoWriter, contact_sheet, save_image, to_uint8
from sn_eval.video.writing import cannot_write

IMPORTED = Component(use="imported")
VIDEO = "video.mp4"
TILE = 256  # pixels, of the longer side of a frame in a contact sheet
HOW = "given by the user"
PLAYABLE = ("yuv420p", "yuvj420p")  # of H.264 in an mp4: what every browser shows

OnFrames = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Instruments:
    """What measures: evaluators by key, and the reward by the key of what was searched on (None: a given score)."""

    judges: dict[str, Metric]
    searched: str | None = None
    components: tuple[Component, ...] = ()

    @property
    def suite(self) -> Suite:
        """All of them, for one pass over the frames."""
        each = {key: described(metric.spec).model_copy(update={"key": key}) for key, metric in self.judges.items()}
        return Suite("poc import", "", "fixed", tuple(Judge(self.judges[key], each[key]) for key in each))


@dataclass
class Taken:
    """A finished cell: its record, and which evaluator could not judge it, and why."""

    record: Record
    unscored: dict[str, str] = field(default_factory=dict)


def evaluator(made: Reward) -> Metric:
    """An evaluator as `poc run` uses it: on the whole video, against its first frame."""
    return _Guarded(made if isinstance(made, Metric) else _Whole(made))


def selector(made: Reward) -> Metric:
    """A reward as a search uses it: the mean over pieces; a metric measures the whole."""
    return _Guarded(made if isinstance(made, Metric) else ByPiece(made))


def take(
    candidate: Candidate, cell: str, folder: Path, instruments: Instruments, *, copy: bool = True,
    on_frames: OnFrames = lambda done, total: None,
) -> Taken:  # fmt: skip
    """Measure a candidate in `folder` (which exists and is empty): video.mp4, contact_sheet.png, and the record.

    copy: a video that browsers play is copied as it is, any other encoded anew; without it a link leads to the
    original. UserError where the video cannot be read to its end.
    """
    clip, frames = open_source(candidate.source, info=candidate.info)
    first = next(frames, None)
    if first is None:
        raise UserError(f"cannot read {candidate.source.path}: it holds no frames. Choose a video that plays")
    clip = replace(clip, reference=first[0] if clip.reference is None else clip.reference)
    playable = plays_in_browsers(candidate.source.path)
    writer = VideoWriter(folder / VIDEO, fps=candidate.fps) if copy and not playable else None
    strip, digest, done = Strip(candidate.info.frames, SHEET_TILES, _small), hashlib.sha256(), 0
    with torch.no_grad(), remembering():
        bench = Bench.of(instruments.suite, clip)
        with writer or _Nothing():
            for block in blocks(chain([first], frames)):
                bench.add(block)
                pixels = to_uint8(block.frames)
                strip.add(pixels)
                digest.update(pixels.permute(0, 2, 3, 1).contiguous().numpy().data)
                if writer:
                    writer.write(pixels)
                done += len(block)
                on_frames(done, candidate.info.frames)
        found = bench.results()
    if writer is None:
        _place(candidate.source.path, folder / VIDEO, copy)
    _save_sheet(folder / "contact_sheet.png", strip, candidate)
    save_curves(folder, {key: measured.curve for key, measured in found.items() if len(measured.curve)})
    return _taken(candidate, cell, instruments, found, digest.hexdigest())


def plays_in_browsers(path: Path) -> bool:
    """Whether a file is H.264 with 4:2:0 colour of 8 bits in an mp4."""
    if path.suffix.lower() not in (".mp4", ".m4v"):
        return False
    with av.open(str(path)) as container:
        stream: Any = container.streams.video[0]
        return stream.codec_context.name == "h264" and stream.codec_context.pix_fmt in PLAYABLE


# --- what measures ----------------------------------------------------------------------------------------


class _Whole(Metric):
    """A reward's verdict on all frames at once, against the picture that the video starts from. Memory holds them."""

    def __init__(self, reward: Reward) -> None:
        self.reward = reward
        self.spec = reward.spec  # type: ignore[assignment]  # a reward's own: higher is better, no modes

    def start(self, clip: Clip) -> Tally:
        """Collects all frames."""
        return _Frames(self.reward, clip)


@dataclass
class _Frames:
    """All frames of a video, as bytes."""

    reward: Reward
    clip: Clip
    kept: list[UInt8[Tensor, "t 3 h w"]] = field(default_factory=list)

    def add(self, block: Block) -> None:
        """Keep the new frames."""
        self.kept.append(to_uint8(block.frames))

    def result(self) -> Measured:
        """The reward, asked once; the first frame is the anchor and is not scored itself."""
        whole: Float[Tensor, "1 t 3 h w"] = (torch.cat(self.kept).float() / 255)[None]
        if whole.shape[1] < 2:
            return Measured(math.nan, note="needs two frames")
        told = [dict(self.clip.metadata)]
        found = self.reward(whole[:, 1:], [self.clip.prompt], fps=self.clip.fps, anchor=whole[:, :1], metadata=told)
        value = float(found.values[0])
        parts = {name: float(part[0]) for name, part in found.parts.items()}
        return Measured(value, (), parts, "" if value == value else "it does not score this video")


class _Guarded(Metric):
    """A metric whose own failure is a missing score, and no end of the import."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.spec: MetricSpec = metric.spec

    def start(self, clip: Clip) -> Tally:
        """A tally that raises nothing but UserError."""
        return _GuardedTally(_guarded(lambda: self.metric.start(clip)))


@dataclass
class _GuardedTally:
    """Passes on."""

    tally: Tally

    def add(self, block: Block) -> None:
        """Further frames."""
        _guarded(lambda: self.tally.add(block))

    def result(self) -> Measured:
        """What was measured."""
        return _guarded(self.tally.result)


def _guarded(ask: Callable[[], Any]) -> Any:
    """What is asked for; UserError for whatever a user's own evaluator raises, but for a machine without memory."""
    try:
        return ask()
    except (UserError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # a user's evaluator may raise anything
        raise UserError(f"{type(error).__name__}: {error}") from error


# --- what is kept -----------------------------------------------------------------------------------------


class _Nothing:
    """A `with` block without effect."""

    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...


def _small(frame: UInt8[Tensor, "3 H W"]) -> UInt8[Tensor, "3 h w"]:
    """A frame as it stands in a contact sheet."""
    return to_uint8(fit_within(frame[None].float() / 255, TILE))[0]


def _save_sheet(path: Path, strip: Strip, candidate: Candidate) -> None:
    rows = [SheetRow(f"candidate {candidate.number}", torch.stack(strip.frames))]
    save_image(contact_sheet(rows, strip.times, caption=candidate.prompt, fps=candidate.fps), path)


def _place(source: Path, target: Path, copy: bool) -> None:
    """A copy of the file, whole or not at all, or a link to it."""
    try:
        if not copy:
            target.symlink_to(source.resolve())
            return
        partial = target.with_name(f".{target.name}.partial")
        shutil.copyfile(source, partial)
        os.replace(partial, target)
    except OSError as error:
        raise cannot_write(target, error) from error


def _taken(candidate: Candidate, cell: str, instruments: Instruments, found: dict[str, Measured], digest: str) -> Taken:
    scores = dict(_scores(found))
    if instruments.searched and instruments.searched not in found:
        scores[instruments.searched] = candidate.score
    told = candidate.source.metadata
    seed = told.get("seed")
    parameters = {
        "source": str(candidate.source.path), "sha256": candidate.sha256,
        "frames_per_chunk": told.get("frames_per_chunk"), "notes": list(candidate.info.notes),
    }  # fmt: skip
    record = Record(
        id=cell, prompt=candidate.prompt, model=IMPORTED, rollout=IMPORTED, method=IMPORTED,
        rewards=instruments.components, parameters=parameters,  # type: ignore[arg-type]
        seed=seed if isinstance(seed, int) else 0, frames=candidate.info.frames, fps=candidate.fps,
        width=candidate.info.width, height=candidate.info.height, frames_sha256=digest, scores=scores,
        cost=cost_of(candidate), environment=_environment(candidate), versions=dict(versions()),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip
    unscored = {key: measured.note or "no value" for key, measured in found.items() if math.isnan(measured.value)}
    return Taken(record, unscored)


def _scores(found: dict[str, Measured]) -> Iterator[tuple[str, float | None]]:
    for key, measured in found.items():
        yield key, measured.value  # a record keeps NaN as null
        yield from ((f"{key}/{part}", value) for part, value in measured.parts.items())


def cost_of(candidate: Candidate) -> Cost:
    """What its owner says that it took; nothing was metered here."""
    none = Quantity.none("made elsewhere: nothing was metered")
    if candidate.seconds is None:
        seconds = Seconds(by_phase={}, source="none", how="made elsewhere: nothing was metered")
    else:
        seconds = Seconds(by_phase={"generate": candidate.seconds}, source="estimated", how=f"{HOW}: column seconds")
    return Cost(
        nfe=none, nfe_preview=none, decoded_frames=none, reward_frames=none, seconds=seconds, flops=none,
        peak_memory_bytes=none, energy_joules=none,
    )  # fmt: skip


def _environment(candidate: Candidate) -> Environment:
    """Whose seconds they are."""
    if candidate.seconds is None:
        return Environment(device="unknown", device_name="made elsewhere")
    name = f"{candidate.device.upper()} elsewhere, {HOW}"
    return Environment(device="cuda" if candidate.device == "gpu" else "cpu", device_name=name)
