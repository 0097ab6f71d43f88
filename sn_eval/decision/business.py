"""From two arms to money: what an attempt of each costs, the ROI of the judged one, and the devices that it needs."""

from collections.abc import Mapping
from dataclasses import dataclass

from sn_eval.decision.arms import Arm
from sn_eval.decision.capacity import capacity
from sn_eval.decision.findings import Capacity, Choice, HourPrice, Roi
from sn_eval.decision.inputs import unresolved
from sn_eval.decision.prices import unit_problem
from sn_eval.decision.roi import ArmEconomics, roi
from sn_eval.results.evaluation import mean_of_known
from sn_eval.results.experiment import ACCEPTANCE, Business, Experiment, Prices
from sn_eval.results.files import ResultsError
from sn_eval.results.plan import videos_of


@dataclass(frozen=True)
class BusinessCase:
    """The money side; where there is no ROI, `words` say what is missing."""

    roi: Roi | None = None
    words: str = ""
    capacity: Capacity | None = None


def business_case(
    experiment: Experiment,
    arms: Mapping[str, Arm],
    baseline: str,
    chosen: Choice | None,
    price: HourPrice | None,
    price_words: str,
    draws: int,
) -> BusinessCase:
    """The judged arm against the baseline, on prompts whose acceptance is known for both."""
    if experiment.business is None or experiment.prices is None:
        return BusinessCase(words=f"the experiment declares no {'business' if experiment.prices else 'prices'}")
    if chosen is None or not all(name in arms and arms[name].attempts for name in (baseline, chosen.arm)):
        return BusinessCase(words="there are no attempts of both arms yet")
    pair = arms[baseline], arms[chosen.arm]
    if any(arm.estimate(ACCEPTANCE).value is None for arm in pair):
        return BusinessCase(words="no acceptance is known: declare criteria or give labels")
    metered = experiment.business.compute_per_attempt is None
    if metered and price is None:
        return BusinessCase(words=price_words)
    try:
        compute = _compute(experiment.business, pair, price if metered else None)
        first, second = (_economics(arm, each) for arm, each in zip(pair, compute, strict=True))
        found = roi(
            experiment.business, first, second, prices=experiment.prices, price=price if metered else None, draws=draws
        )
        devices = _capacity(experiment.business, experiment.prices, pair, found)
    except ResultsError as error:
        return BusinessCase(words=str(error))
    return BusinessCase(found, "", devices)


def _compute(business: Business, pair: tuple[Arm, Arm], price: HourPrice | None) -> tuple[float, float]:
    """Money for one attempt of each arm, of a video as long as production's.

    Metered: measured time at its price. Else the user's own figure for the baseline, and as many times that as the
    other arm took more (evaluations, device time; for videos made elsewhere: how many it chooses from).
    """
    missing = unresolved(business, metered=price is not None)
    if missing:
        raise ResultsError(f"no ROI: {', '.join(f'business.{key}' for key in missing)} has no value")
    minutes = business.minutes_per_video.value or 0.0
    if price is not None:
        costs = [arm.cost({}, price, minutes).money_an_attempt for arm in pair]
        if costs[0] is None or costs[1] is None:
            why = [unit_problem(price, a.compute.device) for arm in pair for a in arm.attempts]
            raise ResultsError(f"no ROI: {next(filter(None, why), 'computing was not measured')}")
        return costs[0], costs[1]
    own = business.amounts()["compute_per_attempt"].value or 0.0
    return own, own * _times(pair)


def _times(pair: tuple[Arm, Arm]) -> float:
    """How many times the compute of the first arm the second takes."""
    baseline, arm = pair
    if videos := videos_of(arm.name):
        return videos
    for what in ("seconds", "nfe"):
        ours, theirs = (mean_of_known([getattr(a.compute, what) for a in each.attempts]) for each in (arm, baseline))
        if ours and theirs:
            return ours / theirs
    raise ResultsError(f"no ROI: nobody knows what {arm.name} costs in terms of {baseline.name}; price the device")


def _economics(arm: Arm, compute: float) -> ArmEconomics:
    prompts, accepted, tried = arm.counts()
    return ArmEconomics(prompts, accepted, tried, compute)


def _capacity(business: Business, prices: Prices, pair: tuple[Arm, Arm], found: Roi) -> Capacity | None:
    """Devices for a month, where device time was measured."""
    minutes = business.minutes_per_video.value
    rates = [arm.cost({}, None, None).a_second for arm in pair]
    if minutes is None or rates[0] is None or rates[1] is None:
        return None
    return capacity(business, prices, found.attempts, (rates[0] * minutes * 60, rates[1] * minutes * 60))
