"""Headroom by way of ordinary cells: which are made, that they resume, and what is read off them."""

import json

import pytest
from experiment_files import ANALYTIC, FULL

from sn_eval.decision.headroom import spreads_of
from sn_eval.poc.headroom import headroom_experiment, read_headroom, run_headroom
from sn_eval.poc.run import Caps, run
from sn_eval.results.experiment import Experiment
from sn_eval.results.experiment_file import parse_experiment
from sn_eval.results.files import ResultsError
from sn_eval.results.run_folder import RunFolder

SHORT = ANALYTIC.replace("steps: 4, chunks: 4", "steps: 2, chunks: 2")


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return parse_experiment(SHORT, "a.yaml")


@pytest.fixture(scope="module")
def done(experiment, tmp_path_factory):
    """A finished headroom run of two prompts with four samples."""
    out = tmp_path_factory.mktemp("headroom") / "r"
    return out, run_headroom(experiment, out, prompts=2, samples=4)


def test_samples_are_made_of_dev_prompts_and_nothing_else_is_declared(experiment):
    made = headroom_experiment(experiment, 1, 3)
    assert [prompt.text for prompt in made.prompts] == ["two"]
    assert [method.params["video"] for method in made.methods] == [0, 1, 2]
    assert {method.params["look"] for method in made.methods} == {1}  # as the experiment's own search looks
    assert made.seeds == (0,)
    assert made.budget is None
    assert made.primary == ()
    assert made.name == "analytic-headroom"
    Experiment.model_validate(made.model_dump())


def test_criteria_of_other_groups_are_left_out():
    full = parse_experiment(FULL, "a.yaml")
    made = headroom_experiment(full, 1, 2)
    assert [prompt.group for prompt in made.prompts] == ["turning"]
    assert made.acceptance[0].groups == ("turning",)
    Experiment.model_validate(made.model_dump())


def test_without_dev_prompts_all_are_taken_from():
    text = SHORT.replace(", split: dev", "").replace(
        "[plain, best_of_n, {use: scaling_noise, params: {look: 1}}]", "[plain, best_of_n]"
    )
    made = headroom_experiment(parse_experiment(text, "a.yaml"), 3, 2)
    assert [prompt.text for prompt in made.prompts] == ["one", "two", "three"]


@pytest.mark.parametrize(("prompts", "samples"), [(0, 4), (2, 1), (3, 4)])
def test_too_few_is_one_line(experiment, prompts, samples):
    with pytest.raises(ResultsError, match=r"it takes 1 prompt and 2 samples|there are 2 to take from"):
        headroom_experiment(experiment, prompts, samples)


def test_the_samples_of_a_prompt_are_what_best_of_n_chooses_among(experiment, done, tmp_path):
    out, _ = done
    best = experiment.model_copy(
        update={
            "name": "best", "budget": None, "seeds": (0,), "primary": (),
            "methods": tuple(
                m.model_copy(update={"params": {"videos": 4}, "budget": "own"}) if m.use == "best_of_n" else m
                for m in experiment.methods if m.use != "scaling_noise"
            ),
            "prompts": experiment.prompts[:2],
        }
    )  # fmt: skip
    run(best, tmp_path / "b")
    samples, chosen = RunFolder.open(out).records(), RunFolder.open(tmp_path / "b")
    for planned in chosen.plan.cells:
        if planned.method == "best_of_n":
            record = chosen.records()[planned.cell]
            same = [s for s in samples.values() if s.prompt == record.prompt]
            assert len({s.scores["searched:bright"] for s in same}) == 4
            top = max(same, key=lambda s: s.scores["searched:bright"])
            assert record.scores["searched:bright"] == pytest.approx(top.scores["searched:bright"], abs=1e-4)


def test_it_writes_what_it_found(done):
    out, made = done
    assert made.outcome.finished
    assert (made.found.prompts, made.found.samples, made.found.failed) == (2, 4, 0)
    assert [each.outcome for each in made.found.outcomes] == ["lighting_consistency"]
    assert [step.videos for step in made.found.outcomes[0].curve] == [1, 2, 4]
    assert [each.look for each in made.found.previews] == ["1"]
    assert 0 < made.found.previews[0].videos <= 4  # two prompts, two pieces; where scores vary
    written = json.loads((out / "headroom.json").read_text())
    assert written["words"] == made.found.words
    assert spreads_of(out / "headroom.json")["lighting_consistency"] == made.found.outcomes[0].spread
    assert {path.suffix for path in made.files} == {".json", ".svg", ".png"}
    assert all(path.stat().st_size for path in made.files)
    assert "over one at random" in (out / "headroom_lighting_consistency.svg").read_text()


def test_running_again_makes_nothing_and_says_the_same(experiment, done):
    out, made = done
    again = run_headroom(experiment, out, prompts=2, samples=4)
    assert again.outcome.made == 0
    assert again.found == made.found == read_headroom(experiment, out)


def test_further_samples_keep_those_that_are_there(experiment, done):
    out, _ = done
    more = run_headroom(experiment, out, prompts=2, samples=5)
    assert more.outcome.made == 2
    assert more.found.samples == 5


def test_a_run_that_is_stopped_says_nothing_yet_and_goes_on(experiment, tmp_path):
    made = run(headroom_experiment(experiment, 1, 2), tmp_path, caps=Caps(hours=0.0))
    assert made.made == 0
    assert made.left == 2
    assert run_headroom(experiment, tmp_path, prompts=1, samples=2).outcome.made == 2
