"""One step of the sampler, its conversions, its names for noise, and batches that shrink until they fit."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards.base import UserError
from sn_eval.interfaces import Cond
from sn_eval.sampling import (
    Batches,
    angular_schedule,
    child,
    flow_schedule,
    key,
    normal,
    per_frame,
    step,
    sub_seed,
    x0_from_eps,
    x0_from_flow,
    x0_from_v,
)

X0, EPS = normal((1, 3, 2, 4, 4), "x0"), normal((1, 3, 2, 4, 4), "eps")


def levels(*pairs):
    return tuple(torch.tensor([column]) for column in zip(*pairs, strict=True))


@pytest.mark.parametrize("schedule", [flow_schedule(8, 2.0), angular_schedule(8), angular_schedule(8, 0.8)])
def test_schedules_start_clean_and_end_noisy(schedule):
    assert schedule.steps == 8
    assert schedule.signal[0] == 1
    assert schedule.noise[0] == 0
    assert (schedule.signal.diff() < 0).all()
    assert (schedule.noise.diff() > 0).all()
    assert schedule.signal[-1] >= 0


def test_only_a_schedule_cut_short_leaves_signal_at_the_top():
    assert flow_schedule(4).signal[-1] == 0
    assert angular_schedule(4).signal[-1] == 0
    assert angular_schedule(4, 0.9).signal[-1] > 0.1


@given(st.floats(0.05, 0.95), st.floats(0.05, 0.95))
@settings(deadline=None, max_examples=20)
def test_a_step_with_the_true_x0_stays_on_the_line(one, two):
    now, then = levels(*[(1 - one, one)] * 3), levels(*[(1 - two, two)] * 3)
    x = per_frame(now[0]) * X0 + per_frame(now[1]) * EPS
    wanted = per_frame(then[0]) * X0 + per_frame(then[1]) * EPS if one != two else x
    assert torch.allclose(step(x, X0, now, then), wanted, atol=1e-4)


def test_the_flow_step_is_eulers():
    now, then = levels(*[(0.3, 0.7)] * 3), levels(*[(0.5, 0.5)] * 3)
    velocity = EPS - X0
    x = 0.3 * X0 + 0.7 * EPS
    assert torch.allclose(
        step(x, x0_from_flow(x, velocity, now[1]), now, then), x - 0.2 * velocity, atol=1e-5
    )


def test_frames_without_noise_or_at_rest_are_untouched():
    now, then = levels((1.0, 0.0), (0.4, 0.6), (0.4, 0.6)), levels((1.0, 0.0), (0.4, 0.6), (0.7, 0.3))
    x = normal((1, 3, 2, 4, 4), "x")
    for eta, fresh in ((0.0, None), (1.0, EPS)):
        moved = step(x, X0, now, then, eta, fresh)
        assert torch.equal(moved[:, :2], x[:, :2])
        assert not torch.allclose(moved[:, 2], x[:, 2])


def test_the_last_step_gives_x0():
    now, then = levels(*[(0.0, 1.0)] * 3), levels(*[(1.0, 0.0)] * 3)
    for eta in (0.0, 1.0):
        assert torch.allclose(step(EPS, X0, now, then, eta, EPS), X0, atol=1e-6)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("now", "then"), [((0.3, 0.7), (0.6, 0.4)), ((0.0, 1.0), (0.2, 0.8))])
def test_a_stochastic_step_keeps_the_forward_law(eta, now, then):
    shape = (1, 1, 1, 200, 200)
    x0 = torch.full(shape, 2.0)
    x = now[0] * x0 + now[1] * normal(shape, "law")
    moved = step(x, x0, levels(now), levels(then), eta, normal(shape, "fresh"))
    assert moved.mean().item() == pytest.approx(then[0] * 2.0, abs=0.02)
    assert moved.std().item() == pytest.approx(then[1], rel=0.02)


def test_full_stochasticity_is_the_posterior_of_the_forward_process():
    """Correlation of x and x' given x0: that of the Markov chain, s·n'/(s'·n)."""
    shape, now, then = (1, 1, 1, 300, 300), (0.3, 0.7), (0.6, 0.4)
    x0 = torch.zeros(shape)
    x = 0.7 * normal(shape, "markov")
    moved = step(x, x0, levels(now), levels(then), 1.0, normal(shape, "posterior"))
    measured = torch.corrcoef(torch.stack([x.flatten(), moved.flatten()]))[0, 1].item()
    assert measured == pytest.approx(0.3 * 0.4 / (0.6 * 0.7), abs=0.02)


@pytest.mark.parametrize("angle", [0.3, 1.2])
def test_conversions_give_x0_back(angle):
    s, n = torch.full((1, 3), angle).cos(), torch.full((1, 3), angle).sin()
    x = per_frame(s) * X0 + per_frame(n) * EPS
    v = per_frame(s) * EPS - per_frame(n) * X0
    assert torch.allclose(x0_from_v(x, v, s, n), X0, atol=1e-5)
    assert torch.allclose(x0_from_eps(x, EPS, s, n), X0, atol=1e-4)


def test_names_are_pinned():
    """A change here changes every video: make it a new version."""
    assert key("a", 1) == 5566339428396816726
    assert child(0, 0) == 0
    assert sub_seed(7, 0) == 7
    assert len({child(k, c) for k in (0, 1, 2) for c in range(50)}) == 150
    assert torch.equal(normal((2,), 1, "x"), normal((2,), 1, "x"))
    assert not torch.equal(normal((2,), 1, "x"), normal((2,), 2, "x"))


def test_a_batch_that_does_not_fit_is_halved_until_it_does(caplog):
    batches, sizes = Batches(), []

    def network(x, cond):
        sizes.append(len(x))
        if len(x) > 3:
            raise torch.OutOfMemoryError("too much")
        assert len(cond) == len(x)
        return x * 2

    x, cond = torch.arange(10.0), Cond(tuple("abcdefghij"))
    assert torch.equal(batches(network, x, cond), x * 2)
    assert sizes == [10, 5, 2, 2, 2, 2, 2]
    assert batches.limit == 2
    assert [r.message.split("--")[1] for r in caplog.records] == ["max-batch 5", "max-batch 2"]
    sizes.clear()
    batches(network, x, cond)
    assert sizes == [2] * 5, "what did not fit is not tried again"


def test_a_single_sample_that_does_not_fit_is_an_error():
    def full(x):
        raise torch.OutOfMemoryError("too much")

    with pytest.raises(UserError, match="batch of 1"):
        Batches(1)(full, torch.zeros(3))


def test_conditions_are_batches():
    cond = Cond(("a", "b"), {"t": torch.tensor([[1.0], [2.0]])})
    assert cond.repeat(2).prompts == ("a", "a", "b", "b")
    assert cond.index([1, 0]).tensors["t"].flatten().tolist() == [2.0, 1.0]
    joined = Cond.cat([cond[1:], cond[:1]])
    assert joined.prompts == ("b", "a")
    assert joined.tensors["t"].flatten().tolist() == [2.0, 1.0]
