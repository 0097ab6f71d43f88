"""Each fault has the physical size that its severity says, measured here by other means; harmless changes do too."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from sn_eval.audit.corruptions import CORRUPTIONS, NUISANCES
from sn_eval.audit.windows import FRAMES, Edit, Stage, Window, ball, event_windows, tabletop_windows

T = FRAMES + 1
H, W = 48, 64
DESIGN = {  # METRICS.md, "Are they trustworthy?": mild · mid · strong
    "gain_ramp": (0.25, 0.75, 1.5),
    "exposure_jump": (0.25, 0.75, 1.5),
    "colour_cast": (4, 10, 20),
    "blur": (0.5, 1.5, 4),
    "shift": (5, 15, 30),
    "vanish": (10, 30, 60),
    "swap": (10, 30, 60),
    "morph": (30, 60, 100),
    "flicker": (2, 6, 15),
    "freeze": (25, 50, 100),
    "boundary_jump": (2, 6, 15),
}
EVENT_FAULTS = {"event_removed", "event_added", "late", "swapped_order"}
SUBJECT_FAULTS = {"vanish", "swap", "morph", "duplicate", "shift"}
GREY = 0.4663  # sRGB of L* 50


def window(background: Tensor | float = 0.4, name: str = "drawn", x=(20.0, 36.0)) -> Window:
    """A red ball that rolls over a plain or a given background, [t 3 h w]."""
    if not isinstance(background, Tensor):
        background = torch.full((T, 3, H, W), background)
    h, w = background.shape[-2:]
    centre = torch.stack([torch.linspace(*x, T), torch.full((T,), 26.0)], -1)
    own, other = (ball(centre, 5.0, (h, w), colour) for colour in ((0.8, 0.1, 0.1), (0.1, 0.1, 0.8)))
    return Window(name, "tabletop", "a red ball rolls", 8.0, "red ball", Stage(background, own, other, "green"))


def made(name: str, severity: float, of: Window) -> Tensor:
    video = CORRUPTIONS[name].on(of, severity)
    assert video is not None
    return video


def linear(rgb: Tensor) -> Tensor:
    """IEC 61966-2-1."""
    return torch.where(rgb > 0.04045, ((rgb + 0.055) / 1.055).pow(2.4), rgb / 12.92)


def lab(rgb: Tensor) -> list[float]:
    """CIE L*a*b* (D65) of one sRGB colour."""
    r, g, b = linear(rgb.double()).tolist()
    x = (0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047
    y = 0.2126729 * r + 0.7151522 * g + 0.0721750 * b
    z = (0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883
    x, y, z = (v ** (1 / 3) for v in (x, y, z))
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)]


def where(picture: Tensor, of: Window, t: int) -> float:
    """x of what differs from the background, in pixels."""
    weight = (picture - of.stage.background[t]).abs().sum(0)
    weight = weight * (weight > 0.02)
    return ((weight.sum(0) * (torch.arange(weight.shape[-1]) + 0.5)).sum() / weight.sum()).item()


# --- the table --------------------------------------------------------------------------------------------


def test_severities_are_those_of_the_design_and_ascend():
    for name, wanted in DESIGN.items():
        fault = CORRUPTIONS[name]
        assert (fault.mild, fault.mid, fault.strong) == wanted, name
    for fault in CORRUPTIONS.values():
        assert (fault.severities[0], fault.severities[2], fault.severities[4]) == (fault.mild, fault.mid, fault.strong)
        rises = [b - a for a, b in pairwise(fault.severities)]
        assert min(rises) > 0 or fault.name == "swapped_order", fault.name  # which is there or not
        assert 5 <= len(fault.severities) <= 7
        assert fault.about.endswith(".")


@pytest.fixture(scope="module")
def windows():
    moving, standing = window(name="moves"), window(name="stands", x=(30.0, 30.0))
    rendered = tabletop_windows(2)
    return [moving, standing, *rendered, *event_windows(2)]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_fault_leaves_anchor_shape_and_range_and_comes_out_the_same_again(windows, name):
    fault = CORRUPTIONS[name]
    made_of = [w.name for w in windows if fault.on(w, fault.mid) is not None]
    for each in windows:
        for severity in (fault.mild, fault.strong):
            video = fault.on(each, severity)
            if video is None:
                continue
            assert torch.equal(video[0], each.video[0])
            assert video.shape == each.video.shape
            assert video.min() >= 0
            assert video.max() <= 1
            assert torch.equal(video, fault.on(each, severity))
            assert not torch.equal(video, each.video)
    if name in EVENT_FAULTS:
        assert made_of == (["glass 1"] if name == "event_added" else ["glass 0"])
    elif name in SUBJECT_FAULTS:
        assert made_of == ["moves", "stands", "tabletop 0", "tabletop 1"]
    elif name in ("freeze", "slow_motion", "stutter"):
        assert "stands" not in made_of  # nothing is lost where nothing moves
        assert {"moves", "glass 0"} <= set(made_of)
    else:
        assert len(made_of) == len(windows)


@pytest.mark.parametrize("name", NUISANCES)
def test_a_harmless_change_makes_pairs_of_one_shape_and_range_and_the_same_again(windows, name):
    pairs = [(w, NUISANCES[name].on(w)) for w in windows]
    possible = [(w, pair) for w, pair in pairs if pair is not None]
    assert possible
    for each, (before, after) in possible:
        assert before.shape == after.shape
        assert len(before) == len(each.video)
        assert min(before.min(), after.min()) >= 0
        assert max(before.max(), after.max()) <= 1
        again = NUISANCES[name].on(each)
        assert again is not None
        assert torch.equal(before, again[0])
        assert torch.equal(after, again[1])
        if name not in ("style", "crop", "other_objects"):  # those are there from the start
            assert torch.allclose(before[0], after[0], atol=1e-5)
    assert any(not torch.equal(before, after) for _, (before, after) in possible)


# --- light ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("severity", [0.25, 0.75, 1.5])
def test_gain_ramp_and_exposure_jump_change_linear_light_by_their_stops(severity):
    signs = set()
    for name in "abcdefgh":
        dark = window(0.3, name)
        stops = torch.log2(linear(made("gain_ramp", severity, dark)) / linear(dark.video))[:, :, :4].mean((1, 2, 3))
        assert stops.tolist() == pytest.approx((stops[-1] * torch.arange(T) / FRAMES).tolist(), abs=1e-3)
        assert abs(stops[-1].item()) == pytest.approx(severity, abs=1e-3)
        jump = torch.log2(linear(made("exposure_jump", severity, dark)) / linear(dark.video))[:, :, :4].mean((1, 2, 3))
        assert jump.abs().tolist() == pytest.approx([0.0] * 9 + [severity] * 8, abs=1e-3)
        signs |= {stops[-1].sign().item()}
    assert signs == {-1.0, 1.0}


@pytest.mark.parametrize("severity", [4.0, 10.0, 20.0])
@pytest.mark.parametrize("name", ["colour_cast", "colour_drift"])
def test_a_colour_cast_moves_mid_grey_by_its_delta_e_in_any_hue_and_keeps_lightness(name, severity):
    hues = []
    for which in range(8):
        grey = window(GREY, f"grey {which}")
        lightness, a, b = lab(made(name, severity, grey)[-1, :, 2, 2])
        assert math.hypot(a, b) == pytest.approx(severity, rel=0.01)
        assert lightness == pytest.approx(50, abs=0.1)
        hues.append(math.degrees(math.atan2(b, a)) % 360)
    assert max(hues) - min(hues) > 180
    steps = made(name, severity, grey)[:, :, 2, 2].diff(dim=0).abs().amax(1) > 1e-6
    assert int(steps.sum()) == (1 if name == "colour_cast" else FRAMES)  # at once, or all the way


def test_flicker_goes_up_and_down_by_its_share_of_luma():
    for name in ("a", "b", "c", "d"):
        clip = window(0.5, name)
        change = (made("flicker", 6.0, clip) / clip.video - 1)[:, :, :4].mean((1, 2, 3))
        assert change.abs().tolist() == pytest.approx([0.0] + [0.06] * FRAMES, abs=1e-5)
        assert (change[1:-1] * change[2:] < 0).all()  # brighter or darker than the one before


def test_a_shadow_takes_its_stops_from_one_side_softly_and_leaves_the_other():
    clip = window(0.6)
    stops = torch.log2(linear(made("shadow_jump", 1.5, clip)) / linear(clip.video)).mean(1)
    assert stops[:9].abs().max() < 1e-3
    assert stops[-1].min() == pytest.approx(-1.5, abs=0.05)
    assert stops[-1].max() == pytest.approx(0.0, abs=0.05)
    assert max(stops[-1].diff(dim=0).abs().max(), stops[-1].diff(dim=1).abs().max()) < 0.1


# --- sharpness, motion, seams -----------------------------------------------------------------------------


@pytest.mark.parametrize("severity", [0.5, 1.5, 4.0])
def test_blur_spreads_a_point_by_its_share_of_the_height(severity):
    point = torch.zeros(T, 3, 80, 96)
    point[:, :, 60, 70] = 1
    blurred = made("blur", severity, window(point))[..., 36:, 48:]
    for t in (4, 16):
        weight = blurred[t, 1] / blurred[t, 1].sum()
        along = weight.sum(0)
        x = torch.arange(len(along)) - 22.0
        sigma = math.sqrt((along * x**2).sum())
        assert sigma == pytest.approx(severity / 100 * 80 * t / FRAMES, rel=0.02)
        assert weight.sum(1)[4:].tolist() == pytest.approx(along[2 : 2 + len(weight) - 4].tolist(), abs=1e-5)  # round
    assert blurred[-1, 1].sum() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(("severity", "frozen"), [(25, 4), (50, 8), (100, 16)])
def test_freeze_stops_so_many_frames(severity, frozen):
    clip = window()
    video = made("freeze", severity, clip)
    stands = [bool(torch.equal(a, b)) for a, b in pairwise(video)]
    assert stands == [False] * (FRAMES - frozen) + [True] * frozen
    assert torch.equal(video[: T - frozen], clip.video[: T - frozen])


@pytest.mark.parametrize("severity", [25, 50, 100])
def test_slow_motion_passes_less_time(severity):
    clock = (torch.arange(T) / 32).view(-1, 1, 1, 1).expand(T, 3, H, W).clone()  # the background tells the time
    video = made("slow_motion", severity, window(clock))
    told = 32 * video[:, 0, 2, 2]
    assert told.tolist() == pytest.approx([(1 - severity / 100) * t for t in range(T)], abs=1e-4)


@pytest.mark.parametrize(("severity", "lost"), [(10, 2), (30, 5), (60, 10)])
def test_a_stutter_shows_the_frame_before_in_place_of_lost_ones(severity, lost):
    clip = window()
    video = made("stutter", severity, clip)
    own = [bool(torch.equal(a, b)) for a, b in zip(video, clip.video, strict=True)]
    assert own.count(False) == lost
    for t in range(1, T):
        assert own[t] or torch.equal(video[t], video[t - 1])
    mild = made("stutter", 10, clip)
    assert all(torch.equal(mild[t], clip.video[t]) for t in range(T) if own[t])  # what is lost grows


@pytest.mark.parametrize("severity", [0.25, 0.75, 2])
def test_a_jitter_moves_every_frame_by_so_much_of_the_width_some_way(severity):
    ways = []
    for name in ("a", "b"):
        clip = window(name=name)
        here, there = (centroids(video) for video in (clip.video, made("jitter", severity, clip)))
        moved = (there - here)[1:]
        assert moved.norm(dim=-1).tolist() == pytest.approx([severity / 100 * W] * FRAMES, rel=0.02)
        ways += [math.atan2(y, x) for x, y in moved.tolist()]
    assert max(ways) - min(ways) > 5  # all directions
    assert max(abs(a - b) for a, b in pairwise(ways)) > 1.5  # and no slow drift


def centroids(video: Tensor) -> Tensor:
    """(x, y) in pixels of the ball, whose green is darker than the plain background's."""
    weight = 0.4 - video[:, 1]
    y, x = torch.meshgrid(torch.arange(H) + 0.5, torch.arange(W) + 0.5, indexing="ij")
    return torch.stack([(weight * axis).sum((1, 2)) / weight.sum((1, 2)) for axis in (x, y)], -1)


