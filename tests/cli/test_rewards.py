"""`sn-eval rewards` and what it writes, as a user meets them: files, tables, one-line errors, exit codes."""

import csv
import json
import math
import subprocess
import sys

import pytest
import torch
from rewarding import still, video
from small_model import write_untrained
from typer.testing import CliRunner

from sn_eval.cli import app
from sn_eval.video import VideoWriter, save_image

PROMPT = "a red ball rolls to the right"
MINE = """
from rewards.base import reward

@reward(family="x", needs=("prompt",))
def mine(frames, prompts, *, fps, anchor=None, metadata=None, gain: float = 1.0):
    '''Brightness.'''
    {body}
"""


def sn_eval(*words):
    return CliRunner().invoke(app, [*map(str, words)], prog_name="sn-eval")


def one_line(result, code=2):
    assert result.exit_code == code, result.stdout + result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def clip(path, frames):
    with VideoWriter(path, fps=8, crf=4) as writer:
        writer.write(frames[0])
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A ball that stays, one that goes, one of another size, and nothing coloured."""
    folder = tmp_path_factory.mktemp("clips")
    return {
        "stays": clip(folder / "stays.mp4", video(6)),
        "goes": clip(folder / "goes.mp4", torch.cat([video(3), still(3)], dim=1)),
        "wide": clip(folder / "wide.mp4", video(4).repeat_interleave(2, -1)),
        "grey": clip(folder / "grey.mp4", torch.full((1, 4, 3, 64, 64), 0.5)),
    }


@pytest.fixture
def mine(tmp_path):
    def write(body="return (gain * frames.mean((2, 3, 4))).clamp(0, 1)"):
        (tmp_path / "mine.py").write_text(MINE.replace("{body}", body))
        return f"{tmp_path / 'mine.py'}:mine"

    return write


# --- list, show -------------------------------------------------------------------------------------------


def test_list_and_show_say_what_a_reward_declares(mine):
    told = {row["name"]: row["spec"] for row in json.loads(sn_eval("rewards", "list", "--json").stdout)}
    assert told["object_persistence"]["families"] == ["colour-mask"]
    assert told["composite"] is None
    shown = sn_eval("rewards", "show", mine()).stdout
    for word in ("Brightness.", "prompt", "0 … 1", "pixels", "gain"):
        assert word in shown
    assert "composite needs parts" in sn_eval("rewards", "show", "composite").stdout


# --- new --------------------------------------------------------------------------------------------------


def test_new_writes_what_the_next_commands_take(tmp_path, clips):
    told = json.loads(
        sn_eval("rewards", "new", "shop", "--template", "product_tabletop", "--out", tmp_path, "--json").stdout
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop.py", "shop.yaml", "test_shop.py"]
    assert [command.split()[2] for command in told["next"]] == ["show", "score", "audit"]
    assert sn_eval("rewards", "show", told["use"]).exit_code == 0
    result = json.loads(sn_eval("rewards", "score", told["use"], clips["stays"], clips["goes"], "--json", "-q").stdout)
    stays, goes = (row["value"] for row in result["clips"])
    assert stays > goes + 0.1
    first = result["acceptance"][0]
    assert (first["measure"], first["found"], first["met"]) == ("object_persistence", 0.5, False)


def test_new_says_the_next_three_commands_and_lists_templates(tmp_path):
    said = sn_eval("rewards", "new", "calm", "--out", tmp_path).stdout
    assert "wrote " in said
    assert all(f"sn-eval rewards {verb} {tmp_path / 'calm.py'}:calm" in said for verb in ("show", "score", "audit"))
    assert set(json.loads(sn_eval("rewards", "new", "--list", "--json").stdout)) >= {"blank", "signage_loop"}
    assert "public screen" in sn_eval("rewards", "new", "--list").stdout


def test_new_refuses_in_one_line(tmp_path):
    assert "needs a NAME" in one_line(sn_eval("rewards", "new"))
    assert "small letters" in one_line(sn_eval("rewards", "new", "My-Shop", "--out", tmp_path))
    wrong = one_line(sn_eval("rewards", "new", "shop", "--template", "real_estate", "--out", tmp_path))
    assert "Did you mean 'real_estate_walkthrough'?" in wrong
    sn_eval("rewards", "new", "shop", "--out", tmp_path)
    assert "is already there" in one_line(sn_eval("rewards", "new", "shop", "--out", tmp_path))


@pytest.mark.slow
def test_what_new_writes_steers_generate_and_compare(tmp_path, mine):
    sn_eval("rewards", "new", "shop", "--template", "signage_loop", "--out", tmp_path)
    model, use = write_untrained(tmp_path / "model"), f"{tmp_path / 'shop.py'}:shop"
    small = ["--model", model, "--steps", 2, "--chunks", 1, "--look", 1, "--beams", 1, "--candidates", 2]
    done = sn_eval("generate", PROMPT, *small, "--reward", use, "--out", tmp_path / "made", "--json", "--quiet")
    assert done.exit_code == 0, done.stderr
    assert "searched:shop" in json.loads(done.stdout)["scores"]
    done = sn_eval("generate", PROMPT, *small, "--reward", mine("return frames.nope"), "--out", tmp_path / "b", "-q")
    assert "reward 'mine' failed (" in one_line(done)
    assert "mine.py, line 7): AttributeError" in done.stderr
    suite = tmp_path / "suite.yaml"
    suite.write_text(
        f"name: s\nmodel: {{use: tabletop, params: {{path: {model}}}}}\nrollout: {{use: chunk, params: {{steps: 2, "
        "chunks: 1}}\nreward: motion_floor\nevaluators: [anchor_consistency]\nmethods: [plain, best_of_n]\n"
        f"budget: {{unit: nfe, amounts: [4]}}\nprompts: ['{PROMPT}']\n".replace("}}}}", "}}")
    )
    compare = ["compare", "--suite", suite, "--out", tmp_path / "run", "--quiet", "--json", "--reward", use]
    assert "searches on: choose an evaluator of another family" in one_line(sn_eval(*compare))
    done = sn_eval(*compare, "--judge", "motion_floor", "--allow-same-family")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["experiment"]["reward"]["use"] == use
    assert {row["judge"] for row in told["verdicts"]} == {"motion_floor"}


# --- score ------------------------------------------------------------------------------------------------


def test_score_gives_what_the_reward_gives(tmp_path, clips):
    table = tmp_path / "table.csv"
    done = sn_eval("rewards", "score", "motion_floor", *clips.values(), "--out", table, "--json", "--quiet")
    told = {row["clip"]: row for row in json.loads(done.stdout)["clips"]}
    rows = list(csv.DictReader(table.open()))
    assert list(rows[0]) == ["clip", "value", "motion"]
    for row in rows:
        assert float(row["value"]) == told[row["clip"]]["value"]
    assert told[str(clips["grey"])]["value"] == 0.0
    assert told[str(clips["stays"])]["value"] > 0.9
    assert (told[str(clips["wide"])]["frames"], told[str(clips["wide"])]["fps"]) == (4, 8.0)


def test_not_scored_is_a_dash_null_and_an_empty_cell(tmp_path, clips):
    words = ["rewards", "score", "object_persistence", clips["grey"], "--quiet", "--out", tmp_path / "t.csv"]
    assert "–" in sn_eval(*words).stdout
    assert json.loads(sn_eval(*words, "--json").stdout)["clips"][0]["value"] is None
    assert next(csv.DictReader((tmp_path / "t.csv").open()))["value"] == ""


def test_score_by_frame(clips):
    done = sn_eval("rewards", "score", "object_persistence", clips["goes"], "--per-frame", "--json", "--quiet")
    by_frame = json.loads(done.stdout)["clips"][0]["per_frame"]
    assert len(by_frame) == 6
    assert min(by_frame[:3]) > max(by_frame[3:]) + 0.5
    shown = sn_eval("rewards", "score", "object_persistence", clips["goes"], "--per-frame", "--quiet").stdout
    assert "frame" in shown
    code = ["anchor_consistency", "--param", "variant=public_code", "--param", "encoder=imagenet-lite0@32"]
    assert "leave --per-frame out" in one_line(sn_eval("rewards", "score", *code, clips["goes"], "--per-frame", "-q"))
    told = json.loads(sn_eval("rewards", "score", *code, clips["goes"], "--per-frame", "--json", "-q").stdout)
    assert told["clips"][0]["per_frame"] is None  # JSON can say so, and the value is there
    assert 0.5 < told["clips"][0]["value"] <= 1.1


def test_an_anchor_is_cropped_to_each_clip(tmp_path, clips):
    picture = save_image(video(1)[0, 0], tmp_path / "first.png")
    lost = clip(tmp_path / "lost.mp4", still(4))
    words = ["rewards", "score", "object_persistence", lost, clips["wide"], "--json", "--quiet"]
    without, with_anchor = (
        [row["value"] for row in json.loads(sn_eval(*words, *more).stdout)["clips"]]
        for more in ([], ["--anchor", picture])
    )
    assert without[0] is None
    assert with_anchor[0] < 0.1
    assert math.isfinite(with_anchor[1])


def test_prompts_come_from_the_option_or_a_table(tmp_path, mine, clips):
    use = mine("return frames.new_tensor([0.1 * len(p) for p in prompts])")
    table = tmp_path / "prompts.csv"
    table.write_text(f"clip,prompt\nstays.mp4,ab\n{clips['goes']},abc\n")
    words = ["rewards", "score", use, clips["stays"], clips["goes"], "--json", "--quiet"]
    told = [row["value"] for row in json.loads(sn_eval(*words, "--prompts-from", table).stdout)["clips"]]
    assert told == pytest.approx([0.2, 0.3])
    told = [row["value"] for row in json.loads(sn_eval(*words, "--prompt", "a").stdout)["clips"]]
    assert told == pytest.approx([0.1, 0.1])
    assert f"no prompt for {clips['stays']}: give --prompt" in one_line(sn_eval(*words))
    other = [*words, clips["grey"], "--prompts-from", table]
    assert f"no prompt for {clips['grey']}" in one_line(sn_eval(*other))


def test_what_cannot_be_read_is_told_and_the_others_are_scored(tmp_path, clips):
    text, single = tmp_path / "text.mp4", clip(tmp_path / "single.mp4", video(1))
    text.write_text("no video")
    bad = [tmp_path / "nowhere.mp4", text, single]
    done = sn_eval("rewards", "score", "motion_floor", bad[0], clips["stays"], *bad[1:], "--quiet", "--json")
    assert done.exit_code == 3
    told = json.loads(done.stdout)
    assert [row["clip"] for row in told["clips"]] == [str(clips["stays"])]
    assert set(told["failed"]) == set(map(str, bad))
    assert f"{single} holds 1 frame" in done.stderr
    assert len(done.stderr.splitlines()) == 3
    assert all(line.startswith("not scored: ") for line in done.stderr.splitlines())
    assert sn_eval("rewards", "score", "motion_floor", *bad, "--quiet").exit_code == 2


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("return frames.nope", "reward 'mine' failed ({file}, line 8): AttributeError: "),
        ("return frames.mean((1, 2))", "reward 'mine' returned shape [1, 64, 64]; it must be [1] or [1, 6]"),
        ("return 0.5", "reward 'mine' returned float; it must return a tensor"),
        ("return frames.mean((1, 2, 3, 4)) + 7", "outside of its declared range 0..1"),
    ],
)
def test_a_reward_that_breaks_stops_with_its_name_and_what_was_finished_stays(tmp_path, mine, clips, body, told):
    use = mine(f"if frames.shape[1] == 6:\n        {body}\n    return frames.mean((2, 3, 4))")
    table = tmp_path / "t.csv"
    words = ["rewards", "score", use, clips["grey"], clips["stays"], clips["goes"], "--prompt", "p", "--out", table]
    line = one_line(sn_eval(*words, "--quiet"))
    assert told.replace("{file}", use.removesuffix(":mine")) in line
    assert [row["clip"] for row in csv.DictReader(table.open())] == [str(clips["grey"])]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["motion_flor"], "Did you mean 'motion_floor'"),
        (["motion_floor", "--param", "minimum"], "--param 'minimum': write key=value"),
        (["motion_floor", "--param", "minimum=[1"], "the value is no YAML"),
        (["motion_floor", "--param", "minimum=lots"], "minimum must be float; given 'lots'"),
        (["motion_floor", "--param", "least=1"], "has no parameter 'least'. Allowed: minimum"),
        (["composite", "--param", "file=nowhere.yaml"], "cannot read nowhere.yaml"),
        (["motion_floor", "--prompts-from", "nowhere.csv"], "cannot read nowhere.csv"),
        (["motion_floor", "--prompts-from", __file__], "must have the columns clip and prompt"),
        (["motion_floor", "--out", "/proc/none/t.csv"], "cannot write /proc/none/t.csv"),
    ],
)
def test_wrong_options_are_one_line(clips, words, told):
    assert told in one_line(sn_eval("rewards", "score", words[0], clips["stays"], *words[1:], "--quiet"))


def test_a_missing_anchor_is_told(clips):
    done = sn_eval("rewards", "score", "motion_floor", clips["stays"], "--anchor", "nowhere.png", "--quiet")
    assert done.exit_code == 2
    assert "image nowhere.png does not exist" in done.stderr


def test_the_parameters_of_a_composite_come_from_its_file(tmp_path, clips):
    (tmp_path / "mine.yaml").write_text("name: mine\nparts:\n  - {use: motion_floor}\n")
    param = f"file={tmp_path}/mine.yaml"
    done = sn_eval("rewards", "score", "composite", clips["stays"], "--param", param, "--quiet", "--json")
    assert json.loads(done.stdout)["reward"]["name"] == "mine"


def test_as_a_process_it_says_its_progress_on_stderr_only(clips):
    command = [sys.executable, "-m", "sn_eval", "rewards", "score", "motion_floor", str(clips["stays"]), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert json.loads(done.stdout)["clips"]
    assert done.stderr.startswith("scoring with motion_floor: 100%")
