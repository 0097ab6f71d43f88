"""What an experiment will take before it runs: cells, evaluations, hours, money, disk, devices, and enough prompts.

Rates come from short trials on this machine (`poc.pace`), or from a published reading of the model where there is no
GPU yet (`poc.calibration`); then nothing is loaded.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

import rewards
from sn_eval import models, rollouts
from sn_eval.decision.capacity import capacity
from sn_eval.decision.findings import Compute, HourPrice
from sn_eval.decision.prices import PriceList, hour_price, money, unit_problem
from sn_eval.interfaces import Progress
from sn_eval.poc.calibration import Reading, reading, video_seconds
from sn_eval.poc.cast import Cast, make_cast
from sn_eval.poc.memory import Need, check_fits
from sn_eval.poc.pace import CAP, Machine, measure
from sn_eval.poc.part import WHOLE, Part
from sn_eval.poc.planning import Arm, arms
from sn_eval.poc.sample_size import SampleSize, sample_sizes
from sn_eval.results.experiment import Experiment, Prompt
from sn_eval.results.files import ResultsError
from sn_eval.search.whole_video import one_video


@dataclass(frozen=True)
class ArmEstimate:
    """One arm. nfe: of a cell. share_of_budget: nominal ÷ declared. seconds: of one worker, a cell, without evaluators.

    device_seconds: GPU-seconds, or CPU-seconds (seconds × threads), of all cells, evaluators included. disk: bytes.
    devices: for a month's videos within the deadline if every first attempt is accepted; None where `capacity_words`
    of the whole says why.
    """

    name: str
    cells: int
    nfe: int
    nfe_total: int
    share_of_budget: float | None
    seconds: float
    device_seconds: float
    hours: float
    money: float | None
    disk: float | None
    devices: int | None
    how: str


@dataclass(frozen=True)
class Estimate:
    """All of it. hours: with `workers` at once. Money is in `currency`, None where `price_words` says why.

    evaluators: seconds a video, by label. took: seconds of the trials. warnings: what to mend before a run.
    """

    name: str
    confirm_prompts: int
    dev_prompts: int
    seeds: int
    cells: int
    arms: tuple[ArmEstimate, ...]
    video_seconds: float
    workers: int
    device: Literal["cpu", "gpu"]
    machine: str
    hours: float
    device_hours: float
    evaluators: Mapping[str, float]
    money: float | None
    currency: str
    price_words: str
    disk: float | None
    free: int
    capacity_words: str
    sample_sizes: tuple[SampleSize, ...]
    measured: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Options:
    """How to estimate. out: folder of the run, for its disk. spreads: of prompts' differences by outcome, if measured.

    calibration: id of a published reading, in place of trials; of_video: seconds of one video, for it. part: of the
    experiment that would be run [all].
    """

    workers: int = 1
    calibration: str | None = None
    of_video: float | None = None
    cap: float = CAP
    out: Path = Path("runs")
    spreads: Mapping[str, float] | None = None
    part: Part = WHOLE


def estimate(
    experiment: Experiment, prices: PriceList, options: Options = Options(), *, on_progress: Progress | None = None
) -> Estimate:
    """The estimate; UserError or ResultsError, in one line, for an experiment or a part that could not run."""
    options.part.check(experiment)
    if options.calibration is not None:
        rates = _published(experiment, reading(options.calibration), options)
    else:
        rates = _trials(experiment, options, on_progress)
    price, price_words = _price(experiment, prices, rates)
    counted = [_arm(experiment, arm, rates, price, options) for arm in rates.arms]
    worth = [arm.money for arm in counted if arm.money is not None]
    disk = sum(arm.disk or 0.0 for arm in counted) if rates.disk else None
    free = shutil.disk_usage(_existing(options.out)).free
    return Estimate(
        experiment.name, *_prompts(options.part.prompts(experiment)), len(experiment.seeds),
        sum(arm.cells for arm in counted), tuple(counted), rates.video_seconds, options.workers, rates.device,
        rates.machine,
        sum(arm.hours for arm in counted), sum(arm.device_seconds for arm in counted) / 3600, rates.evaluators,
        sum(worth) if worth else None, price.currency if price else "", price_words, disk, free,
        _capacity_words(experiment), sample_sizes(experiment, dict(options.spreads or {})), rates.how,
        (*rates.warnings, *_disk_warning(disk, free, options.out), *_too_few(experiment, options)),
    )  # fmt: skip


# --- rates ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rates:
    """What a cell takes, wherever that is known from. seconds: of one worker by arm, evaluators apart.

    evaluators: seconds a video. disk: bytes by arm, of none where nobody knows.
    """

    arms: tuple[Arm, ...]
    seconds: Mapping[str, float]
    how_arms: Mapping[str, str]
    video_seconds: float
    evaluators: Mapping[str, float]
    disk: Mapping[str, float]
    device: Literal["cpu", "gpu"]
    threads: int
    machine: str
    how: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def _trials(experiment: Experiment, options: Options, on_progress: Progress | None) -> _Rates:
    need = check_fits(experiment.model)
    cast = make_cast(experiment)
    found = _asked(options.part, arms(experiment, cast))
    threads = max(1, torch.get_num_threads() // options.workers) if cast.model.device.type == "cpu" else None
    machine = measure(experiment, cast, found, cap=options.cap, threads=threads, on_progress=on_progress)
    rollout = rollouts.create(experiment.rollout.use, model=cast.model, **experiment.rollout.params)
    frames = rollout.frames + machine.start_frames
    return _Rates(
        found,
        {arm.name: machine.arms[arm.name].seconds(arm.nominal, frames) for arm in found},
        {arm.name: machine.arms[arm.name].how for arm in found},
        frames / cast.model.fps,
        {label: rate * frames for label, rate in machine.evaluators.items()},
        {arm.name: machine.arms[arm.name].disk(frames) for arm in found},
        "cpu" if machine.where.device.startswith("cpu") else "gpu",
        machine.where.threads,
        f"{machine.where.device} ({machine.where.device_name})",
        tuple(_measured(machine, need)),
        machine.problems,
    )


def _measured(machine: Machine, need: Need | None) -> list[str]:
    """What was measured, in words."""
    said = [
        f"trials of {machine.took:.0f} s on {machine.where.device_name}, {machine.where.threads} threads a worker: "
        "seconds a denoiser evaluation and a frame by arm, evaluators, bytes on disk; loading is not counted"
    ]
    if need is not None:
        said.append(
            f"weights: {need.parameters / 1e9:.2f} billion parameters in {need.dtype}, {need.bytes / 2**30:.1f} GiB"
        )
    return said


def _published(experiment: Experiment, published: Reading, options: Options) -> _Rates:
    """By a reading of plain sampling: an arm takes as many times longer as it has evaluations more."""
    length = video_seconds(experiment, options.of_video)
    guidance = experiment.model.params.get("guidance", 1.0)
    stand_in: Any = models.create("gaussian", guidance=guidance)  # counts evaluations alike, and loads nothing
    cast = Cast(stand_in, rewards.create("motion_floor"), ())  # any: nothing is searched or judged
    found = _asked(options.part, arms(experiment, cast))
    rollout = rollouts.create(experiment.rollout.use, model=stand_in, **experiment.rollout.params)
    plain = published.seconds(length, rollout.steps)
    how = (
        f"{published.model} on one {published.gpu}: {published.gpu_seconds:g} GPU-seconds a second of video at "
        f"{published.steps} steps ({published.source}); here {rollout.steps} steps, videos of {length:g} s",
        "not counted: rewards, evaluators, loading, disk",
    )
    return _Rates(
        found, {arm.name: plain * arm.nominal / one_video(rollout) for arm in found},
        {arm.name: f"published reading {published.id}" for arm in found}, length, {}, {}, "gpu", 1,
        f"{published.gpu}, as published", how,
    )  # fmt: skip


def _asked(part: Part, found: Sequence[Arm]) -> tuple[Arm, ...]:
    """Arms of the part."""
    names = part.names((arm.name, arm.method.label) for arm in found)
    return tuple(arm for arm in found if arm.name in names)


# --- one arm ----------------------------------------------------------------------------------------------


def _arm(experiment: Experiment, arm: Arm, rates: _Rates, price: HourPrice | None, options: Options) -> ArmEstimate:
    cells = len(options.part.prompts(experiment)) * len(experiment.seeds)
    own = rates.seconds[arm.name]
    wall = cells * (own + sum(rates.evaluators.values()))
    spent = Compute(rates.device, wall * rates.threads, wall, source="estimated")
    disk = cells * rates.disk[arm.name] if arm.name in rates.disk else None
    return ArmEstimate(
        arm.name, cells, arm.nominal, cells * arm.nominal,
        None if arm.budget_nfe is None else arm.nominal / arm.budget_nfe,
        own, wall * rates.threads, wall / 3600 / options.workers,
        None if price is None else money(price, spent), disk,
        _devices(experiment, own * rates.threads, rates.video_seconds), rates.how_arms[arm.name],
    )  # fmt: skip


def _devices(experiment: Experiment, seconds: float, length: float) -> int | None:
    """Devices for a month's videos within the deadline, at one attempt a video; None where something is unknown."""
    business, prices = experiment.business, experiment.prices
    if business is None or prices is None or business.minutes_per_video.value is None:
        return None
    attempt = seconds * business.minutes_per_video.value * 60 / length
    try:
        return capacity(business, prices, (1.0, 1.0), (attempt, attempt)).devices[0]
    except ResultsError:
        return None


