"""Features find a drawn thing again where it went, miss it when it is gone, and take the mask they are told."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import rewards
from rewards.functional import unit
from rewards.locating.feature_locator import FeatureLocator, stands_out

H, W, SIDE = 96, 128, 32


def noise(h: int, w: int, seed: int, coarse: int) -> Tensor:
    """[3 h w]: coloured blotches of about `coarse` pixels."""
    spots = torch.rand(1, 3, h // coarse, w // coarse, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(spots, (h, w), mode="bicubic").clamp(0, 1)[0]


GROUND = 0.45 + 0.1 * noise(H, W, 1, 16)


def patch(seed: int = 2) -> Tensor:
    """[3 32 32]: a checked thing in colours of its own."""
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    check = ((rows // 4 + columns // 4) % 2).float()
    colours = torch.rand(2, 3, 1, 1, generator=torch.Generator().manual_seed(seed))
    return colours[0] * check + colours[1] * (1 - check)


def frame(x: int | None, y: int = 40, thing: Tensor | None = None) -> Tensor:
    """The ground with the thing's top left corner at (x, y); None: without it."""
    picture = GROUND.clone()
    if x is not None:
        picture[:, y : y + SIDE, x : x + SIDE] = patch() if thing is None else thing
    return picture


def mask_at(x: int, y: int = 40) -> Tensor:
    mask = torch.zeros(H, W, dtype=torch.bool)
    mask[y : y + SIDE, x : x + SIDE] = True
    return mask


TOLD = [{"mask": mask_at(16)}]


@pytest.fixture(scope="module")
def locator():
    return FeatureLocator("imagenet-lite0@96")


@pytest.fixture(scope="module")
def located(locator):
    """The thing at 16, 48 and 80, then lower, then gone."""
    clip = torch.stack([frame(16), frame(48), frame(80), frame(48, 56), frame(None)])[None]
    return locator(clip, [""], TOLD)


def test_a_thing_is_found_where_it_went(located):
    centres = located.found.centre()[0, :4, 0]
    wanted = [[(16 + 16) / W, 56 / H], [(48 + 16) / W, 56 / H], [(80 + 16) / W, 56 / H], [64 / W, 72 / H]]
    assert (centres - torch.tensor(wanted)).abs().max() < 0.05
    areas = located.found.areas[0, :4, 0, 0]
    assert areas.tolist() == pytest.approx([SIDE * SIDE / (H * W)] * 4, rel=0.5)
    assert located.shown.all()


def test_a_thing_that_is_gone_is_not_found(located):
    found = located.found.areas[0, :, 0, 0]
    assert found[4] < 0.15 * found[0]


def test_it_looks_like_itself_wherever_it_is_and_another_does_not(locator):
    other = noise(SIDE, SIDE, 5, 4)
    clip = torch.stack([frame(16), frame(16), frame(80), frame(16, thing=other)])[None]
    look = locator(clip, [""], TOLD).look[0, :, 0]
    same, elsewhere, another = (unit(look[1:]) @ unit(look[0])).tolist()
    assert same == pytest.approx(1, abs=1e-3)
    assert elsewhere > 0.85
    assert another < elsewhere - 0.2


def test_without_a_mask_the_thing_that_stands_out_is_taken():
    locator = FeatureLocator("imagenet-lite0@128")  # what stands out is found less finely than what is told
    clip = torch.stack([frame(40), frame(72)])[None]
    for metadata in (None, [{}], [{"mask": None}]):
        found = locator(clip, [""], metadata).found
        centre = found.centre()[0, :, 0]
        assert (centre - torch.tensor([[56 / W, 56 / H], [88 / W, 56 / H]])).abs().max() < 0.08


def test_what_stands_out_is_one_region_unlike_the_border():
    features = torch.zeros(2, 8, 8, 3)
    features[..., 0] = 1
    features[0, 3:5, 2:5] = torch.tensor([0.0, 1.0, 0.0])
    features[0, 6, 6] = torch.tensor([0.0, 0.0, 1.0])
    features[1, 0:3, 2:5] = torch.tensor([0.0, 1.0, 0.0])  # at the border it is the border
    found = stands_out(features)
    assert found[0].nonzero().tolist() == [[y, x] for y in (3, 4) for x in (2, 3, 4)]
    assert found[1].sum() == 0


def test_rows_keep_their_own_masks(locator):
    both = torch.stack([frame(16), frame(80, 8)])
    both[0, :, 8:40, 80:112] = patch(9)
    both[1, :, 40:72, 16:48] = patch(9)
    clip = both[:, None].expand(2, 2, -1, -1, -1)
    found = locator(clip, ["", ""], [{"mask": mask_at(16)}, {"mask": mask_at(80, 8)}]).found.centre()[:, 1, 0]
    assert (found - torch.tensor([[32 / W, 56 / H], [96 / W, 24 / H]])).abs().max() < 0.06


def test_an_empty_mask_shows_nothing(locator):
    clip = torch.stack([frame(16), frame(48)])[None]
    assert not locator(clip, [""], [{"mask": torch.zeros(H, W)}]).shown.any()


@pytest.mark.parametrize("shape", [(1, H, W), (H,), (1, 1, H, W)])
@pytest.mark.parametrize("name", ["object_persistence", "object_position"])
def test_a_mask_of_another_form_is_one_clear_line(name, shape):
    made = rewards.create(name, locator="feature", encoder="imagenet-lite0@96")
    clip = torch.stack([frame(16), frame(48)])[None]
    with pytest.raises(rewards.UserError, match=r"'mask' must be \[h w\].*given shape") as error:
        made(clip[:, 1:], [""], fps=8.0, anchor=clip[:, :1], metadata=[{"mask": torch.ones(shape)}])
    assert "\n" not in str(error.value)
    assert "failed" not in str(error.value)


@pytest.mark.parametrize("x", [16, 48, 72])
def test_persistence_by_features_keeps_a_thing_that_moves_and_misses_one_that_goes(x):
    made = rewards.create("object_persistence", locator="feature", encoder="imagenet-lite0@96")
    assert made.spec.families == ("encoder:imagenet-lite0",)
    anchor = frame(16)[None, None]

    def value(*frames):
        clip = torch.stack(frames)[None]
        return made(clip, [""], fps=8.0, anchor=anchor, metadata=TOLD)

    stays, gone = value(frame(x), frame(x)), value(frame(None), frame(None))
    assert stays.values.item() > 0.85
    assert gone.parts["visible"].item() < 0.3
    assert gone.values.item() < 0.2
    half = value(frame(x), frame(None)).values.item()
    assert gone.values.item() < half < stays.values.item()
    swapped = value(frame(x, thing=noise(SIDE, SIDE, 5, 4)), frame(x, thing=noise(SIDE, SIDE, 5, 4)))
    assert swapped.values.item() < 0.6 * stays.values.item()
    assert math.isfinite(swapped.values.item())
