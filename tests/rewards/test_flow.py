"""Flow finds a known motion where there is texture, whatever the light, and distrusts what was covered."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from rewards.flow import aligned, flow, warp


def texture(h: int, w: int, seed: int = 0) -> Tensor:
    """[1 h w]: smooth noise, 0.1..0.7."""
    noise = torch.rand(1, 1, h + 4, w + 4, generator=torch.Generator().manual_seed(seed))
    smooth = F.avg_pool2d(noise, 5, 1)[0]
    return 0.1 + 0.6 * (smooth - smooth.min()) / (smooth.max() - smooth.min())


WORLD = texture(120, 160)
HERE = WORLD[:, 12:108, 16:144]


def moved(dx: int, dy: int) -> Tensor:
    """HERE after its content went dx to the right and dy down."""
    return WORLD[:, 12 - dy : 108 - dy, 16 - dx : 144 - dx]


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (1, 0), (3, -2), (-6, 4), (9, 0)])
def test_a_known_translation_is_found(dx, dy):
    found = flow(HERE, moved(dx, dy))[0]
    inner = found[:, 12:-12, 12:-12]
    assert inner[0].median().item() == pytest.approx(dx, abs=0.25)
    assert inner[1].median().item() == pytest.approx(dy, abs=0.25)
    gap = (inner - torch.tensor([dx, dy]).view(2, 1, 1)).norm(dim=0)
    assert gap.quantile(0.9) < 1


def test_a_fraction_of_a_pixel_is_found():
    wide = texture(96, 130)
    half = 0.5 * (wide[..., 1:129] + wide[..., :128])  # half a pixel to the right of wide[..., 1:129]
    assert flow(wide[..., 1:129], half)[0, 0, 12:-12, 12:-12].median() == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize(("gain", "lift"), [(0.7, 0.0), (1.3, 0.0), (1.0, 0.15), (1.0, -0.08)])
def test_a_change_of_the_light_is_no_motion(gain, lift):
    lit = (HERE * gain + lift).clamp(0, 1)
    still = flow(HERE, lit)[0, :, 8:-8, 8:-8]
    assert still.norm(dim=0).quantile(0.9) < 0.5
    went = flow(HERE, (moved(4, 0) * gain + lift).clamp(0, 1))[0, 0, 12:-12, 12:-12]
    assert went.median() == pytest.approx(4, abs=0.3)


def test_each_picture_of_a_batch_is_measured_alone_and_the_same_again():
    one, two = flow(HERE, moved(3, 0)), flow(HERE, moved(0, -3))
    both = flow(HERE.expand(2, -1, -1), torch.cat([moved(3, 0), moved(0, -3)]))
    assert torch.equal(both, torch.cat([one, two]))


def test_pictures_of_a_few_pixels_have_no_flow():
    small = texture(11, 40)
    assert torch.equal(flow(small, small.roll(2, -1)), torch.zeros(1, 2, 11, 40))


@pytest.mark.parametrize("size", [(12, 256), (20, 128), (31, 200), (256, 15), (12, 12), (40, 40)])
def test_long_narrow_pictures_have_flow_too(size):
    wide = texture(size[0], size[1] + 2)
    found = flow(wide[..., 2:], wide[..., :-2])[0, 0]
    assert found.isfinite().all()
    assert found.median() == pytest.approx(2, abs=0.3)


def test_what_was_measured_before_does_not_matter():
    first = flow(HERE, moved(3, 0))
    small = texture(40, 64)
    flow(small, small.roll(1, -1))
    assert torch.equal(flow(HERE, moved(3, 0)), first)


def test_warping_by_the_flow_brings_a_picture_back():
    there = moved(5, -3)
    motion = flow(HERE, there)
    back = warp(there[None], motion)[0]
    before, after = ((x - HERE)[:, 12:-12, 12:-12].abs().mean() for x in (there, back))
    assert after < 0.2 * before


def test_warp_reads_where_the_motion_points():
    picture = torch.arange(12.0).view(1, 1, 3, 4)
    motion = torch.zeros(1, 2, 3, 4)
    motion[:, 1] = 1
    assert warp(picture, motion)[0, 0].tolist() == [[4, 5, 6, 7], [8, 9, 10, 11], [8, 9, 10, 11]]
    motion = torch.zeros(1, 2, 3, 4)
    motion[:, 0] = -0.5
    assert warp(picture, motion)[0, 0, 0].tolist() == pytest.approx([0, 0.5, 1.5, 2.5], abs=1e-5)


def test_what_still_shows_is_trusted():
    _, trusted = aligned(HERE, HERE)
    assert trusted.all()
    _, trusted = aligned(HERE, moved(4, 2))
    assert trusted[0, 12:-12, 12:-12].float().mean() > 0.9


def test_what_left_the_picture_or_was_covered_is_not_trusted():
    motion, trusted = aligned(HERE, moved(9, 0))
    assert motion[0, 0, 20:-20, -4:].median() > 4  # seen to leave
    assert trusted[0, :, -4:].float().mean() < 0.3


def test_what_a_thing_goes_over_is_not_trusted_while_the_thing_itself_is():
    patch = 0.6 + 0.5 * texture(40, 40, seed=7)
    before, after = 0.5 * HERE, 0.5 * HERE
    before[:, 28:68, 20:60] = patch
    after[:, 28:68, 24:64] = patch
    motion, trusted = aligned(before, after)
    assert motion[0, 0, 36:60, 30:50].median() == pytest.approx(4, abs=0.3)
    assert trusted[0, 36:60, 30:50].float().mean() > 0.9
    assert trusted[0, 30:66, 60:64].float().mean() < 0.3
    assert trusted[0, :, 110:].float().mean() > 0.95
