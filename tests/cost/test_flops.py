"""Counting once and multiplying gives what counting always would give."""

import torch

from sn_eval.cost.flops import FlopCount, signature
from sn_eval.interfaces import Cond, History


def test_multiplied_is_what_counting_each_call_gives():
    count = FlopCount()
    for batch in (1, 3, 3, 3, 1, 1, 7):
        count.call("mm", torch.mm, torch.zeros(batch, 4), torch.zeros(4, 5))
    assert count.total == (1 + 3 + 3 + 3 + 1 + 1 + 7) * 2 * 4 * 5


def test_what_a_first_call_caches_is_not_multiplied():
    cache = {}

    def embed_then_score(x):
        if "text" not in cache:
            cache["text"] = torch.zeros(100, 100) @ torch.zeros(100, 100)
        return x @ torch.zeros(4, 4)

    count = FlopCount()
    for _ in range(10):
        count.call("reward", embed_then_score, torch.zeros(2, 4))
    assert count.total == 2 * 100**3 + 10 * (2 * 2 * 4 * 4)


def test_without_gradients_and_in_inference_mode():
    for mode in (torch.no_grad, torch.inference_mode):
        count = FlopCount()
        layer = torch.nn.Conv2d(3, 5, 3)
        with mode():
            for _ in range(3):
                count.call("conv", layer, torch.zeros(2, 3, 8, 8))
        assert count.total == 3 * (2 * 2 * 5 * 6 * 6 * 3 * 3 * 3)


def test_signatures_follow_shapes_not_values():
    def cond(n, value):
        return Cond(("prompt",) * n, {"last": torch.full((n, 2), value)})

    assert signature(cond(2, 0.0)) == signature(cond(2, 1.0))
    assert signature(cond(2, 0.0)) != signature(cond(3, 0.0))
    assert signature(History(chunks=1)) == signature(History(chunks=2)), "counting on is not a new shape"
    assert signature(History(latents=torch.zeros(2, 3))) != signature(History(latents=torch.zeros(3, 3)))
    assert signature((torch.zeros(1), 4)) != signature((torch.zeros(1), 5)), "steps of a black box"
