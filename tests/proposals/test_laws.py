"""The noise of every proposal keeps the law that it declares; a new file is tested the day it appears."""

import math

import pytest
import torch
from scipy import stats

from rewards.base import UserError
from sn_eval import proposals
from sn_eval.interfaces import State
from sn_eval.proposals.frequency import low_pass
from sn_eval.proposals.tilted import tilt
from sn_eval.sampling import generator

SHAPE = (4, 8, 16, 16)
ALL = [proposals.create(name) for name in proposals.names()]
NORMAL = [p for p in ALL if p.marginal == "normal"]
PARAMS = [("local", {"beta": b}) for b in (0.1, 0.5, 0.9)] + [
    ("frequency", {"cutoff": c}) for c in (0.1, 0.5)
]


def noise(seed):
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def state(seed=0, clean=None):
    smooth = torch.nn.functional.avg_pool2d(noise(seed + 100), 5, 1, 2) * 3
    return State(0, ("p",), None, noise=noise(seed), clean=smooth if clean is None else clean)


def drawn(proposal, beam, seed=1):
    return proposal.draw(beam, None, noise(seed), generator("test", seed)).noise


def correlation(a, b):
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


@pytest.mark.parametrize("proposal", ALL, ids=lambda p: p.name)
def test_contract(proposal):
    beam = state()
    first, again = drawn(proposal, beam), drawn(proposal, beam)
    assert first.shape == SHAPE
    assert torch.equal(first, again), "the same names give the same noise"
    assert torch.isfinite(first).all()
    assert first.var().item() == pytest.approx(1.0, abs=0.03), "unit variance"
    assert first.mean().abs() < 0.05
    assert torch.equal(beam.noise, noise(0)), "the beam is not changed"
    assert drawn(proposal, State(0, ("p",), None)).shape == SHAPE, "nothing to stay near to"


@pytest.mark.parametrize("proposal", NORMAL + [proposals.create(n, **p) for n, p in PARAMS], ids=repr)
def test_a_normal_marginal_is_standard_normal_and_white(proposal):
    got = drawn(proposal, state())
    assert stats.kstest(got.flatten().numpy(), "norm").pvalue > 1e-3
    limit = 4 / math.sqrt(got.numel())
    assert abs(correlation(got[..., 1:], got[..., :-1])) < limit
    assert abs(correlation(got[..., 1:, :], got[..., :-1, :])) < limit
    assert abs(correlation(got[1:], got[:-1])) < limit
    spectrum = torch.fft.fft2(got, norm="ortho").abs().square().mean((0, 1))
    assert (spectrum - 1).abs().max() < 5 / math.sqrt(SHAPE[0] * SHAPE[1] / 2)


def test_a_structured_proposal_is_no_white_noise():
    strong = proposals.create("renoise", keep=0.6)
    assert (
        abs(correlation(*(drawn(strong, state())[..., s] for s in (slice(1, None), slice(None, -1))))) > 0.1
    )


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.7, 1.0])
def test_local_keeps_the_correlation_that_it_says(beta):
    got = drawn(proposals.create("local", beta=beta), state())
    assert correlation(got, noise(0)) == pytest.approx(math.sqrt(1 - beta**2), abs=0.03)


def test_a_long_walk_of_local_steps_stays_standard_normal():
    beam, local = state(), proposals.create("local", beta=0.4)
    for i in range(40):
        beam = State(0, ("p",), None, noise=drawn(local, beam, 10 + i), clean=beam.clean)
    assert beam.noise.var().item() == pytest.approx(1.0, abs=0.03)
    assert abs(correlation(beam.noise, noise(0))) < 0.05


def test_frequency_keeps_the_layout_and_draws_the_details():
    got = drawn(proposals.create("frequency", cutoff=0.3), state())
    low = low_pass(16, 16, 0.3)
    kept, seen = torch.fft.fft2(noise(0)), torch.fft.fft2(got)
    shared = (kept.conj() * seen).real.mean((0, 1)) / kept.abs().square().mean((0, 1))
    assert (shared - low).abs().max() < 0.6
    assert shared[low > 0.8].mean() > 0.8
    assert shared[low < 0.05].mean().abs() < 0.1


def test_proposals_differ_from_each_other():
    beam = state()
    got = {p.name: drawn(p, beam) for p in ALL if not p.adaptive}
    near = {name: correlation(x, beam.noise) for name, x in got.items()}
    assert abs(near["gaussian"]) < 0.05
    assert near["local"] > 0.5
    assert 0.02 < near["frequency"] < 0.5
    assert correlation(got["renoise"], beam.clean) > 0.15


def test_tilted_moves_toward_the_arm_that_wins_and_never_forgets_the_others():
    tilted = proposals.create("tilted", rate=0.5, floor=0.05)
    memory = None
    for _ in range(12):
        memory = tilted.learn(memory, "local")
    names = [arm.name for arm in tilted.arms]
    assert sum(memory) == pytest.approx(1.0)
    assert min(memory) >= 0.05 - 1e-12
    assert names[memory.index(max(memory))] == "local"
    draws = [tilted.draw(state(), memory, noise(1), generator("arm", i)).arm for i in range(200)]
    assert draws.count("local") / 200 == pytest.approx(max(memory), abs=0.12)
    assert set(draws) == set(names)


def test_tilt_is_a_distribution():
    assert sum(tilt((0.2, 0.8), 0, rate=1.0, floor=0.1)) == pytest.approx(1.0)
    with pytest.raises(UserError, match="floor"):
        proposals.create("tilted", floor=0.5)
    with pytest.raises(UserError, match="beta"):
        proposals.create("local", beta=1.5)
