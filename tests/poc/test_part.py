"""A part of an experiment is run now; the plan stays whole, the rest missing, and both are told."""

import json
from collections import Counter

import pytest
import yaml
from running import NoWorkers, written
from typer.testing import CliRunner

from sn_eval.cli import app
from sn_eval.decision.prices import load_prices
from sn_eval.poc.estimate import Options, estimate
from sn_eval.poc.part import Part
from sn_eval.poc.run import Caps, Watched, run
from sn_eval.results.files import ResultsError
from sn_eval.results.plan import Plan
from sn_eval.results.store import RunStore

PROMPTS = ["a hill", {"text": "a lake", "split": "dev"}, {"text": "a road", "split": "dev"}]
BUDGET = {"unit": "videos", "amounts": [2, 3]}  # arms: plain, best_of_n@2videos, best_of_n@3videos


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return written(tmp_path_factory.mktemp("part"), prompts=PROMPTS, budget=BUDGET)


def made(folder) -> set[tuple[str, str]]:
    complete = set(RunStore(folder).ids())
    return {(cell.prompt, cell.arm) for cell in Plan.load(folder).cells if cell.cell in complete}


def test_a_part_then_another_then_the_rest_make_what_one_run_makes(experiment, tmp_path):
    told = []
    watched = Watched(cells=lambda done, total, _: told.append((done, total)))
    dev = run(experiment, tmp_path / "run", caps=Caps(part=Part("dev", ("best_of_n", "plain"))), watched=watched)
    assert (dev.done, dev.left, dev.finished, dev.whole.done, dev.whole.left, dev.whole.finished) == (
        6, 0, True, 6, 3, False
    )  # fmt: skip
    assert (told[0], told[-1]) == ((0, 6), (6, 6))  # what the time left is told from
    assert {prompt for prompt, _ in made(tmp_path / "run")} == {"a lake", "a road"}
    plan = Plan.load(tmp_path / "run")
    one = run(experiment, tmp_path / "run", caps=Caps(part=Part("confirm", ("best_of_n@3videos",))))
    assert (one.done, one.made, one.whole.left) == (1, 1, 2)
    assert [arm for prompt, arm in made(tmp_path / "run") if prompt == "a hill"] == ["best_of_n@3videos"]
    rest = run(experiment, tmp_path / "run")
    assert (rest.done, rest.made, rest.finished, rest.whole.finished) == (9, 2, True, True)
    whole = run(experiment, tmp_path / "whole")
    assert Plan.load(tmp_path / "run").cells == plan.cells == whole.plan.cells
    assert RunStore(tmp_path / "run").ids() == RunStore(tmp_path / "whole").ids()


def test_a_part_that_is_complete_needs_no_model_and_is_no_more_than_asked(experiment, tmp_path):
    part = Caps(part=Part(arms=("plain",)))
    run(experiment, tmp_path, caps=part)
    again = run(experiment, tmp_path, caps=part, executor=NoWorkers())
    assert (again.done, again.made, again.finished, again.whole.left) == (3, 0, True, 6)
    with pytest.raises(AssertionError, match="a model would be loaded"):
        run(experiment, tmp_path, executor=NoWorkers())


def test_what_failed_elsewhere_is_not_the_parts(tmp_path):
    experiment = written(tmp_path, model="mine:NanLatents", prompts=PROMPTS)  # "a lake" gives no video
    dev = run(experiment, tmp_path / "run", caps=Caps(part=Part("dev")))
    assert (dev.done, dev.failed, dev.finished) == (2, {"quality": 2}, True)
    confirm = run(experiment, tmp_path / "run", caps=Caps(part=Part("confirm", ("plain",))))
    assert (confirm.done, confirm.failed, confirm.finished) == (1, {}, True)
    assert (confirm.whole.done, confirm.whole.failed, confirm.whole.left) == (3, {"quality": 2}, 1)


def test_an_executor_is_handed_no_other_cells(experiment, tmp_path, monkeypatch):
    from sn_eval.poc import executors

    handed = []
    serial = executors.create("serial")
    whole = serial.submit
    monkeypatch.setattr(serial, "submit", lambda *words: handed.append(words) or whole(*words))
    run(experiment, tmp_path, caps=Caps(part=Part("dev", ("plain",))), executor=serial)
    assert Counter(method for _, method, *_ in handed) == {"plan": 1, "perform": 2}  # whoever makes cells gets no other


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (Part("confirm", ("bost",)), "no arm 'bost' in this experiment; known: plain, best_of_n"),
        (Part(None, ("plain", "best_of_n@2")),
         "no arm 'best_of_n@2' in this experiment; known: plain, best_of_n@2videos, best_of_n@3videos"),
    ],
)  # fmt: skip
def test_an_unknown_arm_is_told_before_anything_is_made(experiment, tmp_path, part, said):
    with pytest.raises(ResultsError) as caught:
        run(experiment, tmp_path / "run", caps=Caps(part=part))
    assert str(caught.value) == said
    assert not (tmp_path / "run" / "plan.json").exists()


def test_a_split_without_prompts_is_told(tmp_path):
    with pytest.raises(ResultsError, match="no prompt of tiny has split: dev; all 2 are of the other"):
        run(written(tmp_path), tmp_path / "run", caps=Caps(part=Part("dev")))


def test_the_plan_of_a_part_counts_its_cells_only(experiment):
    found = estimate(experiment, load_prices(), Options(part=Part("dev", ("best_of_n@3videos",)), cap=2.0))
    assert [(arm.name, arm.cells, arm.nfe_total) for arm in found.arms] == [("best_of_n@3videos", 2, 36)]
    assert (found.cells, found.confirm_prompts, found.dev_prompts) == (2, 0, 2)


def test_the_command_line_says_both_counts_and_the_next_step(experiment, tmp_path):
    spec, out = tmp_path / "spec.yaml", tmp_path / "run"
    spec.write_text(yaml.safe_dump(experiment.model_dump(mode="json")))

    def command(*words: str):
        call = ["poc", "run", str(spec), "--out", str(out), "--quiet", *words]
        return CliRunner().invoke(app, call, prog_name="sn-eval")

    asked = ("--split", "dev", "--arm", "plain", "--arm", "best_of_n@2videos")
    stopped = command(*asked, "--max-hours", "0")
    assert stopped.exit_code == 3
    assert f"go on with: sn-eval poc run {spec} --out {out} {' '.join(asked)}\n" in stopped.stdout
    done = command(*asked)
    assert done.exit_code == 0, done.stderr
    first, last = done.stdout.splitlines()
    assert first == f"4 of 4 videos of the dev prompts with plain, best_of_n@2videos are in {out}, 4 of them made now"
    assert last == f"the whole run has 4 of 9; 5 are left: sn-eval poc run {spec} --out {out}"
    told = json.loads(command(*asked, "--json").stdout)
    assert (told["cells"], told["done"], told["finished"], told["split"], told["arms"]) == (
        4, 4, True, "dev", ["plain", "best_of_n@2videos"]
    )  # fmt: skip
    assert told["whole"] == {"cells": 9, "done": 4, "failed": {}, "left": 5, "finished": False}
    wrong = command("--arm", "bost")
    assert (wrong.exit_code, wrong.stderr.count("\n")) == (2, 1)
