"""The embedded model as it is shipped: it loads, fits its limits, and the pages that speak of it hold together."""

import re

import pytest
import torch

from sn_eval import models
from sn_eval.results.paths import data_path

FOLDER = data_path("models/tabletop")
ROOT = FOLDER.parents[2]
MEBI = 1 << 20


def test_it_loads_and_continues_a_scene():
    model = models.create("tabletop")
    prompt = "a red ball lies still, on a white table"
    start = model.start(prompt, None, 0)
    x = torch.randn(1, *model.latent_shape(6), generator=torch.Generator().manual_seed(0))
    clean = model.denoise(x, torch.ones(1, 6), model.condition([prompt], [start]))
    made = model.decode(clean, [start])
    assert torch.isfinite(clean).all()
    assert (made - start.frames[-1]).abs().mean() < 0.05, "a still scene goes on as it was, even after one step"


def test_it_is_small_enough_and_described():
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 48 * MEBI
    assert max(path.stat().st_size for path in files) < 16 * MEBI
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".md", ".png"}, "no checkpoint is shipped"
    card = (FOLDER / "README.md").read_text()
    for part in ("Data", "Recipe", "Gates", "Limits"):
        assert f"## {part}" in card


@pytest.mark.parametrize("page", [ROOT / "README.md", FOLDER / "README.md"], ids=["README", "model card"])
def test_pages_link_to_what_exists_and_hold_no_placeholder(page):
    text = page.read_text()
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        if not link.startswith("http"):
            assert (page.parent / link).exists(), link
    assert not re.search(r"^(RESULTS|GATES|TODO)\b", text, re.MULTILINE)
