"""Regions of a thing: the largest first, whole things told from rims, centres where they are."""

import math

import pytest
import torch
from torch import Tensor

from rewards.locating.regions import COUNT, Regions


def regions(*boxes: tuple[int, int, int, int], sure: float = 0.9, size=(32, 64)) -> Regions:
    """One thing in one frame: boxes (top, left, height, width)."""
    membership = torch.zeros(1, 1, 1, *size)
    for top, left, height, width in boxes:
        membership[..., top : top + height, left : left + width] = sure
    return Regions.of(membership)


def centre(found: Regions) -> list[float]:
    xy: Tensor = found.centre()[0, 0, 0]
    return xy.tolist()


def test_areas_come_largest_first_as_shares_of_the_frame():
    found = regions((2, 2, 3, 4), (10, 10, 8, 10), (24, 40, 5, 5), sure=1.0)
    assert found.areas[0, 0, 0].tolist() == pytest.approx([80 / 2048, 25 / 2048, 12 / 2048, 0])
    assert found.areas.shape[-1] == COUNT


def test_the_largest_region_alone_is_kept():
    found = regions((2, 2, 3, 4), (10, 10, 8, 10))
    assert (found.largest > 0).sum() == 80
    assert found.largest[0, 0, 0, 10:18, 10:20].min() == pytest.approx(0.9)


def test_what_belongs_less_than_not_makes_no_region():
    found = regions((4, 4, 10, 10), sure=0.5)
    assert found.areas.sum() == 0
    assert not found.compact.any()
    assert all(math.isnan(x) for x in centre(found))


def test_pieces_that_touch_by_a_corner_are_one():
    found = regions((2, 2, 4, 4), (6, 6, 4, 4), sure=1.0)
    assert found.areas[0, 0, 0, 0] == pytest.approx(32 / 2048)
    assert found.areas[0, 0, 0, 1] == 0


@pytest.mark.parametrize(("box", "xy"), [((0, 0, 32, 64), (0.5, 0.5)), ((8, 16, 4, 8), (20 / 64, 10 / 32))])
def test_a_centre_is_a_share_of_width_and_height(box, xy):
    assert centre(regions(box)) == pytest.approx(xy, abs=1e-6)
    assert centre(regions(box, (31, 63, 1, 1))) == pytest.approx(xy, abs=0.03)  # a speck elsewhere does not pull it


def test_a_thing_is_compact_when_it_is_large_and_more_than_a_rim():
    assert regions((8, 8, 8, 8)).compact.all()
    assert not regions((8, 8, 4, 4)).compact.any()  # 16 of 2048 places
    assert not regions((8, 8, 2, 40)).compact.any()  # all rim


def test_every_frame_and_thing_has_its_own_regions():
    membership = torch.zeros(2, 3, 2, 16, 16)
    membership[1, 2, 0, 2:6, 2:6] = 1
    membership[0, 0, 1, 8:14, 8:14] = 1
    found = Regions.of(membership)
    assert found.areas[..., 0].nonzero().tolist() == [[0, 0, 1], [1, 2, 0]]
    assert found.centre()[0, 0, 1].tolist() == pytest.approx([11 / 16, 11 / 16])
