"""The README's table of models says what the adapters are: every family has its row, and every cell of it is true."""

import re
from pathlib import Path
from types import SimpleNamespace

import diffusers
import pytest

from sn_eval import models
from sn_eval.interfaces import CachedBlocks
from sn_eval.models.diffusion_forcing import DiffusionForcing
from sn_eval.models.gaussian import GaussianModel
from sn_eval.models.pipeline_families import FAMILIES, Family
from sn_eval.models.tabletop import TabletopModel
from sn_eval.models.wan_families import velocity_of

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
NOISE = {"latents": "initial noise, as latents", "generator": "seed of its generator"}


def rows():
    """Cells of the table by its first one's name, and what stands after the name."""
    section = README.partition("## Models\n")[2].partition("\n## ")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    columns, found = lines[0], []
    for line in lines[2:]:
        name = re.match(r"`(\w+)`(.*)", line[0])
        key = (name[1], name[2].strip()) if name else (line[0], "")
        found.append((key, dict(zip(columns, line, strict=True))))
    return found


TABLE = rows()
BY_NAME = {name: row for (name, more), row in TABLE if "Wan 2.2 TI2V" not in more}


def test_every_model_and_family_has_its_row():
    assert set(BY_NAME) >= {"tabletop", "gaussian", *FAMILIES}
    assert set(models.names()) == {"tabletop", "gaussian", "image_to_video", "diffusion_forcing"}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_black_box_is_described_as_it_is(name):
    row, family = BY_NAME[name], FAMILIES[name]
    assert hasattr(diffusers, name)
    assert row["regime"] == "black box: chunk"
    assert row["what is searched"] == NOISE[family.noise_control]
    drafts = family.cached or "distilled" in row["previews"]  # HunyuanVideo's depends on its weights
    assert row["previews"].startswith("coarse, draft" if drafts else "coarse")
    assert ("draft" in row["previews"]) == drafts
    assert row["run on real weights"] == "no"


def test_an_unknown_pipeline_is_described_as_its_family():
    row = next(row for (name, _), row in TABLE if name.startswith("any other"))
    assert row["what is searched"] == NOISE[Family.noise_control]
    assert row["previews"] == "coarse"


@pytest.mark.parametrize(("key", "row"), [(k, r) for k, r in TABLE if r["regime"].startswith("stepwise")])
def test_a_stepwise_model_is_described_as_it_is(key, row):
    name, more = key
    kind = {"tabletop": TabletopModel, "gaussian": GaussianModel}.get(name, DiffusionForcing)
    assert kind.capability == "stepwise"
    assert kind.per_frame_levels
    assert row["regime"] == "stepwise: chunk, fifo"
    if kind is DiffusionForcing:
        pipeline = type(name, (), {"config": SimpleNamespace(expand_timesteps="TI2V" in more)})()
        assert hasattr(diffusers, name)
        assert callable(velocity_of(pipeline))
    else:
        assert isinstance(kind, CachedBlocks) == ("draft" in row["previews"])
