"""`sn-eval evaluate`: what it prints, writes and refuses."""

import csv
import json

import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from sn_eval.cli import app, console
from sn_eval.evaluation import evaluate as engine
from sn_eval.results.evaluation import Evaluation
from sn_eval.video import VideoWriter

SUITE = """
name: light
about: A few measures of pixels, for tests.
metrics:
  - use: temporal_flickering
    weight: 1
    normal: [0.5, 1.0]
  - use: moving_share
  - use: drift
    params: {quantity: light}
"""


def sn_eval(*words):
    return CliRunner().invoke(app, [str(word) for word in words], prog_name="sn-eval")


def write(path, noise=0.1, seed=0, frames=10):
    generator = torch.Generator().manual_seed(seed)
    square = torch.zeros(frames, 3, 32, 32) + 0.2
    for t in range(frames):
        square[t, :, 8:20, t : t + 10] = 0.8
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, fps=8) as video:
        video.write((square + noise * torch.randn(square.shape, generator=generator)).clamp(0, 1))
    return path


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "light.yaml"
    path.write_text(SUITE)
    return path


@pytest.fixture
def clips(tmp_path):
    for i, name in enumerate(("calm", "rough", "worst")):
        write(tmp_path / "clips" / f"{name}.mp4", noise=0.1 * i, seed=i)
    return tmp_path / "clips"


def test_the_table_says_what_is_asked_and_which_way_is_better(clips, suite, tmp_path):
    result = sn_eval("evaluate", clips, "--suite", suite, "--out", tmp_path / "out", "-q")
    assert result.exit_code == 0, result.output
    for words in ("3 videos, suite light, mode fixed", "Do neighbouring frames differ little?", "↑ higher", "↓ lower"):
        assert words in result.stdout
    assert all(name in result.stdout for name in ("calm", "rough", "worst", "total", "no VBench score"))


def test_every_number_of_the_table_file_is_that_of_the_evaluation(clips, suite, tmp_path):
    out = tmp_path / "out"
    assert sn_eval("evaluate", clips, "--suite", suite, "--out", out, "-q").exit_code == 0
    found = Evaluation.load(out / "evaluation.json")
    with (out / "results.csv").open(encoding="utf-8-sig") as file:
        rows = [row for row in csv.DictReader(file) if not row["part"]]
    told = {(row["video"], row["measure"]): float(row["value"]) for row in rows}
    for video in found.videos:
        for key, value in video.values.items():
            assert told[video.video, key] == pytest.approx(value)
        assert len(video.curves["temporal_flickering"]) == video.frames
    values = [video.values["temporal_flickering"] for video in found.videos]
    assert values == sorted(values, reverse=True), "more noise flickers more"
    assert (out / "page.html").stat().st_size > 10_000
    assert len(list((out / "pictures").glob("*.png"))) == 3
    assert (out / "vbench_eval_results.json").is_file()


@pytest.mark.parametrize("columns", [80, 100])
def test_on_a_narrow_terminal_a_measure_is_a_line_and_its_words_stand_below(
    clips, suite, tmp_path, monkeypatch, columns
):
    for i in range(3):
        write(clips / f"more{i}.mp4", noise=0.05, seed=10 + i)
    monkeypatch.setattr(console, "out", Console(highlight=False, force_terminal=True, width=columns, color_system=None))
    result = sn_eval("evaluate", clips, "--suite", suite, "--out", tmp_path / "out", "--no-page", "-q")
    lines = result.stdout.splitlines()
    assert max(len(line) for line in lines if line[:1] in "┃│┏└") <= columns
    for name in ("temporal_flickering", "moving_share", "drift_light", "total"):
        (row,) = [line for line in lines if line.startswith(f"│ {name} ")]
        assert "↑" in row or "↓" in row
    assert "temporal_flickering: Do neighbouring frames differ little? (0 … 1)" in lines
    assert "↑ higher is better, ↓ lower is better" in lines


