"""A what-if on a run: named changes of its prices and business inputs, each with who says so; no rule is among them.

A scenario is data (`load`, `dump`: YAML with the keys of the experiment file, dotted), so that it can be kept, sent and
laid over another run. Nothing is invented: what a run does not declare stays open until somebody enters it.
"""

import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeAlias

import yaml
from pydantic import ValidationError

from sn_eval.results.assumption import (
    AMOUNTS,
    EXCHANGE,
    HOUR,
    PLAIN,
    Amount,
    Change,
    Unfit,
    check,
    check_number,
    check_text,
    short,
)
from sn_eval.results.experiment import Business, Exchange, Experiment, Owned, Prices, Rate, Sourced
from sn_eval.results.files import ResultsError

MOST_BYTES = 64_000
EDITED = "edited on the dashboard by a visitor"
OPEN = "not known yet"

Standing: TypeAlias = Sourced | str | int | bool | tuple[float, ...] | None


@dataclass(frozen=True)
class Difference:
    """One assumption that a scenario changes. was, becomes: None where it is not declared at all."""

    key: str
    was: Standing
    becomes: Standing
    source: str
    illustrative: bool


@dataclass(frozen=True)
class Scenario:
    """Changes by key (of AMOUNTS: an `Amount`; of PLAIN: a plain value). Raises Unfit for one that cannot be."""

    name: str = ""
    changes: Mapping[str, Change] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Hold every change against the rules."""
        check_text("scenario", self.name)
        for key, change in self.changes.items():
            check(key, change)

    def apply(self, experiment: Experiment, by: str = EDITED) -> Experiment:
        """The experiment with these assumptions; everything else, its rules above all, is as declared.

        by: the source of a change that has none of its own. A part that the run lacks and that is still incomplete (see
        `gaps`) stays absent. What was illustrative stays so, unless a change says that it is not, and names a source.
        Raises Unfit.
        """
        try:
            prices, business = self._prices(experiment.prices, by), self._business(experiment.business, by)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or self.name
            raise ResultsError(f"{where}: {first['msg']}; correct the scenario") from error
        return experiment.model_copy(update={"prices": prices, "business": business})

    def differences(self, experiment: Experiment, by: str = EDITED) -> list[Difference]:
        """What is really other than declared, in the order of the keys above."""
        found = []
        for key in (*AMOUNTS, *PLAIN):
            if key not in self.changes:
                continue
            was, change = standing(experiment, key), self.changes[key]
            becomes: Standing = change if not isinstance(change, Amount) else _sourced(change, was, by)
            if becomes != was:
                told = becomes if isinstance(becomes, Sourced) else None
                found.append(
                    Difference(key, was, becomes, told.source if told else by, bool(told and told.illustrative))
                )
        return found

    def gaps(self, experiment: Experiment) -> tuple[str, ...]:
        """Keys that an ROI needs and that neither gives. Videos made elsewhere need no price an hour."""
        listed = _priced(experiment.prices) and standing(experiment, HOUR) is None and HOUR not in self.changes
        elsewhere = self._has(experiment, "business.compute_per_attempt")
        hour = () if listed or elsewhere else (HOUR, "prices.rate.unit")
        needed = (
            *hour, "prices.utilisation", "prices.currency", "prices.tax_included",
            *(f"business.{name}" for name, each in Business.model_fields.items() if each.is_required()),
        )  # fmt: skip
        return tuple(key for key in needed if not self._has(experiment, key))

    def _has(self, experiment: Experiment, key: str) -> bool:
        change: Any = self.changes.get(key, standing(experiment, key))
        return change is not None and getattr(change, "value", 0) is not None

    def _own(self, part: str) -> Iterator[tuple[str, Change]]:
        """Changes of one part by the name of the field."""
        start = f"{part}."
        return ((key.removeprefix(start), each) for key, each in self.changes.items() if key.startswith(start))

    def _business(self, was: Business | None, by: str) -> Business | None:
        fields = Business.model_fields
        data: dict[str, Any] = dict(was) if was else {
            name: Sourced(source=OPEN) for name, each in fields.items() if each.annotation is Sourced
        }  # fmt: skip
        for name, change in self._own("business"):
            if not isinstance(change, Amount):
                data[name] = change
            elif change.value is None and not fields[name].is_required():
                data[name] = None
            else:
                data[name] = _sourced(change, data.get(name), by)
        return Business.model_validate(data) if "attempts_cap" in data else None

    def _prices(self, was: Prices | None, by: str) -> Prices | None:
        data: dict[str, Any] = dict(was) if was else {}
        plain = {name: change for name, change in self._own("prices") if not isinstance(change, Amount)}
        data |= {name: value for name, value in plain.items() if name in ("use", "currency", "tax_included")}
        utilisation = self.changes.get("prices.utilisation")
        if isinstance(utilisation, Amount):
            data["utilisation"] = _sourced(utilisation, data.get("utilisation"), by)
        if "use" in plain:
            data |= {"rate": None, "owned": None}
        self._hour(data, plain, by)
        self._owned(data, by)
        self._exchange(data, plain, by)
        whole = {"utilisation", "currency", "tax_included"} <= data.keys()
        return Prices.model_validate(data) if whole and _priced(data) else None

    def _hour(self, data: dict[str, Any], plain: Mapping[str, Any], by: str) -> None:
        """An hour's own price, which takes the place of one of the list or of a machine of one's own."""
        was: Rate | None = data.get("rate")
        unit = plain.get("rate.unit", was.unit if was else None)
        currency = plain.get("rate.currency", was.currency if was else data.get("currency"))
        change = self.changes.get(HOUR)
        if not isinstance(change, Amount):
            if was is not None:
                data["rate"] = was.model_copy(update={"unit": unit, "currency": currency})
            return
        if change.value is None and was is None:
            return
        told = _sourced(change, _of_rate(was) or _of_machine(data.get("owned")), by)
        if told.as_of is None:
            raise Unfit(HOUR, change.value, "dated")
        if unit is None or currency is None:
            return  # still incomplete
        rate = Rate(
            value=told.value, currency=currency, unit=unit, as_of=told.as_of, source=told.source,
            illustrative=told.illustrative,
        )  # fmt: skip
        data |= {"rate": rate, "use": None, "owned": None}

    def _owned(self, data: dict[str, Any], by: str) -> None:
        changed = {name: each for name, each in self._own("prices.owned") if isinstance(each, Amount)}
        machine: Owned | None = data.get("owned")
        if not changed:
            return
        if machine is None:
            raise Unfit(f"prices.owned.{next(iter(changed))}", next(iter(changed.values())).value, "not_owned")
        told = {name: _sourced(each, getattr(machine, name), by) for name, each in changed.items()}
        data["owned"] = machine.model_copy(update=told)

    def _exchange(self, data: dict[str, Any], plain: Mapping[str, Any], by: str) -> None:
        """The rate into the report's currency."""
        was: Exchange | None = data.get("exchange")
        priced = data.get("rate") or data.get("owned")
        foreign = plain.get("exchange.of") or (priced.currency if priced else was.of if was else None)
        change = self.changes.get(EXCHANGE)
        if not isinstance(change, Amount) or change.value is None or foreign is None or "currency" not in data:
            return
        told = _sourced(change, _of_exchange(was), by)
        if told.as_of is None:
            raise Unfit(EXCHANGE, change.value, "dated")
        data["exchange"] = Exchange(
            of=foreign, to=data["currency"], rate=change.value, on=told.as_of, source=told.source,
            illustrative=told.illustrative,
        )  # fmt: skip


