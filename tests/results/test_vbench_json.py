"""VBench's own form: nothing of ours passes for a VBench score, and what its tool measured is read as it meant it."""

import json
import math

import pytest
from evaluations import evaluation, measure, video
from hypothesis import given
from hypothesis import strategies as st

from sn_eval.results.files import ResultsError
from sn_eval.results.vbench_json import (
    DIMENSIONS,
    QUALITY,
    SEMANTIC,
    Imported,
    join,
    read_vbench,
    vbench_name,
    vbench_total,
    write_vbench,
)

DINO, CLIP = "dino:facebook/dino-vitb16", "open_clip:ViT-B-32/openai"
MUSIQ, RAFT = "358bb6af" + 56 * "0", "22a6c225" + 56 * "0"


# --- written ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "encoder", "digest"),
    [
        ("subject_consistency", DINO, "ab"),
        ("subject_consistency", "dino:/models/dino-vitb16@224", "ab"),
        ("background_consistency", CLIP, "ab"),
        ("background_consistency", "open_clip:ViT-B-32-quickgelu/openai", "ab"),
        ("temporal_flickering", None, None),
        ("dynamic_degree", "raft:raft_large_C_T_V1-22a6c225.pth", RAFT),
        ("imaging_quality", "musiq-spaq", MUSIQ),
    ],
)
def test_a_dimension_is_named_so_only_in_reference_mode(name, encoder, digest):
    published = measure(name, encoder, "reference", encoder_sha256=digest)
    assert vbench_name(published) == name
    fixed = vbench_name(published.model_copy(update={"mode": "fixed"}))
    assert fixed not in DIMENSIONS
    assert fixed == (f"{name}[{encoder}]" if encoder else f"{name}[fixed]")


@pytest.mark.parametrize(
    ("name", "encoder", "digest"),
    [
        ("subject_consistency", "imagenet-lite0", "ab"),
        ("subject_consistency", "dino:facebook/dinov2-base", "ab"),
        ("subject_consistency", "dino:facebook/dino-vits16", "ab"),
        ("subject_consistency", "dino:facebook/dino-vitb16@112", "ab"),
        ("subject_consistency", CLIP, "ab"),
        ("background_consistency", DINO, "ab"),
        ("background_consistency", "open_clip:ViT-B-32/laion2b_s34b_b79k", "ab"),
        ("background_consistency", "open_clip:ViT-B-32/openai.bin", "ab"),
        ("dynamic_degree", "dis", None),
        ("dynamic_degree", "raft:mine.pth", "ab"),
        ("dynamic_degree", "raft:mine.pth", None),
        ("imaging_quality", "musiq-spaq", "ab"),
        ("motion_smoothness", "dis-midpoint", None),
        ("overall_consistency", "tabletop-clip", "ab"),
        ("aesthetic_quality", "open_clip:ViT-L-14/openai", "ab+cd"),
        ("scene", None, None),
    ],
)
def test_a_substitute_never_is(name, encoder, digest):
    called = vbench_name(measure(name, encoder, "reference", encoder_sha256=digest))
    assert called not in DIMENSIONS
    assert called == f"{name}[{encoder or 'reference'}]"


@given(
    st.sampled_from([*DIMENSIONS, "flow"]), st.sampled_from([None, "", "dis", "x", "dino", "raft", "dino-vitb16"]),
    st.sampled_from(["fixed", "reference"]), st.sampled_from([None, "", "358bb6a", "00"]),
)  # fmt: skip
def test_no_other_encoder_either(name, encoder, mode, digest):
    known = name == "temporal_flickering" and not encoder and mode == "reference"
    assert (vbench_name(measure(name, encoder, mode, encoder_sha256=digest)) in DIMENSIONS) == known


