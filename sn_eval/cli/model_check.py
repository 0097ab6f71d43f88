"""What a model costs, and whether its noise decides: measured on a few small chunks, before a search is paid for."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar, get_args

import torch

from rewards.base import UserError
from sn_eval import rollouts
from sn_eval.cli.console import Bars
from sn_eval.cost.devices import PeakMemory, device_name
from sn_eval.cost.proxies import denoisers
from sn_eval.interfaces import (
    CachedBlocks,
    Candidate,
    Cond,
    Finished,
    Image,
    Preview,
    Rollout,
    State,
    StepwiseModel,
    VideoModel,
)
from sn_eval.results.record import Quantity
from sn_eval.sampling import child, normal, out_of_memory

T = TypeVar("T")
CALL_STEPS = 2  # of a pipeline call that is timed in batches
QUICK = 1.0  # seconds: what takes less is timed thrice, what takes more twice
SLACK = 1.05  # a batch is large enough when a sample takes at most this much of the least there is
SAME = 2  # levels of 255 by which two videos from the same noise may differ somewhere (GPUs add up in any order)


@dataclass(frozen=True)
class Facts:
    """What was loaded. kind: our class; pipeline: diffusers'. parameters: of the networks that denoise; all_parameters:
    with text encoders, VAE, …"""

    kind: str
    pipeline: str | None
    capability: str
    noise_control: str
    device: str
    device_name: str
    dtype: str
    parameters: int
    all_parameters: int


@dataclass(frozen=True)
class ChunkCost:
    """One finished chunk. seconds_per_evaluation: what is neither decoding, nor another evaluation."""

    frames: int
    width: int
    height: int
    steps: int
    evaluations: int
    seconds: float
    decode_seconds: float
    seconds_per_evaluation: float
    peak_memory: Quantity


@dataclass(frozen=True)
class PreviewCost:
    """One preview of one candidate, decoded."""

    preview: str
    look: int
    evaluations: int
    seconds: float


@dataclass(frozen=True)
class BatchCost:
    """So many samples in one call; None where memory ran out."""

    batch: int
    seconds_per_evaluation: float | None


@dataclass(frozen=True)
class Trial:
    """Two videos, one of them with something changed: how far apart they are, in levels of 255, and whether so far is
    right."""

    what: str
    largest: float
    mean: float
    passed: bool


@dataclass(frozen=True)
class Subject:
    """A model in the chunk rollout, with what its videos start from."""

    rollout: Rollout
    prompt: str
    image: Image | None

    @property
    def model(self) -> VideoModel:
        """The model."""
        return self.rollout.model

    @cached_property
    def beam(self) -> State:
        """The video before its first chunk."""
        return self.rollout.start([self.prompt], self.image, 0)

    def candidate(self, index: int, beam: State | None = None) -> Candidate:
        """A candidate from the noise of that number, whatever it follows."""
        parent = beam or self.beam
        noise = normal(self.rollout.noise_shape(), "models check", index)
        return Candidate(parent, index, child(parent.key, index), noise, "gaussian")

    def chunk(self, *candidates: Candidate) -> list[Finished]:
        """The candidates, finished."""
        return self.rollout.commit(self.rollout.expand(candidates))


@dataclass(frozen=True)
class Measured:
    """All that is measured without a reward."""

    facts: Facts
    chunk: ChunkCost
    previews: list[PreviewCost]
    batching: list[BatchCost]
    noise: list[Trial]


def measured(subject: Subject, look: int, largest: int, bars: Bars) -> Measured:
    """The subject, measured. look: of the timed previews. largest: batch that is tried."""
    bar = bars.add("measuring", 4)
    bar(0, note="previews")
    previews = list(preview_costs(subject, look))
    bar(1, note="a chunk")
    chunk, first = chunk_cost(subject)
    bar(2, note="batches")
    batches = list(batching(subject, largest))
    bar(3, note="whether the noise decides")
    trials = list(noise_trials(subject, first))
    bar(4)
    bar.close()
    return Measured(facts(subject.model), chunk, previews, batches, trials)


# --- what was loaded --------------------------------------------------------------------------------------------------


def facts(model: Any) -> Facts:
    """What the loaded model says of itself."""
    pipeline = getattr(model, "pipeline", None)
    networks = denoisers(model)
    parts = [part for part in getattr(pipeline, "components", {}).values() if isinstance(part, torch.nn.Module)]
    kinds = [p.dtype for network in networks for p in network.parameters() if p.is_floating_point()]
    return Facts(
        kind=type(model).__name__,
        pipeline=None if pipeline is None else type(pipeline).__name__,
        capability=model.capability,
        noise_control=getattr(model, "noise_control", "latents"),
        device=str(model.device),
        device_name=device_name(model.device),
        dtype=str(kinds[0] if kinds else torch.float32).removeprefix("torch."),
        parameters=_size(networks),
        all_parameters=_size(parts or networks),
    )


def kinds_of_preview(model: VideoModel) -> tuple[Preview, ...]:
    """The kinds of preview that a model can give."""
    stepwise, cached = model.capability == "stepwise", isinstance(model, CachedBlocks)
    has = {"early": stepwise, "coarse": True, "ahead": stepwise, "draft": cached}
    return tuple(kind for kind in get_args(Preview) if has[kind])


def rollout_with(model: Any, steps: int, chunks: int) -> Rollout:
    """The chunk rollout, with the first kind of preview that the model has."""
    made: Rollout = rollouts.create(
        "chunk", model=model, steps=steps, chunks=chunks, preview=kinds_of_preview(model)[0]
    )
    return made


def _size(parts: Sequence[torch.nn.Module]) -> int:
    return sum(parameter.numel() for part in parts for parameter in part.parameters())


# --- what it costs ----------------------------------------------------------------------------------------------------


def timed(device: torch.device, work: Callable[[], T]) -> tuple[T, float]:
    """What the work gives, and the seconds it took on the device."""
    _synchronise(device)
    begun = time.perf_counter()
    given = work()
    _synchronise(device)
    return given, time.perf_counter() - begun


def preview_costs(subject: Subject, look: int) -> Iterator[PreviewCost]:
    """A preview of each kind that the model has; one before them is not timed, as it may compile and allocate."""
    subject.rollout.refine(subject.rollout.expand([subject.candidate(0)]), look)
    for kind in kinds_of_preview(subject.model):
        rollout = subject.rollout.with_preview(kind)
        branches = rollout.expand([subject.candidate(0)])
        _, seconds = timed(subject.model.device, lambda r=rollout, b=branches: r.refine(b, look))  # type: ignore[misc]
        yield PreviewCost(kind, look, rollout.preview_evaluations(0, 1, 0, look), seconds)


def chunk_cost(subject: Subject) -> tuple[ChunkCost, Finished]:
    """What a chunk takes, and the chunk itself."""
    model, rollout, candidate = subject.model, subject.rollout, subject.candidate(0)
    memory = PeakMemory(model.device)
    memory.start()
    (finished,), seconds = timed(model.device, lambda: subject.chunk(candidate))
    peak = memory.stop()
    clean, frames = finished.state.clean, finished.frames
    assert clean is not None
    assert frames is not None
    _, decoding = timed(model.device, lambda: model.decode(clean[None], [subject.beam.inner]))
    evaluations = rollout.finish_evaluations(0, 1, 1, 0)
    each = max(seconds - decoding, 0.0) / evaluations
    height, width = frames.shape[-2:]
    cost = ChunkCost(len(frames), width, height, rollout.steps, evaluations, seconds, decoding, each, peak)
    return cost, finished


def batching(subject: Subject, largest: int) -> Iterator[BatchCost]:
    """Seconds of an evaluation in calls of 1, 2, 4, … samples, until memory runs out."""
    device, batch = subject.model.device, 1
    while batch <= largest:
        try:
            call, evaluations = _call(subject, batch)
            seconds = _least(device, call)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            yield BatchCost(batch, None)
            if device.type == "cuda":
                torch.cuda.empty_cache()
            return
        yield BatchCost(batch, seconds / evaluations)
        batch *= 2


def best_batch(rows: Sequence[BatchCost]) -> int | None:
    """The smallest batch in which a sample takes hardly longer than in any other; None where none fits.

    >>> best_batch([BatchCost(1, 1.0), BatchCost(2, 0.6), BatchCost(4, 0.58), BatchCost(8, None)])
    2
    """
    known = {row.batch: row.seconds_per_evaluation for row in rows if row.seconds_per_evaluation is not None}
    return min((b for b, s in known.items() if s <= SLACK * min(known.values())), default=None)


def _call(subject: Subject, batch: int) -> tuple[Callable[[], Any], int]:
    """One call of the model on so many samples, and the evaluations that it makes."""
    model = subject.model
    branches = subject.rollout.expand([subject.candidate(index) for index in range(batch)])
    cond, x = Cond.cat([b.cond for b in branches]), torch.stack([b.x for b in branches])
    evaluations = batch * model.evaluations_per_call
    if isinstance(model, StepwiseModel):
        times, _, _ = model.schedule(subject.rollout.steps).to(model.device).at(subject.rollout.steps, x.shape[:2])
        return (lambda: model.denoise(x, times, cond)), evaluations
    return (lambda: model.sample(cond, x, CALL_STEPS)), evaluations * CALL_STEPS  # type: ignore[attr-defined]


def _least(device: torch.device, call: Callable[[], Any]) -> float:
    """Seconds of a call that runs for the second or third time: the first may compile and allocate."""
    first = timed(device, call)[1]
    return min(timed(device, call)[1] for _ in range(2 if first < QUICK else 1))


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


# --- whether the noise decides ----------------------------------------------------------------------------------------


def noise_trials(subject: Subject, first: Finished) -> Iterator[Trial]:
    """The same noise again, another noise, and one noise after another past. first: the chunk of candidate 0."""
    again, other = (subject.chunk(subject.candidate(index))[0] for index in (0, 1))
    yield compared("same noise, same video", first, again, alike=True)
    yield compared("other noise, other video", first, other, alike=False)
    pasts = (first.state, mirrored(first.state))
    after, elsewhere = subject.chunk(*(subject.candidate(2, past) for past in pasts))
    yield compared("other past, other next chunk", after, elsewhere, alike=False)


def mirrored(beam: State) -> State:
    """A beam whose past is seen in a mirror: another past, whatever the model makes of its noise."""
    past = beam.inner
    frames, latents = (None if seen is None else seen.flip(-1) for seen in (past.frames, past.latents))
    return replace(beam, key=child(beam.key, 1), inner=replace(past, frames=frames, latents=latents))


def compared(what: str, one: Finished, two: Finished, alike: bool) -> Trial:
    """How far apart two chunks are."""
    assert one.frames is not None
    assert two.frames is not None
    apart = (one.frames.float() - two.frames.float()).abs() * 255
    largest = float(apart.max())
    return Trial(what, largest, float(apart.mean()), (largest <= SAME) == alike)


# --- what the videos start from ---------------------------------------------------------------------------------------


def start_images(
    model: VideoModel, given: Image | None, known: str
) -> tuple[Callable[[str], Image | None], str]:
    """The start image of each prompt, and where it comes from: given, none (the model needs none), or built in.

    known: a prompt in the words of the tabletop world, whose picture stands in for prompts that are not.
    """
    if given is not None:
        return (lambda prompt: given), "given"
    try:
        model.start(known, None, 0)
    except UserError:
        return (lambda prompt: _picture(prompt, known)), "built in"
    return (lambda prompt: None), "none"


def _picture(prompt: str, known: str) -> Image:
    """A rendered table with what the prompt names."""
    from sn_eval.models.tabletop import TabletopModel
    from sn_eval.tabletop.render import clip

    try:
        scene = TabletopModel.scene(prompt, 0)
    except UserError:
        scene = TabletopModel.scene(known, 0)
    return clip(scene, 1).frames[0, 0]
