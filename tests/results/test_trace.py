"""Traces stream: every finished row survives, whatever happens next."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from sn_eval.results.files import ResultsError
from sn_eval.results.trace import TraceWriter, read_trace

ROWS = [{"step": i, "score": i / 3, "kept": i % 2 == 0, "parent": None} for i in range(5)]


def test_round_trip(tmp_path):
    with TraceWriter(tmp_path / "new" / "trace.jsonl") as trace:
        for row in ROWS:
            trace.write(row)
    assert list(read_trace(tmp_path / "new" / "trace.jsonl")) == ROWS


def test_rows_are_on_disk_before_the_writer_is_closed(tmp_path):
    trace = TraceWriter(tmp_path / "t.jsonl")
    trace.write(ROWS[0])
    assert list(read_trace(tmp_path / "t.jsonl")) == ROWS[:1]
    trace.close()
    trace.close()


def test_numbers_of_numpy_and_torch_and_nan(tmp_path):
    with TraceWriter(tmp_path / "t.jsonl") as trace:
        row = {"a": np.float32(0.5), "b": torch.tensor([1, 2]), "c": float("nan"), "d": {"e": np.arange(2)}}
        trace.write(row)
    assert next(read_trace(tmp_path / "t.jsonl")) == {"a": 0.5, "b": [1, 2], "c": None, "d": {"e": [0, 1]}}


def test_what_json_cannot_hold_is_refused_and_leaves_no_half_line(tmp_path):
    with TraceWriter(tmp_path / "t.jsonl") as trace:
        trace.write(ROWS[0])
        with pytest.raises(TypeError):
            trace.write({"x": object()})
        trace.write(ROWS[1])
    assert list(read_trace(tmp_path / "t.jsonl")) == ROWS[:2]


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_cut_last_line_is_dropped(tmp_path, cut):
    with TraceWriter(tmp_path / "t.jsonl") as trace:
        for row in ROWS:
            trace.write(row)
    whole = (tmp_path / "t.jsonl").read_bytes()
    (tmp_path / "t.jsonl").write_bytes(whole[:-cut])
    assert list(read_trace(tmp_path / "t.jsonl")) == ROWS[:-1]


def test_a_bad_line_in_the_middle_is_an_error_with_its_number(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"a":1}\n{"a":\n{"a":3}\n')
    rows = read_trace(tmp_path / "t.jsonl")
    assert next(rows) == {"a": 1}
    with pytest.raises(ResultsError, match="line 2: not JSON"):
        next(rows)
    (tmp_path / "t.jsonl").write_text("[1]\n")
    with pytest.raises(ResultsError, match="line 1: list, but a trace holds objects"):
        next(read_trace(tmp_path / "t.jsonl"))


def test_errors_are_one_line(tmp_path):
    with pytest.raises(ResultsError, match="cannot read the trace .*No such file"):
        next(read_trace(tmp_path / "t.jsonl"))
    with pytest.raises(ResultsError, match="cannot write"):
        TraceWriter(tmp_path)
    trace = TraceWriter(tmp_path / "t.jsonl")
    trace.close()
    with pytest.raises(ResultsError, match="closed"):
        trace.write(ROWS[0])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs the device that is always full")
def test_a_full_disk_is_one_line():
    message = "cannot write /dev/full: No space left on device"
    with pytest.raises(ResultsError, match=message), TraceWriter("/dev/full") as trace:
        trace.write(ROWS[0])


def test_kill_9_leaves_every_row_but_the_one_being_written(tmp_path):
    program = """if True:
        import sys
        from pathlib import Path
        from sn_eval.results.trace import TraceWriter
        with TraceWriter(Path(sys.argv[1])) as trace:
            for number in range(10**9):
                trace.write({"number": number, "text": "x" * 100})
                if number % 1000 == 0:
                    print(number, flush=True)
    """
    path = tmp_path / "t.jsonl"
    child = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    said = [int(child.stdout.readline()) for _ in range(4)][-1]
    child.send_signal(signal.SIGKILL)
    child.wait()
    numbers = [row["number"] for row in read_trace(path)]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > said
