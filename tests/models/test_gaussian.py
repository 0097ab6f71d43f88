"""On the Gaussian model sampler, previews and search have closed forms; ours must agree with them."""

import itertools
import math

import pytest
import torch
from scipy import stats
from searching import Linear, chunks, run

from sn_eval.models.gaussian import GAIN, GaussianModel, covariance, posterior_mean
from sn_eval.sampling import normal
from sn_eval.search.candidates import propose
from sn_eval.search.correlation import preview_correlation
from sn_eval.search.judge import Judge
from sn_eval.search.noise_search import NoiseSearch

GREY = torch.full((3, 4, 4), 0.5)
SCHEDULES = [("flow", 1.0), ("vp", 1.0), ("vp", 0.9)]
WEIGHTS = torch.tensor([3.0, -2.0, 1.0, 1.0])


def model(kind="flow", end=1.0, **options):
    return GaussianModel(size=4, frames_per_chunk=4, kind=kind, end=end, **options)


def gains(made, steps, look):
    """Per eigendirection of the covariance: what (preview, final) − mean are, in units of the noise."""
    schedule = made.schedule(steps)
    values, vectors = torch.linalg.eigh(covariance(4, made.rho).double())
    y = schedule.noise[-1].double().expand(4)
    preview = y
    for done in range(steps):
        here, there = steps - done, steps - done - 1
        (s, n), (s2, n2) = ((schedule.signal[i].double(), schedule.noise[i].double()) for i in (here, there))
        g = values * s / (s * s * values + n * n)
        preview = g * y if done == look - 1 else preview
        y = (s2 * g + n2 * (1 - s * g) / n) * y
    return preview, y, vectors


def reward_law(made, steps, look):
    """(correlation of preview and final reward, standard deviation of the final one), both in closed form."""
    preview, final, vectors = gains(made, steps, look)
    w = vectors.T @ WEIGHTS.double()
    a, b = w * preview, w * final
    scale = GAIN / math.sqrt(3 * 4 * 4)
    both = a.norm() * b.norm()
    return float(a @ b / both) if both > 1e-9 else 0.0, scale * float(b.norm())


def expected(made):
    """The mean chunk [1 t c h w] that follows a grey frame: E[x0 | x] where x is pure noise."""
    cond = made.condition(["p"], [made.start("p", GREY, 0)])
    return made.denoise(torch.zeros(1, 4, 3, 4, 4), torch.ones(1, 4), cond)


@pytest.mark.parametrize("levels", [(0.6, 0.6, 0.6), (0.0, 0.3, 0.9), (1.0, 0.5, 0.0)])
def test_the_posterior_mean_is_the_best_linear_estimate(levels):
    draws, cov, mean = 200_000, covariance(3, 0.9), torch.tensor([0.5, -1.0, 2.0])
    root = torch.linalg.cholesky(cov)
    x0 = mean + normal((draws, 3), "x0") @ root.T
    noise = torch.tensor(levels).expand(draws, 3)
    x = (1 - noise) * x0 + noise * normal((draws, 3), "eps")
    estimate = posterior_mean(x[..., None], 1 - noise, noise, mean.expand(draws, 3)[..., None], cov)[..., 0]
    error = x0 - estimate
    assert error.mean(0).abs().max() < 0.01
    assert (error.T @ (x - x.mean(0)) / draws).abs().max() < 0.01, "the error is orthogonal to what is seen"
    clean = noise[0] == 0
    assert torch.allclose(estimate[:, clean], x0[:, clean], atol=1e-4)


@pytest.mark.parametrize(("kind", "end"), SCHEDULES)
def test_the_sampler_converges_to_the_exact_solution_at_first_order(kind, end):
    made = model(kind, end)
    noise = normal((4, 3, 4, 4), "ode").double()
    schedule = made.schedule(8)
    s, n = schedule.signal[-1].double(), schedule.noise[-1].double()
    mean = expected(made)[0].double()
    values, vectors = torch.linalg.eigh(covariance(4, made.rho).double())
    start = torch.einsum("tk,tchw->kchw", vectors, n * noise - s * mean)
    scale = (values / (s * s * values + n * n)).sqrt()[:, None, None, None]
    exact = mean + torch.einsum("tk,kchw->tchw", vectors, scale * start)
    errors = []
    for steps in (16, 32, 64, 128):
        rollout = chunks(made, steps, 1)
        branches = rollout.expand(propose(rollout.start(["p"], GREY, 0), 1, rollout.noise_shape()))
        branches = [type(b)(b.candidate, float(n) * noise.float(), b.cond) for b in branches]
        errors.append(float((rollout.commit(branches)[0].state.clean - exact).abs().max()))
    orders = [math.log2(a / b) for a, b in itertools.pairwise(errors)]
    assert orders[-1] == pytest.approx(1.0, abs=0.12), (errors, orders)


