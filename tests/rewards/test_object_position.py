"""exp(−distance / tolerance) of a drawn thing that is where it should be, beside it, or on the path that was asked."""

import math

import pytest
import torch
from rewarding import BLUE, RED, exposed, noisy, picture, score, still, video

import rewards

TOLERANCE = 0.1


@pytest.fixture(scope="module")
def reward():
    return rewards.create("object_position")


def discs(xs, ys=None, others=(), colour=RED, noise=0.0):
    """[1 t 3 64 64]: a disc at these places, in pixels."""
    ys = [46.0] * len(xs) if ys is None else ys
    frames = [picture([*others, ("disc", colour, x, y, 6.0)]) for x, y in zip(xs, ys, strict=True)]
    return noisy(torch.stack(frames)[None], sigma=noise)


def mask_at(x, y=46.0, radius=6.0):
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    return torch.hypot(columns - x, rows - y) < radius


@pytest.mark.parametrize("pixels", [0, 2, 6, 13, 30])
def test_the_score_is_the_exponential_of_the_distance_in_widths(reward, pixels):
    moved = discs([16.0 + pixels] * 3)
    wanted = math.exp(-pixels / 64 / TOLERANCE)
    assert score(reward, moved, discs([16.0])) == pytest.approx(wanted, rel=0.02)
    distance = reward(moved, [""], fps=8.0, anchor=discs([16.0])).parts["distance"].item()
    assert distance == pytest.approx(pixels / 64, abs=1e-3)


def test_each_frame_counts_for_itself(reward):
    scores = reward(discs([20.0, 24.0, 32.0]), [""], fps=8.0, anchor=discs([20.0]))
    wanted = [math.exp(-d / 64 / TOLERANCE) for d in (0, 4, 12)]
    assert scores.per_frame[0].tolist() == pytest.approx(wanted, rel=0.02)
    assert scores.values.item() == pytest.approx(sum(wanted) / 3, rel=0.02)


def test_tolerance_is_the_distance_that_costs_a_factor_e():
    moved = discs([26.0])
    for tolerance in (0.05, 0.2):
        made = rewards.create("object_position", tolerance=tolerance)
        assert score(made, moved, discs([20.0])) == pytest.approx(math.exp(-6 / 64 / tolerance), rel=0.03)


def test_up_and_down_count_in_widths_too(reward):
    wide = torch.nn.functional.interpolate(discs([20.0, 20.0], [40.0, 50.0])[0], (64, 128), mode="bilinear")[None]
    assert score(reward, wide[:, 1:], wide[:, :1]) == pytest.approx(math.exp(-10 / 128 / TOLERANCE), rel=0.04)


def test_without_a_path_everything_should_stay(reward):
    glass = ("box", BLUE, 50, 44, 5.0)
    anchor = discs([20.0], others=[glass])
    assert score(reward, discs([20.0] * 3, others=[glass]), anchor) == pytest.approx(1, abs=0.01)
    one = math.exp(-12 / 64 / TOLERANCE)
    assert score(reward, discs([32.0] * 3, others=[glass]), anchor) == pytest.approx((1 + one) / 2, abs=0.03)


def test_a_path_that_is_followed_scores_one_and_standing_still_does_not(reward):
    anchor, rolls = discs([16.0]), discs([22.0, 28.0, 34.0, 40.0])
    asked = [{"path": [[0.25, 0.7], [0.625, 0.7]]}]  # from pixel 16 to 40, the anchor first
    assert score(reward, rolls, anchor, metadata=asked) == pytest.approx(1, abs=0.01)
    wanted = sum(math.exp(-d / 64 / TOLERANCE) for d in (6, 12, 18, 24)) / 4
    assert score(reward, discs([16.0] * 4), anchor, metadata=asked) == pytest.approx(wanted, rel=0.02)
    assert score(reward, rolls, anchor) == pytest.approx(wanted, rel=0.02)


def test_only_how_it_moves_along_the_path_counts_not_where_it_began(reward):
    asked = [{"path": [[0.1, 0.2], [0.475, 0.2]]}]
    assert score(reward, discs([22.0, 28.0, 34.0, 40.0]), discs([16.0]), metadata=asked) == pytest.approx(1, abs=0.01)


