"""What every reward promises, tried on each name that the registry knows."""

import pickle

import pytest
import torch
from rewarding import BLUE, PARAMS, RED, WINE, exposed, still, video

import rewards
from rewards.base import UserError

GLASS = ("box", WINE, 50, 42, 4.5)
CONSISTENCY = ["anchor_consistency", "object_persistence", "lighting_consistency", "tabletop_quality"]


@pytest.fixture(scope="module", params=rewards.names())
def reward(request):
    return rewards.create(request.param, **PARAMS.get(request.param, {}))


@pytest.fixture(scope="module")
def batch():
    """Five videos of unlike quality, and the anchors that they began with."""
    good = video(8, others=[GLASS])
    gone = torch.cat([good[:, :4], still(4, [GLASS])], dim=1)
    dark = torch.cat([good[:, :3], exposed(good[:, 3:], -1.0)], dim=1)
    blue = video(8, colour=BLUE, table=(0.13, 0.13, 0.13))
    box = still(8, [("box", RED, 20, 46, 6.0), GLASS], table=(0.55, 0.36, 0.2))
    every = torch.cat([good, gone, dark, blue, box])
    return every[:, 2:], every[:, :2]


def call(reward, frames, anchor, order=None):
    prompts = [f"a ball {i}" for i in (order if order is not None else range(len(frames)))]
    return reward(frames, prompts, fps=8.0, anchor=anchor)


def same(x, y, tolerance=0.0):
    return torch.allclose(x, y, rtol=0, atol=tolerance, equal_nan=True)


def test_values_lie_in_the_declared_range_or_are_nan(reward, batch):
    scores = call(reward, *batch)
    low, high = reward.spec.range
    scored = scores.values[~scores.values.isnan()]
    assert len(scored)
    assert scores.values.dtype == torch.float32
    assert bool(((scored >= low - 1e-4) & (scored <= high + 1e-4)).all())
    assert all(len(part) == 5 for part in scores.parts.values())


def test_it_tells_good_from_bad(reward, batch):
    no_event = reward.spec.name.startswith("event_")  # none happens in these videos
    assert call(reward, *batch).values.nan_to_num(-1).unique().numel() > 1 or no_event


def test_the_same_input_gives_the_same_bits(reward, batch):
    assert same(call(reward, *batch).values, call(reward, *batch).values)


def test_a_batch_is_a_loop(reward, batch):
    frames, anchor = batch
    together = call(reward, frames, anchor)
    alone = [call(reward, frames[i : i + 1], anchor[i : i + 1], [i]) for i in range(len(frames))]
    tolerance = reward.spec.batch_tolerance
    assert same(together.values, torch.cat([scores.values for scores in alone]), tolerance)
    if together.per_frame is not None:
        assert same(together.per_frame, torch.cat([scores.per_frame for scores in alone]), tolerance)


def test_the_order_in_the_batch_does_not_matter(reward, batch):
    frames, anchor = batch
    order = torch.tensor([3, 0, 4, 2, 1])
    shuffled = call(reward, frames[order], anchor[order], order.tolist())
    assert same(shuffled.values, call(reward, frames, anchor).values[order], reward.spec.batch_tolerance)


def test_it_scores_without_an_anchor_and_one_anchor_serves_all(reward, batch):
    frames, anchor = batch
    assert call(reward, frames, None).values.shape == (5,)
    one = call(reward, frames, anchor[:1]).values
    assert same(one, call(reward, frames, anchor[:1].expand(5, -1, -1, -1, -1)).values)


def test_the_input_is_left_as_it_was(reward, batch):
    frames, anchor = batch[0].clone(), batch[1].clone()
    call(reward, frames, anchor)
    assert same(frames, batch[0])
    assert same(anchor, batch[1])


def test_a_single_frame_is_a_score_or_nan_never_a_crash(reward, batch):
    frames, anchor = batch
    assert call(reward, frames[:, :1], anchor[:, :1]).values.shape == (5,)
    assert call(reward, frames[:, :1], None).values.shape == (5,)


def test_other_sizes_than_square_ones_are_measured(reward):
    frames = torch.nn.functional.interpolate(video(3)[0], (48, 96))[None]
    assert call(reward, frames, frames[:, :1]).values.shape == (1,)


def test_it_declares_what_it_measures_with(reward):
    spec = reward.spec
    assert spec.families
    assert spec.range[0] < spec.range[1]
    assert spec.deterministic
    assert (spec.encoder is None) == (spec.encoder_sha256 is None)
    assert set(spec.needs) <= {"prompt", "anchor", "masks"}
    assert pickle.loads(pickle.dumps(spec)) == spec  # noqa: S301 - our own bytes


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (lambda x: (x * 255).byte(), "dtype torch.uint8"),
        (lambda x: x * 255, "divide by 255"),
        (lambda x: x * 2 - 1, "clamp to 0..1"),
        (lambda x: x[0], "given shape"),
        (lambda x: x.transpose(2, 3), "given shape"),
        (lambda x: x[:, :0], "given shape"),
        (lambda x: x.index_fill(1, torch.tensor([1]), torch.nan), "NaN"),
        (lambda x: x.numpy(), "given ndarray"),
    ],
)
def test_wrong_frames_get_one_clear_line(reward, batch, broken, rule):
    with pytest.raises(UserError, match=rule) as error:
        call(reward, broken(batch[0]), None)
    assert "\n" not in str(error.value)


def test_wrong_company_gets_one_clear_line(reward, batch):
    frames, anchor = batch
    with pytest.raises(UserError, match="list of 5 texts"):
        reward(frames, "a ball", fps=8.0)
    with pytest.raises(UserError, match="fps must be"):
        reward(frames, ["a"] * 5, fps=0)
    with pytest.raises(UserError, match="anchor has shape"):
        reward(frames, ["a"] * 5, fps=8.0, anchor=anchor[:3])


@pytest.mark.parametrize("name", CONSISTENCY)
@pytest.mark.parametrize("which", [0, 3, 7])
def test_any_single_corrupted_frame_lowers_a_consistency_score(name, which):
    made = rewards.create(name)
    clean = video(8, others=[GLASS])
    frames, anchor = clean.clone(), clean[:, :1]
    frames[:, which] = exposed(still(1, table=(0.13, 0.13, 0.13)), -0.5)[:, 0]
    assert call(made, frames, anchor).values < call(made, clean, anchor).values - 0.02


def test_names_come_from_the_files_alone():
    assert set(CONSISTENCY) | {"composite", "event_absence", "motion_floor"} <= set(rewards.names())
    assert all(len(rewards.describe(name).summary) > 20 for name in rewards.names())
