"""Memory does not grow with length: 2,000 chunks against 20, in a process of its own."""

import json
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("name", "knobs", "chunks"),
    [("scaling_noise", {"beams": 2, "candidates": 2, "look": 1}, 2000), ("best_of_n", {"videos": 2}, 200)],
)
def test_peak_memory_does_not_grow_with_length(name, knobs, chunks):
    command = [sys.executable, "-m", "benchmarks.speed.memory", name, json.dumps(knobs), str(chunks)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout)
    early, late = got["alive"]["20"], got["alive"][str(chunks)]
    assert got["ratio"] <= 1.05
    assert late[0] <= early[0] + 50, "tensors alive after the last chunk, and after the 20th"
    assert late[1] <= 1.2 * early[1]
