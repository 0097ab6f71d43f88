"""One video of an evaluation, ready to be shown: its curves over time, and the frames where they fall."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from jaxtyping import UInt8
from torch import Tensor

from rewards.base import UserError
from sn_eval.evaluation.drops import CLEAR, FEWEST
from sn_eval.evaluation.incidents import Fall, Incident, falls, incidents
from sn_eval.page import fitted
from sn_eval.present.panels import Mark, Panel, panels
from sn_eval.results.evaluation import Evaluation, Measure, VideoResult
from sn_eval.video import frames_at

INCIDENTS = 6  # of a video, with frames
ONE_COLUMN = 6  # panels; of more, two stand side by side
LINES = 60  # chunk boundaries that can be told apart in a panel
FLAT = 0.02  # of a measure's range: a height axis covers at least so much
KEPT = 336  # pixels of a remembered frame
ARROWS = {True: "↑", False: "↓"}

Pictures: TypeAlias = UInt8[Tensor, "n 3 h w"]
Reader: TypeAlias = Callable[[VideoResult, Sequence[int]], UInt8[Tensor, "n 3 h w"]]


def read_frames(video: VideoResult, times: Sequence[int]) -> Pictures:
    """Frames of the video's file, by number; UserError where it is gone or shorter."""
    return frames_at(video.path, times)


def remembering(reader: Reader = read_frames) -> Reader:
    """A reader for page and picture that opens a video once: what `reader` returned is kept, made small."""
    kept: dict[tuple[str, tuple[int, ...]], Tensor] = {}

    def read(video: VideoResult, times: Sequence[int]) -> Pictures:
        asked = (video.path, tuple(times))
        if asked not in kept:
            kept[asked] = fitted(reader(video, times), KEPT)
        return kept[asked]

    return read


@dataclass(frozen=True)
class Shot:
    """One frame that is shown. words: "first frame", "1 before", "1 drop"."""

    time: int
    words: str
    drop: bool = False


@dataclass(frozen=True)
class View:
    """One video as page and picture show it. chunk: frames per chunk, where the video itself does not say."""

    evaluation: Evaluation
    video: VideoResult
    chunk: int | None = None

    @property
    def frames_per_chunk(self) -> int | None:
        """None where it is not known."""
        return self.chunk or self.video.frames_per_chunk

    @cached_property
    def measures(self) -> list[Measure]:
        """Those with a curve."""
        curves = self.video.curves
        return [m for m in self.evaluation.measures if any(value is not None for value in curves.get(m.key, ()))]

    @cached_property
    def falls(self) -> list[Fall]:
        """The worst drops of each curve, the clearest first."""
        return falls(self.video, self.measures)

    @cached_property
    def incidents(self) -> list[Incident]:
        """The clearest ones, in the order of time: they are shown in frames."""
        return incidents(self.falls, INCIDENTS)

    @property
    def size(self) -> str:
        """Pixels, frames, seconds."""
        video = self.video
        return (
            f"{video.width} × {video.height} pixels · {video.frames} frame{'s' if video.frames != 1 else ''} at "
            f"{video.fps:.4g} fps · {video.frames / video.fps:.1f} s"
        )

    def chart(self, title: Sequence[str] = (), subtitle: Sequence[str] = ()) -> dict[str, Any]:
        """All curves below each other, drops marked, for `charts.svg` and `charts.png`."""
        columns = 1 if len(self.measures) <= ONE_COLUMN else 2
        shown = [self._panel(measure) for measure in self.measures]
        return panels(shown, "time in s", lines=self.boundaries, columns=columns, title=title, subtitle=subtitle)

    @property
    def boundaries(self) -> list[float]:
        """When chunks begin, in seconds, without the first; none where they are too many to be told apart."""
        each = self.frames_per_chunk
        starts = range(each, self.video.frames, each) if each else range(0)
        return [start / self.video.fps for start in starts] if len(starts) <= LINES else []

    @property
    def reading(self) -> str:
        """How to read the curves."""
        said, others = [], len(self.falls) - sum(len(incident.falls) for incident in self.incidents)
        if self.falls:
            more = f"; {others} less clear without a number" if others else ""
            said.append(
                f"Triangles mark where a measure got worse than just before, by more than {CLEAR:g} times its own "
                f"noise; the frames of each number are below{more}."
            )
        elif self.video.frames < FEWEST:
            said.append(f"Drops are looked for in videos of {FEWEST} frames and more.")
        else:
            said.append("No measure got clearly worse than just before.")
        if self.boundaries:
            said.append("Dashed lines: a chunk begins.")
        return " ".join(said)

    def title(self, number: int) -> str:
        """Number (from 1), time and place of an incident."""
        incident = self.incidents[number - 1]
        crosses = self.frames_per_chunk and incident.crosses(self.frames_per_chunk)
        return f"{number} · {incident.at / self.video.fps:.2f} s{' · a chunk begins' if crosses else ''}"

    @property
    def shots(self) -> list[Shot]:
        """The frames to show: the first one, and of each incident the one before and the one at the end of the fall."""
        pairs = [
            (Shot(incident.before, f"{number} before"), Shot(incident.at, f"{number} drop", drop=True))
            for number, incident in enumerate(self.incidents, 1)
        ]
        return [Shot(0, "first frame"), *(shot for pair in pairs for shot in pair)]

    def frames(self, reader: Reader) -> tuple[Pictures | None, str]:
        """The frames of `shots`; None and the reason where they cannot be read."""
        try:
            return reader(self.video, [shot.time for shot in self.shots]), ""
        except UserError as error:
            return None, f"No frames are shown: {error}."

    def _panel(self, measure: Measure) -> Panel:
        curve, fps, span = self.video.curves[measure.key], self.video.fps, measure.high - measure.low
        numbers = {id(fall): str(i) for i, incident in enumerate(self.incidents, 1) for fall in incident.falls}
        marks = [
            Mark(fall.drop.at / fps, fall.drop.value, numbers.get(id(fall), ""))
            for fall in self.falls
            if fall.measure.key == measure.key
        ]
        return Panel(
            f"{measure.key} {ARROWS[measure.higher_is_better]}", [i / fps for i in range(len(curve))], curve, marks,
            least=FLAT * span if math.isfinite(span) else 0.0, below=measure.higher_is_better,
        )  # fmt: skip
