"""Business inputs, prices and arms with plain numbers, for tests of what they are worth."""

from datetime import date

import numpy as np

from sn_eval.decision.roi import ArmEconomics
from sn_eval.results.experiment import Business, Exchange, Owned, Prices, Rate, Sourced

DAY = date(2026, 11, 1)


def told(value, low=None, high=None, **more):
    """An amount with its source."""
    return Sourced(value=value, low=low, high=high, source="the test", **more)


def business(**changed):
    """Where a rejected video is dear."""
    amounts = {
        "videos_per_month": told(100), "minutes_per_video": told(1.0), "attempts_cap": 4, "review": told(100.0),
        "rejection": told(50.0), "fallback": told(10_000.0), "one_off": told(1_000_000.0), "monthly": told(20_000.0),
        "discount": told(0.05), "months": 24,
    }  # fmt: skip
    return Business(**(amounts | changed))


def rate(value=600.0, **changed):
    """A price of one's own."""
    parts = {"value": value, "currency": "JPY", "unit": "GPU-hour", "as_of": DAY, "source": "a quotation"}
    return Rate(**(parts | changed))


def dollars(**changed):
    """150 yen for a dollar."""
    return Exchange(**({"of": "USD", "to": "JPY", "rate": 150.0, "on": DAY, "source": "a bank"} | changed))


def prices(**changed):
    """600 yen an hour, of which half computes."""
    parts = {"rate": rate(), "utilisation": told(0.5), "currency": "JPY", "tax_included": False}
    return Prices(**(parts | changed))


def machine(**changed):
    """Eight devices for 10 million yen."""
    parts = {
        "currency": "JPY", "purchase": told(10_000_000.0), "residual": told(2_000_000.0), "years": told(4.0),
        "hours_a_year": told(8000.0), "watts": told(5000.0), "pue": told(1.5), "kwh": told(30.0), "devices": 8,
    }  # fmt: skip
    return Owned(**(parts | changed))


def arm(accepted, tried=4.0, compute=10.0, prompts=None):
    """An arm from the numbers of accepted attempts by prompt."""
    counts = np.asarray(accepted, float)
    names = tuple(f"prompt {i}" for i in range(len(counts))) if prompts is None else tuple(prompts)
    return ArmEconomics(names, counts, np.full(len(counts), float(tried)), compute)
