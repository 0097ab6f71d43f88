"""What an executor's workers do: make the plan, and run cells into the store, with objects that are made once."""

import logging
import os
import time
from functools import cached_property
from pathlib import Path

import torch

from rewards.base import UserError
from sn_eval.cost.devices import environment
from sn_eval.interfaces import Image, Progress
from sn_eval.poc.cast import Cast, make_cast
from sn_eval.poc.cell import Cell, run_cell
from sn_eval.poc.executors import Crew, Failure, Result, WorkerLost
from sn_eval.poc.failures import category
from sn_eval.poc.planning import make_plan
from sn_eval.results.plan import Plan
from sn_eval.results.record import Environment
from sn_eval.results.store import RunStore
from sn_eval.video import read_image

log = logging.getLogger(__name__)


class Worker:
    """Runs cells of one experiment, one at a time; failures are written to the store's log where they happen."""

    def __init__(self, crew: Crew, steps: Progress | None = None) -> None:
        if Path.cwd() != crew.home:
            os.chdir(crew.home)
        if crew.threads is not None:
            torch.set_num_threads(crew.threads)
        self.experiment, self.store = crew.experiment, RunStore(crew.store)
        self.steps = steps
        self._images: tuple[str, Image] | None = None

    @cached_property
    def cast(self) -> Cast:
        """Model, reward and evaluators."""
        return make_cast(self.experiment)

    def answer(self, method: str, *args: object) -> Result:
        """What one of the methods below returns, or why it failed: one failure ends no run."""
        began = time.perf_counter()
        try:
            return Result(getattr(self, method)(*args), seconds=time.perf_counter() - began)
        except Exception as error:  # a user's model, reward or method may raise anything
            failure = Failure(category(error), type(error).__name__, str(error))
            log.debug("%s failed", method, exc_info=error)
            return Result(failure=failure, seconds=time.perf_counter() - began)

    def plan(self, earlier: Plan | None) -> tuple[Plan, tuple[Cell, ...], Environment]:
        """The experiment's plan and cells, and where they will run; the model is loaded for it."""
        try:
            return *make_plan(self.experiment, self.cast, earlier), environment(self.cast.model.device)
        except (MemoryError, RuntimeError) as error:
            if category(error) != "infrastructure":
                raise
            raise _does_not_fit(self.experiment.model.use, error) from error

    def perform(self, cell: Cell, attempt: int) -> None:
        """Run one cell into the store. attempt: of this run, from 1."""
        try:
            folder = self.store.begin(cell.id)
            image = None if cell.image is None else self._image(cell.image)
            cast = self._ready()
            made = run_cell(
                cell, folder, cast.model, cast.reward, cast.evaluators, image=image,
                keep_features=self.experiment.keep_features, on_progress=self.steps,
            )  # fmt: skip
            for error in made.unscored.values():
                self.store.fail(cell.id, error, category="evaluator", attempt=attempt)
            self.store.finish(cell.id, made.record)
        except Exception as error:
            self.store.fail(cell.id, error, category=category(error), attempt=attempt)
            raise

    def _ready(self) -> Cast:
        """The cast. Where it could be made for the plan and cannot here, this worker's machine is to blame."""
        try:
            return self.cast
        except UserError as error:
            raise WorkerLost(f"a worker cannot make what the plan's could: {error}") from error

    def _image(self, path: str) -> Image:
        """The start image; the last one is kept, since cells of one prompt follow each other."""
        if self._images is None or self._images[0] != path:
            self._images = (path, read_image(path))
        return self._images[1]


def _does_not_fit(model: str, error: BaseException) -> UserError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return UserError(
        f"the model {model!r} does not fit in memory ({reason}): use a smaller one, another device, or fewer --workers"
    )
