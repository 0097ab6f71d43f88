"""What every metric promises, tried on each name that the registry knows and each variant that suites measure by."""

import inspect
import math
import pickle

import pytest
import torch
from rewarding import BLUE, RED, WINE, exposed, still, video
from torch import nn

from rewards.base import UserError
from sn_eval import metrics
from sn_eval.audit.corruptions import CORRUPTIONS, NUISANCES
from sn_eval.audit.windows import seeded_windows
from sn_eval.evaluation import suite
from sn_eval.metrics import imaging_quality
from sn_eval.metrics.base import Clip, Measured, Metric

FRAMES, FPS = 12, 4.0
SMALL = "imagenet-lite0@32"  # the network as it is, on pictures that take no time
SEES_EVERY_FRAME = {  # any single frame counts; not so in measures that look at some frames, or at the ends
    "background_consistency", "frame_consistency", "i2v_background", "i2v_subject", "in_clip_consistency",
    "lag_consistency", "long_consistency", "motion_smoothness", "subject_consistency", "temporal_flickering",
    "text_alignment", "warping_error", "aesthetic_quality", "imaging_quality",
}  # fmt: skip
ONE_WORLD = {"tabletop_truth"}  # refuses videos of anything else


def variants() -> list[tuple[str, dict]]:
    """Each metric once, and as the suites of bundled instruments have it."""
    found = [(name, {}) for name in metrics.registry.names()]
    for member in suite.members_of(suite.read_suite("tabletop")):
        if member.params and member.use in metrics.registry.names():
            found.append((member.use, dict(member.params)))
    return found