def _capacity_words(experiment: Experiment) -> str:
    """Under what the devices hold, or why there is no such number."""
    business, prices = experiment.business, experiment.prices
    if business is None or prices is None:
        return "no capacity: the experiment has no business and prices"
    if business.minutes_per_video.value is None:
        return "no capacity: business.minutes_per_video has no value; enter it with its source in the spec"
    try:
        found = capacity(business, prices, (1.0, 1.0), (0.0, 0.0))
    except ResultsError as error:
        return str(error)
    return (
        f"devices for {found.videos:g} videos of {business.minutes_per_video.value:g} minutes in {found.hours:,.0f} "
        "hours, if every first attempt is accepted; times the attempts a video takes"
    )


def _price(experiment: Experiment, prices: PriceList, rates: _Rates) -> tuple[HourPrice | None, str]:
    """The price of a device-hour and how it came about, or why there is none."""
    if experiment.prices is None:
        return None, "no money: the experiment has no prices"
    try:
        price = hour_price(experiment.prices, prices)
    except ResultsError as error:
        return None, f"no money: {error}"
    if problem := unit_problem(price, rates.device):
        return None, f"no money: {problem}"
    example = "; an example price" if price.illustrative else ""
    return price, f"{price.words} a {price.unit}{example}"


# --- what to mend -----------------------------------------------------------------------------------------


def _prompts(prompts: Sequence[Prompt]) -> tuple[int, int]:
    dev = sum(prompt.split == "dev" for prompt in prompts)
    return len(prompts) - dev, dev


def _disk_warning(disk: float | None, free: int, out: Path) -> list[str]:
    if disk is None or disk <= free:
        return []
    return [
        f"{disk / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free in {_existing(out)}: choose another --out"
    ]


def _too_few(experiment: Experiment, options: Options) -> list[str]:
    """Outcomes for which no assumption makes the prompts enough."""
    rows = sample_sizes(experiment, dict(options.spreads or {}))
    said = []
    for outcome in dict.fromkeys(row.outcome for row in rows):
        counts = [row.needed for row in rows if row.outcome == outcome]
        least = min((count for count in counts if count is not None), default=None)
        if least is None or least > rows[0].prompts:
            said.append(
                f"{rows[0].prompts} confirm prompts are too few for {outcome}: at least {least or 'ten million'} show "
                "the minimum effect with a chance of 80 %"
            )
    if not experiment.primary:
        said.append("no primary outcome is declared: name one under primary, with a minimum effect")
    return said


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    folder = folder.absolute()
    return next((place for place in (folder, *folder.parents) if place.is_dir()), Path("/"))
