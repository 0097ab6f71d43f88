"""Devices for a month's videos, rounded up."""

import pytest
from money import business, prices, told

from sn_eval.decision.capacity import HOURS_A_MONTH, capacity
from sn_eval.results.files import ResultsError


def test_devices_are_compute_over_time_by_hand():
    """1,000 videos × 2 attempts × 1,800 s = 1,000 h of computing, in 50 h half of which compute: 40 devices."""
    inputs = business(videos_per_month=told(1000), deadline_hours=told(50.0))
    found = capacity(inputs, prices(utilisation=told(0.5)), (2.0, 1.01), (1800.0, 3600.0))
    assert found.devices == (40, 41)  # 40.4 are 41
    assert found.device_seconds_a_video == pytest.approx((3600.0, 3636.0))
    assert (found.videos, found.hours) == (1000, 50.0)


def test_without_a_deadline_they_have_the_month():
    assert capacity(business(), prices(), (1.0, 1.0), (60.0, 60.0)).hours == pytest.approx(730.5) == HOURS_A_MONTH


@pytest.mark.parametrize(
    ("inputs", "price", "told_"),
    [
        ({"videos_per_month": told(None)}, {}, "business.videos_per_month has no value"),
        ({}, {"utilisation": told(None)}, "prices.utilisation has no value"),
        ({"deadline_hours": told(0.0)}, {}, "business.deadline_hours 0: must be above 0"),
    ],
)
def test_what_is_missing_is_named(inputs, price, told_):
    with pytest.raises(ResultsError, match=told_):
        capacity(business(**inputs), prices(**price), (1.0, 1.0), (60.0, 60.0))
