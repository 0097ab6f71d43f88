"""A long video needs no more memory than a short one, and no call of an encoder or of flow is made twice."""

from collections import Counter

import pytest
import torch

from benchmarks.speed.measuring import Calls, growth, moving
from rewards.encoders import Encoder
from sn_eval.evaluation.evaluate import measure_frames
from sn_eval.evaluation.suite import load_suite
from sn_eval.metrics import base, motion_smoothness

SUITE = """
name: lean
about: What keeps something of the past, for the test of memory.
metrics:
  - use: temporal_flickering
  - use: warping_error
  - use: motion_smoothness
  - use: dynamic_degree
  - use: moving_share
  - use: lag_consistency
    params: {encoder: imagenet-lite0@32}
  - use: drift
    params: {quantity: light}
  - use: motion_floor
"""


@pytest.mark.slow
def test_peak_memory_does_not_grow_with_length(tmp_path):
    path = tmp_path / "lean.yaml"
    path.write_text(SUITE)
    assert growth(2_000, str(path)) <= 1.05


def test_the_bundled_suite_encodes_each_frame_once_and_measures_each_pair_once(monkeypatch):
    video, suite = moving(20, 64), load_suite("bundled")
    pictures, pairs = Counter(), Counter()
    encode, flow = Encoder._run, base.flow

    def counted_run(encoder, part, images):
        pictures[encoder.name] += len(images)
        return encode(encoder, part, images)

    def counted_flow(earlier, later):
        for one, two in zip(earlier, later, strict=True):
            pairs[one.numpy().tobytes(), two.numpy().tobytes()] += 1
        return flow(earlier, later)

    monkeypatch.setattr(Encoder, "_run", counted_run)
    monkeypatch.setattr(base, "flow", counted_flow)
    monkeypatch.setattr(motion_smoothness, "flow", counted_flow)
    measure_frames(video, suite)
    assert set(pictures.values()) == {20}
    assert set(pairs.values()) == {1}
    assert len(pairs) == 2 * (19 + 18), "neighbours there and back, and the neighbours of each frame"


def test_the_stopwatch_leaves_everything_as_it_was():
    before = Encoder._run, base.flow, motion_smoothness.flow
    with Calls() as calls:
        base.flow(torch.rand(1, 32, 32), torch.rand(1, 32, 32))
    assert calls.seconds > 0
    assert (Encoder._run, base.flow, motion_smoothness.flow) == before