def standing(experiment: Experiment, key: str) -> Standing:
    """What an experiment declares for a key of AMOUNTS or PLAIN; None for nothing."""
    prices = experiment.prices
    if key in (HOUR, EXCHANGE):
        return None if prices is None else _of_rate(prices.rate) if key == HOUR else _of_exchange(prices.exchange)
    found: Any = experiment
    for name in key.split("."):
        found = getattr(found, name, None)
    return typing.cast(Standing, found)


# --- files ------------------------------------------------------------------------------------------------


def load(text: str | bytes) -> Scenario:
    """The scenario of a YAML text. ResultsError, in one line, for anything else, however strange."""
    data = _document(text)
    if not isinstance(data, dict) or not set(data) <= {"scenario", "changes"} or "changes" not in data:
        rule = "a scenario is the keys scenario (its name) and changes"
        raise ResultsError(f"{short(data)}: {rule}; download one first")
    name, changes = data.get("scenario", ""), data["changes"]
    if not isinstance(changes, dict):
        raise ResultsError(f"changes {short(changes)}: must be keys with values, e.g. business.review: {{value: 300}}")
    return Scenario(check_text("scenario", name), {str(key): read(str(key), each) for key, each in changes.items()})


def dump(scenario: Scenario) -> str:
    """The scenario as YAML that `load` reads."""
    changes: dict[str, Any] = {}
    for key, change in scenario.changes.items():
        if isinstance(change, Amount):
            changes[key] = {"value": change.value} | change.model_dump(exclude_defaults=True)
        else:
            changes[key] = list(change) if isinstance(change, tuple) else change
    data = {"scenario": scenario.name, "changes": changes}
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)


