"""`sn-eval metrics` as a user meets it: what there is, what each asks, gates with pages and exit codes."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sn_eval import metrics
from sn_eval.cli import app, metrics_audit
from sn_eval.evaluation import suite
from sn_eval.tabletop import meter_error

MINE = """
from rewards.registry import component
from sn_eval.metrics.base import Measured, Metric, MetricSpec

class Gap:
    def __init__(self):
        self.levels = []
    def add(self, block):
        self.levels += block.frames.mean((1, 2, 3)).tolist()
    def result(self):
        return Measured(max(abs(level - self.levels[0]) for level in self.levels))

@component("gap")
class LightGap(Metric):
    '''How far the light goes from where it began.'''
    def __init__(self, higher: bool = False):
        self.spec = MetricSpec("gap", ("light",), higher_is_better=higher, falls_under=("exposure_jump",),
                               holds_under=("object_motion",))
    def start(self, clip):
        return Gap()
"""
QUICK = ("--windows", 5, "--real", 0)


def sn_eval(*words):
    return CliRunner().invoke(app, ["metrics", *map(str, words)], prog_name="sn-eval")


def one_line(result, code=2):
    assert result.exit_code == code, result.stdout + result.stderr
    assert result.stdout == ""
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    return line


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    return f"{tmp_path / 'mine.py'}:LightGap"


# --- list, show -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def listed():
    result = sn_eval("list", "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_list_holds_every_metric_and_every_variant_of_the_bundled_suite(listed):
    assert {row["name"] for row in listed["metrics"]} == set(metrics.registry.names())
    rows = {row["key"]: row for row in listed["metrics"] if "key" in row}
    for judge in suite.load_suite("bundled").judges:
        assert "bundled" in rows[judge.measure.key]["suites"], judge.measure.key
    drift = rows["drift_light"]
    assert (drift["name"], drift["params"], drift["higher_is_better"]) == ("drift", {"quantity": "light"}, False)
    assert (drift["low"], drift["high"], drift["encoder"]) == (0, 100, None)
    assert rows["subject_consistency[imagenet-lite0]"]["suites"] == ["bundled", "tabletop", "vbench"]
    assert rows["warping_error[dis]"]["asks"].endswith("?")


def test_list_holds_what_needs_parameters_and_says_which(listed):
    rows = {row["name"]: row for row in listed["metrics"]}
    assert "key" not in rows["long_consistency"]
    assert "needs in_clip, clip_to_clip" in rows["long_consistency"]["why"]


def test_the_table_says_what_which_way_and_in_which_suites():
    text = sn_eval("list").stdout
    line = next(line for line in text.splitlines() if "drift (quantity=light)" in line)
    for word in ("lower ↓", "0 … 100", "photometric", "bundled"):
        assert word in line
    line = next(line for line in text.splitlines() if "long_consistency" in line)
    assert line.count("–") >= 4
    for name in suite.names():
        assert suite.read_suite(name).about[:60] in text
    assert "Every reward of `sn-eval rewards list` can judge, too" in text


def test_show_explains_a_metric():
    text = sn_eval("show", "drift").stdout
    for word in ("quantity", "lower ↓", "0 … 1", "encoder:imagenet-lite0", "must get worse under"):
        assert word in text, word
    told = json.loads(sn_eval("show", "warping_error", "--json").stdout)
    assert told["spec"]["higher_is_better"] is False
    assert told["spec"]["mode"] == "fixed"
    assert told["suites"] == ["bundled", "tabletop"]
    assert [p["name"] for p in told["parameters"]] == ["mode"]


def test_show_explains_what_needs_parameters_a_reward_and_a_file(mine):
    assert "needs in_clip, clip_to_clip" in sn_eval("show", "long_consistency").stdout
    assert "higher ↑" in sn_eval("show", "object_persistence").stdout
    text = sn_eval("show", mine).stdout
    assert "How far the light goes from where it began." in text
    assert "lower ↓" in text


def test_show_measures_the_meters_when_asked(monkeypatch):
    asked = []

    def measured(conditions, scenes, on_progress):
        asked.append((set(conditions), scenes))
        return (meter_error.Error("position", "as drawn", "share of width", 0.012, 0.03, 96, 4),)

    monkeypatch.setattr(meter_error, "meter_errors", measured)
    told = json.loads(sn_eval("show", "tabletop_truth", "--error", "--scenes", "4", "--json", "-q").stdout)
    assert told["meter_errors"][0]["mean"] == 0.012
    conditions, scenes = asked[0]
    assert scenes == 4
    assert len(conditions) == 3  # as drawn, as a video file, through the codec
    shown = sn_eval("show", "tabletop_truth", "--error").stdout
    assert all(word in shown for word in ("position", "share of width", "0.012", "not read"))
    assert "meter_errors" not in json.loads(sn_eval("show", "tabletop_truth", "--json").stdout)


def test_wrong_usage_is_one_line():
    assert "Did you mean 'warping_error'?" in one_line(sn_eval("show", "warping_eror"))
    assert "it is for tabletop_truth" in one_line(sn_eval("show", "warping_error", "--error"))
    assert "'--scenes'" in one_line(sn_eval("show", "tabletop_truth", "--error", "--scenes", "1"))


# --- audit ------------------------------------------------------------------------------------------------


def test_a_metric_that_keeps_its_claims_exits_with_0_and_has_a_page(mine, tmp_path):
    result = sn_eval("audit", mine, *QUICK, "--out", tmp_path / "a")
    assert result.exit_code == 0, result.stdout + result.stderr
    assert "2 of 2 gates met (lower is better: its sign is turned here)" in result.stdout
    assert "A frozen video scores at least as well by gap as the real one" in result.stdout
    text = (tmp_path / "a" / "mine_LightGap.html").read_text().replace("<wbr>", "")
    for word in ("exposure_jump", "What fools it?", "anchor_copy", "<video", "not evaluable"):
        assert word in text


def test_a_metric_read_the_wrong_way_misses_its_gate_and_exits_with_1(mine, tmp_path):
    result = sn_eval("audit", mine, *QUICK, "--param", "higher=true", "--out", tmp_path, "--json", "-q")
    assert result.exit_code == 1
    (told,) = json.loads(result.stdout)
    assert told["metric"] == mine
    assert told["passed"] is False
    assert told["gates"][0]["monotone"] == pytest.approx(1)
    assert {row["name"] for row in told["adversaries"]["rows"]} == {"frozen_frame", "anchor_copy"}
    assert told["bias"] is told["hacking"] is None


def test_full_adds_every_trick_and_what_a_score_leans_on(mine, tmp_path):
    result = sn_eval("audit", mine, *QUICK, "--full", "--out", tmp_path, "--json", "-q")
    (told,) = json.loads(result.stdout)
    assert {"crossfade", "brightness_ramp"} < {row["name"] for row in told["adversaries"]["rows"]}
    assert told["bias"]["dependences"]


def test_boundary_jump_knows_where_the_windows_chunks_meet(tmp_path):
    result = sn_eval("audit", "boundary_jump", *QUICK, "--out", tmp_path, "--json", "-q")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)[0]["passed"] is True


def test_what_knows_one_world_alone_is_not_evaluable_on_real_windows(tmp_path):
    words = ("audit", "tabletop_truth", "--falls", "vanish", "--holds", "", "--windows", 5, "--out", tmp_path)
    (told,) = json.loads(sn_eval(*words, "--json", "-q").stdout)
    rendered, real = told["gates"]
    assert (rendered["source"], rendered["n"], rendered["passed"]) == ("tabletop", 5, True)
    assert (real["source"], real["n"], real["passed"], real["words"]) == ("real", 0, None, "not evaluable")


@pytest.fixture
def tried(monkeypatch):
    """Which metrics are put to the gates, which are never run."""
    from sn_eval.audit.trial import Trial
    from sn_eval.audit.validity import Validity
    from sn_eval.cli.auditing import Gates

    seen = {}

    def put(self, name, made):
        seen[name] = made
        return Trial(name, Validity((), ())), []

    monkeypatch.setattr(Gates, "put", put)
    monkeypatch.setattr(metrics_audit, "_further", lambda trial, *_: trial)
    return seen


def test_without_names_every_member_of_the_bundled_suite_is_tried(tried, tmp_path):
    result = sn_eval("audit", "--out", tmp_path)
    assert result.exit_code == 0, result.stderr
    keys = {made.key for made in tried.values()}
    assert {judge.measure.key for judge in suite.load_suite("bundled").judges} <= keys
    assert {"tabletop_truth", "boundary_jump", "text_alignment[tabletop-clip]"} <= keys
    assert len(keys) == len(tried)
    assert "not tried: metric 'long_consistency' needs in_clip" in result.stderr
    assert len(list(Path(tmp_path).glob("*.html"))) == len(tried)


def test_a_suite_is_tried_in_its_mode_and_clips_of_two_seconds_are_shortened(tried, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "name: mine\nabout: Two.\nmode: reference\nmetrics:\n  - use: clip_to_clip_consistency\n"
        "  - use: temporal_flickering\n  - use: object_persistence\n"
    )
    assert sn_eval("audit", "--suite", file, "--out", tmp_path / "out").exit_code == 0
    names = ["clip_to_clip_consistency[imagenet-lite0], seconds=0.25", "temporal_flickering", "object_persistence"]
    assert list(tried) == names
    assert tried["temporal_flickering"].spec.mode == "reference"
    assert tried[names[0]].seconds == 0.25
    shutil.rmtree(tmp_path / "out")


def test_audits_wrong_usage_is_one_line(mine, tmp_path):
    out = ("--out", tmp_path / "out", "-q")
    assert "Did you mean 'warping_error'?" in one_line(sn_eval("audit", "warping_eror", *out))
    assert "not both" in one_line(sn_eval("audit", mine, "--suite", "bundled", *out))
    assert "--param is of one metric" in one_line(sn_eval("audit", "--param", "a=1", *out))
    assert "unknown suite 'bundeld'" in one_line(sn_eval("audit", "--suite", "bundeld", *out))
    assert "Did you mean 'blur'?" in one_line(sn_eval("audit", mine, "--falls", "blurr", *QUICK, *out))