def test_the_files_have_vbench_form(tmp_path):
    measures = [
        measure("subject_consistency", DINO, "reference"), measure("temporal_flickering"), measure("empty"),
        measure("dynamic_degree", "raft:x", "reference", encoder_sha256=RAFT),
        measure("imaging_quality", "musiq-spaq", "reference", encoder_sha256=MUSIQ),
    ]  # fmt: skip
    keys = [one.key for one in measures]
    videos = [
        video("a", dict(zip(keys, (0.9, 0.5, None, 1.0, 0.62), strict=True)), prompt="赤い cup"),
        video("b", dict(zip(keys, (None, 0.7, None, 0.0, 0.5), strict=True)), prompt="a glass"),
        video("c", dict(zip(keys, (0.7, 0.9, None, 1.0, 0.5), strict=True)), prompt="赤い cup"),
    ]
    path = write_vbench(evaluation(measures, videos), tmp_path / "demo_eval_results.json")
    written = json.loads(path.read_text(encoding="utf-8"))
    assert list(written) == ["subject_consistency", "temporal_flickering[fixed]", "dynamic_degree", "imaging_quality"]
    mean, rows = written["subject_consistency"]
    assert mean == pytest.approx(0.8)
    assert [(row["video_path"], row["video_results"]) for row in rows] == [("clips/a.mp4", 0.9), ("clips/c.mp4", 0.7)]
    assert [row["video_results"] for row in written["dynamic_degree"][1]] == [True, False, True]
    assert written["imaging_quality"][0] == pytest.approx(0.54)
    assert [row["video_results"] for row in written["imaging_quality"][1]] == [62.0, 50.0, 50.0]
    info = json.loads((tmp_path / "demo_full_info.json").read_text(encoding="utf-8"))
    assert info == [
        {"prompt_en": "赤い cup", "dimension": list(written), "video_list": ["clips/a.mp4", "clips/c.mp4"]},
        {"prompt_en": "a glass", "dimension": list(written), "video_list": ["clips/b.mp4"]},
    ]


def test_our_own_file_is_not_taken_for_the_official_tool_s(tmp_path):
    measures = [measure("subject_consistency", DINO, "reference"), measure("temporal_flickering", mode="reference")]
    videos = [video("a", {measures[0].key: 0.9, "temporal_flickering": 0.5})]
    path = write_vbench(evaluation(measures, videos), tmp_path / "x_eval_results.json")
    with pytest.raises(ResultsError, match="sn-eval wrote it, so its figures are ours"):
        read_vbench(path)
    unmarked = json.loads(path.read_text())
    for _, rows in unmarked.values():
        for row in rows:
            del row["measured_by"]
    path.write_text(json.dumps(unmarked))
    assert read_vbench(path) == {
        "subject_consistency": Imported(0.9, {"clips/a.mp4": 0.9}),
        "temporal_flickering": Imported(0.5, {"clips/a.mp4": 0.5}),
    }, "but its form is the tool's"


# --- read -------------------------------------------------------------------------------------------------


def results(tmp_path, content, name="r_eval_results.json"):
    (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return tmp_path / name


def rows(*values):
    return [{"video_path": f"v/{i}.mp4", "video_results": value} for i, value in enumerate(values)]


def test_the_tool_s_values_are_read_as_meant(tmp_path):
    content = {
        "subject_consistency": [0.95, rows(0.9, 1.0)],
        "dynamic_degree": [0.5, rows(True, False)],
        "imaging_quality": [0.6, rows(50.0, 70.0)],
        "human_action": [1.0, [{"video_path": "v/0.mp4", "video_results": True, "cor_num_per_video": 1}]],
        "i2v_subject": [0.9, rows(0.9)],
    }
    found = read_vbench(results(tmp_path, content))
    assert found["subject_consistency"] == Imported(0.95, {"v/0.mp4": 0.9, "v/1.mp4": 1.0})
    assert found["dynamic_degree"] == Imported(0.5, {"v/0.mp4": 1.0, "v/1.mp4": 0.0})
    mean, videos, note = found["imaging_quality"]
    assert (mean, videos) == (0.6, {"v/0.mp4": 0.5, "v/1.mp4": 0.7})
    assert note == "imaging_quality in r_eval_results.json: its values a video came as 0…100 and were divided by 100"
    assert found["human_action"].videos == {"v/0.mp4": 1.0}
    assert found["i2v_subject"].mean == 0.9


def test_older_and_rescaled_imaging_quality(tmp_path):
    old = read_vbench(results(tmp_path, {"imaging_quality": [60.0, rows(50.0, 70.0)]}))["imaging_quality"]
    assert (old.mean, list(old.videos.values())) == (0.6, [0.5, 0.7])
    assert "its mean and its values a video" in old.note
    new = read_vbench(results(tmp_path, {"imaging_quality": [0.6, rows(0.5, 0.7)]}))["imaging_quality"]
    assert new == Imported(0.6, {"v/0.mp4": 0.5, "v/1.mp4": 0.7})


def test_what_was_not_scored_is_nan(tmp_path):
    found = read_vbench(results(tmp_path, '{"color": [NaN, [{"video_path": "a.mp4", "video_results": null}]]}'))
    assert math.isnan(found["color"].mean)
    assert math.isnan(found["color"].videos["a.mp4"])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("hello", "JSONDecodeError"),
        ("[" * 100_000, "RecursionError"),
        ("{}", "it is empty or no object"),
        ("3", "it is empty or no object"),
        ([{"prompt_en": "x", "dimension": ["color"]}], r"it is a list, like \*_full_info.json"),
        ({"color": 0.5}, r"color is not \[mean, \[videos\]\]"),
        ({"color": [0.5, [], []]}, r"color is not \[mean, \[videos\]\]"),
        ({"color": [0.5, [0.5]]}, "a video of color has no video_path"),
        ({"color": [0.5, [{"video_path": "a.mp4"}, {"video_path": "a.mp4", "video_results": 1}]]}, "has two values"),
        ({"color": ["high", []]}, "color is 'high', which is no number"),
        (
            {"color": [0.5, [{"video_path": "a.mp4", "video_results": [1]}]]},
            "color of a.mp4 is '.1.', which is no number",
        ),
        ({"color": [math.inf, []]}, "color is 'inf', which is no number"),
        ({"color": [97.0, []]}, "color is 97, and VBench's lie in 0…1"),
    ],
)
def test_anything_else_is_one_line(tmp_path, content, why):
    path = results(tmp_path, content)
    with pytest.raises(ResultsError, match=f"is no .*_eval_results.json of the VBench tool: .*{why}") as caught:
        read_vbench(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    with pytest.raises(ResultsError, match="cannot read .*: No such file"):
        read_vbench(tmp_path / "nowhere.json")


leaves = st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=3)
entries = st.fixed_dictionaries({}, optional={"video_path": leaves, "video_results": leaves}) | leaves
dimensions = st.lists(leaves | st.lists(entries, max_size=3), max_size=3) | leaves


