"""The business templates: each makes a reward, says what it stands for, and is strictly read."""

import re
import runpy
import subprocess
import sys

import pytest
import torch
from rewarding import exposed, score, still, video

import rewards
from rewards import templates
from rewards.base import UserError
from rewards.templates import scaffold

FIVE = {"product_tabletop", "factory_line", "real_estate_walkthrough", "character_story", "signage_loop"}
SMALL = """
name: mine
parts:
  - {use: motion_floor, weight: 2, params: {minimum: 0.2}}
acceptance:
  - {measure: motion_floor, rule: ">= 0.5", share: 0.9, stands_for: re-shoot rate}
"""


def write(tmp_path, old="", new="", text=SMALL):
    assert old in text
    file = tmp_path / "mine.yaml"
    file.write_text(text.replace(old, new, 1))
    return file


def test_there_are_five():
    assert set(templates.names()) == FIVE


@pytest.mark.parametrize("name", sorted(FIVE))
def test_a_template_is_complete_and_names_no_money(name):
    template = templates.load(name)
    assert template.name == name
    assert len(template.parts) >= 3
    assert len(template.failure_modes) >= 3
    assert len(template.acceptance) >= 3
    assert all(len(criterion.stands_for) > 15 for criterion in template.acceptance)
    text = templates.path_of(name).read_text()
    assert not re.search(r"[$€£¥]|\b(USD|EUR|JPY|dollar|euro|yen)s?\b", text)
    assert text.count("#") > len(template.parts)  # commented


@pytest.mark.parametrize("name", sorted(FIVE))
def test_a_template_prefers_a_video_that_holds_together(name):
    made = rewards.create("composite", file=str(templates.path_of(name)))
    assert made.spec.name == name
    assert made.spec.range[1] == 1.0
    clip = video(9, speed=3)
    broken = torch.cat([clip[:, :4], exposed(still(5, table=(0.13, 0.13, 0.13)), -1.0)], dim=1)
    good = score(made, clip[:, 1:], clip[:, :1])
    assert good > 0.6
    assert score(made, broken[:, 1:], clip[:, :1]) < good - 0.1
    measures = {criterion.measure for criterion in made.acceptance}
    parts = made(clip[:, 1:], ["a ball"], fps=8.0, anchor=clip[:, :1]).parts
    assert measures <= {*parts, "value"}


def test_a_criterion_counts_the_scored_videos():
    criterion = templates.load("product_tabletop").acceptance[0]
    assert criterion.share_of([0.9, 0.8, 0.1, float("nan")]) == pytest.approx(2 / 3)
    assert criterion.share_of([float("nan")]) is None
    at_most = templates.Criterion("value", "< 0.5", 1.0, "complaints")
    assert (at_most.passes(0.4), at_most.passes(0.5)) == (True, False)


def test_a_file_makes_what_its_parts_make(tmp_path):
    clip = video(5)
    from_file = rewards.create("composite", file=str(write(tmp_path)))
    by_hand = rewards.create("composite", parts=[{"use": "motion_floor", "params": {"minimum": 0.2}}])
    assert score(from_file, clip) == score(by_hand, clip)
    assert from_file.spec.name == "mine"


