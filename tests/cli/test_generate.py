"""`generate` and `compare` as a user meets them: a process, its files, its one-line errors."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from small_model import write_untrained

from sn_eval.video import read_video

PROMPT = "a red ball rolls to the left"


def sn_eval(*args, **more):
    command = [sys.executable, "-m", "sn_eval", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **more)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_untrained(tmp_path_factory.mktemp("model"))


def test_generate_writes_what_it_promises(tmp_path, model):
    out = tmp_path / "out"
    done = sn_eval("generate", PROMPT, "--model", model, "--steps", 2, "--chunks", 2, "--look", 1, "--beams", 1,
                   "--candidates", 2, "--out", out, "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["cost"]["nfe"]["value"] == 2 * (2 * 1 + 1)
    assert {p.name for p in out.iterdir()} == {
        "video.mp4",
        "contact_sheet.png",
        "search.png",
        "candidates.jpg",
        "candidates.json",
        "trace.jsonl",
        "record.json",
    }
    assert read_video(out / "video.mp4").shape == (3 + 2 * 6, 3, 256, 256)
    again = sn_eval("generate", PROMPT, "--model", model, "--out", out)
    assert again.returncode == 2
    assert "holds a finished video" in again.stderr


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["generate", ""], "empty prompt"),
        (["generate", "a cat"], "none of the objects the tabletop model knows"),
        (["generate", PROMPT, "--method", "scaling_nois"], "Did you mean 'scaling_noise'"),
        (["generate", PROMPT, "--reward", "tabletop_qualty"], "Did you mean 'tabletop_quality'"),
        (["generate", PROMPT, "--rollout", "chunks"], "Did you mean 'chunk'"),
        (["generate", PROMPT, "--proposals", "locl"], "Did you mean 'local'"),
        (["generate", PROMPT, "--beams", 0], "beams"),
        (["generate", PROMPT, "--candidates", 0], "candidates"),
        (["generate", PROMPT, "--chunks", -3], "chunks"),
        (["generate", PROMPT, "--steps", 0], "steps"),
        (["generate", PROMPT, "--look", 99], "look is 99"),
        (["generate", PROMPT, "--preview", "late"], "preview"),
        (["generate", PROMPT, "--budget", 7], "48"),
        (["generate", PROMPT, "--method", "best_of_n", "--beams", 2], "beams"),
        (["generate", PROMPT, "--size", "32"], "WIDTHxHEIGHT"),
        (["generate", PROMPT, "--size", "32x32"], "64x64"),
        (["generate", PROMPT, "--image", "nowhere.png"], "nowhere.png"),
        (["generate", PROMPT, "--schedule", "nowhere.txt"], "nowhere.txt"),
        (["generate", PROMPT, "--seconds", 2, "--chunks", 2], "give one"),
        (["generate", PROMPT, "--seconds", -2], "above 0"),
        (["generate", PROMPT, "--device", "cuda:9"], "device 'cuda:9' cannot be used here"),
        (["compare", "--suite", "nothing"], "no experiment 'nothing'"),
        (["compare", "--budget", 3], "64"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_exit_2(tmp_path, model, args, told):
    if args[0] == "generate":
        args = [*args, "--model", model]
    done = sn_eval(*args, "--out", tmp_path / "out", "--quiet")
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_users_broken_reward_is_told(tmp_path, model):
    bad = tmp_path / "bad.py"
    for text, told in (
        ("def broken(:\n", "bad.py"),
        (
            "from rewards.base import reward\n@reward(family='x')\n"
            "def broken(frames, prompts, *, fps, anchor=None, metadata=None):\n    return frames\n",
            "returned shape",
        ),
    ):
        bad.write_text(text)
        done = sn_eval("generate", PROMPT, "--model", model, "--reward", f"{bad}:broken", "--steps", 2, "--look", 1,
                       "--chunks", 1, "--out", tmp_path / f"out{len(told)}", "--quiet")  # fmt: skip
        assert done.returncode == 2
        assert told in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_broken_weights_unreadable_image_and_folder(tmp_path, model):
    cut = write_untrained(tmp_path / "cut")
    weights = cut / "denoiser" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    no_image = tmp_path / "no.png"
    no_image.write_text("text")
    blocked = tmp_path / "file"
    blocked.write_text("")
    for args, told in (
        (["--model", cut], "truncated"),
        (["--model", model, "--image", no_image], "no.png"),
        (["--model", model, "--out", blocked / "out"], "cannot write"),
    ):
        done = sn_eval("generate", PROMPT, "--quiet", "--out", tmp_path / "out", *args)
        assert done.returncode == 2
        assert told in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_ctrl_c_keeps_the_finished_chunks(tmp_path, model):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "sn_eval", "generate", PROMPT, "--model", model, "--method", "plain",
               "--steps", "2", "--chunks", "5000", "--out", out]  # fmt: skip
    running = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if (out / "trace.jsonl").exists() and (out / "trace.jsonl").read_text().count("\n") >= 3:
            break
        time.sleep(0.1)
    os.kill(running.pid, signal.SIGINT)
    told = running.communicate(timeout=60)[1].strip().splitlines()[-1]
    assert running.returncode == 130
    assert str(out) in told
    assert len(read_video(out / "video.partial.mp4")) >= 3 + 2 * 6
    assert not (out / "record.json").exists()


def test_fifo_and_a_schedule_of_prompts(tmp_path, model):
    schedule = tmp_path / "schedule.txt"
    schedule.write_text("# first roll, then rest\na red ball rolls to the left\na red ball lies still\n")
    for name, args in (
        ("fifo", ["--rollout", "fifo", "--steps", 12]),
        ("schedule", ["--schedule", schedule, "--steps", 2]),
    ):
        small = ["--chunks", 2, "--look", 1, "--beams", 1, "--candidates", 2, "--out", tmp_path / name, "--quiet"]
        done = sn_eval("generate", PROMPT, "--model", model, *small, *args)
        assert done.returncode == 0, done.stderr
        record = json.loads((tmp_path / name / "record.json").read_text())
        assert record["frames"] == 3 + 2 * 6
    assert record["schedule"] == ["a red ball rolls to the left", "a red ball lies still"]