def read(key: str, value: Any) -> Change:
    """A change from plain data, as YAML or JSON has it. Raises Unfit."""
    if key not in AMOUNTS:
        change = tuple(value) if key == "business.ramp" and isinstance(value, list) else value
        check(key, change)
        return typing.cast(Change, change)
    if not isinstance(value, dict):
        raise Unfit(key, short(value), "amount")
    for name in value:
        if name not in Amount.model_fields:
            raise Unfit(f"{key}.{short(name)}", "", "field")
    for name in ("value", "low", "high"):
        check_number(f"{key}.{name}", value.get(name))
    day, example = value.get("as_of"), value.get("illustrative")
    if day is not None and (not isinstance(day, date) or isinstance(day, datetime)):
        raise Unfit(f"{key}.as_of", short(day), "date")
    if example is not None and not isinstance(example, bool):
        raise Unfit(f"{key}.illustrative", short(example), "truth")
    check_text(f"{key}.source", value.get("source", ""))
    amount = Amount(**value)
    check(key, amount)
    return amount


def _document(text: str | bytes) -> Any:
    """The data of one YAML document without tags, anchors or keys that stand twice."""
    size = len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "replace"))
    if size > MOST_BYTES:
        raise ResultsError(f"{size:,} bytes: a scenario has at most {MOST_BYTES:,}; upload one downloaded here")
    try:
        plain = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        depth = 0
        for event in yaml.parse(plain, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            _plain_event(event, depth)
        return yaml.load(plain, Loader=_Once)
    except UnicodeDecodeError as error:
        raise ResultsError("the scenario is no UTF-8 text; save it as UTF-8") from error
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        if isinstance(error, ResultsError):
            raise
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        why = getattr(error, "problem", None) or str(error).split("\n", 1)[0] or "nonsense"
        raise ResultsError(f"{line}no YAML ({why}); check indentation and quotes, or download one again") from error


def _plain_event(event: Any, depth: int) -> None:
    line = event.start_mark.line + 1
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        raise ResultsError(f"line {line}: an alias or anchor (* or &); write the value out")
    if getattr(event, "tag", None):
        raise ResultsError(f"line {line}: the tag {str(event.tag)[:40]!r}; plain values are enough, delete it")
    if depth > 8:
        raise ResultsError(f"line {line}: nested too deeply for a scenario; download one first")


class _Once(yaml.SafeLoader):
    """A safe loader that refuses a key that stands twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Keys with values, each key once."""
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value in seen:
                line = key.start_mark.line + 1
                raise ResultsError(f"line {line}: key {short(key.value)} stands twice or is no text; delete one")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


# --- the parts --------------------------------------------------------------------------------------------


def _sourced(change: Amount, was: Any, by: str) -> Sourced:
    """The amount as it becomes; an example stays one unless that is denied and a new source given."""
    before = was if isinstance(was, Sourced) else None
    example = before is not None and before.illustrative
    own = change.source.strip()
    if change.illustrative is not None:
        example = change.illustrative or (example and (not own or (before is not None and own == before.source)))
    source = own or (f"{by}, {change.as_of}" if change.as_of else by)
    return Sourced(
        value=change.value, low=change.low, high=change.high, source=source, as_of=change.as_of, illustrative=example
    )


def _of_rate(rate: Rate | None) -> Sourced | None:
    if rate is None:
        return None
    return Sourced(value=rate.value, source=rate.source, as_of=rate.as_of, illustrative=rate.illustrative)


def _of_machine(machine: Owned | None) -> Sourced | None:
    """Whether a machine of one's own rests on examples, for the price that takes its place."""
    if machine is None:
        return None
    return Sourced(
        source=OPEN, illustrative=any(isinstance(each, Sourced) and each.illustrative for _, each in machine)
    )


def _of_exchange(exchange: Exchange | None) -> Sourced | None:
    if exchange is None:
        return None
    return Sourced(
        value=exchange.rate, source=exchange.source, as_of=exchange.on, illustrative=exchange.illustrative
    )  # fmt: skip


def _priced(prices: Any) -> bool:
    """Whether an hour has a price: of the list, of one's own, or of a machine."""
    given = prices if isinstance(prices, dict) else dict(prices) if prices is not None else {}
    return any(given.get(name) is not None for name in ("use", "rate", "owned"))