def test_a_boundary_jump_lifts_or_lowers_all_pixels_at_a_seam():
    signs = set()
    for name in ("a", "b", "c", "d", "e"):
        clip = window(0.5, name)
        step = (made("boundary_jump", 6, clip) - clip.video)[:, :, :4].mean((1, 2, 3))
        assert step.abs().tolist() == pytest.approx([0.0] * 9 + [0.06] * 8, abs=1e-6)
        signs |= {step[-1].sign().item()}
    assert signs == {-1.0, 1.0}


# --- the subject ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "edit"),
    [("vanish", Edit("absent")), ("swap", Edit("other")), ("duplicate", Edit(twin=True))],
)
@pytest.mark.parametrize(("severity", "frames"), [(10, 2), (30, 5), (60, 10)])
def test_the_subject_is_gone_exchanged_or_doubled_in_so_many_frames(name, edit, severity, frames):
    clip = window()
    video, fault = made(name, severity, clip), clip.stage.play(edit)
    assert torch.equal(video[: T - frames], clip.video[: T - frames])
    assert torch.equal(video[T - frames :], fault[T - frames :])
    assert not torch.equal(fault[-1], clip.video[-1])


@pytest.mark.parametrize("severity", [30, 60, 100])
def test_a_morph_goes_so_far_of_the_way(severity):
    clip = window()
    x, y = (int(v) for v in clip.stage.path[-1])
    red, blue = clip.video[-1, :, y, x], clip.stage.play(Edit("other"))[-1, :, y, x]
    got = made("morph", severity, clip)[-1, :, y, x]
    assert ((got - red) / (blue - red))[[0, 2]].tolist() == pytest.approx([severity / 100] * 2, abs=1e-5)


