"""How many devices a month's videos need to be ready in time."""

import math

from sn_eval.decision.findings import Capacity
from sn_eval.results.experiment import Business, Prices
from sn_eval.results.files import ResultsError

HOURS_A_MONTH = 365.25 * 24 / 12


def capacity(
    business: Business, prices: Prices, attempts: tuple[float, float], seconds_an_attempt: tuple[float, float]
) -> Capacity:
    """Devices for the baseline and the method; without `deadline_hours` a month's videos have the whole month.

    attempts: expected attempts a video. seconds_an_attempt: device-seconds for one attempt of `minutes_per_video`.
    Utilisation is the share of hours that compute. Raises ResultsError where videos or utilisation are not known.
    """
    videos, share = business.videos_per_month.value, prices.utilisation.value
    if videos is None or share is None:
        key = "business.videos_per_month" if videos is None else "prices.utilisation"
        raise ResultsError(f"no capacity: {key} has no value; enter it with its source in the spec")
    deadline = business.deadline_hours.value if business.deadline_hours is not None else None
    hours = HOURS_A_MONTH if deadline is None else deadline
    if not hours > 0:
        raise ResultsError(f"business.deadline_hours {hours:g}: must be above 0; correct it in the spec")
    needed = [count * seconds for count, seconds in zip(attempts, seconds_an_attempt, strict=True)]
    devices = [math.ceil(videos * seconds / (hours * 3600 * share)) for seconds in needed]
    return Capacity(videos, hours, (needed[0], needed[1]), (devices[0], devices[1]))
