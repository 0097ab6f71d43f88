"""`sn-eval models` and `sn-eval rewards`: lists, explanations, what a model costs, and what a preview is worth."""

import json
import math

import pytest
import torch
from small_model import write_untrained
from tiny_pipelines import saved, svd
from typer.testing import CliRunner

import rewards
from sn_eval import models
from sn_eval.cli import app, compare, console
from sn_eval.cli.generate import load_model
from sn_eval.cli.model_check import Subject, batching, best_batch, chunk_cost, noise_trials, rollout_with
from sn_eval.cli.model_report import in_words
from sn_eval.cli.models import dev_prompts
from sn_eval.cli.preview_worth import Worth, recommended
from sn_eval.models.gaussian import GaussianModel
from sn_eval.models.image_to_video import ImageToVideo
from sn_eval.poc.cast import make_cast
from sn_eval.poc.spec import experiment_named
from sn_eval.search.correlation import LookReport
from sn_eval.tabletop.scene import parse

BRIGHT = '''
from rewards import reward

@reward(family="pixels", range=(0.0, 1.0))
def bright(frames, prompts, *, fps, anchor=None, metadata=None):
    """How bright the video is."""
    return frames.mean((1, 2, 3, 4))
'''


def sn_eval(*words):
    return CliRunner().invoke(app, list(words))


@pytest.fixture(scope="module")
def bright(tmp_path_factory):
    path = tmp_path_factory.mktemp("rewards") / "mine.py"
    path.write_text(BRIGHT)
    return f"{path}:bright"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    folder = tmp_path_factory.mktemp("svd")
    saved(svd, folder)
    return str(folder)


@pytest.fixture(scope="module")
def told(bright):
    """What a check of the Gaussian model tells machines, and what it tells people meanwhile."""
    words = ["--look", "1,4", "--candidates", "6", "--prompts", "2", "--steps", "4", "--chunks", "2", "--seeds", "2"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console, "SECONDS_BETWEEN_LINES", 0.0)  # every step speaks
        result = sn_eval("models", "check", "gaussian", "--reward", bright, *words, "--max-batch", "5", "--json")
    assert result.exit_code == 0
    return json.loads(result.stdout), result.stderr


@pytest.mark.parametrize(("group", "registry"), [("models", models.registry), ("rewards", rewards.registry)])
def test_lists_name_every_component(group, registry):
    told = json.loads(sn_eval(group, "list", "--json").stdout)
    assert [row["name"] for row in told] == registry.names()
    assert all(row["summary"] for row in told)
    shown = sn_eval(group, "list").stdout
    assert all(name in shown for name in registry.names())


def test_a_reward_of_the_users_own_is_explained(bright):
    assert "How bright the video is." in sn_eval("rewards", "show", bright).stdout
    assert json.loads(sn_eval("rewards", "show", bright, "--json").stdout)["text"] == "How bright the video is."


@pytest.mark.parametrize(
    ("source", "said"),
    [("def f(:\n", "line 1"), (BRIGHT.replace("(1, 2, 3, 4)", "(3, 4)"), "returned shape"), ("x = 1\n", "bright")],
)
def test_a_broken_reward_file_is_one_line(tmp_path, source, said):
    path = tmp_path / "broken.py"
    path.write_text(source)
    result = sn_eval("models", "check", "gaussian", "--reward", f"{path}:bright", "--quiet", "--look", "1")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr


def test_the_list_says_what_each_model_can_do():
    rows = {row["name"]: row for row in json.loads(sn_eval("models", "list", "--json").stdout)}
    assert rows["tabletop"]["regime"] == "stepwise"
    assert rows["tabletop"]["rollouts"] == ["chunk", "fifo"]
    assert rows["gaussian"]["previews"] == ["early", "coarse", "ahead"]
    assert rows["image_to_video"]["regime"] == "black box"
    assert rows["image_to_video"]["rollouts"] == ["chunk"]
    assert rows["image_to_video"]["previews"] == ["coarse"]
    assert rows["image_to_video"]["previews_of_some"] == ["draft"]
    assert "(some" in sn_eval("models", "list").stdout
    assert rows["image_to_video"]["noise_control"] == "latents or generator"


# --- check ------------------------------------------------------------------------------------------------------------


def test_check_measures_every_kind_of_preview(told):
    found, said = told
    rows = {(row["preview"], row["look"]): row for row in found["looks"]}
    assert set(rows) == {(kind, look) for kind in ("early", "coarse", "ahead") for look in (1, 4)}
    assert all(row["contexts"] == 2 * 2 * 2 for row in rows.values())
    assert [rows["early", look]["nfe"] for look in (1, 4)] == [1, 4]
    assert [rows["ahead", look]["nfe"] for look in (1, 4)] == [3, 4]
    last = rows["early", 4]  # a preview at the last step is the finished chunk
    assert last["rho"] == pytest.approx(1.0)
    assert last["gain"] == pytest.approx(last["best_gain"])
    assert "coarse previews: 100%" in said
    assert "measuring: 100%" in said