@pytest.mark.parametrize("severity", [5, 15, 30])
@pytest.mark.parametrize(("x", "way"), [((14.0, 20.0), 1), ((50.0, 44.0), -1)])
def test_a_shift_moves_the_subject_inward_by_its_share_of_the_width(severity, x, way):
    clip = window(x=x)
    video = made("shift", severity, clip)
    gaps = [where(video[t], clip, t) - where(clip.video[t], clip, t) for t in range(T)]
    assert gaps == pytest.approx([0.0] * 9 + [way * severity / 100 * W] * 8, abs=0.05)


def test_a_shift_keeps_the_subject_in_the_picture():
    for each in tabletop_windows(8):
        last = CORRUPTIONS["shift"].on(each, 30)
        assert last is not None
        seen, whole = ((v[-1] - each.stage.background[-1]).abs().sum() for v in (last, each.video))
        assert seen > 0.6 * whole, each.name


# --- events -----------------------------------------------------------------------------------------------


def first_change(video: Tensor) -> int:
    return int(torch.nonzero((video - video[:1]).abs().amax((1, 2, 3)) > 0.05)[0])


def test_events_are_stopped_added_and_delayed_by_their_share():
    tips, stands = event_windows(2)
    gone = made("event_removed", 100, tips)
    assert torch.equal(gone, gone[:1].expand_as(gone))
    for name, clip in (("event_removed", tips), ("event_added", stands)):
        effects = [(made(name, s, clip)[-1] - clip.video[-1]).abs().mean().item() for s in CORRUPTIONS[name].severities]
        assert effects == sorted(effects)
        assert effects[0] > 1e-3
    for severity in (10, 30, 60):
        begins = 3 + severity / 100 * FRAMES
        assert begins < first_change(made("late", severity, tips)) <= begins + 2