def test_a_path_turns_where_it_is_told_to(reward):
    asked = [{"path": [[0.25, 0.7], [0.5, 0.7], [0.25, 0.7]]}]
    there_and_back = discs([24.0, 32.0, 24.0, 16.0])
    assert score(reward, there_and_back, discs([16.0]), metadata=asked) == pytest.approx(1, abs=0.01)


def test_what_others_do_does_not_matter_to_the_one_that_is_told(reward):
    frames = [[("disc", BLUE, 50.0 - 8 * t, 44, 7.0)] for t in range(4)]
    clip = torch.cat([discs([16.0], others=others) for others in frames], dim=1)
    told = [{"mask": mask_at(16.0), "path": [[0.25, 0.7], [0.25, 0.7]]}]
    assert score(reward, clip[:, 1:], clip[:, :1], metadata=told) == pytest.approx(1, abs=0.02)
    other = [{"mask": mask_at(50.0, 44.0, 7.0), "path": [[0.8, 0.7], [0.8, 0.7]]}]
    wanted = sum(math.exp(-d / 64 / TOLERANCE) for d in (8, 16, 24)) / 3
    assert score(reward, clip[:, 1:], clip[:, :1], metadata=other) == pytest.approx(wanted, rel=0.1)


def test_a_mask_on_nothing_that_was_found_is_not_scored(reward):
    told = [{"mask": mask_at(50.0, 10.0), "path": [[0.8, 0.2], [0.8, 0.2]]}]
    assert math.isnan(score(reward, discs([30.0] * 3), discs([16.0]), metadata=told))


def test_rows_of_a_batch_keep_their_own_paths(reward):
    clip = discs([22.0, 28.0, 34.0, 40.0])
    told = [{"path": [[0.25, 0.7], [0.625, 0.7]]}, {}]
    values = reward(clip.expand(2, -1, -1, -1, -1), ["", ""], fps=8.0, anchor=discs([16.0]), metadata=told).values
    assert values[0] > 0.99
    assert values[1] < 0.4


def test_a_frame_without_the_thing_is_left_out_and_never_found_is_not_scored(reward):
    clip = torch.cat([discs([20.0]), still(2)], dim=1)
    scores = reward(clip, [""], fps=8.0, anchor=discs([20.0]))
    assert scores.values.item() == pytest.approx(1, abs=0.01)
    assert scores.per_frame[0].isnan().tolist() == [False, True, True]
    assert math.isnan(score(reward, still(3), discs([20.0])))
    assert math.isnan(score(reward, discs([20.0]), still(1)))


def test_light_does_not_matter(reward):
    clip = video(4, speed=0)
    assert score(reward, exposed(clip, 0.25), clip[:, :1]) > 0.97


def test_features_find_it_too():
    made = rewards.create("object_position", locator="feature")
    assert made.spec.families == ("encoder:imagenet-lite0",)
    anchor = discs([20.0])
    told = [{"mask": mask_at(20.0)}]
    stays, goes = (score(made, discs([x] * 2), anchor, metadata=told) for x in (20.0, 40.0))
    assert stays == pytest.approx(1, abs=0.05)
    assert goes == pytest.approx(math.exp(-20 / 64 / TOLERANCE), abs=0.08)


@pytest.mark.parametrize("path", [[[0.5, 0.5]], [0.1, 0.9], [[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]]])
def test_a_path_of_another_form_is_one_clear_line(reward, path):
    with pytest.raises(rewards.UserError, match="'path' must be two or more points") as error:
        score(reward, discs([20.0]), discs([20.0]), metadata=[{"path": path}])
    assert "\n" not in str(error.value)


def test_a_mask_of_another_form_is_one_clear_line(reward):
    told = [{"mask": torch.ones(1, 1, 64, 64), "path": [[0.1, 0.2], [0.2, 0.2]]}]
    with pytest.raises(rewards.UserError, match=r"'mask' must be \[h w\]") as error:
        score(reward, discs([20.0]), discs([20.0]), metadata=told)
    assert "\n" not in str(error.value)


def test_a_tolerance_of_nothing_is_refused():
    with pytest.raises(rewards.UserError, match="above 0"):
        rewards.create("object_position", tolerance=0.0)
