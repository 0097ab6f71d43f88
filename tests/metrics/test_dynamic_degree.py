"""Dynamic degree equals VBench's own numbers in reference mode; mended, it grades known speeds and ignores light."""

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from moving import gliding, still

from rewards.base import UserError
from rewards.flow import flow
from rewards.functional import fastest, luminance, moves, moving_speed, pairs_needed, unlike
from sn_eval.metrics import create
from sn_eval.metrics.base import Clip
from sn_eval.metrics.instruments import Dis, create_flow

GOLDEN = json.loads((Path(__file__).parent / "data" / "vbench_dynamic_degree.json").read_text())["dynamic_degree"]


def measured(video, fps=8.0, mode="fixed", block=32, instrument="dis"):
    return create("dynamic_degree", mode=mode, flow=instrument).measure(video.split(block), Clip(fps=fps))


# --- the formulas -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"T{case['frames']}")
def test_the_formulas_equal_vbench(case):
    side = min(case["height"], case["width"])
    assert moving_speed(side) == pytest.approx(case["threshold"], abs=1e-5)
    assert pairs_needed(case["frames"]) == case["count_needed"]
    assert moves(case["scores"], case["threshold"], case["count_needed"]) == case["moves"]
    if case["flows"]:
        assert fastest(torch.tensor(case["flows"])).tolist() == pytest.approx(case["scores"], abs=1e-5)


@pytest.mark.parametrize("size", [(20, 30), (13, 17), (64, 64)])
def test_the_fastest_vectors_are_those_that_sorting_finds(size):
    motion = torch.randn(2, 2, *size, generator=torch.Generator().manual_seed(0))
    for found, one in zip(fastest(motion).tolist(), motion.numpy(), strict=True):
        lengths = sorted((math.hypot(*one[:, y, x]) for y in range(size[0]) for x in range(size[1])), reverse=True)
        assert found == pytest.approx(np.mean(lengths[: int(0.05 * size[0] * size[1])]), abs=1e-5)


@pytest.mark.parametrize("frames", [2, 3, 4, 6, 10, 16, 23])
def test_the_rule_is_the_published_loop_for_any_number_of_moving_pairs(frames):
    for moving in range(frames):
        speeds = [0.0] * (frames - 1 - moving) + [2.0] * moving
        count, expected = 0, False
        for speed in speeds:
            count += speed > 1.0
            expected = expected or count >= round(4 * frames / 16)
        assert moves(speeds, 1.0, pairs_needed(frames)) == expected


def test_a_speed_at_the_threshold_does_not_exceed_it():
    assert not moves([6.0, 6.0], 6.0, 1)


# --- known motion -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dx", "dy"), [(0.5, 0.0), (1.0, 0.0), (0.9, -1.2), (0.0, 1.5)])
@pytest.mark.parametrize("fps", [4.0, 8.0, 25.0])
def test_a_known_speed_is_found_and_graded(dx, dy, fps):
    stride = max(1, round(fps / 8))
    found = measured(gliding(4 * stride + 1, dx / stride, dy / stride, (96, 128)), fps)
    speed = 100 * math.hypot(dx, dy) / 96 * fps / stride  # % of the shorter side a second
    assert found.parts["speed"] == pytest.approx(speed, rel=0.25)  # the fastest 5 % lie above the mean
    assert found.value == pytest.approx(min(1, found.parts["speed"] / 18.75), abs=0.02)
    expected = [t for t in range(4 * stride + 1) if t and t % stride == 0]
    assert [t for t, value in enumerate(found.curve) if not math.isnan(value)] == expected


def test_the_frame_rate_does_not_matter():
    slow, fast = (measured(gliding(int(fps) + 1, 12 / fps), fps) for fps in (8.0, 24.0))
    assert fast.value == pytest.approx(slow.value, rel=0.05)
    assert fast.parts["speed"] == pytest.approx(slow.parts["speed"], rel=0.05)
    assert 0.5 < fast.value < 1


def test_faster_is_more_until_the_threshold():
    speeds = (0.0, 0.4, 0.8, 1.6, 4.0)
    values = [measured(gliding(5, dx, size=(96, 128))).value for dx in speeds]
    assert values[0] == 0
    assert values[1:] == pytest.approx([min(1, dx / (6 * 96 / 256)) for dx in speeds[1:]], abs=0.06)


def test_large_pictures_are_measured_small_with_their_own_threshold():
    video = gliding(5, 0.8, size=(96, 128))
    large = F.interpolate(video, scale_factor=4, mode="bilinear")
    assert measured(large).parts["speed"] == pytest.approx(measured(video).parts["speed"], rel=0.15)