@pytest.mark.parametrize(("kind", "end"), SCHEDULES)
@pytest.mark.parametrize("look", [1, 2, 5])
def test_preview_and_final_scores_correlate_as_derived(kind, end, look):
    rollout = chunks(model(kind, end), 8, 1)
    state = rollout.start(["p"], GREY, 0)
    branches = rollout.expand(propose(state, 600, rollout.noise_shape()))
    judge = Judge(Linear(WEIGHTS), 8.0)
    branches = judge.previews(rollout.refine(branches, look), look)
    clips = [f.frames for f in rollout.commit(branches)]
    previews = torch.tensor([b.score for b in branches])
    finals = torch.tensor([v for v, _ in judge.clips(clips, branches)])
    r, spread = reward_law(rollout.model, 8, look)
    assert float(finals.std()) == pytest.approx(spread, rel=0.12)
    if look == 1 and end == 1.0:
        assert r == 0.0
        assert float(previews.std()) < 1e-6, "a schedule that ends in pure noise makes the first look blind"
    else:
        measured = float(torch.corrcoef(torch.stack([previews, finals]))[0, 1])
        assert measured == pytest.approx(r, abs=4 * (1 - r * r) / math.sqrt(600) + 1e-4)


@pytest.mark.parametrize(("look", "candidates"), [(1, 4), (2, 4), (8, 2)])
def test_the_search_gains_what_order_statistics_say(look, candidates):
    rollout = chunks(model(), 8, 1)
    reward = Linear(WEIGHTS)
    method = NoiseSearch(candidates, ((look, 1),))
    picked = [run(method, rollout, reward, ["p"], image=GREY, seed=i).generated.score for i in range(120)]
    r, spread = reward_law(rollout.model, 8, look)
    best = {2: 1 / math.sqrt(math.pi), 4: 1.02938}[candidates]  # mean of the largest of k normals
    base = float(reward(rollout.model.decode(expected(rollout.model), []), ["p"], fps=8.0).values)
    four_sigma = 4 * spread / math.sqrt(len(picked))
    assert sum(picked) / len(picked) - base == pytest.approx(r * spread * best, abs=four_sigma)


def test_rank_correlations_are_those_of_the_law():
    reports = preview_correlation(
        chunks(model(), 8, 3), Linear(WEIGHTS), ["p", "q"], [1, 2, 4, 8], candidates=64, seeds=(0, 1)
    )
    assert [r.look for r in reports] == [1, 2, 4, 8]
    for report in reports:
        r, spread = reward_law(model(), 8, report.look)
        assert report.contexts == 12
        assert report.rho == pytest.approx(6 / math.pi * math.asin(r / 2), abs=0.12)
        assert report.best_gain == pytest.approx(spread * 2.37, rel=0.15)
    assert reports[0].rho == 0.0
    assert reports[-1].gain == pytest.approx(reports[-1].best_gain)
    assert abs(reports[0].gain) < 0.5 * reports[0].best_gain


def test_a_chunk_depends_on_its_history_so_a_video_drifts():
    made = GaussianModel(size=8, frames_per_chunk=2, rho=0.9, prompt_strength=0.0)
    rollout = chunks(made, 24, 6)
    state, lasts = rollout.start(["p"], None, 0), []
    for _ in range(6):
        finished = rollout.commit(rollout.expand(propose(state, 1, rollout.noise_shape())))
        state = finished[0].state
        lasts.append(state.clean[-1].flatten())
    near = torch.corrcoef(torch.stack(lasts))
    assert float(near[0, 1]) == pytest.approx(0.9**2, abs=0.12)
    assert float(near[0, 5]) < 0.6
    assert stats.kstest(lasts[-1].numpy(), "norm").pvalue > 1e-3
