"""What all sections need to speak of a run: its findings, the language, and how the run's figures are written in it."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sn_eval.decision.findings import ArmFindings, Attempt, Compared, Findings, Reason, known
from sn_eval.decision.numbers import seconds_an_accepted_minute
from sn_eval.decision.ranks import Estimate
from sn_eval.present import words
from sn_eval.present.money import money, plain
from sn_eval.present.report.model import Lang, Paragraph
from sn_eval.results.experiment import ACCEPTANCE

OUTCOMES = {True: "holds", False: "fails", None: "open"}
WHY = {
    "the experiment declares no business": "why.no_business",
    "the experiment declares no prices": "why.no_prices",
    "there are no attempts of both arms yet": "why.no_attempts",
    "no acceptance is known: declare criteria or give labels": "why.no_acceptance",
}
"""Words of `Findings.roi_words` and `price_words` by key."""

# How the values of reasons are written, by name; others are plain figures.
SIGNED = ("uplift", "low", "high", "threshold", "difference")
SHARES = ("rule", "chance", "share", "within", "accuracy")
MONEY = ("p10", "p50", "p90")  # of a net present value


@dataclass(frozen=True)
class Teller:
    """Tells findings in one language; calling it yields the sentence of a key."""

    findings: Findings
    lang: Lang

    def __call__(self, key: str, **values: Any) -> str:
        """The sentence of this key."""
        return words.say(self.lang, key, **values)

    def paragraph(self, key: str, *keys: str, **values: Any) -> Paragraph:
        """A sentence with the evidence of its numbers."""
        return Paragraph(self(key, **values), self.keys(*keys))

    def keys(self, *keys: str) -> tuple[str, ...]:
        """Those that there is evidence for."""
        return tuple(key for key in keys if key in self.findings.numbers)

    def key(self, key: str) -> str:
        """The key where there is evidence for it, else ""."""
        return key if key in self.findings.numbers else ""

    # --- figures ------------------------------------------------------------------------------------------

    def percent(self, value: float | None, digits: int = 1) -> str:
        """A share."""
        if value is None:
            return words.UNKNOWN
        text = f"{100 * value:.{digits}f}".removesuffix(".0").replace("-", "−")
        return f"{text}%" if self.lang == "ja" else f"{text} %"

    def points(self, value: float | None) -> str:
        """A difference of shares."""
        if value is None:
            return words.UNKNOWN
        return self("unit.points", value=f"{100 * value:+.1f}".replace("-", "−"))

    def number(self, value: float | None, *, signed: bool = False) -> str:
        """A figure to three significant digits, thousands in full."""
        if value is None:
            return words.UNKNOWN
        text = f"{value:+,.0f}" if abs(value) >= 1000 else f"{value:+.3g}"
        return (text if signed else text.lstrip("+")).replace("-", "−")

    def amount(self, outcome: str, value: float | None, *, signed: bool = False) -> str:
        """A value of an outcome: a share for acceptance, else a figure; signed: a difference."""
        if outcome != ACCEPTANCE:
            return self.number(value, signed=signed)
        return self.points(value) if signed else self.percent(value)

    def money(self, value: float | None, *, signed: bool = False) -> str:
        """Money in the report's currency; a dash where there is none."""
        return money(value, self.currency, self.lang, signed=signed) if self.currency else words.UNKNOWN

    def interval(self, low: float | None, high: float | None, show: Any) -> str:
        """Bounds in words, "" where there are none."""
        if low is None or high is None:
            return ""
        return self("unit.interval", level=self.percent(self.confidence, 0), low=show(low), high=show(high))

    def months(self, value: float | None) -> str:
        """A time to pay back; None is "not within the horizon"."""
        return self("unit.never") if value is None else self("unit.months", value=f"{value:.0f}")

    def seconds(self, value: float | None) -> str:
        """Device time."""
        return words.UNKNOWN if value is None else self("unit.seconds", value=plain(value))

    def accepted_cost(self, arm: ArmFindings) -> str:
        """What a minute of accepted video takes, in money or in device time."""
        money = arm.cost.money_an_accepted_minute.value
        return self.money(money) if money is not None else self.seconds(seconds_an_accepted_minute(arm))

    @cached_property
    def price_now(self) -> str:
        """What an hour costs now."""
        return self.money(self.findings.price.value if self.findings.price is not None else None)

    @cached_property
    def decimals(self) -> int:
        """Digits behind the point that amounts of computing need, so that the least of them has three."""
        costs = [arm.cost for arm in self.findings.arms]
        found = known([cost.money_a_minute for cost in costs] + [cost.money_an_attempt for cost in costs])
        least = min((abs(value) for value in found if value), default=1.0)
        return min(6, max(0, 2 - math.floor(math.log10(least))))

    # --- names --------------------------------------------------------------------------------------------

    def outcome(self, name: str) -> str:
        """An outcome as people call it."""
        return self("word.acceptance") if name == ACCEPTANCE else name

    def outcome_keys(self, outcome: str, *arms: str) -> tuple[str, ...]:
        """Keys of the arms' means of an outcome."""
        return tuple(f"{outcome}/{arm}" if outcome == ACCEPTANCE else f"score/{outcome}/{arm}" for arm in arms)

    def unit(self, name: str) -> str:
        """A unit of compute, as people call it."""
        return self(f"unit.{name}") if f"unit.{name}" in words.catalogue() else name

    def input(self, key: str) -> str:
        """A business input as people call it; its key where it has no name."""
        name, _, place = key.removeprefix("business.").removeprefix("prices.").partition("[")
        if f"input.{name}" not in words.catalogue():
            return key
        return self(f"input.{name}", place=place.removesuffix("]"))

    @property
    def examples(self) -> str:
        """The inputs that are examples, as people call them."""
        return self._inputs(", ".join(self.findings.watermark))

    def _inputs(self, keys: str) -> str:
        return ("、" if self.lang == "ja" else ", ").join(map(self.input, keys.split(", ")))

    def source(self, name: str) -> str:
        """Where an amount comes from."""
        return self(f"source.{name}") if f"source.{name}" in words.catalogue() else name

    def why(self, english: str) -> str:
        """Why there is no ROI or no price, where it is one of the usual reasons; others stay as they are."""
        return self(WHY[english]) if english in WHY else english

    def joined(self, sentences: Sequence[str]) -> str:
        """Sentences one after the other."""
        return ("" if self.lang == "ja" and not self.mark else " ").join(sentences)

    @cached_property
    def currency(self) -> str:
        """Of all money in this report."""
        if self.findings.price is not None:
            return self.findings.price.currency
        return self.findings.roi.currency if self.findings.roi is not None else ""

    @cached_property
    def confidence(self) -> float:
        """Level of the intervals."""
        compared = self.primary or next(iter(self.findings.comparisons), None)
        return compared.difference.confidence if compared is not None else 0.95

    @cached_property
    def chosen(self) -> ArmFindings | None:
        """The arm that is judged."""
        return next((arm for arm in self.findings.arms if arm.chosen), None)

    @cached_property
    def baseline(self) -> ArmFindings | None:
        """The arm that it is held against."""
        return next((arm for arm in self.findings.arms if arm.baseline), None)

    @cached_property
    def primary(self) -> Compared | None:
        """The comparison that the verdict rests on."""
        found = [each for each in self.findings.comparisons if each.primary]
        name = self.findings.verdict.arm
        return next((each for each in found if each.arm == name), found[0] if found else None)

    @cached_property
    def main_outcome(self) -> str:
        """The outcome that this report is about."""
        if self.primary is not None:
            return self.primary.outcome
        if self.findings.choice is not None:
            return self.findings.choice.outcome
        accepted = any(arm.acceptance.value is not None for arm in self.findings.arms)
        return ACCEPTANCE if accepted or not self.findings.judges else self.findings.judges[0].label

    def value(self, arm: ArmFindings, outcome: str) -> Estimate:
        """An arm's mean of an outcome; an acceptance as people's labels corrected it, where there are any."""
        if outcome == ACCEPTANCE:
            return arm.corrected or arm.acceptance
        return arm.scores.get(outcome, Estimate())

    @cached_property
    def attempt(self) -> Mapping[str, Attempt]:
        """The attempt of a cell, where a cell is one."""
        return {each.cells[0]: each for each in self.findings.attempts if len(each.cells) == 1}

    @cached_property
    def by_place(self) -> Mapping[tuple[str, str], list[Attempt]]:
        """Attempts by prompt and arm."""
        found: defaultdict[tuple[str, str], list[Attempt]] = defaultdict(list)
        for each in self.findings.attempts:
            found[each.prompt, each.arm].append(each)
        return found

    # --- examples -----------------------------------------------------------------------------------------

    @property
    def mark(self) -> str:
        """What stands beside a figure that rests on example inputs."""
        return self("example.mark") if self.findings.watermark else ""

    @property
    def money_mark(self) -> str:
        """The same for figures that rest on the price alone."""
        price = self.findings.price
        priced = any(key.startswith("prices") for key in self.findings.watermark)
        return self.mark if priced or (price is not None and price.illustrative) else ""

    def marked(self, text: str, mark: str) -> str:
        """A text with the mark behind it."""
        return f"{text} {mark}".rstrip()

    # --- the verdict --------------------------------------------------------------------------------------

    def reason(self, reason: Reason) -> str:
        """A rule and how it came out, in a sentence."""
        told = {name: self._told(reason, name, value) for name, value in reason.values.items()}
        text = self(f"reason.{reason.code}.{OUTCOMES[reason.holds]}", **told)
        if reason.code == "uplift" and reason.values.get("by") == "people":
            text = f"{text} {self('reason.by_people')}"
        money = reason.code == "profit" or reason.values.get("threshold_kind") == "break_even"
        return self.marked(text, self.mark if money else "")

    def _told(self, reason: Reason, name: str, value: float | str | None) -> str | None:
        """A value of a reason as text. A critical criterion is a share of attempts, whatever it looks at."""
        if value is None or isinstance(value, str):
            named = {
                "outcome": self.outcome, "threshold_kind": self._threshold, "why": self.why, "inputs": self._inputs,
            }  # fmt: skip
            return named[name](value) if value is not None and name in named else value
        if name in SIGNED:
            share = reason.code == "critical_criterion"
            return self.amount(ACCEPTANCE if share else str(reason.values.get("outcome")), value, signed=True)
        if name in SHARES:
            return self.percent(value)
        if name in (*MONEY, "money"):
            return self.money(value, signed=name in MONEY)
        return self.number(value)

    def _threshold(self, kind: str) -> str:
        return self(f"threshold.{kind}")
