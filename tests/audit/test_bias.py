"""Known partial correlations are found, confounders are taken out, and intervals respect what belongs together."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from rewards.base import UserError
from sn_eval.audit.bias import COVARIATES, bias_words, by_group, covariates, partial_spearman, varied
from sn_eval.audit.sample import Sample, score


def normals(count: int, n: int = 400, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, n))


def found(*given, **more) -> dict:
    return {row.name: row for row in partial_spearman(*given, resamples=200, **more)}


def clip(t: int = 8, side: int = 32, seed: int = 0) -> Sample:
    frames = torch.rand(t + 1, 3, side, side, generator=torch.Generator().manual_seed(seed))
    return Sample(frames[1:], frames[:1], "noise", 8.0, metadata={"mask": frames[0, 0] > 0.5})


# --- partial correlations ---------------------------------------------------------------------------------


def test_a_known_partial_correlation_is_found():
    """score = a·x + b·z + e: given z, score and x correlate as a/√(a² + 1) when x and z are independent."""
    x, z, e = normals(3, 4000)
    rows = found(0.75 * x + 2 * z + e, {"x": x, "z": z})
    pearson = 0.75 / math.hypot(0.75, 1)
    # ranks of a normal vector lose a little to Pearson; z's share is large and its ranks explain it less than fully
    assert rows["x"].rho == pytest.approx(pearson, abs=0.08)
    assert rows["x"].low < rows["x"].rho < rows["x"].high
    assert rows["z"].rho > 0.8


def test_it_is_the_formula_of_three_ranks():
    x, z, e = normals(3)
    s = x + z + e
    ab, ac, bc = (stats.spearmanr(*pair).statistic for pair in ((s, x), (s, z), (x, z)))
    truth = (ab - ac * bc) / math.sqrt((1 - ac**2) * (1 - bc**2))
    assert found(s, {"x": x, "z": z})["x"].rho == pytest.approx(truth, abs=1e-9)


def test_with_one_property_it_is_spearman():
    x, e = normals(2)
    assert found(x + e, {"x": x})["x"].rho == pytest.approx(stats.spearmanr(x + e, x).statistic)


def test_a_confounder_is_taken_out():
    """x follows z, the score follows z: by itself x looks guilty."""
    z, e, f = normals(3, 2000)
    x, s = z + 0.5 * f, z + 0.5 * e
    assert stats.spearmanr(s, x).statistic > 0.7
    rows = found(s, {"x": x, "z": z})
    assert abs(rows["x"].rho) < 0.1
    assert not rows["x"].notable
    assert rows["z"].notable


def test_only_order_matters():
    x, z, e = normals(3)
    s = x + e
    one, two = found(s, {"x": x, "z": z}), found(np.exp(s), {"x": x**3, "z": -z})
    assert two["x"].rho == pytest.approx(one["x"].rho)
    assert two["z"].rho == pytest.approx(-one["z"].rho)


def test_a_score_that_is_its_property_correlates_wholly():
    x, z = normals(2)
    rows = found(x, {"x": x, "z": z})
    assert rows["x"].rho == pytest.approx(1)
    assert rows["z"].rho == 0


def test_intervals_cover_nothing_where_there_is_nothing():
    covered = 0
    for seed in range(20):
        s, x, z = normals(3, 60, seed)
        row = found(s, {"x": x, "z": z})["x"]
        covered += row.low <= 0 <= row.high
    assert covered >= 16


def test_copies_of_one_clip_do_not_narrow_the_interval():
    s, x = normals(2, 20)
    names = [str(i) for i in range(20)]
    alone = found(s, {"x": x}, clusters=names)["x"]
    copied = found(np.tile(s, 9), {"x": np.tile(x, 9)}, clusters=names * 9)["x"]
    blind = found(np.tile(s, 9), {"x": np.tile(x, 9)})["x"]
    assert copied.high - copied.low == pytest.approx(alone.high - alone.low, rel=0.15)
    assert blind.high - blind.low < 0.6 * (alone.high - alone.low)


def test_what_cannot_be_told_says_why():
    x, e = normals(2, 50)
    rows = found(x + e, {"x": x, "same": np.ones(50), "twice": 2 * x})
    assert (rows["same"].rho, rows["same"].why) == (None, "does not vary")
    assert rows["x"].rho is rows["twice"].rho is None
    assert rows["x"].why == "the other properties determine it"
    assert found(np.ones(50), {"x": x})["x"].why == "all clips score the same"
    assert found(x[:4], {"x": e[:4]})["x"].why == "4 scored clips; at least 5 are needed"
    assert found(x, {"x": e}, clusters=["a", "b"] * 25)["x"].low is None
    assert "Not evaluable here: x, same, twice" in bias_words("it", list(rows.values()))


def test_unscored_clips_are_left_out():
    x, e = normals(2)
    s = x + e
    with_gaps = np.where(np.arange(400) % 4 == 0, np.nan, s)
    kept = np.arange(400) % 4 != 0
    row = found(with_gaps, {"x": x})["x"]
    assert row.n == 300
    assert row.rho == pytest.approx(stats.spearmanr(s[kept], x[kept]).statistic)


def test_words_name_the_strongest_first():
    x, z, w, e = normals(4)
    words = bias_words("sharp", partial_spearman(2 * x - z + e, {"z": z, "x": x, "w": w}, resamples=100))
    assert words.startswith("sharp rises with x (ρ +0.")
    assert ", falls with z (ρ -0." in words
    assert " w " not in words
    assert "none of these clearly" in bias_words("it", partial_spearman(e, {"x": x}, resamples=100))


def test_wrong_lengths_are_one_clear_line():
    with pytest.raises(UserError, match="one of each for every clip"):
        partial_spearman([1.0, 2.0], {"x": [1.0]})


# --- properties and copies --------------------------------------------------------------------------------


def test_properties_of_plain_pictures():
    grey = torch.full((8, 3, 20, 80), 0.5)
    red = torch.zeros(1, 3, 4, 4)
    red[:, 0] = 1
    found_ = covariates(grey, 4.0)
    assert found_.keys() == COVARIATES.keys()
    assert found_["brightness"] == pytest.approx(53.4, abs=0.1)
    assert found_["saturation"] < 0.1
    assert (found_["resolution"], found_["length"], found_["motion"]) == (40.0, 2.0, 0.0)
    assert covariates(red, 8.0)["saturation"] == pytest.approx(104.5, abs=0.5)
    assert math.isnan(covariates(red, 8.0)["motion"])
    assert covariates(clip().frames, 8.0)["motion"] > 10


def test_copies_vary_size_and_length_and_nothing_else():
    one, two = clip(), clip(3, 20, 1)
    copies = varied([one, two])
    assert [tuple(c.frames.shape) for c in copies] == [
        (8, 3, 32, 32), (4, 3, 32, 32), (8, 3, 16, 16), (4, 3, 16, 16),
        (3, 3, 20, 20), (2, 3, 20, 20), (3, 3, 10, 10), (2, 3, 10, 10),
    ]  # fmt: skip
    assert torch.equal(copies[0].frames, one.frames)
    assert torch.equal(copies[1].frames, one.frames[:4])
    assert copies[2].frames.mean() == pytest.approx(one.frames.mean().item(), abs=1e-5)
    assert copies[2].anchor.shape[-2:] == copies[2].metadata["mask"].shape == (16, 16)
    assert all(torch.equal(a.frames, b.frames) for a, b in zip(copies, varied([one, two]), strict=True))


def test_a_reward_that_likes_length_is_caught():
    from rewards.base import reward

    @reward(family="length")
    def long(frames, prompts, *, fps, anchor=None, metadata=None):
        return torch.full((len(frames),), frames.shape[1] / 100) + 0.01 * frames.mean((1, 2, 3, 4))

    copies = varied([clip(seed=i) for i in range(12)])
    table = [covariates(c.frames, c.fps) for c in copies]
    properties = {name: [row[name] for row in table] for name in COVARIATES}
    clusters = [str(i // 4) for i in range(len(copies))]
    rows = partial_spearman(score(long(), copies), properties, clusters, resamples=100)
    words = bias_words("long", rows)
    assert "rises with length" in words


# --- groups -----------------------------------------------------------------------------------------------


def test_groups_have_means_intervals_and_a_spread():
    x = normals(1, 30)[0]
    scores = np.concatenate([x, x + 5, [1.0], [np.nan]])
    groups = by_group(scores, ["b"] * 30 + ["a"] * 30 + ["one"] + ["none"], "sharp")
    rows = {row.name: row for row in groups.rows}
    assert [row.name for row in groups.rows] == ["a", "b", "none", "one"]
    assert rows["a"].low < rows["a"].mean < rows["a"].high
    assert (rows["one"].mean, rows["one"].low, rows["one"].n) == (1.0, None, 1)
    assert (rows["none"].mean, rows["none"].n) == (None, 0)
    assert groups.spread == pytest.approx(5)
    assert groups.p < 1e-6
    assert groups.words.startswith("sharp is highest for a and lowest for b, 5 apart, more than chance explains")


def test_groups_that_are_alike_or_alone_say_so():
    x = normals(2, 20)
    assert "which chance explains" in by_group(x.ravel(), ["a"] * 20 + ["b"] * 20).words
    assert "nothing to compare" in by_group([1.0, 1.0], ["a", "a"]).words
    with pytest.raises(UserError, match="a group for every clip"):
        by_group([1.0], [])