@given(st.dictionaries(st.sampled_from(["color", "imaging_quality", "x"]), dimensions, max_size=2))
def test_no_content_breaks_the_reader(tmp_path_factory, content):
    path = results(tmp_path_factory.getbasetemp(), content)
    try:
        found = read_vbench(path)
    except ResultsError as error:
        found = dict.fromkeys(content) if "\n" not in str(error) else {}
    assert set(found) == set(content)


# --- side by side -----------------------------------------------------------------------------------------


def test_official_results_stand_beside_ours():
    ours = evaluation([measure("m")], [video("a", {"m": 0.1}), video("b", {"m": 0.2}), video("c", {"m": 0.3})])
    official = {
        "subject_consistency": Imported(0.85, {"/elsewhere/a.mp4": 0.9, "/elsewhere/b.mp4": 0.8}),
        "imaging_quality": Imported(0.5, {"clips/c.mp4": 0.5}, "imaging_quality in r.json: …"),
    }
    found = join(ours, official)
    assert [one.key for one in found.measures] == ["m", "vbench:subject_consistency", "vbench:imaging_quality"]
    assert [one.values["vbench:subject_consistency"] for one in found.videos] == [0.9, 0.8, None]
    assert [one.values["vbench:imaging_quality"] for one in found.videos] == [None, None, 0.5]
    assert [one.values["m"] for one in found.videos] == [0.1, 0.2, 0.3]
    assert found.notes == ("imaging_quality in r.json: …",)
    added = found.measure("vbench:subject_consistency")
    assert (added.encoder, added.mode, added.low, added.high) == ("DINO ViT-B/16", "reference", 0, 1)
    assert ours.videos[0].values == {"m": 0.1}, "the evaluation itself is not changed"


def test_runs_of_ours_are_matched_by_their_name():
    ours = evaluation([], [video("plain", {}, path="r/plain/video.mp4"), video("best", {}, path="r/best/video.mp4")])
    official = {"color": Imported(0.5, {"v/best.mp4": 0.75, "v/plain.mp4": 0.25, "v/video.mp4": 0.5})}
    found = join(ours, official)
    assert [one.values["vbench:color"] for one in found.videos] == [0.25, 0.75]
    assert found.notes == ("VBench's results of these match no video here: video.mp4",)


def test_a_file_name_that_could_mean_two_is_not_guessed():
    ours = evaluation([], [video("x/a", {}, path="x/a.mp4"), video("y/a", {}, path="y/a.mp4"), video("b", {})])
    official = {"color": Imported(0.5, {"a.mp4": 0.5, "y/a.mp4": 0.7, "p/b.mp4": 0.1, "q/b.mp4": 0.2})}
    found = join(ours, official)
    assert [one.values["vbench:color"] for one in found.videos] == [None, 0.7, None]
    assert "a.mp4, b.mp4" in found.notes[-1]


