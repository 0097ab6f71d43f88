"""A reward with an encoder asks it once a batch, however many videos there are."""

import pytest
from rewarding import PARAMS, video

import rewards
from benchmarks.speed.rewarding import Watch, measure
from rewards.base import UserError
from rewards.encoders import Encoder, create_encoder


@pytest.mark.parametrize("name", rewards.names())
def test_a_batch_is_one_call_of_the_encoder(name):
    try:
        made = rewards.create(name, **PARAMS.get(name, {}))
    except UserError as error:
        pytest.skip(str(error))
    if made.spec.encoder is None:
        pytest.skip("it has no encoder")
    clips = video(4).expand(3, -1, -1, -1, -1)
    with Watch(create_encoder(made.spec.encoder).network) as watch:
        made(clips[:, 1:], ["a ball rolls"] * 3, fps=8.0, anchor=clips[:, :1])
    assert watch.calls == 1


def test_the_benchmark_counts_them_and_leaves_the_network_as_it_was():
    whole = Encoder._run
    speed = measure("anchor_consistency", {"encoder": "imagenet-lite0@32"}, clips=3, frames=2, repeats=1)
    assert speed.calls == 1
    assert 0 < speed.outside < 1
    assert "encoder calls a batch: 1" in str(speed)
    assert Encoder._run is whole
    assert not create_encoder("imagenet-lite0@32").network._forward_hooks