def test_what_is_recommended_follows_from_the_rows(told):
    found, _ = told
    good = [row for row in found["looks"] if row["rho"] > 0 and row["gain"] >= 0.8 * row["best_gain"] > 0]
    least = min(row["nfe"] for row in good)
    assert (found["recommended"]["preview"], found["recommended"]["look"]) in [
        (row["preview"], row["look"]) for row in good if row["nfe"] == least
    ]
    seconds = {row["batch"]: row["seconds_per_evaluation"] for row in found["batching"]}
    assert list(seconds) == [1, 2, 4]
    assert seconds[found["recommended"]["max_batch"]] <= 1.05 * min(seconds.values())
    assert found["recommended"]["dtype"] == "float32"
    assert f"--look {found['recommended']['look']}" in found["advice"]
    assert f"--max-batch {found['recommended']['max_batch']}" in found["advice"]


def test_what_machines_are_told(told):
    found, _ = told
    assert set(found) == {
        "model", "adapter", "kind", "pipeline", "capability", "noise_control", "device", "device_name", "dtype",
        "parameters", "all_parameters", "load_seconds", "start_image", "chunk", "previews", "batching", "noise",
        "passed", "reward", "prompts", "looks", "recommended", "advice",
    }  # fmt: skip
    assert (found["adapter"], found["kind"], found["start_image"]) == ("gaussian", "GaussianModel", "none")
    chunk = found["chunk"]
    assert (chunk["frames"], chunk["width"], chunk["steps"], chunk["evaluations"]) == (4, 8, 4, 4)
    assert chunk["peak_memory"]["value"] > 0
    assert [(row["preview"], row["evaluations"]) for row in found["previews"]] == [
        ("early", 1), ("coarse", 1), ("ahead", 3)
    ]  # fmt: skip
    assert all(row["passed"] for row in found["noise"])
    assert [row["largest"] > 2 for row in found["noise"]] == [False, True, True]


def test_a_pipeline_folder_is_checked_as_it_comes(pipeline, bright):
    words = ["--size", "32x32", "--frames", "3", "--steps", "2", "--guidance", "1", "--max-batch", "1", "--look", "1"]
    words += ["--reward", bright, "--prompts", "1", "--candidates", "2", "--chunks", "1", "--dtype", "float32"]
    result = sn_eval("models", "check", pipeline, *words, "--json", "--quiet")
    assert result.exit_code == 0
    assert result.stderr == ""
    found = json.loads(result.stdout)
    assert (found["adapter"], found["pipeline"]) == ("image_to_video", "StableVideoDiffusionPipeline")
    assert (found["capability"], found["start_image"], found["passed"]) == ("black_box", "built in", True)
    assert (found["chunk"]["width"], found["chunk"]["frames"], found["chunk"]["evaluations"]) == (32, 2, 2)
    assert 0 < found["parameters"] < found["all_parameters"]
    assert {row["preview"] for row in found["looks"]} == {row["preview"] for row in found["previews"]} == {"coarse"}


def test_check_on_the_tabletop_model_gives_advice(tmp_path):
    weights = write_untrained(tmp_path / "w")
    words = ["--prompts", "1", "--candidates", "3", "--chunks", "1", "--look", "2", "--steps", "2", "--quiet"]
    words += ["--max-batch", "1"]
    result = sn_eval("models", "check", str(weights), *words)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert "rank corr." in result.stdout
    assert "needs none" in result.stdout
    assert "--look 2" in result.stdout or "No look" in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gausian"], "Did you mean 'gaussian'?"),
        (["gaussian", "--look", "0"], "1 or more"),
        (["gaussian", "--look", "two"], "whole numbers"),
        (["gaussian", "--look", "9"], "at most --steps 8"),
        (["gaussian", "--reward", "tabletop_qualty"], "Did you mean 'tabletop_quality'?"),
        (["gaussian", "--device", "cuda:77"], "sn-eval doctor"),
        (["gaussian", "--dtype", "bfloat16"], "no parameter 'dtype'"),
        (["gaussian", "--frames", "4", "--size", "8x8"], "takes no size here"),
        (["tabletop", "--frames", "9"], "chunks of its own length"),
        (["gaussian", "--model-param", "rho"], "write key=value"),
        (["gaussian", "--model-param", "roh=0.5"], "Did you mean 'rho'?"),
        (["no/such/folder"], "no such folder: 'no/such/folder'"),
        (["svd", "--dtype", "float33"], "float32, bfloat16"),
        (["svd", "--offload", "model"], "the device is the CPU"),
        (["svd", "--attention", "flish"], "it must be one of"),
        (["svd", "--size", "32"], "WIDTHxHEIGHT"),
        (["tabletop", "--image", "nothing.png"], "nothing.png"),
        (["no/such/folder.py:model"], "no file"),
    ],
)
def test_bad_input_is_one_line(words, said, pipeline):
    if words[0] == "svd":
        words = [pipeline, *words[1:]]
    result = sn_eval("models", "check", *words, "--quiet")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr


# --- models that a search could not work on ---------------------------------------------------------------------------


class Deaf(GaussianModel):
    """Hears no noise."""

    def denoise(self, x, times, cond):
        return super().denoise(torch.zeros_like(x), torch.ones_like(times), cond)


class Restless(GaussianModel):
    """Draws noise of its own."""

    def decode(self, latents, histories):
        return super().decode(latents + torch.randn_like(latents), histories)


class Forgetful(GaussianModel):
    """Drops its history."""

    def condition(self, prompts, histories):
        return super().condition(prompts, [self.start(prompt, None, 0) for prompt in prompts])


class Large(GaussianModel):
    """Fits twice, not four times."""

    def denoise(self, x, times, cond):
        return torch.empty(10**15) if len(x) > 2 else super().denoise(x, times, cond)


def subject(model):
    return Subject(rollout_with(model, 3, 2), "a red ball", None)


@pytest.mark.parametrize(
    ("model", "holds"),
    [
        (GaussianModel(), [True, True, True]),
        (Deaf(), [True, False, True]),
        (Restless(), [False, True, True]),
        (Forgetful(), [True, True, False]),
    ],
)
def test_what_the_noise_and_the_past_do_not_decide_is_told(model, holds):
    checked = subject(model)
    assert [trial.passed for trial in noise_trials(checked, chunk_cost(checked)[1])] == holds


def test_a_model_that_no_search_can_work_on_ends_with_1(tmp_path):
    file = tmp_path / "deaf.py"
    file.write_text(
        "import torch\nfrom rewards.registry import component\nfrom sn_eval.models.gaussian import GaussianModel\n"
        "@component('deaf')\nclass Deaf(GaussianModel):\n    def denoise(self, x, times, cond):\n"
        "        return super().denoise(torch.zeros_like(x), torch.ones_like(times), cond)\n"
    )
    result = sn_eval("models", "check", f"{file}:Deaf", "--quick", "--quiet", "--steps", "2")
    assert result.exit_code == 1
    assert "NOT SO: other noise, other video" in result.stdout
    assert "rank corr." not in result.stdout


def test_batches_end_where_memory_does():
    rows = list(batching(subject(Large()), 16))
    assert [(row.batch, row.seconds_per_evaluation is None) for row in rows] == [(1, False), (2, False), (4, True)]
    assert best_batch(rows) in (1, 2)


def test_parameters_of_a_model_are_its_own_and_the_records():
    model, named = load_model("gaussian", "auto", given={"size": 6}, guidance=2.0)
    assert (model.size, model.guidance) == (6, 2.0)
    assert (named.use, dict(named.params)) == ("gaussian", {"size": 6, "guidance": 2.0})


def test_an_experiment_finds_the_adapter_of_a_folder_too(pipeline):
    suite = experiment_named("demo")
    model = compare._model(pipeline, {"width": 32, "height": 32, "num_frames": 3})
    asked = compare._changed(suite, model=model, judges=["motion_floor"])
    assert isinstance(make_cast(asked).model, ImageToVideo)
    further = compare._changed(suite, model=compare._model(None, {"guidance": 2.0}))
    assert (further.model.use, dict(further.model.params)) == ("tabletop", {"guidance": 2.0})
    assert compare._changed(suite, model=compare._model(None, {})) == suite


# --- advice -----------------------------------------------------------------------------------------------------------


def worth(preview, look, nfe, rho, gain, most=0.4):
    return Worth(preview, LookReport(look, 8, rho, 0.1, gain, most), nfe)


def test_the_cheapest_look_that_gains_enough_is_recommended():
    rows = [worth("early", 1, 1, 0.1, 0.05), worth("early", 4, 4, 0.7, 0.33), worth("early", 6, 6, 0.9, 0.39)]
    assert recommended(rows) is rows[1]
    assert "--preview early --look 4" in in_words(rows[1], 8)
    assert recommended(rows[:1]) is rows[0]
    tie = [worth("coarse", 4, 4, 0.7, 0.35), rows[1]]
    assert recommended(tie) is rows[1]  # the steps of an early preview are not lost


def test_blind_looks_are_not_recommended():
    rows = [worth("early", 1, 1, 0.0, 0.1), worth("early", 2, 2, -0.2, -0.1), worth("coarse", 1, 1, 0.1, math.nan)]
    assert recommended(rows) is None
    assert "No look" in in_words(None, 8)


def test_the_built_in_prompts_are_in_the_worlds_own_words():
    prompts = dev_prompts()
    assert len(set(prompts)) == len(prompts) >= 12
    assert [parse(prompt).caption() for prompt in prompts] == prompts
