"""The estimate before a run: against what the run then takes."""

import pytest
from experiment_files import ANALYTIC, FULL

from sn_eval.decision.prices import load_prices
from sn_eval.interfaces import NoVideo
from sn_eval.poc import estimate as estimating
from sn_eval.poc import pace
from sn_eval.poc.calibration import reading, readings, video_seconds
from sn_eval.poc.cast import make_cast
from sn_eval.poc.estimate import Options, estimate
from sn_eval.poc.pace import measure
from sn_eval.poc.planning import arms
from sn_eval.poc.run import run
from sn_eval.results.experiment_file import parse_experiment
from sn_eval.results.files import ResultsError
from sn_eval.results.run_folder import RunFolder

PRICED = """\
prices:
  rate: {value: 36, currency: JPY, unit: CPU-hour, as_of: 2026-04-01, source: test}
  utilisation: {value: 0.5, source: test}
  currency: JPY
  tax_included: true
business:
  videos_per_month: {value: 1000, source: test}
  minutes_per_video: {value: 1, source: test}
  attempts_cap: 3
  review: {value: 1, source: test}
  rejection: {value: 1, source: test}
  fallback: {value: 1, source: test}
  one_off: {value: 1, source: test}
  monthly: {value: 1, source: test}
  discount: {value: 0, source: test}
  deadline_hours: {value: 1, source: test}
"""


def analytic(more: str = "", **options):
    return estimate(parse_experiment(ANALYTIC + more, "a.yaml"), load_prices(), Options(**options))


def test_cells_evaluations_and_budgets_are_those_of_the_run(tmp_path):
    experiment = parse_experiment(ANALYTIC.replace("seeds: [0, 1]", "seeds: [3]"), "a.yaml")
    found = estimate(experiment, load_prices())
    run(experiment, tmp_path / "r")
    folder = RunFolder.open(tmp_path / "r")
    spent = {arm: [] for arm in folder.plan.arms}
    for planned in folder.plan.cells:
        spent[planned.arm].append(folder.records()[planned.cell].cost.nfe.value)
    assert {arm.name: arm.nfe_total for arm in found.arms} == {arm: sum(each) for arm, each in spent.items()}
    assert {arm.name: arm.cells for arm in found.arms} == {arm: len(each) for arm, each in spent.items()}
    assert found.cells == len(folder.plan.cells)
    assert (found.confirm_prompts, found.dev_prompts, found.seeds) == (1, 2, 1)
    best = next(arm for arm in found.arms if arm.name == "best_of_n@3videos")
    assert best.share_of_budget == 1.0
    disk = sum(file.stat().st_size for file in (tmp_path / "r" / "cells").rglob("*") if file.is_file())
    assert found.disk == pytest.approx(disk, rel=0.25)
    assert found.video_seconds == folder.records()[folder.plan.cells[0].cell].seconds_of_video


def test_money_is_hours_times_price_and_devices_follow_the_deadline():
    found = analytic(PRICED)
    assert found.device == "cpu"
    assert found.currency == "JPY"
    assert found.money == pytest.approx(found.device_hours * 36 / 0.5)
    for arm in found.arms:
        assert arm.money == pytest.approx(arm.device_seconds / 3600 * 72)
        per_video = arm.seconds * _threads() * 60 / found.video_seconds
        assert arm.devices == pytest.approx(1000 * per_video / (3600 * 0.5), abs=1)
    assert "devices for 1000 videos of 1 minutes in 1 hours, if every first attempt is accepted" in found.capacity_words


def _threads() -> int:
    import torch

    return torch.get_num_threads()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("value: 36, ", "value: null, ", "no money: prices.rate has no value"),
        ("utilisation: {value: 0.5", "utilisation: {value: null", "no money: prices.utilisation has no value"),
        ("unit: CPU-hour", "unit: GPU-hour", "no money: the price is for a GPU-hour, and the run was measured in CPU-"),
    ],
)
def test_money_that_cannot_be_had_is_said(old, new, said):
    assert old in PRICED
    found = analytic(PRICED.replace(old, new), cap=1.0)
    assert found.money is None
    assert said in found.price_words


def test_without_prices_and_business_only_they_are_missing():
    found = analytic(cap=1.0)
    assert found.price_words == "no money: the experiment has no prices"
    assert found.capacity_words == "no capacity: the experiment has no business and prices"
    assert found.hours > 0
    assert "1 confirm prompts are too few for lighting_consistency" in found.warnings[-1]


def test_several_workers_share_the_time():
    one, four = analytic(), analytic(workers=4)
    assert four.workers == 4
    for arm in four.arms:
        seconds = arm.cells * (arm.seconds + sum(four.evaluators.values()))
        assert arm.hours == pytest.approx(seconds / 3600 / 4)
    assert one.cells == four.cells


def test_a_full_disk_is_a_warning_and_no_refusal(monkeypatch):
    usage = estimating.shutil.disk_usage("/")
    monkeypatch.setattr(estimating.shutil, "disk_usage", lambda path: usage._replace(free=10))
    found = analytic(cap=1.0)
    assert "GB are free in" in found.warnings[0]


