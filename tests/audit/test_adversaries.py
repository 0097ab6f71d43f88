"""The tricks do what they say, and the table names who falls for them."""

import numpy as np
import pytest
import rewarding
import torch

import rewards
from rewards.base import UserError, reward
from rewards.functional import srgb_to_linear
from sn_eval.audit.adversaries import ADVERSARIES, STOPS, adversary_table
from sn_eval.audit.sample import Sample

NAMES = {"frozen_frame", "anchor_copy", "crossfade", "blur", "slow_zoom", "brightness_ramp"}


def sample(colour=rewarding.RED, frames: int = 8, seed: int = 0) -> Sample:
    clip = rewarding.video(frames + 1, colour=colour, seed=seed)[0]
    return Sample(clip[1:], clip[:1], "a ball rolls", 8.0)


@pytest.fixture
def samples() -> list[Sample]:
    return [sample(colour, seed=i) for i, colour in enumerate((rewarding.RED, rewarding.BLUE, rewarding.WINE))]


def copy(name: str) -> tuple[Sample, torch.Tensor]:
    own, other = sample(), sample(rewarding.BLUE, 5)
    return own, ADVERSARIES[name].make(own.frames, own.anchor, other.frames)


def table_of(reward_, samples) -> dict:
    return {row.name: row for row in adversary_table(reward_, samples).rows}


def test_the_suite_holds_the_tricks_of_the_design():
    assert set(ADVERSARIES) == NAMES
    assert all(each.exploits.endswith(".") for each in ADVERSARIES.values())


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_copy_has_the_clips_shape_and_range_and_the_clip_stays(name):
    own, changed = copy(name)
    again, _ = copy(name)
    assert changed.shape == own.frames.shape
    assert changed.dtype == own.frames.dtype
    assert 0 <= changed.min() <= changed.max() <= 1
    assert not torch.equal(changed, own.frames)
    assert torch.equal(own.frames, again.frames)


def test_frozen_and_copied_frames_hold_still():
    own, frozen = copy("frozen_frame")
    assert torch.equal(frozen, own.frames[:1].expand_as(frozen))
    own, copied = copy("anchor_copy")
    assert torch.equal(copied, own.anchor[-1:].expand_as(copied))


def test_a_crossfade_begins_as_the_clip_and_ends_as_the_other():
    own, faded = copy("crossfade")
    assert torch.equal(faded[0], own.frames[0])
    assert torch.allclose(faded[-1], sample(rewarding.BLUE, 5).frames[-1])


def test_a_crossfade_fits_another_size():
    own = sample()
    faded = ADVERSARIES["crossfade"].make(own.frames, own.anchor, torch.rand(3, 3, 40, 90))
    assert faded.shape == own.frames.shape


def test_blur_keeps_the_mean_and_loses_the_detail():
    own, blurred = copy("blur")
    assert blurred.mean() == pytest.approx(own.frames.mean().item(), abs=2e-3)
    assert (blurred.diff(dim=-1).abs().mean() < 0.8 * own.frames.diff(dim=-1).abs().mean()).item()


def test_blur_works_on_tiny_frames():
    tiny = torch.rand(2, 3, 2, 5)
    assert ADVERSARIES["blur"].make(tiny, tiny[:1], tiny).shape == tiny.shape


def test_the_ramp_ends_brighter_by_its_stops():
    own, ramped = copy("brightness_ramp")
    dark = own.frames[0] < 0.5  # what does not clip
    gain = srgb_to_linear(ramped[-1])[dark] / srgb_to_linear(own.frames[0])[dark]
    assert gain.median().item() == pytest.approx(2**STOPS, rel=1e-3)


def test_the_zoom_begins_as_the_first_frame_and_magnifies_the_middle():
    own, zoomed = copy("slow_zoom")
    assert torch.allclose(zoomed[0], own.frames[0], atol=1e-5)
    middle = own.frames[0, :, 8:-8, 8:-8]
    inner = torch.nn.functional.interpolate(zoomed[-1:], (52, 52), mode="area")[0, :, 2:-2, 2:-2]
    assert (inner - middle).abs().mean() < 0.03


def test_a_consistency_reward_falls_for_stillness_and_is_told_to_take_a_floor(samples):
    table = adversary_table(rewards.create("anchor_consistency"), samples)
    rows = {row.name: row for row in table.rows}
    assert rows["frozen_frame"].beats == rows["anchor_copy"].beats == 1.0
    assert rows["anchor_copy"].change > 0
    assert "motion floor" in table.words
    assert "by nature" in table.words


