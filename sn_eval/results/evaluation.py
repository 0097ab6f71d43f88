"""What an evaluation of videos found: what was measured, each video's values and curves, what failed; read and written.

`evaluation.json` holds all of it; tidy tables and pages are made from it. Nothing here needs torch.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field, ValidationError

from sn_eval.results.files import ResultsError, write_whole
from sn_eval.results.record import Frozen, Score

FILE_NAME = "evaluation.json"
SCHEMA = 1

Mode = Literal["fixed", "reference"]


def mean_of_known(values: Sequence[float | None]) -> float | None:
    """Mean of what is not None; None where nothing is.

    >>> mean_of_known([1.0, None, 3.0])
    2.0
    """
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


class Measure(Frozen):
    """One measurement, as it was configured: a column of the table.

    key: its name with its encoder, "subject_consistency[imagenet-lite0]". low, high: what it can return. families:
    what it measures with. encoder_sha256: of the weights behind it.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")  # a range may be open to one side

    key: str
    name: str
    mode: Mode
    higher_is_better: bool
    low: float
    high: float
    families: tuple[str, ...]
    encoder: str | None = None
    encoder_sha256: str | None = None
    version: int = 1
    about: str = ""


class VideoResult(Frozen):
    """One video: None where a measure does not score it (`notes` says why).

    group: what videos are told apart by in tables, such as the method that made them. frames_per_chunk: of the
    generator, where known. values, parts, curves: by measure key; a curve has one number a
    frame. total: the suite's own total, None where the
    suite has none or nothing could be ranked.
    """

    video: str
    path: str
    prompt: str = ""
    group: str = ""
    frames: int
    fps: float
    width: int
    height: int
    frames_per_chunk: int | None = None
    values: Mapping[str, Score]
    parts: Mapping[str, Mapping[str, Score]] = Field(default_factory=dict)
    curves: Mapping[str, tuple[Score, ...]] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    total: Score = None


class Evaluation(Frozen):
    """All videos of one call. failed: path → why, in one line. notes: what a reader of the table must know."""

    schema_version: int = SCHEMA
    suite: str
    mode: Mode
    measures: tuple[Measure, ...]
    videos: tuple[VideoResult, ...]
    failed: Mapping[str, str] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def measure(self, key: str) -> Measure:
        """The measure of this key; ResultsError names the known ones."""
        for found in self.measures:
            if found.key == key:
                return found
        raise ResultsError(f"no measure {key!r} here. Known: {', '.join(m.key for m in self.measures)}")

    def by_name(self) -> dict[str, VideoResult]:
        """The videos by name; ResultsError where two have the same, since a name then says nothing."""
        found: dict[str, VideoResult] = {}
        for video in self.videos:
            first = found.setdefault(video.video, video)
            if first is not video:
                raise ResultsError(
                    f"{video.video!r} is the name of {first.path} and of {video.path}: evaluate them under two names"
                )
        return found

    def mean(self, key: str) -> float | None:
        """Mean over the videos that it scored; None where it scored none."""
        return mean_of_known([video.values.get(key) for video in self.videos])

    def save(self, path: Path) -> Path:
        """Write it, whole or not at all."""
        write_whole(path, self.model_dump_json() + "\n")
        return path

    @classmethod
    def load(cls, path: Path) -> "Evaluation":
        """Read what `save` wrote; ResultsError, in one line, for anything else."""
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ResultsError(f"cannot read {path}: {error}. Name an {FILE_NAME} of sn-eval evaluate") from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise ResultsError(
                f"{path} is no {FILE_NAME}: {where} {first['msg']}. Make it anew with sn-eval evaluate"
            ) from error
