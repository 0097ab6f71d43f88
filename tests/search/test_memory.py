"""Memory does not grow with length: 600 chunks against 100, in a process of its own."""

import json
import subprocess
import sys

import pytest

SEARCH = ("scaling_noise", {"beams": 2, "candidates": 2, "look": 1})


@pytest.mark.parametrize(("name", "knobs", "chunks", "kind"), [
    (*SEARCH, 600, "chunk"), (*SEARCH, 200, "fifo"), ("best_of_n", {"videos": 2}, 200, "chunk"),
])  # fmt: skip
def test_peak_memory_does_not_grow_with_length(name, knobs, chunks, kind):
    command = [sys.executable, "-m", "benchmarks.speed.memory", name, json.dumps(knobs), str(chunks), kind]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout)
    early, late = got["alive"]["100"], got["alive"][str(chunks)]
    assert got["frames"] == {"short": 200, "long": 2 * chunks}
    assert got["ratio"] <= 1.05
    assert late[0] <= early[0] + 50, "tensors alive after the last chunk, and after the 100th"
    assert late[1] <= 1.2 * early[1]
