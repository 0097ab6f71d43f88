"""Inside of `remembering()` no picture goes through an encoder twice, and nothing else changes."""

import gc
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from rewards.encoders import Encoder, Network, Preprocessing, create_encoder
from rewards.remembering import Memory, remembered, remembering


class Counting(Network):
    """Mean and peak of each colour; keeps how many pictures each call had."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.calls = nn.Parameter(torch.ones(1)), []

    def forward(self, x):
        self.calls.append(len(x))
        return torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1)


def counting(name="counting", size=8, **prepare):
    return Encoder(name, name, "0" * 64, Preprocessing(size, (0.0,) * 3, (1.0,) * 3, **prepare), Counting())


def pictures(n, seed=0, size=8):
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(seed))


def encoded(encoder):
    return sum(encoder.network.calls)


@pytest.fixture
def encoder():
    return counting()


# --- sharing ----------------------------------------------------------------------------------------------


def test_the_same_pictures_are_encoded_once_however_they_are_put_together(encoder):
    frames = pictures(6)
    with remembering():
        whole = encoder(frames)
        again = encoder(torch.cat([frames[3:4], frames]))  # an anchor in front
        video = encoder(torch.stack([frames[:3], frames[3:]]))  # [2 3 3 h w]
        part = encoder(frames[1:4].clone())
        one = encoder(frames[2])
    assert encoder.network.calls == [6]
    assert torch.equal(again, torch.cat([whole[3:4], whole]))
    assert torch.equal(video, whole.view(2, 3, -1))
    assert torch.equal(part, whole[1:4])
    assert torch.equal(one, whole[2])


def test_only_new_pictures_go_through_the_network(encoder):
    frames = pictures(6)
    with remembering():
        encoder(frames[:4])
        features = encoder(frames[[5, 0, 4, 3]])
    assert encoder.network.calls == [4, 2]
    assert torch.allclose(features, encoder(frames[[5, 0, 4, 3]]), atol=1e-6)


def test_a_picture_that_comes_twice_in_a_batch_is_encoded_once(encoder):
    one, two = pictures(2)
    with remembering():
        features = encoder(torch.stack([one, two, one, one]))
        still = encoder(two.expand(5, -1, -1, -1))
    assert encoder.network.calls == [2]
    assert torch.equal(features[0], features[2])
    assert torch.equal(still, features[1].expand(5, -1))


def test_a_batch_without_pictures_stays_one_without(encoder):
    with remembering():
        assert encoder(torch.zeros(0, 3, 8, 8)).shape == (0, 6)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=8), min_size=1, max_size=6), st.integers(1, 12))
def test_features_are_those_of_an_encoder_that_remembers_nothing(batches, room):
    frames, encoder = pictures(10), counting()
    with remembering(room):
        found = [encoder(frames[batch]) for batch in batches]
    with_memory = encoded(encoder)
    assert all(torch.allclose(x, encoder(frames[batch]), atol=1e-6) for x, batch in zip(found, batches, strict=True))
    assert with_memory <= sum(map(len, batches))
    if room >= 10:
        assert with_memory == len({i for batch in batches for i in batch})


def test_a_real_networks_features_agree_to_a_hundred_thousandth():
    encoder, frames = create_encoder("imagenet-lite0-early@32"), pictures(12, size=40)
    plain = encoder(frames)
    with remembering():
        first = encoder(frames[:5])
        whole = encoder(frames)  # seven of them encoded, in another batch than before
    assert torch.allclose(first, plain[:5], atol=1e-5)
    assert torch.allclose(whole, plain, atol=1e-5)


# --- what tells pictures and encoders apart -----------------------------------------------------------------


def test_a_change_in_place_is_noticed(encoder):
    frames = pictures(3)
    with remembering():
        before = encoder(frames)
        frames[1] = 0.25
        after = encoder(frames)
        frames[2:].mul_(0.5)  # through a view
        later = encoder(frames)
    assert encoder.network.calls == [3, 1, 1]
    assert torch.equal(after[0], before[0])
    assert after[1, :3].tolist() == [0.25, 0.25, 0.25]
    assert torch.allclose(later[2], before[2] * 0.5, atol=1e-6)


def test_a_change_that_torch_does_not_see_is_noticed(encoder):
    array = pictures(2).numpy().copy()
    frames = torch.from_numpy(array)
    mine = pictures(2, seed=1)
    with remembering():
        encoder(frames), encoder(mine)
        array[0] = 0.5
        mine.numpy()[1] = 0.75
        changed, also = encoder(frames), encoder(mine)
    assert changed[0, 0].item() == pytest.approx(0.5)
    assert also[1, 0].item() == pytest.approx(0.75)


def test_frames_made_in_inference_mode_are_remembered_too(encoder):
    with torch.inference_mode(), remembering():
        frames = pictures(2) * 1.0
        first = encoder(frames)
        frames[0] = 0.5
        second = encoder(frames)
    assert encoder.network.calls == [2, 1]
    assert second[0, 0].item() == pytest.approx(0.5)
    assert torch.equal(first[1], second[1])


def test_half_precision_pictures_have_digests():
    memory = Memory()
    half = pictures(2).bfloat16()
    memory.features("x", half, lambda some: some.float().mean((2, 3)))
    found = memory.features("x", half.clone(), lambda some: pytest.fail("they are known"))
    assert torch.equal(found, half.float().mean((2, 3)))


def test_a_dead_tensors_place_in_memory_may_hold_another(encoder):
    with remembering():
        for seed in range(20):  # freed at once: the next one often has the same id and the same version
            mean = encoder(pictures(1, seed))[0, :3]
            assert torch.allclose(mean, pictures(1, seed).mean((2, 3))[0], atol=1e-6)


@pytest.mark.parametrize("other", [counting("other"), counting(size=4), counting(size=4, antialias=False)])
def test_another_encoder_or_preprocessing_is_encoded_anew(encoder, other):
    other.network.calls.clear()
    frames = pictures(3)
    with remembering():
        encoder(frames)
        assert torch.equal(other(frames), other(frames))
    assert other.network.calls == [3]


def test_what_is_given_out_may_be_changed(encoder):
    frames = pictures(3)
    with remembering():
        first = encoder(frames)
        kept = first.clone()
        first.zero_()
        again = encoder(frames)
        again.zero_()
        assert torch.equal(encoder(frames), kept)


def test_pictures_of_the_same_bytes_and_another_size_are_others(encoder):
    flat = torch.full((1, 3, 8, 8), 0.5)
    with remembering():
        encoder(flat.view(1, 3, 4, 16))
        encoder(flat)
    assert encoder.network.calls == [1, 1]


# --- how much, and how long -----------------------------------------------------------------------------------


def test_the_oldest_are_forgotten_first(encoder):
    frames = pictures(4)
    with remembering(pictures=3):
        encoder(frames[:3])
        encoder(frames[:1])  # the first one was used just now
        encoder(frames[3:])  # the second one has to go
        encoder(frames[[0, 2, 3]])
        assert encoder.network.calls == [3, 1]
        encoder(frames[1:2])
        assert encoder.network.calls == [3, 1, 1]


def test_no_more_is_kept_than_was_asked_for_and_no_batches_behind_it(encoder):
    with remembering(pictures=4) as memory:
        for seed in range(5):
            encoder(pictures(32, seed))
        (kept,) = memory._kept.values()
        assert len(kept) == 4
        sizes = {row.untyped_storage().nbytes() for row in kept.values()}
        assert sizes == {6 * 4}  # a row of six floats, not the 32 rows that it came with
        gc.collect()
        assert not memory._digests  # the batches are gone, so are their digests


def test_a_batch_larger_than_the_memory_is_whole(encoder):
    frames = pictures(10)
    with remembering(pictures=3):
        assert torch.allclose(encoder(frames), encoder(frames[:10]), atol=1e-6)


def test_outside_of_the_block_nothing_is_kept(encoder):
    frames = pictures(2)
    with remembering() as memory:
        encoder(frames)
        watched = [weakref.ref(row) for kept in memory._kept.values() for row in kept.values()]
        assert len(watched) == 2
    assert [ref() for ref in watched] == [None, None]  # at once, without a collection of garbage
    assert remembered() is None
    encoder(frames)
    assert encoder.network.calls == [2, 2]


def test_an_inner_block_uses_the_outer_ones_memory_and_leaves_it(encoder):
    frames = pictures(2)
    with remembering() as outer:
        encoder(frames)
        with remembering(pictures=1) as inner:
            assert inner is outer is remembered()
            encoder(frames)
        encoder(frames)
        assert remembered() is outer
    assert encoder.network.calls == [2]
    assert remembered() is None


def test_an_error_inside_ends_it_too():
    with pytest.raises(KeyError), remembering():
        raise KeyError
    assert remembered() is None
