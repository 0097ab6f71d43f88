"""How fast this machine makes an experiment's videos: short trials of every arm, within about a minute.

A cell takes (denoiser evaluations × seconds each) + (frames × seconds each, for decoding, reward, search and writing);
both rates are read off a shortened cell of the same method at a budget shortened alike. Evaluators are timed apart.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from rewards.base import UserError
from sn_eval import rollouts
from sn_eval.cost.devices import environment
from sn_eval.interfaces import Progress
from sn_eval.poc.cast import Cast
from sn_eval.poc.cell import Cell, Outcome, run_cell
from sn_eval.poc.planning import Arm
from sn_eval.results import record as records
from sn_eval.results.experiment import Experiment, Method
from sn_eval.results.record import Component, Environment
from sn_eval.search.whole_video import one_video
from sn_eval.video import read_image

CAP = 60.0  # seconds for all trials together
DENOISING = ("generate", "preview")
LASTING = ("video.mp4", "trace.jsonl", "search.png", "per_frame.json", "candidates.jpg")  # they grow with the video
PLAIN = Method(use="plain")


@dataclass(frozen=True)
class Pace:
    """Rates of one arm, for one worker. an_evaluation: seconds; a_frame: seconds of everything else per frame shown.

    bytes_a_frame: on disk, of the video and its trace; bytes_a_cell: of pictures and record, whatever the length.
    how: what was measured, in words. measured: False where the pace is another arm's.
    """

    an_evaluation: float
    a_frame: float
    bytes_a_frame: float
    bytes_a_cell: float
    how: str
    measured: bool = True

    def seconds(self, nfe: float, frames: int) -> float:
        """Of one cell, evaluators left out."""
        return nfe * self.an_evaluation + frames * self.a_frame

    def disk(self, frames: int) -> float:
        """Bytes of one cell."""
        return frames * self.bytes_a_frame + self.bytes_a_cell


@dataclass(frozen=True)
class Machine:
    """What the trials found. arms: by name. evaluators: seconds a frame, by label. start_frames: of a video.

    took: seconds of all trials. problems: what went wrong in one, and would in the run.
    """

    arms: Mapping[str, Pace]
    evaluators: Mapping[str, float]
    start_frames: int
    where: Environment
    took: float
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Size:
    """A shortened video. None: as the experiment has it."""

    chunks: int | None
    steps: int | None

    def __str__(self) -> str:
        parts = ((self.chunks, "chunk"), (self.steps, "step"))
        return ", ".join(f"{n} {word}{'s' * (n > 1)}" for n, word in parts if n is not None) or "a whole video"


SIZES = (_Size(2, None), _Size(1, None), _Size(1, 2))


def measure(
    experiment: Experiment,
    cast: Cast,
    arms: Sequence[Arm],
    *,
    cap: float = CAP,
    threads: int | None = None,
    on_progress: Progress | None = None,
) -> Machine:
    """Short trials on the first prompt: a warm-up, then every arm, as long as the cap allows.

    threads: of torch, what one worker will have [as they are]. An arm that no trial fits gets the warm-up's pace.
    """
    told = on_progress or (lambda done, total: None)
    with tempfile.TemporaryDirectory() as folder, _threads(threads):
        trials = _Trials(experiment, cast, Path(folder), time.monotonic() + cap)
        began = time.monotonic()
        warm = trials.warm_up()
        paces = {}
        for number, arm in enumerate(arms):
            told(number, len(arms))
            paces[arm.name] = trials.pace(arm, len(arms) - number, warm)
        told(len(arms), len(arms))
        where, took = environment(cast.model.device), time.monotonic() - began
        return Machine(paces, trials.evaluators, trials.start_frames, where, took, tuple(trials.problems))


@dataclass
class _Trials:
    """Runs shortened cells in a folder that is thrown away."""

    experiment: Experiment
    cast: Cast
    folder: Path
    until: float
    evaluators: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    start_frames: int = 0
    count: int = 0

    def warm_up(self) -> Pace:
        """The pace of plain sampling, after a first trial that loads what is loaded late."""
        size = next((size for size in reversed(SIZES) if self._rollout(size)), _Size(None, None))
        for _ in range(2):
            pace = self._run(Arm("plain", PLAIN, None, None, 0), size)
            if time.monotonic() > self.until:
                break
        if pace is None:
            raise UserError(f"no trial video could be made: {self.problems[-1]}")
        return replace(pace, how=f"pace of plain sampling ({size})", measured=False)

    def pace(self, arm: Arm, left: int, warm: Pace) -> Pace:
        """The arm's own pace, of the longest trial that fits its share of the time; else the warm-up's."""
        share = (self.until - time.monotonic()) / left
        for size in SIZES:
            rollout = self._rollout(size)
            if rollout is None:
                continue
            whole = one_video(self._whole())
            nfe = arm.nominal * one_video(rollout) / whole
            if warm.seconds(nfe, rollout.frames) > share:
                continue
            if (pace := self._run(arm, size)) is not None:
                return pace
        return warm

    def _run(self, arm: Arm, size: _Size) -> Pace | None:
        """One shortened cell; None where the method cannot be shortened so, or fails."""
        rollout, prompt = self._rollout(size), self.experiment.prompts[0]
        assert rollout is not None
        budget = None
        if arm.budget_nfe is not None:
            budget = int(arm.budget_nfe * one_video(rollout) / one_video(self._whole()))
        cell = Cell(
            prompt.schedule or (prompt.text,), self.experiment.model, self._component(size),
            Component(use=arm.method.use, params=arm.method.params), self.experiment.reward,
            tuple(Component(use=e.use, params=e.params) for e in self.experiment.evaluators),
            self.experiment.seeds[0], budget, prompt.image,
        )  # fmt: skip
        folder = self.folder / str(self.count)
        self.count += 1
        folder.mkdir()
        clocks = [_Clocked(judge) for judge in self.cast.evaluators]
        image = None if prompt.image is None else read_image(Path(prompt.image))
        try:
            made = run_cell(cell, folder, self.cast.model, self.cast.reward, clocks, image=image)
        except UserError as error:  # a budget or a look that a shorter video has no room for; or no usable video
            self.problems.append(f"{arm.name}, {size}: {error}")
            return None
        self._note(made, clocks)
        records.save(made.record, folder)
        sizes = {file.name: file.stat().st_size for file in folder.iterdir()}
        lasting = sum(size for name, size in sizes.items() if name in LASTING)
        cost, frames = made.record.cost, made.record.frames
        denoising = sum(cost.seconds.by_phase.get(phase, 0.0) for phase in DENOISING)
        rest = cost.seconds.total - denoising
        return Pace(
            denoising / (cost.nfe.value or 1), rest / frames, lasting / frames, sum(sizes.values()) - lasting,
            f"measured on {size}",
        )  # fmt: skip

    def _note(self, made: Outcome, clocks: Sequence["_Clocked"]) -> None:
        """Evaluators' seconds; later trials are longer or as long, so they replace earlier ones."""
        self.start_frames = int(made.record.parameters["start_frames"])  # type: ignore[arg-type]  # written by run_cell
        for named, clock in zip(self.experiment.evaluators, clocks, strict=True):
            self.evaluators[named.label] = clock.seconds / made.record.frames
        failed = {f"evaluator {key}: {error}" for key, error in made.unscored.items()}
        self.problems += sorted(failed - set(self.problems))

    def _component(self, size: _Size) -> Component:
        rollout = self.experiment.rollout
        shorter = {key: value for key, value in vars(size).items() if value is not None}
        return Component(use=rollout.use, params=rollout.params | shorter)

    def _whole(self) -> Any:
        return rollouts.create(self.experiment.rollout.use, model=self.cast.model, **self.experiment.rollout.params)

    def _rollout(self, size: _Size) -> Any:
        """The shortened rollout, None where there is none or it would be longer."""
        part, whole = self._component(size), self._whole()
        try:
            made = rollouts.create(part.use, model=self.cast.model, **part.params)
        except UserError:  # a rollout without these parameters, or one whose steps are bound to its window
            return None
        return made if made.frames <= whole.frames and made.steps <= whole.steps else None


@dataclass
class _Clocked:
    """An evaluator that counts its own seconds."""

    judge: Any
    seconds: float = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.judge, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return self.judge(*args, **kwargs)
        finally:
            self.seconds += time.perf_counter() - began


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """So many threads of torch inside."""
    before = torch.get_num_threads()
    try:
        if count is not None:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)