def test_ones_own_reward_is_found_beside_the_yaml(tmp_path, monkeypatch):
    scaffold.write("near", folder=tmp_path / "shop")
    file = write(tmp_path / "shop", "motion_floor, weight: 2, params: {minimum: 0.2}", "near.py:near")
    file.write_text(file.read_text().replace("measure: motion_floor", "measure: near"))
    monkeypatch.chdir(tmp_path)
    assert score(rewards.create("composite", file="shop/mine.yaml"), video(4)) > 0.5


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("parts:", "part:", "must be a mapping with name, parts"),
        ("acceptance:", "aceptance:", "unknown key 'aceptance'. Did you mean 'acceptance'?"),
        ("name: mine", "name: 3", "name cannot be 3"),
        ("name: mine", "name: ''", "must not be empty"),
        ("name: mine", "name: mine\ncombine: median", "combine cannot be 'median'"),
        ("weight: 2", "wieght: 2", "part 1: unknown key 'wieght'. Did you mean 'weight'?"),
        ("weight: 2", "weight: -2", "part 1: weight must be above 0"),
        ("measure: motion_floor", "measure: motion_flor", "acceptance 1: unknown measure 'motion_flor'. Did you mean"),
        ('">= 0.5"', '"at least 0.5"', "rule 'at least 0.5' must be like '>= 0.8'"),
        ("share: 0.9", "share: 90", "share must lie above 0 and up to 1; given 90"),
        ("share: 0.9, ", "", "must be a mapping with measure, rule, share, stands_for"),
        ("stands_for", "stand_for", "stands_for"),
        ("name: mine", "name: [mine", "is no YAML"),
    ],
)
def test_a_wrong_file_gets_one_clear_line(tmp_path, old, new, told):
    file = write(tmp_path, old, new)
    with pytest.raises(UserError) as error:
        rewards.create("composite", file=str(file))
    assert str(file) in str(error.value)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_wrong_names_get_one_clear_line(tmp_path):
    with pytest.raises(UserError, match="Did you mean 'signage_loop'"):
        templates.load("signage_lop")
    with pytest.raises(UserError, match="cannot read nowhere.yaml: No such file"):
        rewards.create("composite", file="nowhere.yaml")
    with pytest.raises(UserError, match="both say what it is made of"):
        rewards.create("composite", file=str(write(tmp_path)), parts=[{"use": "motion_floor"}])


# --- files to begin with ----------------------------------------------------------------------------------


@pytest.mark.parametrize("template", ["blank", *sorted(FIVE)])
def test_what_is_written_works_and_its_test_can_fail(tmp_path, template):
    files = scaffold.write("my_shop", template, tmp_path)
    made = rewards.create(f"{files[0]}:my_shop")
    assert made.spec.name == "my_shop"
    assert len([line for line in files[0].read_text().splitlines() if line.strip()]) <= 12
    written = runpy.run_path(str(files[-1]))
    checks = [check for name, check in written.items() if name.startswith("test_")]
    assert len(checks) == 3
    for check in checks:
        check()
    blind = written["test_a_video_that_falls_apart_scores_lower"]
    blind.__globals__["REWARD"] = lambda frames, *args, **more: rewards.Scores(torch.zeros(len(frames)))
    with pytest.raises(AssertionError):
        blind()


@pytest.mark.slow
def test_pytest_runs_the_written_test(tmp_path):
    scaffold.write("my_shop", "product_tabletop", tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_shop.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "3 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["", "My_Shop", "2shop", "my shop", "class", "../shop", "json", "torch", "test_shop"])
def test_a_bad_name_writes_nothing(tmp_path, name):
    with pytest.raises(UserError, match="name ") as error:
        scaffold.write(name, folder=tmp_path)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "test_my_shop.py").write_text("mine")
    with pytest.raises(UserError, match="test_my_shop.py is already there"):
        scaffold.write("my_shop", folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["test_my_shop.py"]
    with pytest.raises(UserError, match=r"Did you mean 'factory_line'\? Known: blank, character_story"):
        scaffold.write("line", "factory_lin", tmp_path)
    with pytest.raises(UserError, match="cannot write"):
        scaffold.write("line", folder=tmp_path / "test_my_shop.py" / "in")


@pytest.mark.parametrize("name", ["character_story", "factory_line"])
def test_parts_that_are_commented_out_would_be_read(tmp_path, name):
    lines = templates.path_of(name).read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("  # - use:"))
    block = [line.replace("# ", "", 1) if line.startswith("  # ") else line for line in lines[start:]]
    file = tmp_path / "all.yaml"
    file.write_text("\n".join([*lines[:start], *block]))
    part = templates.read(file).parts[-1]
    assert set(part["params"]) <= {parameter.name for parameter in rewards.describe(part["use"]).parameters}
    assert len(templates.read(file).parts) == len(templates.load(name).parts) + 1