# --- trials -------------------------------------------------------------------------------------------------


def trials(text: str = ANALYTIC, **options):
    experiment = parse_experiment(text, "a.yaml")
    cast = make_cast(experiment)
    return measure(experiment, cast, arms(experiment, cast), **options)


def test_every_arm_has_a_pace_of_its_own_and_evaluators_are_timed():
    machine = trials()
    assert set(machine.arms) == {"plain", "best_of_n@3videos", "scaling_noise@3videos"}
    assert all(each.measured and each.how == "measured on 2 chunks" for each in machine.arms.values())
    assert all(each.an_evaluation > 0 and each.a_frame > 0 for each in machine.arms.values())
    assert set(machine.evaluators) == {"lighting_consistency"}
    assert machine.evaluators["lighting_consistency"] > 0
    assert all(each.bytes_a_frame > 0 and each.bytes_a_cell > 0 for each in machine.arms.values())
    assert machine.problems == ()


def test_without_time_every_arm_gets_the_pace_of_the_warm_up():
    machine = trials(cap=0.0)
    assert all(not each.measured for each in machine.arms.values())
    assert {each.how for each in machine.arms.values()} == {"pace of plain sampling (1 chunk, 2 steps)"}


def test_the_threads_of_a_worker_are_set_and_given_back():
    before = _threads()
    machine = trials(threads=1, cap=0.0)
    assert machine.where.threads == 1
    assert _threads() == before


def test_a_method_that_fails_on_its_trial_is_told_and_borrows_a_pace(monkeypatch):
    real = pace.run_cell

    def failing(cell, *args, **kwargs):
        if cell.method.use == "best_of_n":
            raise NoVideo("only NaN came out")
        return real(cell, *args, **kwargs)

    monkeypatch.setattr(pace, "run_cell", failing)
    machine = trials()
    assert not machine.arms["best_of_n@3videos"].measured
    assert machine.arms["plain"].measured
    assert "best_of_n@3videos, 2 chunks: only NaN came out" in machine.problems


def test_an_evaluator_that_fails_is_told(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from rewards.base import reward\n\n\n@reward(family='mine', range=(0.0, 1.0))\n"
        "def broken(frames, prompts, *, fps, anchor=None, metadata=None):\n    '''Fails.'''\n"
        "    raise KeyError('gone')\n"
    )
    text = ANALYTIC.replace("[lighting_consistency]", f"[lighting_consistency, '{file}:broken']")
    machine = trials(text)
    assert any("evaluator broken" in problem and "gone" in problem for problem in machine.problems)


# --- published readings ---------------------------------------------------------------------------------------


def test_readings_have_their_source():
    assert {each.id: each.gpu_seconds for each in readings()} == {
        "wan2.1-1.3b-480p": 17.7, "wan2.1-14b": 86.4, "hunyuanvideo-720p": 196.4,
    }  # fmt: skip
    assert all(each.source and each.steps == 50 and each.gpu == "H100" for each in readings())
    with pytest.raises(ResultsError, match=r"no calibration 'wan2\.1-14'; known: .*Did you mean 'wan2\.1-14b'\?"):
        reading("wan2.1-14")


REAL = FULL.replace(
    "model: {use: tabletop, params: {on: true}}",
    "model: {use: image_to_video, params: {path: /nowhere, num_frames: 80, fps: 16, guidance: 5.0}}",
).replace("params: {steps: 3, chunks: 2}", "params: {steps: 25, chunks: 4, preview: coarse}")


def test_gpu_hours_are_told_without_a_gpu_or_a_model():
    experiment = parse_experiment(REAL, "a.yaml")
    found = estimate(experiment, load_prices(), Options(calibration="wan2.1-14b", workers=2))
    assert found.video_seconds == 20.0
    plain = found.arms[0]
    assert plain.seconds == pytest.approx(86.4 * 20 * 25 / 50)
    assert found.arms[1].name == "bon@2videos"
    assert found.arms[1].seconds == pytest.approx(2 * plain.seconds)
    assert plain.nfe == 4 * 25 * 2  # guidance counts twice
    assert (found.device, found.disk) == ("gpu", None)
    assert found.money == pytest.approx(found.device_hours * 2.5 * 150 / 0.7)
    assert found.hours == pytest.approx(found.device_hours / 2)
    assert "ML.ENERGY" in found.measured[0]


def test_the_length_of_a_real_video_must_be_known():
    experiment = parse_experiment(REAL.replace(", fps: 16", ""), "a.yaml")
    with pytest.raises(ResultsError, match="give --video-seconds, or fps and num_frames"):
        video_seconds(experiment, None)
    assert video_seconds(experiment, 7.5) == 7.5
    forced = REAL.replace("image_to_video", "diffusion_forcing").replace("num_frames: 80", "frames_per_chunk: 20")
    assert video_seconds(parse_experiment(forced, "a.yaml"), None) == 4 * 20 / 16
    options = Options(calibration="wan2.1-1.3b-480p", of_video=10.0)
    assert estimate(experiment, load_prices(), options).arms[0].seconds == pytest.approx(17.7 * 10 / 2)