def test_reasons_are_said_once_for_all_measures_that_have_them(clips, suite, tmp_path):
    path = write(tmp_path / "one.mp4", frames=1)
    result = sn_eval("evaluate", path, "--suite", suite, "--out", tmp_path / "out", "--no-page", "-q")
    notes = [line for line in result.stdout.splitlines() if line.startswith("note: ")]
    assert notes == ["note: temporal_flickering, moving_share and 1 more: needs two frames (one)"]


def test_with_many_videos_the_table_shows_the_worst_and_the_best(clips, suite, tmp_path):
    for i in range(3):
        write(clips / f"more{i}.mp4", noise=0.05, seed=10 + i)
    result = sn_eval("evaluate", clips, "--suite", suite, "--out", tmp_path / "out", "--no-page", "-q")
    line = next(row for row in result.stdout.splitlines() if "temporal_flickering" in row)
    assert "worst" in line
    assert "calm" in line
    assert "By total" in result.stdout
    assert not (tmp_path / "out" / "page.html").exists()


def test_groups_of_a_manifest_are_columns(clips, suite, tmp_path):
    for i in range(3):
        write(clips / f"more{i}.mp4", noise=0.05, seed=10 + i)
    manifest = tmp_path / "list.csv"
    rows = [f"clips/{name}.mp4,old" for name in ("calm", "rough", "worst")]
    rows += [f"clips/more{i}.mp4,new" for i in range(3)]
    manifest.write_text("path,group\n" + "\n".join(rows) + "\n")
    out = tmp_path / "out"
    result = sn_eval("evaluate", "--manifest", manifest, "--suite", suite, "--out", out, "--no-page", "-q")
    assert result.stdout.count("mean of 3") == 2
    videos = Evaluation.load(out / "evaluation.json").videos
    old = [video.values["temporal_flickering"] for video in videos if video.group == "old"]
    line = next(row for row in result.stdout.splitlines() if "temporal_flickering" in row)
    assert f"{sum(old) / 3:.3g}" in line


def test_a_bad_file_is_one_line_and_the_others_finish(clips, suite, tmp_path):
    (clips / "broken.mp4").write_bytes(b"nothing")
    result = sn_eval("evaluate", clips, "--suite", suite, "--out", tmp_path / "out", "-q", "--no-page")
    assert result.exit_code == 3
    assert "3 videos" in result.stdout
    lines = [line for line in result.stderr.splitlines() if line]
    assert len(lines) == 1
    assert "broken.mp4" in lines[0]
    assert "Traceback" not in result.output
    only = sn_eval("evaluate", clips / "broken.mp4", "--suite", suite, "--out", tmp_path / "out2", "-q")
    assert only.exit_code == 2


def test_a_second_run_measures_nothing_anew(clips, suite, tmp_path, monkeypatch):
    command = ("evaluate", clips, "--suite", suite, "--out", tmp_path / "out", "-q", "--no-page", "--json")
    first = sn_eval(*command)
    monkeypatch.setattr(engine, "evaluate_one", lambda *args: pytest.fail("measured again"))
    again = sn_eval(*command)
    assert json.loads(again.stdout) == json.loads(first.stdout)
    videos = json.loads(first.stdout)["evaluation"]["videos"]
    assert {video["video"] for video in videos} == {"calm", "rough", "worst"}


def test_a_manifest_tells_prompts_and_a_row_without_a_file_is_reported(clips, suite, tmp_path):
    manifest = clips / "list.csv"
    manifest.write_text("path,prompt,minimum_motion\ncalm.mp4,a square moves,0\ngone.mp4,x,\n")
    result = sn_eval("evaluate", "--manifest", manifest, "--suite", suite, "--out", tmp_path / "o", "-q", "--no-page")
    assert result.exit_code == 3
    assert "gone.mp4" in result.stderr
    (video,) = Evaluation.load(tmp_path / "o" / "evaluation.json").videos
    assert video.prompt == "a square moves"
    assert video.values["moving_share"] == 1.0