class Brightness(nn.Module):
    """In MUSIQ's place: a rating of each picture."""

    def forward(self, pictures):
        return 100 * pictures.mean((1, 2, 3))


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Parameters of metrics that cannot be made without."""
    folder = tmp_path_factory.mktemp("given")
    head = {"weight": torch.randn(1, 160, generator=torch.Generator().manual_seed(0)), "bias": torch.tensor([5.0])}
    torch.save(head, folder / "head.pth")
    (folder / "musiq.pth").write_bytes(b"stands for weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imaging_quality, "load_musiq", lambda path: Brightness())
        yield {
            "aesthetic_quality": {"head": str(folder / "head.pth"), "encoder": "imagenet-lite0-early@32"},
            "imaging_quality": {"weights": str(folder / "musiq.pth")},
            "long_consistency": {"in_clip": 0.5, "clip_to_clip": 0.5},
            "drift": {"quantity": "contrast"},  # which no suite has
        }


def make(use, given, **params) -> Metric:
    params = {**given.get(use, {}), **params}
    encoder = inspect.signature(metrics.resolve(use)).parameters.get("encoder")
    if (encoder is not None and encoder.default == "imagenet-lite0") or params.get("quantity") == "subject":
        params.setdefault("encoder", SMALL)
    return metrics.create(use, **params)


@pytest.fixture(scope="module", params=variants(), ids=lambda v: "-".join([v[0], *map(str, v[1].values())]))
def metric(request, given):
    use, params = request.param
    return make(use, given, **params)


@pytest.fixture(scope="module")
def videos(metric):
    """Videos [t 3 h w] of unlike quality, with what is known of each."""
    if metric.spec.name in ONE_WORLD:
        windows = seeded_windows(3)
        gone = CORRUPTIONS["vanish"].on(windows[0], 60)
        shown = [(w, w.video) for w in windows] + [(windows[0], gone)]
        return [(clip, Clip(w.name, w.prompt, w.fps, len(clip), metadata=w.metadata)) for w, clip in shown]
    glass = ("box", WINE, 50, 42, 4.5)
    good = video(FRAMES, others=[glass], speed=1)
    gone = torch.cat([good[:, : FRAMES // 2], still(FRAMES - FRAMES // 2, [glass])], dim=1)
    dark = torch.cat([good[:, :5], exposed(good[:, 5:], -1.0)], dim=1)
    frozen = good[:, :1].expand(-1, FRAMES, -1, -1, -1)
    blue = video(FRAMES, colour=BLUE, table=(0.13, 0.13, 0.13), kind="box", radius=9.0, noise=0.05)
    clips = [clip[0].contiguous() for clip in (good, gone, dark, frozen, blue)]
    return [(clip, about(clip, i)) for i, clip in enumerate(clips)]


def about(clip, number=0) -> Clip:
    return Clip(f"clip {number}", f"a red ball {number}", FPS, len(clip), clip[0], {"frames_per_chunk": 6, "seed": 1})


@pytest.fixture(scope="module")
def found(metric, videos) -> list[Measured]:
    return [metric.measure(clip.split(32), told) for clip, told in videos]


def same(one: Measured, other: Measured, tolerance=0.0) -> None:
    assert one.value == pytest.approx(other.value, abs=tolerance, nan_ok=True)
    assert list(one.curve) == pytest.approx(list(other.curve), abs=tolerance, nan_ok=True)
    assert dict(one.parts) == pytest.approx(dict(other.parts), abs=tolerance * 100, nan_ok=True)


# --- what it measures -------------------------------------------------------------------------------------


def test_values_lie_in_the_declared_range_or_are_nan_and_say_why(metric, found):
    low, high = metric.spec.range
    assert any(not math.isnan(each.value) for each in found)
    for each in found:
        assert each.note if math.isnan(each.value) else low - 1e-6 <= each.value <= high + 1e-6


def test_it_tells_videos_apart(found):
    assert len({round(each.value, 6) for each in found}) > 1


def test_a_curve_has_one_number_a_frame(videos, found):
    for (clip, _), each in zip(videos, found, strict=True):
        assert len(each.curve) in (0, len(clip))


def test_the_same_video_gives_the_same_bits(metric, videos, found):
    clip, told = videos[1]
    same(metric.measure(clip.split(32), told), found[1])


@pytest.mark.parametrize("size", [1, 3])
def test_how_the_stream_is_cut_into_blocks_does_not_matter(metric, videos, found, size):
    for (clip, told), whole in list(zip(videos, found, strict=True))[:2]:
        same(metric.measure(clip.split(size), told), whole, 2e-5 * max(1.0, abs(whole.value)))


@pytest.mark.parametrize("frames", [1, 2])
def test_too_few_frames_are_nan_with_a_note_or_a_value(metric, videos, frames):
    clip, told = videos[0]
    short = Clip(told.name, told.prompt, told.fps, frames, told.reference, told.metadata)
    each = metric.measure(clip[:frames].split(32), short)
    assert each.note or not math.isnan(each.value)
    assert len(each.curve) in (0, frames)


def test_the_input_is_left_as_it_was(metric, videos):
    clip, told = videos[0]
    before = clip.clone()
    metric.measure(clip.split(32), told)
    assert torch.equal(clip, before)


@pytest.mark.parametrize("size", [(48, 96), (97, 51)])
def test_other_sizes_than_square_ones_are_measured(metric, videos, size):
    clip = nn.functional.interpolate(videos[0][0], size)
    told = about(clip)
    if metric.spec.name in ONE_WORLD:
        with pytest.raises(UserError, match="tabletop world only"):
            metric.measure([clip], told)
        return
    each = metric.measure(clip.split(32), told)
    assert not math.isnan(each.value), each.note


def test_any_single_corrupted_frame_counts(metric, given):
    name = metric.spec.name
    assert "consistency" not in name or name in SEES_EVERY_FRAME | {"clip_to_clip_consistency", "overall_consistency"}
    if name not in SEES_EVERY_FRAME:
        pytest.skip("looks at some frames only, as it says")
    clip = video(10, others=[("box", RED, 50, 42, 4.5)], speed=1)[0]
    wrong = exposed(still(1, [("box", BLUE, 24, 20, 9.0)], table=(0.13, 0.13, 0.13)), -0.5)[0, 0]
    clean = metric.measure([clip], about(clip))
    for which in range(len(clip)):
        told = about(clip)  # the picture it was made from stays the clean one
        spoilt = clip.index_copy(0, torch.tensor([which]), wrong[None])
        assert abs(metric.measure([spoilt], told).value - clean.value) > 1e-5, which


# --- as a judge of candidates -----------------------------------------------------------------------------


def call(metric, videos, order=None):
    chosen = [videos[i] for i in (order if order is not None else range(len(videos)))]
    whole = torch.stack([clip for clip, _ in chosen])
    prompts, told = [clip.prompt for _, clip in chosen], [clip.metadata for _, clip in chosen]
    return metric(whole[:, 1:], prompts, fps=chosen[0][1].fps, anchor=whole[:, :1], metadata=told)


def close(x, y, tolerance):
    return torch.allclose(x, y, rtol=1e-5, atol=tolerance, equal_nan=True)


def test_it_judges_a_batch_as_a_loop_in_any_order(metric, videos):
    tolerance = metric.spec.batch_tolerance
    together = call(metric, videos)
    low, high = metric.spec.range
    assert bool((together.values.isnan() | ((together.values >= low - 1e-4) & (together.values <= high + 1e-4))).all())
    alone = torch.cat([call(metric, videos, [i]).values for i in range(len(videos))])
    assert close(together.values, alone, tolerance)
    order = list(reversed(range(len(videos))))
    assert close(call(metric, videos, order).values, together.values.flip(0), tolerance)
    if together.per_frame is not None:
        assert together.per_frame.shape == (len(videos), len(videos[0][0]) - 1)


def test_its_verdict_is_its_measurement_from_the_anchor_on(metric, videos, found):
    values = call(metric, videos).values.tolist()
    assert values == pytest.approx([each.value for each in found], abs=1e-4, nan_ok=True)


# --- what it declares -------------------------------------------------------------------------------------


def test_it_declares_how_it_is_to_be_read(metric):
    spec = metric.spec
    assert isinstance(spec.higher_is_better, bool)
    assert spec.range[0] < spec.range[1]
    assert all(map(math.isfinite, spec.range))
    assert spec.families
    assert spec.mode == "fixed"
    assert spec.encoder or not spec.encoder_sha256
    assert set(spec.needs) <= {"prompt", "anchor", "masks", "seed"}
    assert set(spec.falls_under) <= set(CORRUPTIONS)
    assert set(spec.holds_under) <= set(NUISANCES)
    assert spec.falls_under or spec.name == "drift_contrast"
    assert pickle.loads(pickle.dumps(spec)) == spec  # noqa: S301 - our own bytes
    assert spec.name == metric.key.partition("[")[0]
    assert len(suite.question(metric)) > 10


def test_both_modes_are_computed_and_another_is_one_line(metric, videos, given):
    use = type(metric).component_name
    if "mode" not in inspect.signature(type(metric)).parameters:
        pytest.skip("knows no modes")
    with pytest.raises(UserError, match="mode must be") as error:
        make(use, given, mode="publshed")
    assert "\n" not in str(error.value)
    published = make(use, given, mode="reference")
    assert published.spec.mode == "reference"
    clip, told = videos[0]
    value = published.measure(clip.split(32), told).value
    assert math.isnan(value) or published.spec.range[0] - 1e-6 <= value <= published.spec.range[1] + 1e-6


def test_names_come_from_the_files_alone_and_explain_themselves():
    names = metrics.registry.names()
    assert {"subject_consistency", "warping_error", "drift", "tabletop_truth"} <= set(names)
    for name in names:
        told = metrics.describe(name)
        assert len(told.summary) > 20
        assert all(parameter.type != "any" for parameter in told.parameters)
    with pytest.raises(UserError, match="Did you mean 'warping_error'"):
        metrics.create("warping_eror")