def test_what_matches_nothing_is_listed_shortly():
    official = {"color": Imported(0.5, {f"v/{i:02d}.mp4": 0.5 for i in range(30)})}
    found = join(evaluation([], [video("a", {})]), official)
    assert found.notes == (
        "VBench's results of these match no video here: 00.mp4, 01.mp4, 02.mp4, 03.mp4, 04.mp4 and 25 more",
    )
    assert found.mean("vbench:color") is None


def test_a_mean_of_other_videos_is_said():
    official = {"color": Imported(0.9, {"a.mp4": 0.5, "z.mp4": 1.0})}
    found = join(evaluation([], [video("a", {})]), official)
    assert found.notes[0].startswith("vbench:color: the tool's own mean is 0.9000, that of the 1 videos here 0.5000")


def test_several_files_join_and_contradictions_do_not():
    ours = evaluation([], [video("a", {}), video("b", {})])
    found = join(ours, {"color": Imported(0.5, {"a.mp4": 0.5})})
    found = join(found, {"color": Imported(0.7, {"b.mp4": 0.7}), "scene": Imported(0.1, {"a.mp4": 0.1})})
    assert [one.key for one in found.measures] == ["vbench:color", "vbench:scene"]
    assert [one.values["vbench:color"] for one in found.videos] == [0.5, 0.7]
    with pytest.raises(ResultsError, match="two VBench results give color of clips/a.mp4: 0.5 and 0.6"):
        join(found, {"color": Imported(0.6, {"a.mp4": 0.6})})


def test_what_was_joined_can_be_saved_and_is_not_written_as_ours(tmp_path):
    ours = evaluation([measure("m")], [video("a", {"m": 0.1})])
    found = join(ours, {"color": Imported(0.5, {"a.mp4": 0.5}), "camera_motion": Imported(2.5, {"a.mp4": 2.5})})
    assert type(found).load(found.save(tmp_path / "evaluation.json")) == found
    assert list(json.loads(write_vbench(found, tmp_path / "x.json").read_text())) == ["m"]


# --- the total --------------------------------------------------------------------------------------------


def all_at(share):
    """Every dimension at this share of its range."""
    return {name: Imported(one.worst + share * (one.best - one.worst), {}) for name, one in DIMENSIONS.items()}


@given(st.floats(0, 1))
def test_dimensions_at_one_share_of_their_ranges_total_that_share(share):
    total = vbench_total(all_at(share))
    assert total.missing == ()
    assert total[:3] == pytest.approx((share, share, share))


def test_the_total_by_hand():
    ranges = {
        "subject_consistency": (0.1462, 1), "background_consistency": (0.2615, 1), "temporal_flickering": (0.6293, 1),
        "motion_smoothness": (0.706, 0.9975), "scene": (0, 0.8222), "appearance_style": (0.0009, 0.2855),
        "temporal_style": (0, 0.364), "overall_consistency": (0, 0.364),
    }  # fmt: skip
    means = {name: 0.3 + 0.02 * number for number, name in enumerate(DIMENSIONS)}
    scaled = {name: (value - ranges.get(name, (0, 1))[0]) / (ranges.get(name, (0, 1))[1] - ranges.get(name, (0, 1))[0])
              for name, value in means.items()}  # fmt: skip
    quality = (sum(scaled[name] for name in QUALITY) - 0.5 * scaled["dynamic_degree"]) / 6.5
    semantic = sum(scaled[name] for name in SEMANTIC) / 9
    found = vbench_total({name: Imported(value, {}) for name, value in means.items()})
    assert found.quality == pytest.approx(quality)
    assert found.semantic == pytest.approx(semantic)
    assert found.total == pytest.approx((4 * quality + semantic) / 5)


@given(st.sets(st.sampled_from(list(DIMENSIONS)), min_size=1))
def test_no_total_of_fewer_dimensions(absent):
    some = {name: one for name, one in all_at(0.5).items() if name not in absent}
    assert vbench_total(some) == (None, None, None, tuple(name for name in DIMENSIONS if name in absent))
    unknown = all_at(0.5) | {name: Imported(math.nan, {}) for name in absent}
    assert vbench_total(unknown).total is None


def test_there_are_sixteen_dimensions():
    assert (len(QUALITY), len(SEMANTIC), len(DIMENSIONS)) == (7, 9, 16)
