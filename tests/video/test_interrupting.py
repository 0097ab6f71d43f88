"""A Ctrl-C in the middle of a frame loses no frame."""

import os
import signal
import threading

import pytest
import torch

from sn_eval.video import VideoWriter, read_video
from sn_eval.video.interrupting import whole_before_ctrl_c


class Interrupted:
    """A stream during whose work someone presses Ctrl-C."""

    def __init__(self, stream):
        self.stream = stream

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def encode(self, frame):
        packets = self.stream.encode(frame)
        if frame is not None:
            os.kill(os.getpid(), signal.SIGINT)
        return packets


def test_what_was_written_before_ctrl_c_is_all_there(tmp_path):
    frames = torch.rand(40, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    def write():
        with VideoWriter(tmp_path / "v.mp4", fps=8) as video:
            video.write(frames)
            video._stream = Interrupted(video._stream)
            video.write(frames[:1])

    with pytest.raises(KeyboardInterrupt):
        write()
    assert len(read_video(tmp_path / "v.partial.mp4")) == 41


def test_it_waits_and_then_takes_effect():
    done, before = [], signal.getsignal(signal.SIGINT)

    def work():
        with whole_before_ctrl_c():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("whole")
        done.append("never")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["whole"]
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_go_on_as_ever():
    def work():
        with whole_before_ctrl_c():
            found.append(1)

    found: list[int] = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [1]