def test_a_standing_background_does_not_hide_a_moving_thing():
    video = still(6, (192, 256))
    thing = 1 - still(1, (60, 80))[0]
    for t in range(6):
        video[t, :, 40:100, 60 + 6 * t : 140 + 6 * t] = thing
    assert measured(video).value > 0.95
    assert measured(video).parts["speed"] == pytest.approx(100 * 6 / 192 * 8, rel=0.15)


def test_half_frozen_is_half_the_degree():
    moving = gliding(9, 3.0, size=(96, 128))
    frozen = moving[torch.arange(9).clamp(max=4)]
    assert measured(moving).value == 1
    assert measured(frozen).value == pytest.approx(0.5)


# --- what is no motion ------------------------------------------------------------------------------------


def test_a_frozen_video_has_none():
    found = measured(still(6))
    assert found.value == 0
    assert found.parts == {"moves": 0.0, "speed": 0.0}


@pytest.mark.parametrize("strength", [0.02, 0.06, 0.15])
def test_flicker_of_a_frozen_video_is_none(strength):
    frozen = (1.5 * still(6) - 0.2).clamp(0, 1)  # some of it over-exposed
    frozen[..., :20, :] = 1.0
    signs = torch.tensor([1.0, -1.0] * 3).view(-1, 1, 1, 1)
    assert measured((frozen * (1 + strength * signs)).clamp(0, 1)).value == 0


def test_light_of_another_colour_is_none():
    frozen = still(6)
    frozen[3:] *= torch.tensor([1.0, 0.85, 0.7]).view(3, 1, 1)
    assert measured(frozen).value == 0


def test_what_counts_as_unlike():
    earlier = torch.full((1, 3, 8, 8), 0.5)
    earlier[..., 0, 0] = 1.0
    later = 0.9 * earlier
    later[..., 0, 0] = 1.0  # was over-exposed: may well still be
    later[:, 1, 4, 4] += 0.03
    later[:, 2, 6, 6] += 0.01  # noise
    assert unlike(earlier, later).nonzero().tolist() == [[0, 4, 4]]
    later[..., 0, 0] = 0.7  # darker than anything that was over-exposed can be now
    assert unlike(earlier, later)[0, 0, 0]


def test_motion_under_changing_light_counts():
    video = gliding(6, 3.0, size=(96, 128))
    video *= torch.tensor([1.0, 0.8] * 3).view(-1, 1, 1, 1)
    assert measured(video).value == 1


# --- the published rule, faults included --------------------------------------------------------------------


def by_hand(video, fps):
    """The published rule on DIS flow, loop by loop."""
    kept = [luminance(frame)[None] for frame in video[:: max(1, round(fps / 8))]]
    count, needed = 0, round(4 * len(kept) / 16)
    threshold = 6 * min(video.shape[-2:]) / 256
    for one, two in pairwise(kept):
        lengths = np.sort(np.linalg.norm(flow(one, two)[0].numpy(), axis=0).flatten())[::-1]
        count += float(np.mean(lengths[: int(len(lengths) * 0.05)])) > threshold
        if count >= needed:
            return 1.0
    return 0.0


@pytest.mark.parametrize("fps", [8.0, 16.0, 3.0])
@pytest.mark.parametrize("count", [9, 14])
@pytest.mark.parametrize("moving", [0, 1, 2, 4, 8])
def test_reference_is_the_published_rule(count, fps, moving):
    time = torch.arange(count).clamp(max=moving)
    video = gliding(count, 3.0)[time]
    assert measured(video, fps, "reference").value == by_hand(video, fps)


def test_two_pictures_always_move_as_published_and_are_graded_when_mended():
    assert measured(still(2), mode="reference").value == 1
    assert measured(still(2)).value == 0
    assert measured(still(2)).parts["moves"] == 0
    assert measured(still(3), mode="reference").value == 0
    assert measured(gliding(3, 3.0), mode="reference").value == 1


def test_below_eight_frames_a_second_the_published_rule_asks_for_less_speed():
    video = gliding(9, 3.0, size=(96, 128))  # 3 of 96 pixels: above 6 of 256 a pair
    slow = measured(video, fps=4.0)
    assert measured(video, fps=4.0, mode="reference").value == 1
    assert slow.parts == {"moves": 0.0, "speed": pytest.approx(12.5, rel=0.2)}


# --- streaming, short and small videos --------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["fixed", "reference"])
@pytest.mark.parametrize("fps", [8.0, 24.0])
@pytest.mark.parametrize("block", [1, 2, 3])
def test_the_size_of_blocks_does_not_matter(mode, fps, block):
    video = gliding(11, 0.7, 0.2)
    whole, parts = measured(video, fps, mode), measured(video, fps, mode, block)
    assert parts.value == pytest.approx(whole.value, abs=1e-6)
    assert parts.curve == pytest.approx(whole.curve, abs=1e-6, nan_ok=True)
    assert parts.parts == pytest.approx(whole.parts, abs=1e-6)


