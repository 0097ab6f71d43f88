"""The shared maths against VBench's own numbers, and against what light and colour must do."""

import doctest
import importlib
import json
import math
from pathlib import Path

import pytest
import torch

from rewards import functional as f
from rewards.anchor_consistency import public_code

GOLDEN = json.loads((Path(__file__).parent / "data" / "vbench_golden.json").read_text())


@pytest.mark.parametrize("case", GOLDEN["consistency"], ids=lambda c: f"{c['kind']}-{c['T']}")
def test_consistency_equals_vbench(case):
    value = f.consistency(torch.tensor(case["features"])[None]).item()
    assert value == pytest.approx(case["subject"], abs=1e-5)
    assert value == pytest.approx(case["background"], abs=1e-5)


@pytest.mark.parametrize("case", GOLDEN["flickering"], ids=lambda c: f"T{c['T']}")
def test_flickering_equals_vbench(case):
    frames = torch.tensor(case["frames_uint8"]).permute(0, 3, 1, 2)[None] / 255
    assert f.temporal_flickering(frames).item() == pytest.approx(case["value"], abs=1e-5)


def test_consistency_of_one_frame_is_not_scored():
    assert math.isnan(f.consistency(torch.ones(1, 1, 4)).item())


def test_the_sliding_anchor_is_the_last_frame_of_the_anchor():
    x, y = [1.0, 0.0], [0.0, 1.0]
    anchor, frames = torch.tensor([[x, y]]), torch.tensor([[y]])
    assert f.anchor_consistency(frames, anchor, fixed=1.0).item() == 0.5
    assert f.anchor_consistency(frames, anchor, fixed=0.0).item() == 1.0


def test_the_public_codes_value_for_seventeen_images():
    assert public_code(torch.tensor([0.4]), 17).item() == pytest.approx(0.5 + 0.5625 * 0.4)


def test_lab_of_known_colours():
    grey, blue = torch.full((3, 1, 1), 0.5), torch.tensor([0.0, 0.0, 1.0]).view(3, 1, 1)
    lab = f.linear_to_lab(f.srgb_to_linear(grey)).flatten()
    assert lab.tolist() == pytest.approx([53.39, 0.0, 0.0], abs=0.05)
    assert f.linear_to_lab(blue).flatten().tolist() == pytest.approx([32.30, 79.20, -107.86], abs=0.1)


def test_tone_ignores_how_much_light_there_is():
    light = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1
    full, half = (f.tone(f.linear_to_lab(x)) for x in (light, light / 2))
    assert torch.allclose(full, half, atol=0.02)


def test_a_gain_is_found_under_a_moving_thing():
    y = torch.rand(1, 100, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.2
    other = 1.3 * y
    other[:, :20] = 0.9
    gain = f.log_gain(other, y, torch.ones(1, 100, dtype=torch.bool)).item()
    assert gain == pytest.approx(math.log(1.3), abs=0.01)


def test_regions_are_found_whatever_their_shape():
    snake = torch.zeros(1, 9, 9, dtype=torch.bool)
    snake[0, 1, 1:8] = snake[0, 1:8, 7] = snake[0, 7, 1:8] = True
    snake[0, 4, 1:3] = True
    labels = f.component_labels(snake)
    areas, order = f.component_areas(labels, snake.float(), 3)
    assert areas.tolist() == [[19.0, 2.0, 0.0]]
    assert (labels == order[0, 1]).sum() == 2


def test_regions_do_not_depend_on_the_batch():
    masks = torch.rand(6, 20, 20, generator=torch.Generator().manual_seed(1)) > 0.6
    alone = torch.cat([f.component_labels(mask[None]) for mask in masks])
    assert torch.equal(f.component_labels(masks), alone)


MODULES = ["functional", "registry", "base", "composite", "anchor_consistency", "encoders", "locating.colour_locator"]


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings(module):
    assert doctest.testmod(importlib.import_module(f"rewards.{module}")).failed == 0