def test_in_swapped_order_what_comes_behind_the_anchor_runs_backward():
    tips, _ = event_windows(2)
    assert torch.equal(made("swapped_order", 100, tips)[1:], tips.video.flip(0)[1:])


# --- harmless changes -------------------------------------------------------------------------------------


def pair(name: str, of: Window) -> tuple[Tensor, Tensor]:
    found = NUISANCES[name].on(of)
    assert found is not None
    return found


def test_exposure_is_a_quarter_of_a_stop_off_the_anchor():
    for name in ("a", "b", "c", "d"):
        clip = window(0.4, name)
        before, after = pair("exposure", clip)
        assert torch.equal(before, clip.video)
        stops = torch.log2(linear(after) / linear(before))[:, :, :4].mean((1, 2, 3)).abs()
        assert stops.tolist() == pytest.approx([0.0] + [0.25] * FRAMES, abs=1e-3)


@pytest.mark.parametrize("name", ["translation", "object_motion"])
def test_the_subject_may_move_by_15_percent_of_the_width(name):
    clip = window(x=(16.0, 24.0))
    before, after = pair(name, clip)
    gaps = [where(after[t], clip, t) - where(before[t], clip, t) for t in range(T)]
    assert gaps == pytest.approx([0.15 * W * t / FRAMES for t in range(T)], abs=0.05)
    begins, ends = where(before[0], clip, 0), where(before[-1], clip, FRAMES)
    assert ends - begins == pytest.approx(0 if name == "object_motion" else 8, abs=0.05)


