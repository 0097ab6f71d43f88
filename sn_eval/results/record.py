"""The record of one generated video: what was asked, what came out, what it cost; frozen, and written last.

`record.json` is the commit mark of its folder: it appears whole or not at all, so its presence means
complete. Quantities are stored with where they come from; money is derived when read.
"""

import math
import platform
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    NonNegativeInt,
    ValidationError,
    model_validator,
)

from sn_eval.results.files import ResultsError, write_whole

FILE_NAME = "record.json"
SCHEMA = 1  # of Record.schema_version
PACKAGES = ("sn-eval", "torch", "diffusers", "transformers", "open_clip_torch", "numpy", "av")

SEARCHED, WHOLE, PREVIEW = "searched:", "whole:", "preview_correlation@"
"""How keys of `Record.scores` begin that are no evaluator's: of the reward as the search saw it and on the whole video,
by its name, and of the rank correlation between previews at a look and final scores, by the look."""

Source = Literal["measured", "estimated", "none"]


def _nan_is_none(value: Any) -> Any:
    """Not scored is NaN in memory and null in JSON, which has no NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


Score = Annotated[float | None, BeforeValidator(_nan_is_none)]


class Frozen(BaseModel):
    """Base of all records: immutable, and an unknown field is an error rather than a silent loss."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Quantity(Frozen):
    """One amount with its provenance; `value` is None exactly where the source is "none"."""

    value: Score
    source: Source
    how: str = Field(description="the instrument or formula, in words")

    @model_validator(mode="after")
    def _no_pretence(self) -> "Quantity":
        if (self.value is None) != (self.source == "none"):
            raise ValueError(f"{self.value} from source {self.source!r}: None exactly where source is 'none'")
        return self

    @classmethod
    def measured(cls, value: float, how: str) -> "Quantity":
        """An amount that was counted or read from an instrument."""
        return cls(value=value, source="measured", how=how)

    @classmethod
    def estimated(cls, value: float, how: str) -> "Quantity":
        """An amount that was computed from others."""
        return cls(value=value, source="estimated", how=how)

    @classmethod
    def none(cls, how: str) -> "Quantity":
        """An amount that could not be had; `how` says why. Never 0."""
        return cls(value=None, source="none", how=how)


class Seconds(Frozen):
    """Time by phase; phases do not overlap, and together they are the wall time of the cell.

    generate and preview (denoiser), decode, reward, encode (conditions), load, write, and search: the rest.
    """

    by_phase: dict[str, float]
    source: Source
    how: str

    @property
    def total(self) -> float:
        """Sum over the phases, in seconds."""
        return sum(self.by_phase.values())


class Cost(Frozen):
    """What one cell spent. NFE = denoiser evaluations × batch (guidance counts 2), previews included."""

    nfe: Quantity
    nfe_preview: Quantity
    decoded_frames: Quantity
    reward_frames: Quantity
    seconds: Seconds
    flops: Quantity
    peak_memory_bytes: Quantity
    energy_joules: Quantity


class Component(Frozen):
    """A part chosen by name (built-in, "pkg.mod:attr", "file.py:attr" or path), with its parameters."""

    use: str
    params: dict[str, JsonValue] = {}


class Environment(Frozen):
    """What can change bits between two runs of the same parameters, apart from the versions."""

    device: str
    device_name: str = ""
    dtype: str = "float32"
    threads: int = 1
    max_batch: int | None = None


class Record(Frozen):
    """One finished cell. `scores` are per video; None means not scored."""

    schema_version: Literal[1] = 1
    id: str = ""
    prompt: str
    schedule: tuple[str, ...] | None = Field(default=None, description="one prompt a chunk, if they differ")
    image: str | None = Field(default=None, description="the start image given by the user")
    model: Component
    rollout: Component
    method: Component
    rewards: tuple[Component, ...] = ()
    parameters: dict[str, JsonValue] = Field(default={}, description="every other option of the command")
    seed: int
    frames: NonNegativeInt
    fps: float = Field(gt=0)
    width: NonNegativeInt
    height: NonNegativeInt
    frames_sha256: str = Field(description="of the uint8 RGB frames [t, h, w, c] before encoding")
    scores: dict[str, Score] = {}
    cost: Cost
    environment: Environment
    versions: dict[str, str] = {}
    created: str = Field(default="", description="UTC, ISO 8601")
    files: dict[str, int] = Field(default={}, description="bytes of each file beside it; the store notes them")

    @property
    def seconds_of_video(self) -> float:
        """Length of the video in seconds."""
        return self.frames / self.fps


@cache
def versions(packages: Iterable[str] = PACKAGES) -> Mapping[str, str]:
    """Installed versions by distribution name, read from metadata: nothing heavy is imported."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def save(record: Record, folder: Path | str) -> Path:
    """Write `record.json` into `folder`, atomically; call it last. Raises ResultsError when it cannot."""
    path = Path(folder) / FILE_NAME
    write_whole(path, record.model_dump_json(indent=2) + "\n")
    return path


def load(path: Path | str) -> Record:
    """Read a record from its file or folder; raises ResultsError naming the file and the wrong field."""
    path = Path(path)
    path = path / FILE_NAME if path.is_dir() else path
    try:
        return Record.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise ResultsError(f"no record at {path}: the run did not finish. Run it again.") from error
    except OSError as error:
        raise ResultsError(f"cannot read {path}: {error.strerror}.") from error
    except ValidationError as error:
        rule = f"{path} is not a record of schema {SCHEMA}: {_first(error)}."
        raise ResultsError(f"{rule} Delete its folder and run it again.") from error


def _first(error: ValidationError) -> str:
    """The first problem of a validation in words, with the field's path."""
    problem = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else problem["msg"]
