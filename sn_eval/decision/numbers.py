"""The evidence of a report: every headline figure by a key, with the cells that it was computed from, and by what.

Keys are paths, e.g. "acceptance/best_of_n@144"; sets of cells are named "<split>/<arm>".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sn_eval.decision.findings import ArmFindings, Attempt, Findings

Numbered = tuple[float | None, tuple[str, ...]]
"""A value, and the names of the sets of cells that it came from."""

FORMULAS: Mapping[str, str] = {
    "acceptance": "sn_eval.decision.arms.Arm.estimate: mean over prompts of the share of attempts that are accepted",
    "acceptance_corrected": "sn_eval.decision.label_correction: the same, corrected with people's labels (PPI)",
    "score": "sn_eval.decision.arms.Arm.estimate: mean over prompts of an evaluator's score",
    "difference": "sn_eval.decision.statistics.paired_difference: mean over prompts, paired by prompt and repeat",
    "uplift": "sn_eval.decision.statistics.paired_difference of the primary outcome, better is up",
    "cost": "sn_eval.decision.arms.Arm.cost: means over attempts; money = device time x sn_eval.decision.prices, "
    "an attempt scaled to business.minutes_per_video",
    "price": "sn_eval.decision.prices.hour_price: list price / utilisation x exchange",
    "roi": "sn_eval.decision.roi.roi: draws of prompts and business inputs",
    "capacity": "sn_eval.decision.capacity: compute x attempts / available seconds / utilisation",
    "power": "sn_eval.decision.power: of a paired comparison of prompts",
    "scaling": "sn_eval.decision.scaling: saturating power law, weighted least squares",
    "selection": "sn_eval.decision.selection: (chosen - random) / (oracle - random)",
    "preview": "sn_eval.decision.selection: Spearman of preview and final score, mean over videos",
    "hacking": "sn_eval.decision.selection: standardised gain of the searched reward",
    "run": "sn_eval.results.store: cells counted",
}
"""By the first part of a key: the function and the formula."""


@dataclass(frozen=True)
class _Sets:
    """Names of the sets that a figure of an arm comes from."""

    baseline: str
    chosen: str

    def of(self, *arms: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(f"confirm/{arm}" for arm in arms if arm))

    @property
    def both(self) -> tuple[str, ...]:
        return self.of(self.baseline, self.chosen)


def cell_sets(attempts: tuple[Attempt, ...]) -> dict[str, tuple[str, ...]]:
    """Ids of the cells behind the attempts, by "<split>/<arm>"."""
    found: dict[str, dict[str, None]] = {}
    for attempt in attempts:
        found.setdefault(f"{attempt.split}/{attempt.arm}", {}).update(dict.fromkeys(attempt.cells))
    return {name: tuple(cells) for name, cells in found.items()}


def numbered(findings: Findings) -> dict[str, Numbered]:
    """Every headline figure of the findings by its key; `Findings.numbers` is this."""
    sets = _Sets(findings.baseline, findings.verdict.arm)
    found: dict[str, Numbered] = {}
    for arm in findings.arms:
        found.update((f"{key}/{arm.name}", (value, sets.of(arm.name))) for key, value in _of_arm(arm))
    found.update(_comparisons(findings, sets))
    found.update((key, (value, sets.both)) for key, value in _verdict(findings))
    found.update((key, (value, sets.both)) for key, value in _money(findings))
    found.update(_search(findings, sets))
    facts = findings.run
    for name in ("planned", "done", "quality_failures", "infrastructure", "damaged"):
        found[f"run/{name}"] = (float(getattr(facts, name)), tuple(findings.cells))
    return found


def _of_arm(arm: ArmFindings) -> Iterator[tuple[str, float | None]]:
    """Figures of one arm; the key without the arm."""
    yield "acceptance", arm.acceptance.value
    if arm.corrected is not None:
        yield "acceptance_corrected", arm.corrected.value
    for label, estimate in arm.scores.items():
        yield f"score/{label}", estimate.value
    cost = arm.cost
    for name in ("nfe", "share_of_budget", "device_seconds", "a_second", "latency", "teraflops", "joules"):
        yield f"cost/{name}", getattr(cost, name)
    for name in ("money_an_attempt", "money_a_minute"):
        yield f"cost/{name}", getattr(cost, name)
    yield "cost/money_an_accepted_minute", cost.money_an_accepted_minute.value
    yield "cost/seconds_an_accepted_minute", seconds_an_accepted_minute(arm)


def seconds_an_accepted_minute(arm: ArmFindings) -> float | None:
    """Device-seconds for a minute of accepted video: all attempts are computed, few or many are shown."""
    acceptance, second = arm.acceptance.value, arm.cost.a_second
    return 60 * second / acceptance if second is not None and acceptance else None


def _comparisons(findings: Findings, sets: _Sets) -> Iterator[tuple[str, Numbered]]:
    """Differences: "difference/<outcome>/<arm>" against the baseline, with "-<against>" behind against another."""
    for each in findings.comparisons:
        against = "" if each.against == findings.baseline else f"-{each.against}"
        yield (
            f"difference/{each.outcome}/{each.arm}{against}",
            (each.difference.mean, sets.of(each.arm, each.against)),
        )


def _verdict(findings: Findings) -> Iterator[tuple[str, float | None]]:
    verdict, power = findings.verdict, findings.power
    for name in ("value", "low", "high"):
        yield f"uplift/{name}", getattr(verdict.uplift, name)
    yield "roi/break_even", verdict.break_even
    if power is not None:
        for name in ("effect", "spread", "power", "detectable", "needed_80", "needed_90"):
            yield f"power/{name}", _float(getattr(power, name))


def _money(findings: Findings) -> Iterator[tuple[str, float | None]]:
    if findings.price is not None:
        yield "price/hour", findings.price.value
    if (roi := findings.roi) is not None:
        for name in ("monthly_saving", "npv"):
            for part in ("p10", "p50", "p90"):
                yield f"roi/{name}/{part}", getattr(getattr(roi, name), part)
        for place, who in enumerate(("baseline", "method")):
            yield f"roi/attempts/{who}", roi.attempts[place]
            yield f"roi/unit_cost/{who}", roi.unit_cost[place]
            yield f"roi/fallback_share/{who}", roi.fallback_share[place]
            yield f"roi/compute_an_attempt/{who}", roi.compute_an_attempt[place]
        for name in ("chance_of_profit", "payback_months", "break_even_acceptance", "break_even_uplift"):
            yield f"roi/{name}", _float(getattr(roi, name))
        yield "roi/highest_price", roi.highest_price
        yield "roi/after_tax_npv", roi.after_tax_npv
        for case in roi.scenarios:
            yield f"roi/scenario/{case.kind}/npv", case.npv
            yield f"roi/scenario/{case.kind}/monthly_saving", case.monthly_saving
    if (need := findings.capacity) is not None:
        for place, who in enumerate(("baseline", "method")):
            yield f"capacity/devices/{who}", float(need.devices[place])
            yield f"capacity/device_seconds_a_video/{who}", need.device_seconds_a_video[place]


def _search(findings: Findings, sets: _Sets) -> Iterator[tuple[str, Numbered]]:
    """What selection, previews, scaling and the hacking alarm say."""
    everything = tuple(findings.cells)
    for regret in findings.selection:
        for name in ("random", "chosen", "oracle", "captured"):
            value: float | None = getattr(regret, name)
            yield f"selection/{regret.outcome}/{regret.candidates}/{name}", (value, everything)
    for preview in findings.previews:
        yield f"preview/{preview.arm}/{preview.look}", (preview.rho.value, sets.of(preview.arm))
    for fit in findings.scaling:
        of_method = sets.of(*(arm.name for arm in findings.arms if arm.method == fit.method))
        for name, value in (("ceiling", fit.ceiling.value), ("rate", fit.rate.value), ("saturates", fit.saturates_at)):
            yield f"scaling/{fit.method}/{fit.outcome}/{name}", (value, of_method)
    if findings.hacking is not None:
        yield "hacking/searched_gain", (findings.hacking.searched_gain, sets.both)


def formula(key: str) -> str:
    """What a figure was computed by.

    >>> formula("price/hour")
    'sn_eval.decision.prices.hour_price: list price / utilisation x exchange'
    """
    return FORMULAS[key.split("/", 1)[0]]


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)
