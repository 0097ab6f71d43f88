"""The reward `learned` on drawn videos: it ranks as labelled, is cautious, and trusts no file blindly."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from labelled import drawn_head, good_and_bad
from rewarding import BLUE, still, video

import rewards
from rewards.base import UserError
from rewards.labelling.heads import load_head, save_head


def learned(**params):
    return rewards.create("learned", head=str(drawn_head()), **params)


def values(reward, *clips):
    return reward(torch.cat(clips), [""] * len(clips), fps=8.0)


def test_it_prefers_what_people_passed():
    """On videos that it was not trained on."""
    good = [video(6, start=20, speed=1.6, colour=BLUE, seed=s) for s in (90, 91)]
    bad = [torch.cat([clip[:, :3], still(3)], dim=1) for clip in good]
    scores = values(learned(), *good, *bad)
    assert scores.values[:2].min() > scores.values[2:].max()


def test_score_is_mean_less_spread_weight_times_spread():
    clips = [clip for _, _, clip in good_and_bad(2)]
    for weight in (0.0, 0.5, 3.0):
        scores = values(learned(spread_weight=weight), *clips)
        wanted = (scores.parts["mean"] - weight * scores.parts["spread"]).clamp(0, 1)
        assert torch.allclose(scores.values, wanted)
    assert bool((scores.parts["spread"] > 0).all())


def test_clips_unlike_all_training_clips_are_flagged_or_left_unscored():
    noise = torch.rand(1, 6, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    ordinary = good_and_bad(1)[0][2]
    flagged, unscored = values(learned(), ordinary, noise), values(learned(unfamiliar="nan"), ordinary, noise)
    assert flagged.parts["ood"].tolist() == unscored.parts["ood"].tolist() == [0, 1]
    assert not flagged.values.isnan().any()
    assert unscored.values.isnan().tolist() == [False, True]


def test_nothing_scored_is_nan():
    """The head alone would fill in medians and answer."""
    reward = learned()
    assert math.isfinite(reward.head.scores(np.full((1, len(reward.head.names)), np.nan))[0, 0])
    reward.features.rewards = [lambda frames, *_, **__: rewards.Scores(frames.new_full((len(frames),), math.nan))]
    reward.features.names = ["motion_floor"]
    assert values(reward, video(3)).values.isnan().all()


def test_it_declares_what_all_its_rewards_measure_with():
    spec = learned().spec
    assert spec.families == ("colour-mask", "frame-difference", "photometric")
    assert (spec.range, spec.needs, spec.encoder) == ((0.0, 1.0), ("anchor",), None)


@pytest.fixture
def changed(tmp_path):
    """The drawn head with something in its recipe changed, as a file."""

    def write(**recipe):
        head = load_head(drawn_head())
        path = tmp_path / "changed.skops"
        save_head(dataclasses.replace(head, recipe={**head.recipe, **recipe}), path)
        return path

    return write


def test_other_weights_or_versions_than_those_trained_with_are_refused(changed):
    old = {"use": "motion_floor", "params": {}, "version": 0}
    with pytest.raises(UserError, match="reward 'motion_floor' of version 0, but here it is 1: fit the head anew"):
        rewards.create("learned", head=str(changed(rewards=[old])))
    with pytest.raises(UserError, match="encoder 'imagenet-lite0@32' of encoder_sha256 aaaaaaaaaaaa, but here"):
        rewards.create("learned", head=str(changed(encoder="imagenet-lite0@32", encoder_sha256="a" * 64)))


def test_a_user_file_that_changed_is_refused(tmp_path):
    from rewards.labelling.clip_features import ClipFeatures

    text = (
        "from rewards.base import reward\n\n"
        "@reward(family='brightness')\n"
        "def bright(frames, prompts, *, fps, anchor=None, metadata=None):\n"
        "    return frames.mean(dim=(2, 3, 4))\n"
    )
    file = tmp_path / "mine.py"
    file.write_text(text)
    recipe = ClipFeatures([f"{file}:bright"]).recipe
    assert ClipFeatures.of(recipe, "h.skops").names == ["bright"]
    file.write_text(text + "\n# changed\n")
    with pytest.raises(UserError, match="of source_sha256 .*, but here it is"):
        ClipFeatures.of(recipe, "h.skops")


def test_encoder_features_enter_the_spec(changed):
    from rewards.labelling.clip_features import ClipFeatures

    features = ClipFeatures([], "imagenet-lite0@32")
    found = features(video(3), [""], fps=8.0)
    assert len(found) == 2 * 1280
    assert found["encoder/spread/0"].shape == (1,)
    made = rewards.create("learned", head=str(changed(**features.recipe)))
    assert made.spec.families == ("encoder:imagenet-lite0",)
    assert made.spec.encoder == "imagenet-lite0@32"
    assert made.spec.encoder_sha256 == features.encoder.sha256


class Foreign:
    """A type that no head needs."""

    def __init__(self):
        self.touched = True


def test_a_file_with_another_type_is_refused_by_its_name(tmp_path):
    from skops.io import dump

    path = tmp_path / "foreign.skops"
    dump({"format": 1, "prepare": Foreign()}, path)
    with pytest.raises(UserError, match="holds the type .*Foreign, .* Train a head of your own") as error:
        rewards.create("learned", head=str(path))
    assert "\n" not in str(error.value)


def test_what_is_no_head_is_one_line(tmp_path):
    from skops.io import dump

    dump({"a": 1}, tmp_path / "other.skops")
    (tmp_path / "text.skops").write_text("not a zip file")
    (tmp_path / "cut.skops").write_bytes(drawn_head().read_bytes()[:1000])
    for name, told in [
        ("nowhere.skops", "there is no head"),
        ("other.skops", "holds no head of this version"),
        ("text.skops", "cannot read the head"),
        ("cut.skops", "cannot read the head"),
    ]:
        with pytest.raises(UserError, match=told) as error:
            rewards.create("learned", head=str(tmp_path / name))
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("params", [{"spread_weight": -1.0}, {"spread_weight": math.nan}, {"unfamiliar": "skip"}])
def test_parameters_that_make_no_sense_are_one_line(params):
    with pytest.raises(UserError, match=next(iter(params))):
        learned(**params)