def test_scale_grows_or_shrinks_the_subject_to_a_fourth_more_or_a_fifth_less():
    ratios = set()
    for name in "abcdef":
        clip = window(name=name)
        before, after = ((v[-1] - clip.stage.background[-1]).abs().sum().item() for v in pair("scale", clip))
        ratios.add(round(math.sqrt(after / before), 2))
    assert all(any(abs(r - wanted) < 0.02 for wanted in (0.8, 1.25)) for r in ratios)
    assert max(ratios) > 1 > min(ratios)


def test_an_exit_that_is_asked_for_is_told_and_leaves_nothing_behind():
    clip = window()
    before, after = pair("asked_exit", clip)
    assert NUISANCES["asked_exit"].metadata == {"exit_allowed": True}
    assert torch.allclose(after[-1], clip.stage.background[-1], atol=1e-5)
    assert torch.equal(before[-1], before[0])
    xs = [where(frame, clip, t) for t, frame in enumerate(after[:8])]
    assert xs == sorted(xs) or xs == sorted(xs, reverse=True)


@pytest.mark.parametrize("name", ["coloured_entry", "others_move", "other_objects"])
def test_company_comes_and_goes_without_touching_the_subject(name):
    clip = window()
    before, after = pair(name, clip)
    differs = (before - after).abs().amax(1) > 1e-3
    assert not (differs & (clip.stage.own.alpha == 1)).any()
    here = differs.flatten(1).any(1).tolist()
    assert here[-1]
    assert here[0] == (name == "other_objects")


def test_natural_motion_is_the_clip_against_its_subject_at_rest():
    clip = window()
    before, after = pair("natural_motion", clip)
    assert torch.equal(after, clip.video)
    assert torch.equal(before, before[:1].expand_as(before))


def test_a_camera_pans_by_a_tenth_of_the_width_over_a_part_of_the_picture():
    columns = torch.linspace(0, 1, 100).expand(T, 3, 80, 100).contiguous()  # each column tells its place
    ways = set()
    for name in "abcdef":
        before, after = pair("camera_pan", window(columns, name))
        assert before.shape == (T, 3, 68, 85)
        place = 99 * after[:, 0, 1, 5]
        assert (99 * before[:, 0, 1, 5] - place[0]).abs().max() < 1e-3
        assert abs((place[-1] - place[0]).item()) == pytest.approx(10, abs=0.01)
        assert place.diff().abs().max() < 1.01
        ways.add(float((place[-1] - place[0]).sign()))
    assert ways == {-1.0, 1.0}


def test_style_changes_contrast_and_saturation_a_little_and_a_crop_keeps_the_size():
    clip = window(0.7)
    before, after = pair("style", clip)
    contrast = (after[:, :, 2, 2] - 0.5) / (before[:, :, 2, 2] - 0.5)  # of a grey, so saturation does not count
    assert (contrast - 1).abs().flatten().tolist() == pytest.approx([0.1] * 3 * T, abs=1e-4)
    red, changed = (v[0, :, 26, 20] - v[0, :, 26, 20].mean() for v in (before, after))
    assert abs((changed[0] / red[0] / contrast[0, 0]).item() - 1) == pytest.approx(0.15, abs=1e-3)
    columns = torch.linspace(0, 1, W).expand(T, 3, H, W).contiguous()
    before, after = pair("crop", window(columns))
    seen = after[0, 0, 2, -2] - after[0, 0, 2, 1]
    assert seen == pytest.approx(0.9 * (before[0, 0, 2, -2] - before[0, 0, 2, 1]).item(), rel=0.03)


def test_frozen_flicker_holds_still_but_for_its_six_percent():
    clip = window(0.5)
    before, after = pair("frozen_flicker", clip)
    assert torch.equal(before, clip.video[:1].expand_as(before))
    change = (after / before - 1)[:, :, :4].mean((1, 2, 3))
    assert change.abs().tolist() == pytest.approx([0.0] + [0.06] * FRAMES, abs=1e-5)