@pytest.mark.parametrize("mode", ["fixed", "reference"])
@pytest.mark.parametrize(("count", "fps", "note"), [
    (1, 8.0, "needs two pictures"),
    (3, 24.0, "needs two pictures: one frame in 3 is looked at"),
])  # fmt: skip
def test_fewer_than_two_pictures_are_not_scored(mode, count, fps, note):
    found = measured(gliding(count, 1.0), fps, mode)
    assert math.isnan(found.value)
    assert found.note == note
    assert len(found.curve) == count


def test_pictures_without_flow_are_not_scored():
    found = measured(gliding(4, 1.0, size=(11, 40)))
    assert math.isnan(found.value)
    assert found.note == "pictures of 11 pixels are too small for dis, which needs 12"
    assert measured(gliding(4, 1.0, size=(12, 40))).value > 0


def test_the_least_side_is_where_flow_begins():
    for side, any_flow in ((Dis.least_side - 1, False), (Dis.least_side, True)):
        one, two = (luminance(frame)[None] for frame in gliding(2, 2.0, size=(side, 40)))
        assert bool(flow(one, two).any()) == any_flow


def test_a_rate_of_zero_is_answered_in_one_line():
    with pytest.raises(UserError, match="frames per second must be above 0; given 0"):
        measured(gliding(3, 1.0), fps=0.0)


# --- RAFT -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """RAFT that was never trained."""
    from torchvision.models.optical_flow import raft_large

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("raft") / "raft_random.pth"
    torch.save(raft_large(weights=None).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def raft(weights):
    return create_flow(f"raft:{weights}")


def test_raft_measures_as_torchvision_does(raft):
    one, two = gliding(2, 2.0, size=(128, 136)).split(1)
    expected = raft.network(2 * one - 1, 2 * two - 1, num_flow_updates=20)[-1]
    assert torch.allclose(raft.between(one, two), expected)


def test_raft_fills_up_odd_sides_and_cuts_them_off_again(raft):
    one, two = gliding(2, 2.0, size=(125, 131)).split(1)
    rows, columns = (torch.arange(-before, side + after) for before, side, after in ((1, 125, 2), (2, 131, 3)))
    full = [x[:, :, rows.clamp(0, 124)][..., columns.clamp(0, 130)] for x in (one, two)]
    assert torch.allclose(raft.between(one, two), raft.between(*full)[..., 1:126, 2:133], atol=1e-4)


def test_the_metric_by_raft_names_its_weights(weights, raft):
    metric = create("dynamic_degree", flow=f"raft:{weights}", mode="reference")
    video = gliding(3, 2.0, size=(128, 128))
    speed = fastest(raft.between(video[:1], video[2:])).item()
    found = metric.measure(video.split(1), Clip(fps=16.0))
    assert found.parts["speed"] == pytest.approx(100 * speed / 128 * 8, rel=1e-4)
    assert found.value == 1  # two pictures
    assert metric.key == "dynamic_degree[raft:raft_random.pth]"
    assert len(metric.spec.encoder_sha256) == 64
    small = metric.measure(gliding(2, 1.0, size=(64, 64)).split(1))
    assert small.note == "pictures of 64 pixels are too small for raft:raft_random.pth, which needs 121"


def test_a_frozen_video_has_none_by_raft_either(weights):
    found = measured(still(2, (128, 128)), instrument=f"raft:{weights}")
    assert found.value == 0


@pytest.mark.parametrize(("use", "words"), [
    ("farneback", "flow must be dis or raft:FILE"),
    ("raft:", "flow must be dis or raft:FILE"),
    ("raft:nowhere.pth", "there is no such file"),
    ("raft:{folder}/text.pth", "no weights of torchvision's raft_large"),
    ("raft:{folder}/empty.pth", "no weights of torchvision's raft_large"),
    ("raft:{folder}/other.pth", "no weights of torchvision's raft_large"),
    ("raft:{folder}/list.pth", "no weights of torchvision's raft_large"),
])  # fmt: skip
def test_weights_that_do_not_fit_are_answered_in_one_line(use, words, tmp_path):
    (tmp_path / "text.pth").write_text("not weights at all")
    (tmp_path / "empty.pth").touch()
    torch.save({"fnet.conv1.weight": torch.zeros(1)}, tmp_path / "other.pth")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(UserError, match=words) as caught:
        create("dynamic_degree", flow=use.format(folder=tmp_path))
    assert "\n" not in str(caught.value)