def test_two_folders_are_compared_by_name(clips, suite, tmp_path):
    for i, name in enumerate(("calm", "rough", "worst", "alone")):
        write(tmp_path / "other" / f"{name}.mp4", noise=0.3, seed=20 + i)
    out = tmp_path / "out"
    result = sn_eval("evaluate", "--compare", clips, tmp_path / "other", "--suite", suite, "--out", out, "-q")
    assert result.exit_code == 0, result.output
    assert "3 pairs" in result.stdout
    assert "only B has alone" in result.stdout
    assert "3 of 3" in next(line for line in result.stdout.splitlines() if "temporal_flickering" in line)
    assert (out / "page.html").is_file()
    told = json.loads((out / "comparison.json").read_text())
    row = next(m for m in told["measures"] if m["key"] == "temporal_flickering")
    sides = [Evaluation.load(out / side / "evaluation.json").by_name() for side in "AB"]
    values = [[side[name].values["temporal_flickering"] for name in ("calm", "rough", "worst")] for side in sides]
    assert row["difference"]["mean"] == pytest.approx(sum(values[1]) / 3 - sum(values[0]) / 3)


def test_ratings_are_held_against_the_measures(clips, suite, tmp_path):
    for i in range(7):
        write(clips / f"n{i}.mp4", noise=0.02 * i, seed=30 + i)
    names = [f"n{i}" for i in range(7)] + ["calm", "rough", "worst"]
    noise = [0.02 * i for i in range(7)] + [0.0, 0.1, 0.2]
    rows = [f"{n}.mp4,{5 - round(20 * s)},{rater}" for n, s in zip(names, noise, strict=True) for rater in ("a", "b")]
    ratings = tmp_path / "ratings.csv"
    ratings.write_text("video,rating,rater\n" + "\n".join(rows) + "\n")
    result = sn_eval(
        "evaluate", clips, "--suite", suite, "--out", tmp_path / "out", "--labels", ratings, "-q", "--no-page", "--json"
    )
    assert result.exit_code == 0, result.output
    shown = sn_eval("evaluate", clips, "--suite", suite, "--out", tmp_path / "out", "--labels", ratings, "-q")
    assert "Krippendorff's alpha of the raters 1.00" in shown.stdout
    (criterion,) = json.loads(result.stdout)["agreement"]["criteria"]
    assert criterion["raters"]["alpha"]["value"] == pytest.approx(1)
    found = {m["key"]: m["spearman"]["value"] for m in criterion["measures"]}
    assert found["temporal_flickering"] > 0.9


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("evaluate",), "nothing to evaluate"),
        (("evaluate", "nowhere"), "nowhere"),
        (("evaluate", "{clips}", "--suite", "bundeld"), "Did you mean 'bundled'"),
        (("evaluate", "{clips}", "--metric", "subject_consistensy"), "Did you mean 'subject_consistency'"),
        (("evaluate", "{clips}", "--metric", "drift", "--metric-param", "quantty=light"), "Did you mean 'quantity'"),
        (("evaluate", "{clips}", "--metric-param", "quantity=light"), "goes with --metric"),
        (("evaluate", "{clips}", "--metric", "aesthetic_quality"), "needs head"),
        (("evaluate", "{clips}", "--labels", "nowhere.csv", "--metric", "moving_share"), "nowhere.csv"),
        (("evaluate", "{clips}", "--vbench", "nowhere.json", "--metric", "moving_share"), "nowhere.json"),
        (("evaluate", "{clips}", "--compare", "a", "b"), "leave PATH and --manifest out"),
        (("evaluate", "{clips}", "--mode", "strict"), "strict"),
        (("evaluate", "--compare", "{clips}", "{clips}", "--labels", "a.csv", "--against", "b"), "--labels, --against"),
        (("evaluate", "{clips}", "--against", "nowhere", "--metric", "moving_share"), "nowhere does not exist"),
    ],
)
def test_wrong_use_is_one_line(clips, tmp_path, words, said):
    words = [word.format(clips=clips) for word in words]
    result = sn_eval(*words, "--out", tmp_path / "out", "-q")
    assert result.exit_code == 2
    assert said in result.stderr.replace("\n", " ")
    assert "Traceback" not in result.output


