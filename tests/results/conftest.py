"""A record as a run would leave it."""

import pytest

from sn_eval.results.record import Component, Cost, Environment, Quantity, Record, Seconds, versions


def make_record(**changes) -> Record:
    count = Quantity.measured
    cost = Cost(
        nfe=count(480, "forward hooks"),
        nfe_preview=count(128, "forward hooks"),
        decoded_frames=count(96, "counted"),
        reward_frames=count(96, "counted"),
        seconds=Seconds(by_phase={"generate": 2.5, "decode": 0.5}, source="measured", how="wall clock"),
        flops=Quantity.estimated(1e9, "once a shape"),
        peak_memory_bytes=count(2**28, "VmHWM"),
        energy_joules=Quantity.none("no counter"),
    )
    fields = {
        "id": "v1-abc", "prompt": "赤いグラス <b>", "seed": 7,
        "frames": 40, "fps": 8.0, "width": 64, "height": 64,
        "model": Component(use="tabletop"), "rollout": Component(use="chunk", params={"chunks": 5}),
        "method": Component(use="scaling_noise", params={"beams": 2, "candidates": 4}),
        "frames_sha256": "0" * 64, "scores": {"persistence": 0.8, "spill": float("nan")},
        "parameters": {"steps": 8}, "cost": cost, "versions": dict(versions()),
        "environment": Environment(device="cpu", threads=2, max_batch=32),
    }  # fmt: skip
    return Record(**(fields | changes))


@pytest.fixture
def record() -> Record:
    return make_record()


@pytest.fixture
def other() -> Record:
    """The same cell with another seed, scored on other names."""
    return make_record(id="v1-def", seed=8, scores={"persistence": 0.5, "extra": 1.0})
