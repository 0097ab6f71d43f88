"""Published readings of real models, to plan GPU hours before there is a GPU (data/calibration.yaml)."""

import difflib
from functools import cache
from pathlib import Path

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from sn_eval.results.experiment import Declared, Experiment
from sn_eval.results.files import ResultsError
from sn_eval.results.paths import data_path

FILE_NAME = "calibration.yaml"


class Reading(Declared):
    """gpu_seconds: of one GPU for one second of video, at `steps` denoising steps of plain sampling."""

    id: str
    model: str
    gpu: str
    steps: int = Field(ge=1)
    gpu_seconds: float = Field(gt=0)
    source: str = Field(min_length=1)

    def seconds(self, of_video: float, steps: int) -> float:
        """GPU-seconds of one plain video of so many seconds: in proportion to its steps.

        >>> reading = Reading(id="a", model="A", gpu="H100", steps=50, gpu_seconds=20.0, source="s")
        >>> reading.seconds(5.0, 25)
        50.0
        """
        return self.gpu_seconds * of_video * steps / self.steps


def reading(name: str) -> Reading:
    """The reading of that id; ResultsError with the known ones."""
    known = {each.id: each for each in readings()}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise ResultsError(f"no calibration {name!r}; known: {', '.join(known)}.{hint}")
    return known[name]


@cache
def readings(path: Path | None = None) -> tuple[Reading, ...]:
    """All readings of the shipped file."""
    path = path or data_path(FILE_NAME)
    try:
        return TypeAdapter(tuple[Reading, ...]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise ResultsError(f"cannot use {path}: {' '.join(str(error).split())[:200]}") from error


def video_seconds(experiment: Experiment, given: float | None) -> float:
    """How long one video is: as given, else by the model's parameters: chunks of as many frames as it generates.

    That is num_frames of `image_to_video` and frames_per_chunk of `diffusion_forcing`. ResultsError where neither says.
    """
    params, chunks = experiment.model.params, experiment.rollout.params.get("chunks")
    frames, fps = params.get("num_frames", params.get("frames_per_chunk")), params.get("fps")
    if given is not None:
        return given
    if isinstance(chunks, int) and isinstance(frames, int) and isinstance(fps, int | float) and fps > 0:
        return chunks * frames / fps
    raise ResultsError(
        "how long is a video of this model? give --video-seconds, or fps and num_frames (or frames_per_chunk) in "
        "model.params and chunks in rollout.params"
    )
