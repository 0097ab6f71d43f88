"""Every candidate of a trace has its tile, whatever the method; long and large videos stay small."""

import numpy as np
import pytest
import torch
from PIL import Image

import rewards
from sn_eval import models
from sn_eval.poc import search_pictures
from sn_eval.poc.cell import Cell, run_cell
from sn_eval.results.per_frame import load_curves
from sn_eval.results.record import Component
from sn_eval.results.thumbnails import load_thumbnails
from sn_eval.results.trace import read_trace
from sn_eval.video import read_video

BRIGHT = """
from rewards.base import reward

@reward(family="brightness")
def bright(frames, prompts, *, fps, anchor=None, metadata=None):
    return frames.mean(dim=(2, 3, 4)).clamp(0, 1)
"""


@pytest.fixture
def bright(tmp_path):
    (tmp_path / "bright.py").write_text(BRIGHT)
    return f"{tmp_path / 'bright.py'}:bright"


def run(folder, reward, method, knobs, rollout="chunk", how=None, size=8):
    folder.mkdir()
    how = {"steps": 4, "chunks": 3} if how is None else how
    cell = Cell(("a hill",), Component(use="gaussian"), Component(use=rollout, params=how),
                Component(use=method, params=knobs), Component(use=reward))  # fmt: skip
    made = rewards.create(reward)
    run_cell(cell, folder, models.create("gaussian", size=size), made, [made])
    return list(read_trace(folder / "trace.jsonl")), load_thumbnails(folder)


@pytest.mark.parametrize(
    ("method", "knobs"),
    [("scaling_noise", {"beams": 2, "candidates": 3, "look": 2}), ("best_of_n", {"videos": 3}), ("plain", {}),
     ("halving", {"beams": 1, "candidates": 4, "looks": [1, 2]})],
)  # fmt: skip
def test_every_row_of_a_trace_has_its_tile(tmp_path, bright, method, knobs):
    rows, found = run(tmp_path / "out", bright, method, knobs)
    assert {(row["kind"], row["step"], row["key"], row["seed"]) for row in rows} == set(found.places)
    with Image.open(found.picture) as picture:
        assert picture.size == found.size


def test_a_final_tile_is_the_last_frame_of_its_piece(tmp_path, bright):
    rows, found = run(tmp_path / "out", bright, "plain", {})
    frames = read_video(tmp_path / "out" / "video.mp4").float()
    sheet = np.asarray(Image.open(found.picture)).astype(float)
    for row in rows:
        x, y = found.corner("final", row["step"], row["key"], row["seed"])
        tile = sheet[y : y + found.tile[1], x : x + found.tile[0]].mean((0, 1))
        frame = frames[(row["step"] + 1) * 4].mean((1, 2)).numpy()  # one start frame, then chunks of four
        assert np.abs(tile - frame).max() < 12, row["step"]


def test_a_queue_has_tiles_of_its_previews(tmp_path, bright):
    how = {"steps": 4, "chunks": 3}
    rows, found = run(tmp_path / "out", bright, "scaling_noise", {"beams": 1, "candidates": 2, "look": 1}, "fifo", how)
    previews = {(row["kind"], row["step"], row["key"], row["seed"]) for row in rows if row["kind"] == "preview"}
    assert previews
    assert previews <= set(found.places)


def test_the_number_of_tiles_is_bounded(tmp_path, bright, monkeypatch):
    monkeypatch.setattr(search_pictures, "TILES", 7)
    _, found = run(tmp_path / "out", bright, "scaling_noise", {"beams": 2, "candidates": 3, "look": 2})
    assert len(found.places) == 7


def test_large_frames_become_small_tiles(tmp_path, bright):
    _, found = run(tmp_path / "out", bright, "plain", {}, size=2 * search_pictures.TILE)
    assert found.tile == (search_pictures.TILE, search_pictures.TILE)


def test_a_frame_without_numbers_is_a_black_tile():
    assert not search_pictures._small(torch.full((1, 3, 8, 8), float("nan"))).any()


def test_judges_curves_lie_beside_the_record(tmp_path, bright):
    run(tmp_path / "out", bright, "plain", {})
    frames = read_video(tmp_path / "out" / "video.mp4").float() / 255
    (curve,) = {tuple(values) for values in load_curves(tmp_path / "out").values()}
    assert torch.allclose(torch.tensor(curve), frames[1:].mean((1, 2, 3)), atol=0.05)
