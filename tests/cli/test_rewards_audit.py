"""`sn-eval rewards audit` as a user meets it: a reward of one's own, a page, exit codes, one-line errors."""

import json

import pytest
from typer.testing import CliRunner

from sn_eval.audit import real_clips
from sn_eval.cli import app

MINE = """
from rewards.base import reward

@reward(family="brightness", falls_under=("exposure_jump",))
def steady(frames, prompts, *, fps, anchor=None, metadata=None, strength: float = 3.0):
    '''How near the brightness stays to the anchor's.'''
    level = frames.mean((2, 3, 4)) / anchor.mean((2, 3, 4))[:, :1]
    return (-strength * level.log().abs().mean(1)).exp()

@reward(family="nothing", falls_under=("gain_ramp",))
def constant(frames, prompts, *, fps, anchor=None, metadata=None):
    '''Always the same.'''
    return frames.new_full((len(frames),), 0.5)

@reward(family="nothing")
def silent(frames, prompts, *, fps, anchor=None, metadata=None):
    '''Claims nothing.'''
    return frames.mean((1, 2, 3, 4))

@reward(family="nothing", falls_under=("gain_ramp",))
def broken(frames, prompts, *, fps, anchor=None, metadata=None):
    '''Has a mistake in it.'''
    return frames.meen()
"""
QUICK = ("--windows", 5, "--real", 0, "--gates-only")


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    return lambda name: f"{tmp_path / 'mine.py'}:{name}"


def audit(out, *words):
    return CliRunner().invoke(app, ["rewards", "audit", *map(str, words), "--out", str(out)], prog_name="sn-eval")


def one_line(result, code=2):
    assert result.exit_code == code, result.stdout + result.stderr
    assert result.stdout == ""
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in result.stderr
    return line


def test_a_reward_that_keeps_its_claims_exits_with_0_and_has_a_page(mine, tmp_path):
    result = audit(tmp_path / "a", mine("steady"), "--falls", "gain_ramp, exposure_jump", "--holds", "scale", *QUICK)
    assert result.exit_code == 0, result.stdout + result.stderr
    assert "3 of 3 gates met" in result.stdout
    for word in ("gain_ramp", "exposure_jump", "scale", "must fall", "must hold", "met"):
        assert word in result.stdout
    page = tmp_path / "a" / "mine_steady.html"
    assert str(page) in result.stdout.replace("\n", "")
    text = page.read_text()
    for word in ("Audit of", "gain_ramp", "3 of 3 gates met", "<video", "not evaluable"):
        assert word in text
    assert "<script" not in text


def test_a_missed_gate_exits_with_1_and_says_which(mine, tmp_path):
    result = audit(tmp_path, mine("constant"), *QUICK)
    assert result.exit_code == 1
    assert "MISSED" in result.stdout
    assert "0 of 1 gates met" in result.stdout
    assert "miss" in (tmp_path / "mine_constant.html").read_text()


def test_json_holds_each_gate(mine, tmp_path):
    result = audit(tmp_path, mine("steady"), mine("constant"), "--falls", "gain_ramp", *QUICK, "--json", "--quiet")
    assert result.exit_code == 1
    assert result.stderr == ""
    steady, constant = json.loads(result.stdout)
    assert (steady["passed"], constant["passed"]) == (True, False)
    gate = steady["gates"][0]
    assert (gate["change"], gate["kind"], gate["source"], gate["n"]) == ("gain_ramp", "must fall", "tabletop", 5)
    assert gate["monotone"] == pytest.approx(-1)
    assert gate["passed"] is True
    assert steady["gates"][1]["words"] == "not evaluable"
    assert steady["adversaries"] is steady["bias"] is steady["hacking"] is None
    assert steady["page"] == str(tmp_path / "mine_steady.html")


def test_what_a_reward_declares_is_asked_when_nothing_else_is(mine, tmp_path):
    result = audit(tmp_path, mine("steady"), *QUICK, "--json")
    assert {gate["change"] for gate in json.loads(result.stdout)[0]["gates"]} == {"exposure_jump"}
    result = audit(tmp_path, mine("steady"), "--falls", "gain_ramp", *QUICK, "--json")
    assert {gate["change"] for gate in json.loads(result.stdout)[0]["gates"]} == {"gain_ramp"}


def test_a_reward_without_claims_is_tried_on_everything_and_not_judged(mine, tmp_path):
    result = audit(tmp_path, mine("silent"), *QUICK, "--json")
    assert result.exit_code == 0
    (told,) = json.loads(result.stdout)
    assert {gate["kind"] for gate in told["gates"]} == {"no claim"}
    assert {gate["passed"] for gate in told["gates"]} == {None}
    assert any(gate["change"] == "event_removed" and gate["source"] == "tabletop" for gate in told["gates"])


def test_a_summary_stands_below_several_rewards(mine, tmp_path):
    result = audit(tmp_path, mine("steady"), mine("constant"), "--falls", "gain_ramp", *QUICK)
    assert result.exit_code == 1
    summary = result.stdout[result.stdout.index("All rewards") :]
    assert "steady" in summary
    assert "constant" in summary


def test_parameters_reach_the_reward(mine, tmp_path):
    effects = []
    for strength in (1, 6):
        result = audit(tmp_path, mine("steady"), *QUICK, "--json", "--param", f"strength={strength}")
        effects.append(json.loads(result.stdout)[0]["gates"][0]["effect"])
    assert effects[1] > 1.5 * effects[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--falls", "gain_rmp"], "unknown change 'gain_rmp'. Did you mean 'gain_ramp'?"),
        (["--falls", "gain_ramp", "--holds", "exposur"], "Did you mean 'exposure'?"),
        (["--param", "strenth=2"], "strenth"),
        (["--windows", "2"], "'--windows'"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(mine, tmp_path, words, said):
    line = one_line(audit(tmp_path / "out", mine("steady"), *QUICK, *words))
    assert said in line


def test_parameters_without_a_reward_are_one_line(tmp_path):
    assert "--param is of one reward: name it" in one_line(audit(tmp_path, *QUICK, "--param", "strength=2"))


def test_a_reward_that_is_not_there_or_fails_is_one_line_too(mine, tmp_path):
    assert "Did you mean 'lighting_consistency'?" in one_line(audit(tmp_path, "lightning_consistency", *QUICK))
    line = one_line(audit(tmp_path, mine("broken"), *QUICK))
    assert "meen" in line
    assert "mine.py" in line


def test_a_folder_that_cannot_be_written_is_said_before_the_work(mine, tmp_path):
    (tmp_path / "file").write_text("")
    line = one_line(audit(tmp_path / "file", mine("steady"), *QUICK))
    assert "file" in line


def test_clips_that_are_not_installed_are_named(mine, tmp_path, monkeypatch):
    monkeypatch.setattr(real_clips, "CLIPS", {"bikes": ("no_such_package", "bikes.mp4")})
    words = [mine("steady"), "--windows", 5, "--gates-only"]
    result = audit(tmp_path, *words)
    assert result.exit_code == 0
    assert 'not installed, so not tried: bikes. pip install "sn-eval[audit]"' in result.stderr
    assert "bikes" not in audit(tmp_path, *words, "--real", 0).stderr
