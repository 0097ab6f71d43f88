"""The gap between a video's start and its end, and its slope: by written-out formulas and known ground truth."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards.base import UserError
from rewards.encoders import create_encoder
from rewards.functional import chunk_table, mean_frequency, slope
from sn_eval import metrics
from sn_eval.audit.corruptions import CORRUPTIONS, NUISANCES, gaussian_blur, lit
from sn_eval.metrics.base import Clip
from sn_eval.metrics.drift import KINDS, Drift

SMALL = "imagenet-lite0@32"
ALL = ["subject", *KINDS]


def drift(quantity):
    return Drift(quantity, SMALL if quantity == "subject" else None)


def measure(quantity, video, block=32, fps=8.0):
    return drift(quantity).measure(iter(video.split(block)), Clip(fps=fps))


def clip(frames=13, height=24, width=40, seed=0):
    """A random picture that slowly turns into another one: darker, reddish, coarser."""
    generator = torch.Generator().manual_seed(seed)
    ends = torch.rand(2, 3, height, width, generator=generator)
    ends[1] = gaussian_blur(ends[1], 1.0) * torch.tensor([0.7, 0.4, 0.3]).view(3, 1, 1)
    share = torch.linspace(0, 1, frames).view(-1, 1, 1, 1)
    return (1 - share) * ends[0] + share * ends[1]


def grey(levels, height=6, width=10):
    """Plain frames of these levels of L*."""
    y = ((torch.tensor(levels, dtype=torch.float64) + 16) / 116) ** 3
    return (1.055 * y ** (1 / 2.4) - 0.055).float().view(-1, 1, 1, 1).expand(-1, 3, height, width)


# --- the formulas, written out ----------------------------------------------------------------------------


def naive_lab(pixel):
    """CIE L*, a*, b* of one sRGB pixel."""
    r, g, b = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in map(float, pixel))
    x = (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089
    fx, fy, fz = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def naive_curve(quantity, video):
    """One number a frame, pixel by pixel."""
    pixels = [[naive_lab(pixel) for pixel in frame.flatten(1).T] for frame in video]
    if quantity == "light":
        return [float(np.mean([p[0] for p in frame])) for frame in pixels]
    if quantity == "contrast":
        return [float(np.std([p[0] for p in frame])) for frame in pixels]
    if quantity == "colour":
        tones = [np.mean([(50 * p[1] / (p[0] + 16), 50 * p[2] / (p[0] + 16)) for p in frame], axis=0)
                 for frame in pixels]  # fmt: skip
        return [float(np.linalg.norm(each - tones[0])) for each in tones]
    if quantity == "sharpness":
        return [naive_sharpness((0.2126 * f[0] + 0.7152 * f[1] + 0.0722 * f[2]).tolist()) for f in video]
    features = create_encoder(SMALL)(video)
    return [max(0.0, torch.cosine_similarity(each, features[0], dim=0).item()) for each in features]


def naive_sharpness(picture):
    rows, columns = len(picture), len(picture[0])
    across = [(picture[y][x + 1] - picture[y][x]) ** 2 for y in range(rows) for x in range(columns - 1)]
    down = [(picture[y + 1][x] - picture[y][x]) ** 2 for y in range(rows - 1) for x in range(columns)]
    return math.log(math.sqrt((np.mean(across) + np.mean(down)) / np.var(picture)))


@pytest.mark.parametrize("frames", [13, 6])
@pytest.mark.parametrize("quantity", ALL)
def test_it_is_the_written_out_formula(quantity, frames):
    video = clip(frames)
    found, curve = measure(quantity, video, fps=5.0), naive_curve(quantity, video)
    count = {13: 2, 6: 1}[frames]  # 15 % of them
    start, end = np.mean(curve[:count]), np.mean(curve[-count:])
    assert found.curve == pytest.approx(np.abs(np.array(curve) - start).tolist(), abs=4e-3)
    assert found.value == pytest.approx(abs(start - end), abs=2e-3)
    assert found.value > 0.01
    slope = np.polyfit(np.arange(frames) / 5.0, curve, 1)[0]
    assert found.parts == pytest.approx({"start": start, "end": end, "slope": slope}, abs=4e-3)


def test_large_pictures_are_measured_small_to_the_same_effect():
    """Smooth ones, of a size that no factor brings to 64: the formula on every pixel says the same."""
    small = clip(2, 4, 6)
    large = torch.nn.functional.interpolate(small, (101, 170), mode="bicubic").clamp(0, 1)
    for quantity in ("light", "contrast", "colour"):
        found, curve = measure(quantity, large), naive_curve(quantity, large)
        assert [found.parts["start"], found.parts["end"]] == pytest.approx([curve[0], curve[-1]], abs=0.4)


def test_a_linear_ramp_of_light_has_its_slope_and_gap():
    found = measure("light", grey([30 + 2 * t for t in range(20)]), fps=10.0)
    assert found.curve == pytest.approx([abs(30 + 2 * t - 32) for t in range(20)], abs=1e-3)
    assert found.parts == pytest.approx({"slope": 20.0, "start": 32.0, "end": 66.0}, abs=1e-3)
    assert found.value == pytest.approx(34.0, abs=1e-3)
    assert found.note == ""


def test_light_that_comes_and_goes_has_no_gap_and_no_slope():
    found = measure("light", grey([50, 50, 50, 80, 80, 80, 80, 50, 50, 50]))
    assert found.value == pytest.approx(0, abs=1e-4)
    assert found.parts["slope"] == pytest.approx(0, abs=1e-4)


# --- properties -------------------------------------------------------------------------------------------

LEVELS = st.lists(st.floats(10, 95), min_size=2, max_size=40)


@settings(deadline=None, max_examples=30)
@given(LEVELS)
def test_time_backward_keeps_the_gap_and_flips_the_slope(levels):
    forward, backward = (measure("light", grey(each)) for each in (levels, levels[::-1]))
    assert backward.value == pytest.approx(forward.value, abs=1e-5)  # frames hold 32-bit numbers
    assert backward.parts["slope"] == pytest.approx(-forward.parts["slope"], abs=1e-5)
    assert (backward.parts["start"], backward.parts["end"]) == (forward.parts["end"], forward.parts["start"])


@settings(deadline=None, max_examples=15)
@given(st.sampled_from(ALL), st.integers(2, 30), st.integers(0, 99))
def test_what_stays_the_same_does_not_drift(quantity, frames, seed):
    still = clip(2, 9, 14, seed)[:1].expand(frames, -1, -1, -1)
    found = measure(quantity, still)
    assert found.value == pytest.approx(0, abs=1e-5)
    assert found.parts["slope"] == pytest.approx(0, abs=1e-4)


@settings(deadline=None, max_examples=15)
@given(LEVELS, st.floats(1, 60))
def test_slopes_are_by_the_second(levels, fps):
    by_the_frame, by_the_second = (measure("light", grey(levels), fps=f).parts["slope"] for f in (1.0, fps))
    assert by_the_second == pytest.approx(fps * by_the_frame, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("quantity", ALL)
def test_the_size_of_blocks_does_not_matter(quantity):
    whole = measure(quantity, clip())
    for block in (1, 3):
        some = measure(quantity, clip(), block)
        assert some.curve == pytest.approx(whole.curve, abs=1e-5)
        assert some.value == pytest.approx(whole.value, abs=1e-5)
        assert some.parts == pytest.approx(whole.parts, abs=1e-5)


@pytest.mark.parametrize("quantity", ALL)
def test_a_video_and_the_same_one_turned_on_its_side(quantity):
    upright = measure(quantity, clip().transpose(2, 3))
    if quantity != "subject":  # a network sees another picture
        assert upright.value == pytest.approx(measure(quantity, clip()).value, abs=1e-4)
    assert len(upright.curve) == 13


# --- what each quantity is to see, and what not -----------------------------------------------------------


def test_detail_twice_as_coarse_is_a_gap_of_log_two():
    """White noise blurred by σ has the mean frequency 1/σ: its power falls as exp(−σ²ω²)."""
    noise = torch.randn(3, 256, 256, generator=torch.Generator().manual_seed(0)).mean(0).expand(3, -1, -1)
    frames = torch.stack([gaussian_blur(noise, sigma) for sigma in (2.0, 4.0)])
    frames = 0.5 + 0.1 * frames / frames.flatten(1).std(1).view(-1, 1, 1, 1)
    found = measure("sharpness", frames.clamp(0, 1))
    assert found.parts["start"] == pytest.approx(math.log(1 / 2), abs=0.1)
    assert found.value == pytest.approx(math.log(2), abs=0.1)
    assert found.parts["slope"] < 0


def test_a_wave_has_its_own_frequency():
    for omega in (2 * math.pi / 64, 2 * math.pi / 8, 2 * math.pi / 4):
        wave = torch.sin(omega * (torch.arange(512.0) + 0.5)).expand(5, -1)
        assert mean_frequency(wave).item() == pytest.approx(2 * math.sin(omega / 2), rel=0.01)


@settings(deadline=None, max_examples=20)
@given(st.floats(0.3, 1.0), st.integers(0, 99))
def test_sharpness_and_colour_do_not_care_for_exposure(gain, seed):
    picture = 0.35 + 0.6 * clip(2, 16, 24, seed)[:1]
    video = torch.cat([picture, lit(picture, torch.full((1, 3), gain))])
    assert measure("sharpness", video).value < 1e-3
    assert measure("colour", video).value < 0.05
    begins = measure("light", picture.expand(2, -1, -1, -1)).parts["start"]
    assert measure("light", video).value == pytest.approx((begins + 16) * (1 - gain ** (1 / 3)), rel=1e-3, abs=1e-3)


def test_contrast_halves_where_light_is_spread_half_as_far():
    wide, narrow = grey([20, 80], 4, 3), grey([35, 65], 4, 3)  # two levels each, side by side
    video = torch.stack([torch.cat(list(pair), dim=-1) for pair in (wide, narrow)])
    found = measure("contrast", video)
    assert (found.parts["start"], found.parts["end"]) == pytest.approx((30, 15), abs=1e-3)
    assert measure("light", video).value == pytest.approx(0, abs=1e-3)


def test_a_cast_is_seen_as_colour_and_not_as_light():
    picture = grey([50, 50])
    warm = torch.tensor([1.0, 1.0, 1.0]), torch.tensor([1.3, 0.93, 0.8])  # gains of about the same luminance
    video = lit(picture, torch.stack(warm))
    assert measure("colour", video).value > 5
    assert measure("light", video).value < 0.5


def test_another_subject_drifts_further_than_the_same_one_moved():
    base = clip(2, 48, 48)
    moved = torch.stack([base[0], base[0].roll(4, -1)])
    assert measure("subject", base).value > measure("subject", moved).value


def test_fine_detail_against_one_slow_wave_stays_in_range():
    checks = (torch.arange(512)[:, None] + torch.arange(512)) % 2
    slow = 0.5 + 0.5 * torch.cos(math.pi * (torch.arange(512.0) + 0.5) / 512).expand(512, -1)
    video = torch.stack([checks.float(), slow])[:, None].expand(-1, 3, -1, -1)
    assert 6 < measure("sharpness", video).value < drift("sharpness").spec.range[1]


@pytest.mark.parametrize("colours", [((0, 0, 1), (0, 1, 0)), ((0, 0, 1), (1, 0, 0)), ((0, 0, 0), (1, 1, 1))])
def test_colours_far_apart_stay_in_range(colours):
    video = torch.tensor(colours, dtype=torch.float32).view(2, 3, 1, 1).expand(-1, -1, 4, 6)
    for quantity in ("light", "colour", "contrast"):
        low, high = drift(quantity).spec.range
        assert low <= measure(quantity, video).value <= high + 1e-3


# --- what cannot be measured, and what is promised --------------------------------------------------------


@pytest.mark.parametrize("quantity", ALL)
def test_one_frame_is_not_scored_and_says_why(quantity):
    found = measure(quantity, clip()[:1])
    assert math.isnan(found.value)
    assert found.note == "needs two frames"
    assert len(found.curve) == 1
    assert math.isnan(found.parts["slope"])


@pytest.mark.parametrize("quantity", ALL)
def test_two_frames_are_start_and_end(quantity):
    found = measure(quantity, clip()[[0, -1]], fps=4.0)
    start, end = found.parts["start"], found.parts["end"]
    assert found.curve == pytest.approx([0, found.value], abs=1e-9)
    assert found.value == pytest.approx(abs(end - start), abs=1e-9)
    assert found.parts["slope"] == pytest.approx(4 * (end - start), abs=1e-9)


def test_flat_frames_have_no_sharpness():
    video = torch.cat([clip(6, 6, 10), grey([50] * 6)])
    found = measure("sharpness", video)
    assert math.isnan(found.value)
    assert "flat" in found.note
    assert [math.isnan(each) for each in found.curve] == [False] * 6 + [True] * 6
    among = measure("sharpness", torch.cat([clip(4, 6, 10), grey([50]), clip(4, 6, 10)]))
    assert not math.isnan(among.value)
    assert not math.isnan(among.parts["slope"])


def test_a_long_video_keeps_numbers_only():
    for quantity in ALL:
        tally = drift(quantity).start(Clip())
        frames = clip(30, 8, 12)
        from sn_eval.metrics.base import blocks

        for block in blocks(frames for _ in range(10)):
            tally.add(block)
        kept = [x for x in (*vars(tally).values(), *getattr(tally.quantity, "__dict__", {}).values())
                if isinstance(x, torch.Tensor)]  # fmt: skip
        assert len(tally.curve) == 300
        assert sum(tensor.untyped_storage().nbytes() for tensor in kept) <= 4 * 1280


@pytest.mark.parametrize("quantity", ALL)
def test_what_is_declared(quantity):
    made = metrics.create("drift", quantity=quantity, **({"encoder": SMALL} if quantity == "subject" else {}))
    spec = made.spec
    assert spec.name == f"drift_{quantity}"
    assert made.key == ("drift_subject[imagenet-lite0@32]" if quantity == "subject" else f"drift_{quantity}")
    assert not spec.higher_is_better
    assert set(spec.falls_under) <= set(CORRUPTIONS)
    assert set(spec.holds_under) <= set(NUISANCES)
    assert spec.families == {
        "subject": ("encoder:imagenet-lite0",), "sharpness": ("sharpness",)
    }.get(quantity, ("photometric",))  # fmt: skip


def test_the_default_is_the_subject():
    assert Drift().key == "drift_subject[imagenet-lite0]"


@pytest.mark.parametrize("quantity", ALL)
def test_it_serves_as_a_reward(quantity):
    video = clip()
    scores = drift(quantity)(video[None, 1:], [""], fps=8.0, anchor=video[None, :1])
    found = measure(quantity, video)
    assert scores.values.item() == pytest.approx(found.value, abs=1e-4)
    assert scores.per_frame.shape == (1, 12)
    assert scores.parts["slope"].item() == pytest.approx(found.parts["slope"], abs=1e-4)


def test_wrong_parameters_are_one_clear_line():
    with pytest.raises(UserError, match=r"drift_light uses no encoder; given 'imagenet-lite0'.*quantity=subject"):
        Drift("light", "imagenet-lite0")
    with pytest.raises(UserError, match="quantity must be one of 'subject', 'light'"):
        metrics.create("drift", quantity="lihgt")
    with pytest.raises(UserError, match="mode must be one of 'fixed', 'reference'; given 'old'"):
        metrics.create("drift", quantity="light", mode="old")


# --- the table of chunks ----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.one_of(st.floats(-5, 5), st.just(math.nan)), min_size=1, max_size=40), st.integers(1, 9),
    st.integers(0, 4),
)  # fmt: skip
def test_the_table_of_chunks_is_the_written_out_one(curve, length, start):
    table = chunk_table(torch.tensor(curve, dtype=torch.float64), length, fps=4.0, start=start)
    chunks = [curve[i : i + length] for i in range(start, len(curve), length)]
    assert table.shape == (len(chunks), 3)
    for row, chunk in zip(table.tolist(), chunks, strict=True):
        known = [(t / 4.0, value) for t, value in enumerate(chunk) if not math.isnan(value)]
        values = [value for _, value in known]
        mean, std = (np.mean(values), np.std(values)) if values else (math.nan, math.nan)
        rise = np.polyfit(*zip(*known, strict=True), 1)[0] if len(known) > 1 else math.nan
        assert row == pytest.approx([mean, std, rise], abs=1e-9, nan_ok=True)


def test_slopes_of_a_batch_are_taken_row_by_row():
    rows = torch.tensor([[0.0, 1.0, 2.0], [5.0, math.nan, 3.0], [math.nan, math.nan, 1.0]])
    assert slope(rows, 2.0).tolist() == pytest.approx([2.0, -2.0, math.nan], nan_ok=True)
