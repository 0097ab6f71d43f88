"""Suites: what they measure, how a total comes about, and that standing still never wins."""

from functools import cache

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards.base import UserError
from sn_eval.evaluation.evaluate import measure_frames
from sn_eval.evaluation.suite import Member, load_suite, make_suite, members_of, names, read_suite
from sn_eval.metrics.base import Clip

LIGHT = ("subject_consistency", "temporal_flickering", "motion_smoothness", "dynamic_degree", "moving_share")


@pytest.fixture(scope="module")
def suite():
    """The weighted members of the bundled suite, with a smaller encoder."""
    members = []
    for member in read_suite("bundled").metrics:
        if member.weight or member.use == "moving_share":
            small = {"encoder": "imagenet-lite0@32"} if member.use == "subject_consistency" else {}
            members.append(member.model_copy(update={"params": {**member.params, **small}}))
    return make_suite("small", "", "fixed", tuple(members))


def sliding(frames=12, side=64, step=2):
    coarse = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    wide = F.interpolate(coarse, (side, side + step * frames), mode="bicubic", align_corners=False).clamp(0, 1)[0]
    return torch.stack([wide[..., step * t : step * t + side] for t in range(frames)])


def total(suite, video, **told):
    found = measure_frames(video, suite, Clip(frames=len(video), metadata=told))
    values = {key: None if each.value != each.value else each.value for key, each in found.items()}
    return suite.total(values), values


def test_a_frozen_video_never_ranks_first(suite):
    moving = sliding()
    frozen = moving[:1].expand(12, -1, -1, -1).clone()
    noisy = (frozen + 0.004 * torch.randn(frozen.shape, generator=torch.Generator().manual_seed(2))).clamp(0, 1)
    stuck = torch.cat([moving[:2], moving[1:2].expand(10, -1, -1, -1)])
    best, values = total(suite, moving)
    assert values["moving_share"] == pytest.approx(1)
    assert total(suite, frozen)[0] == 0
    assert total(suite, noisy)[0] < 0.1 * best
    assert total(suite, stuck)[0] < 0.5 * best
    every = total(suite, frozen)[1]
    assert all(every[key] > values[key] for key in values if "consistency" in key or "flicker" in key), "the fault"


def test_what_may_stand_still_is_ranked(suite):
    frozen = sliding()[:1].expand(12, -1, -1, -1).clone()
    assert total(suite, frozen, minimum_motion=0)[0] > 0.8


def test_the_total_is_the_weighted_mean_of_normalised_values_times_the_share_that_moves(suite):
    found, values = total(suite, sliding())
    weighted = [(m, values[j.measure.key]) for j in suite.judges for m in [j] if m.weight]
    shares = [min(1, max(0, (v - m.normal[0]) / (m.normal[1] - m.normal[0]))) * m.weight for m, v in weighted]
    assert found == pytest.approx(values["moving_share"] * sum(shares) / sum(m.weight for m, _ in weighted))


@cache
def whole_suite():
    return load_suite("bundled")


@settings(max_examples=50)
@given(st.lists(st.floats(-2, 3), min_size=6, max_size=6))
def test_a_total_lies_in_0_to_1_and_is_missing_where_a_part_is(values):
    suite = whole_suite()
    keys = [judge.measure.key for judge in suite.judges if judge.weight] + ["moving_share"]
    told = dict(zip(keys, values, strict=True)) | {"moving_share": min(1, max(0, values[-1]))}
    assert 0 <= suite.total(told) <= 1
    assert suite.total(told | {keys[0]: None}) is None


def test_published_formulas_have_no_total():
    suite = load_suite("bundled", "reference")
    assert not suite.has_total
    assert suite.total(dict.fromkeys([m.key for m in suite.measures], 1.0)) is None
    assert {m.mode for m in suite.measures if m.name == "dynamic_degree"} == {"reference"}


def test_every_built_in_suite_can_be_read():
    assert {"bundled", "tabletop", "vbench"} <= set(names())
    for name in names():
        spec = read_suite(name)
        assert spec.name == name
        assert len(spec.about) > 20
        assert members_of(spec)[-len(spec.metrics) :] == spec.metrics
    assert read_suite("vbench").mode == "reference"
    assert len(members_of(read_suite("tabletop"))) > len(members_of(read_suite("bundled")))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: x\nabout: y\nmetrics: []", "metrics"),
        ("name: x\nabout: y\nmetric: [{use: moving_share}]", "metric"),
        ("name: x\nabout: y\nmetrics: [{use: moving_share, weight: 1}]", "normal"),
        ("name: x\nabout: y\nextends: x\nmetrics: [{use: moving_share}]", "extends itself"),
        ("name: x\nabout: y\nextends: bundeld\nmetrics: [{use: moving_share}]", "Did you mean 'bundled'"),
        ("name: x\nabout: y\nmetrics: [{use: moving_shar}]", "Did you mean 'moving_share'"),
        ("name: x\nabout: y\nmetrics: [{use: moving_share}, {use: moving_share}]", "twice"),
        ("name: x\nabout: y\nmetrics: [{use: moving_share, params: {lest: 1}}]", "no parameter 'lest'"),
        ("{", "cannot read suite"),
        (
            "name: x\nabout: y\nmetrics: [{use: frame_consistency, params: {encoder: imagenet-lite0@32}, "
            "encoder_sha256: abc}]",
            "weights of encoder 'imagenet-lite0@32' have the SHA-256 [0-9a-f]{12}…, the suite wants abc",
        ),
    ],
)
def test_a_wrong_suite_gets_one_clear_line(tmp_path, text, said):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=said) as error:
        load_suite(str(path))
    assert "\n" not in str(error.value)


def test_suites_that_extend_each_other_get_one_clear_line(tmp_path):
    for name, other in (("one", "two"), ("two", "one")):
        text = f"name: {name}\nabout: y\nextends: {tmp_path / other}.yaml\nmetrics: [{{use: moving_share}}]"
        (tmp_path / f"{name}.yaml").write_text(text)
    with pytest.raises(UserError, match="suite 'one' extends itself \\(one → two → one\\)"):
        load_suite(str(tmp_path / "one.yaml"))


def test_an_unknown_suite_gets_a_hint():
    with pytest.raises(UserError, match="Did you mean 'bundled'"):
        load_suite("bundel")


def test_a_metric_of_ones_own_is_a_file(tmp_path):
    (tmp_path / "mine.py").write_text(
        '"""Is it bright?"""\n'
        "from rewards.registry import component\n"
        "from sn_eval.metrics.base import Metric, MetricSpec, PerFrame\n"
        "@component('brightness')\n"
        "class Brightness(Metric):\n"
        "    '''Mean of all pixels.'''\n"
        "    def __init__(self):\n"
        "        self.spec = MetricSpec('brightness', ('brightness',))\n"
        "    def start(self, clip):\n"
        "        return PerFrame(lambda block: block.frames.mean((1, 2, 3)), pairs=False)\n"
    )
    suite = make_suite("mine", "", "fixed", (Member(use=f"{tmp_path}/mine.py:Brightness"),))
    assert suite.measures[0].about == "Is it bright?"
    found = measure_frames(torch.full((3, 3, 8, 8), 0.25), suite)["brightness"]
    assert found.value == pytest.approx(0.25)
    assert found.curve == pytest.approx([0.25] * 3)