def test_metrics_can_be_named_with_parameters(clips, tmp_path):
    out = tmp_path / "out"
    words = ("--metric", "drift", "--metric", "moving_share", "--metric-param", "quantity=light", "--no-page", "-q")
    assert sn_eval("evaluate", clips / "calm.mp4", *words, "--out", out).exit_code == 0
    found = Evaluation.load(out / "evaluation.json")
    assert [measure.key for measure in found.measures] == ["drift_light", "moving_share"]


def test_the_mode_is_stamped(clips, suite, tmp_path):
    out = tmp_path / "out"
    words = ("evaluate", clips / "calm.mp4", "--suite", suite, "--mode", "reference", "--out", out, "-q", "--no-page")
    result = sn_eval(*words)
    assert "mode reference" in result.stdout
    assert "no VBench score" not in result.stdout, "published formulas have no total"
    assert Evaluation.load(out / "evaluation.json").mode == "reference"


def test_folders_of_evaluations_are_compared_unless_nothing_in_them_is_comparable(clips, tmp_path):
    sides = [tmp_path / mode for mode in ("fixed", "reference")]
    for out in sides:
        words = ("--metric", "temporal_flickering", "--mode", out.name, "--out", out, "-q", "--no-page")
        assert sn_eval("evaluate", clips, *words).exit_code == 0
    words = ("--metric", "temporal_flickering", "--out", tmp_path / "both", "-q", "--no-page")
    assert "3 pairs" in sn_eval("evaluate", "--compare", sides[0], sides[0] / "evaluation.json", *words).stdout
    refused = sn_eval("evaluate", "--compare", *sides, *words)
    assert refused.exit_code == 2
    assert "nothing to compare: temporal_flickering: mode differs: fixed in A, reference in B" in refused.stderr


def test_what_figures_are_held_against_is_read_before_anything_is_measured(clips, suite, tmp_path):
    (tmp_path / "ratings.csv").write_text("video,rating,rater\ncalm,great,a\n")
    out = tmp_path / "out"
    result = sn_eval("evaluate", clips, "--suite", suite, "--labels", tmp_path / "ratings.csv", "--out", out, "-q")
    assert result.exit_code == 2
    assert "rating 'great'" in result.stderr
    assert not (out / "finished").exists()


def test_a_bad_file_on_either_side_does_not_end_the_distance_to_another_folder(clips, tmp_path):
    (clips / "bad.mp4").write_bytes(b"no video")
    other = tmp_path / "other"
    for i in range(2):
        write(other / f"{i}.mp4", noise=0.2, seed=40 + i)
    (other / "broken.mp4").write_bytes(b"nor this")
    words = ("--metric", "moving_share", "--against", other, "--out", tmp_path / "out", "-q", "--no-page")
    result = sn_eval("evaluate", clips, *words)
    assert result.exit_code == 3
    assert "3 against 2 videos" in result.stdout
    assert [name in result.stderr for name in ("bad.mp4", "broken.mp4")] == [True, True]


def test_a_dimension_of_vbench_is_given_once(clips, tmp_path):
    rows = [0.5, [{"video_path": "calm.mp4", "video_results": 0.5}]]
    files = []
    for name in ("one", "two"):
        files += ["--vbench", tmp_path / f"{name}_eval_results.json"]
        files[-1].write_text(json.dumps({"subject_consistency": rows}))
    words = ("--metric", "moving_share", "--out", tmp_path / "out", "-q", "--no-page")
    result = sn_eval("evaluate", clips, *files, *words)
    assert result.exit_code == 2
    assert "subject_consistency, as another --vbench file does: give each dimension once" in result.stderr
