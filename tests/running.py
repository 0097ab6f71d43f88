"""Small experiments that run in a moment: the analytic model, and rewards and models that a test writes to a file."""

from pathlib import Path

from sn_eval.results.experiment import Experiment

PARTS = """
import torch
from rewards.base import reward
from rewards.registry import component
from sn_eval.models.gaussian import GaussianModel

@reward(family="brightness")
def bright(frames, prompts, *, fps, anchor=None, metadata=None):
    return frames.mean(dim=(2, 3, 4)).clamp(0, 1)

@reward(family="brightness")
def never_a_number(frames, prompts, *, fps, anchor=None, metadata=None):
    return frames.mean(dim=(2, 3, 4)) * float("nan")

@reward(family="redness")
def red(frames, prompts, *, fps, anchor=None, metadata=None):
    return frames[:, :, 0].mean(dim=(2, 3)).clamp(0, 1)

@reward(family="brightness")
def bright_on_land(frames, prompts, *, fps, anchor=None, metadata=None):
    if "a lake" in prompts:
        raise ValueError("no land")
    return frames.mean(dim=(2, 3, 4)).clamp(0, 1)

@reward(family="redness")
def red_on_land(frames, prompts, *, fps, anchor=None, metadata=None):
    if "a lake" in prompts:
        raise ValueError("no land")
    return frames[:, :, 0].mean(dim=(2, 3)).clamp(0, 1)

@component("nan_latents")
class NanLatents(GaussianModel):
    def denoise(self, x, times, cond):
        return super().denoise(x, times, cond) * (float("nan") if "a lake" in cond.prompts else 1.0)

@component("nan_frames")
class NanFrames(GaussianModel):
    def decode(self, latents, histories):
        return super().decode(latents, histories) * float("nan")

@component("too_large")
def too_large():
    raise torch.OutOfMemoryError("tried to allocate 90 GiB")

@component("too_large_to_run")
class TooLargeToRun(GaussianModel):
    def denoise(self, x, times, cond):
        raise torch.OutOfMemoryError("tried to allocate 90 GiB")
"""


def written(folder: Path, **changes: object) -> Experiment:
    """Two prompts, two methods, one seed: four cells; keys of `changes` replace its own. "mine:x" is x of PARTS."""
    file = folder / "mine.py"
    if not file.exists():
        file.write_text(PARTS)
    fields: dict[str, object] = {
        "name": "tiny",
        "model": "gaussian",
        "rollout": {"use": "chunk", "params": {"steps": 3, "chunks": 2}},
        "reward": "mine:bright",
        "evaluators": ["mine:red"],
        "methods": ["plain", "best_of_n"],
        "budget": {"unit": "videos", "amounts": [2]},
        "prompts": ["a hill", "a lake"],
    } | changes
    return Experiment.model_validate(_placed(fields, f"{file}:"))


def _placed(value: object, where: str) -> object:
    if isinstance(value, dict):
        return {key: _placed(each, where) for key, each in value.items()}
    if isinstance(value, list):
        return [_placed(each, where) for each in value]
    return value.replace("mine:", where) if isinstance(value, str) else value


class NoWorkers:
    """An executor that must not be needed."""

    slots = 1

    def start(self, crew, steps):
        raise AssertionError("a model would be loaded")

    submit = next = start

    def close(self):
        pass