def test_a_motion_floor_does_not_fall_for_stillness_or_brightness(samples):
    rows = table_of(rewards.create("motion_floor", minimum=3.0), samples)
    assert rows["frozen_frame"].beats == rows["anchor_copy"].beats == rows["brightness_ramp"].beats == 0.0
    assert rows["anchor_copy"].change < -0.3


def test_a_naive_reward_is_named_as_fooled(samples):
    @reward(family="brightness")
    def bright(frames, prompts, *, fps, anchor=None, metadata=None):
        return frames.mean((2, 3, 4))

    table = adversary_table(bright(), samples)
    row = {row.name: row for row in table.rows}["brightness_ramp"]
    assert row.beats == 1.0
    assert row.change_low > 0
    assert row.attracts
    assert "bright is raised by " in table.words
    assert "brightness_ramp in 100% of 3 clips: hold a reward against each" in table.words


def test_shares_means_and_missing_scores_are_counted(samples):
    """Unscored copies do not win; unscored clips do not count; a difference within the tolerance is a draw."""

    @reward(family="test")
    def given(frames, prompts, *, fps, anchor=None, metadata=None):
        values = torch.tensor([0.5, 0.4, 0.50001, 0.9, torch.nan, 0.6, 0.1])
        values[0] = torch.nan if prompts[0] == "unscored" else 0.5
        return values

    unscored = Sample(samples[0].frames.flip(-1), samples[0].anchor, "unscored", 8.0)
    rows = table_of(given(), [*samples, unscored])
    assert [rows[name].beats for name in ADVERSARIES] == [0, 1, 1, 0, 1, 0]
    assert {row.n for row in rows.values()} == {3}
    assert (rows["blur"].scored, rows["blur"].change) == (0, None)
    assert [rows[name].higher for name in ADVERSARIES] == [0, 0, 1, 0, 1, 0]
    assert rows["crossfade"].change == pytest.approx(0.4)
    assert rows["crossfade"].low == pytest.approx(0.438, abs=1e-3)  # Wilson, 3 of 3


def test_a_copy_that_changes_nothing_does_not_count(samples):
    still = Sample(samples[0].frames[:1].expand(6, -1, -1, -1), samples[0].frames[:1], "still", 8.0)
    rows = table_of(rewards.create("motion_floor"), [still, still])
    assert rows["frozen_frame"].n == 0
    assert rows["frozen_frame"].beats is None
    assert rows["blur"].n == 2


def test_a_reward_that_scores_nothing_is_said_to_be_unknown(samples):
    @reward(family="test")
    def blind(frames, prompts, *, fps, anchor=None, metadata=None):
        return torch.full((len(frames),), torch.nan)

    table = adversary_table(blind(), samples)
    assert "nothing is known" in table.words
    assert not np.isfinite([row.n for row in table.rows if row.n]).any()


def test_what_only_ties_is_not_noticed_and_a_jump_that_pays_for_a_freeze_is_told_apart(samples):
    @reward(family="test")
    def saturated(frames, prompts, *, fps, anchor=None, metadata=None):
        moved = (frames[:, :1] - anchor[:, -1:]).abs().amax((1, 2, 3, 4)) > 0
        return moved.float()

    table = adversary_table(saturated(), samples)
    assert "does not notice crossfade in 100% of 3 clips" in table.words
    assert "holds its first frame at least as high" in table.words
    assert "raised" not in table.words
    assert "by nature" not in table.words


def test_a_reward_that_sees_through_all_of_them_is_told_so(samples):
    @reward(family="test")
    def wise(frames, prompts, *, fps, anchor=None, metadata=None):
        return torch.tensor([1.0] + [0.0] * len(ADVERSARIES))

    assert adversary_table(wise(), samples).words == "wise falls for none of these tricks."


def test_a_clip_fades_into_one_with_another_prompt(samples):
    seen = []

    @reward(family="test")
    def spy(frames, prompts, *, fps, anchor=None, metadata=None):
        seen.append(frames[1 + list(ADVERSARIES).index("crossfade"), -1])
        return frames.mean((1, 2, 3, 4))

    one, two = (Sample(s.frames, s.anchor, "the same", 8.0) for s in samples[:2])
    third = Sample(samples[2].frames, samples[2].anchor, "another", 8.0)
    adversary_table(spy(), [one, two, third])
    assert torch.allclose(seen[0], third.frames[-1])
    assert torch.allclose(seen[2], one.frames[-1])


def test_one_clip_is_refused(samples):
    with pytest.raises(UserError, match="at least 2"):
        adversary_table(rewards.create("motion_floor"), samples[:1])
