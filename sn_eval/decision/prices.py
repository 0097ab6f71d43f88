"""What an hour of computing costs: the price list, and one price of it (or of one's own) in the report's currency.

Rented: list price ÷ utilisation × exchange. Owned: (purchase − residual) ÷ (years × hours a year × utilisation), and
watts ÷ 1000 × PUE × price of a kWh, for each of its devices. Nothing is fetched, and no price has a default.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from sn_eval.decision.findings import Compute, HourPrice
from sn_eval.results.experiment import Declared, Exchange, Owned, Prices, Sourced
from sn_eval.results.files import ResultsError
from sn_eval.results.paths import data_path
from sn_eval.results.run_folder import PRICES

FILE_NAME = "prices.yaml"
UNKNOWN = ("extra_forbidden", "invalid_key")  # how pydantic calls a key that is not ours

Unit = Literal["GPU-hour", "CPU-hour", "machine-hour"]
Device = Literal["gpu", "cpu", "unknown"]


class PriceRow(Declared):
    """One price of the list. price: money for one `unit`; None is a blank for the user to fill in."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    provider: str = Field(min_length=1)
    gpu: str = ""
    memory_gb: float | None = Field(default=None, gt=0)
    category: str = ""
    region: str = ""
    instance: str = ""
    min_gpus: int = Field(default=1, ge=1)
    price: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] | None
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    unit: Unit
    as_of: date | None = None
    source: str = Field(min_length=1, pattern=r"\S")
    note: str = ""

    @model_validator(mode="after")
    def _dated(self) -> "PriceRow":
        if self.price is not None and self.as_of is None:
            raise ValueError("a price without as_of: give the day on which it held")
        return self


@dataclass(frozen=True)
class PriceList:
    """Rows by id. where: of the files, for messages."""

    rows: Mapping[str, PriceRow]
    where: str

    def row(self, name: str) -> PriceRow:
        """The row of an id. ResultsError, with the nearest ids, where there is none."""
        if name in self.rows:
            return self.rows[name]
        near = difflib.get_close_matches(name, self.rows, n=3) or list(self.rows)
        guess = f" Did you mean {' or '.join(repr(each) for each in near[:3])}?" if near else ""
        raise ResultsError(f"prices.use {name!r} is no id in {self.where}.{guess} Or add a row with --prices FILE")

    def text(self) -> str:
        """The list as YAML that `load_prices` reads."""
        rows = [row.model_dump(exclude_defaults=True) | {"price": row.price} for row in self.rows.values()]
        return yaml.safe_dump(rows, sort_keys=False, allow_unicode=True, width=120)


def load_prices(path: Path | None = None) -> PriceList:
    """The shipped rows; those of a file of one's own replace rows with the same id, and add others.

    Raises ResultsError, in one line with file and line number, for a file or a row that cannot be used.
    """
    shipped = data_path(FILE_NAME)
    rows = _read(shipped)
    return PriceList(rows | _read(path), f"{path} or the shipped list") if path else PriceList(rows, FILE_NAME)


def prices_of(run: Path) -> PriceList:
    """The list that lies in a run's folder; the shipped one where there is none."""
    own = run / PRICES
    return load_prices(own if own.is_file() else None)


def hour_price(prices: Prices, rows: PriceList) -> HourPrice:
    """The price of a device-hour that computes, in the report's currency; an owned machine counts in GPU-hours.

    Raises ResultsError, in one line, for an unknown or blank price, a missing exchange or utilisation.
    """
    share = _known(prices.utilisation, "prices.utilisation", above=0.0)
    if prices.owned is not None:
        return _owned(prices, prices.owned, share)
    listed = _listed(prices, rows)
    rate, exchanged = _rate(prices, listed.currency)
    value = listed.value / share * rate
    words = (
        f"{listed.value:,g} {listed.currency} per {listed.unit} ÷ {share:g} utilisation{exchanged}"
        f" = {value:,.4g} {prices.currency}"
    )
    sources = (listed.source, f"utilisation: {prices.utilisation.source}")
    return _priced(prices, listed, value, words, sources)


def money(price: HourPrice, compute: Compute) -> float | None:
    """Money for one attempt, in the price's currency; None where `unit_problem` says why, or nothing was measured.

    >>> hour = HourPrice(360.0, "JPY", "GPU-hour", "", (), "", tax_included=True)
    >>> money(hour, Compute("gpu", seconds=20.0)), money(hour, Compute("cpu", seconds=20.0))
    (2.0, None)
    """
    if unit_problem(price, compute.device):
        return None
    seconds = compute.wall if price.unit == "machine-hour" else compute.seconds
    return None if seconds is None else seconds / 3600 * price.value


def unit_problem(price: HourPrice, device: Device) -> str:
    """Why a price does not apply to what was measured on a device; nothing where it does.

    GPU-hours are for GPU-seconds, CPU-hours for CPU-seconds, machine-hours for seconds from start to end.
    """
    wanted = {"GPU-hour": "gpu", "CPU-hour": "cpu", "machine-hour": device}[price.unit]
    if device == wanted:
        return ""
    if device == "unknown":
        return f"the price is for a {price.unit}, and nobody knows on which device the videos were made"
    ran, other = device.upper(), "machine-hour"
    return (
        f"the price is for a {price.unit}, and the run was measured in {ran}-seconds: give a price for a {ran}-hour or "
        f"a {other}"
    )


# --- one price --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Listed:
    """A price of an hour before utilisation and exchange."""

    value: float
    currency: str
    unit: Unit
    as_of: date | None
    source: str
    illustrative: bool


def _listed(prices: Prices, rows: PriceList) -> _Listed:
    """The row of the list, or the rate that the experiment gives itself."""
    if prices.rate is not None:
        rate = prices.rate
        if rate.value is None:
            raise ResultsError("prices.rate has no value: enter the price of an hour, its day and its source")
        return _Listed(rate.value, rate.currency, rate.unit, rate.as_of, rate.source, rate.illustrative)
    row = rows.row(prices.use or "")
    if row.price is None:
        raise ResultsError(
            f"{row.id!r} ({row.provider}) has no price yet: copy its row into a file of your own, fill in price, as_of "
            f"and source, and name the file with --prices"
        )
    told = " ".join(part for part in (row.provider, row.gpu, row.category, row.region) if part)
    return _Listed(row.price, row.currency, row.unit, row.as_of, f"{told}: {row.source}, {row.as_of}", False)


def _owned(prices: Prices, machine: Owned, share: float) -> HourPrice:
    """The price of an hour of each device of a machine that is bought."""
    value = {
        key: _known(amount, f"prices.owned.{key}", above=0.0 if key in ("years", "hours_a_year") else None)
        for key, amount in machine
        if isinstance(amount, Sourced)
    }
    if value["residual"] > value["purchase"]:
        raise ResultsError(f"prices.owned.residual {value['residual']:,g} is above purchase {value['purchase']:,g}")
    if value["pue"] < 1:
        raise ResultsError(f"prices.owned.pue {value['pue']:g}: 1 or more, all power over the machine's own")
    lost = (value["purchase"] - value["residual"]) / (value["years"] * value["hours_a_year"] * share)
    power = value["watts"] / 1000 * value["pue"] * value["kwh"]
    rate, exchanged = _rate(prices, machine.currency)
    hour = (lost + power) / machine.devices * rate
    words = (
        f"(({value['purchase']:,g} − {value['residual']:,g}) {machine.currency} ÷ ({value['years']:g} years × "
        f"{value['hours_a_year']:,g} hours × {share:g} utilisation) + {value['watts']:,g} W ÷ 1000 × "
        f"{value['pue']:g} PUE × {value['kwh']:g} {machine.currency}/kWh) ÷ {machine.devices} devices{exchanged}"
        f" = {hour:,.4g} {prices.currency}"
    )
    amounts = {key: amount for key, amount in machine if isinstance(amount, Sourced)}
    dates = [amount.as_of for amount in amounts.values() if amount.as_of]
    sources = tuple(
        f"{key}: {amount.source}" for key, amount in (*amounts.items(), ("utilisation", prices.utilisation))
    )
    example = any(amount.illustrative for amount in amounts.values())
    bought = _Listed(hour, machine.currency, "GPU-hour", max(dates, default=None), "", example)
    return _priced(prices, bought, hour, words, sources)


def _priced(prices: Prices, listed: _Listed, value: float, words: str, sources: tuple[str, ...]) -> HourPrice:
    exchange = prices.exchange if listed.currency != prices.currency else None
    told = f"1 {exchange.of} = {exchange.rate:g} {exchange.to} on {exchange.on} ({exchange.source})" if exchange else ""
    return HourPrice(
        value, prices.currency, listed.unit, words, (*sources, *([f"exchange: {told}"] if told else [])),
        listed.as_of.isoformat() if listed.as_of else "", prices.tax_included, told,
        listed.illustrative or prices.utilisation.illustrative or (exchange is not None and exchange.illustrative),
    )  # fmt: skip


def _rate(prices: Prices, currency: str) -> tuple[float, str]:
    """(rate into the report's currency, the step in words)."""
    if currency == prices.currency:
        return 1.0, ""
    wanted = f"{{of: {currency}, to: {prices.currency}}}"
    exchange: Exchange | None = prices.exchange
    if exchange is None:
        raise ResultsError(
            f"the price is in {currency}, the report in {prices.currency}: give prices.exchange with {wanted}, rate, "
            "day and source"
        )
    if (exchange.of, exchange.to) != (currency, prices.currency):
        raise ResultsError(f"prices.exchange is {exchange.of} to {exchange.to}, and needed is {wanted}")
    return exchange.rate, f" × {exchange.rate:g} {exchange.to}/{exchange.of}"


def _known(amount: Sourced, key: str, above: float | None = None) -> float:
    """An amount that must be there and not negative (above: or not so low)."""
    value = amount.value
    if value is None:
        raise ResultsError(f"{key} has no value: enter it with its source in the spec")
    if not (value > above if above is not None else value >= 0):
        raise ResultsError(f"{key} {value:g}: must be {'above 0' if above is not None else '0 or more'}")
    return value


# --- the list ---------------------------------------------------------------------------------------------


def _read(path: Path) -> dict[str, PriceRow]:
    """Rows of one file by id."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise ResultsError(f"cannot read the price list {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ResultsError(f"the price list {path} is no UTF-8 text; save it as UTF-8") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ResultsError(f"{path}{line}: no YAML ({getattr(error, 'problem', None) or 'bad character'})") from error
    if not isinstance(node, yaml.SequenceNode):
        raise ResultsError(f"{path}, line 1: a price list is a list of rows, each beginning with '- id: …'")
    rows: dict[str, PriceRow] = {}
    for item in node.value:
        row = _row(item, path)
        if row.id in rows:
            raise ResultsError(f"{path}, line {item.start_mark.line + 1}: id {row.id!r} stands twice; rename one")
        rows[row.id] = row
    return rows


def _row(node: Any, path: Path) -> PriceRow:
    """One row. ResultsError names the line of what is wrong."""
    start = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode) or not all(isinstance(key, yaml.ScalarNode) for key, _ in node.value):
        raise ResultsError(f"{path}, line {start}: a row is keys with values: id, provider, price, currency, …")
    lines = {key.value: key.start_mark.line + 1 for key, _ in node.value}
    if len(lines) < len(node.value):
        raise ResultsError(f"{path}, line {start}: a key stands twice in this row; delete one")
    try:
        return PriceRow.model_validate(_plain(node))
    except ValidationError as error:
        first = sorted(error.errors(include_url=False), key=lambda each: each["type"] not in UNKNOWN)[0]
    except (ValueError, yaml.YAMLError) as error:  # e.g. a thirteenth month, or a key that is a list
        raise ResultsError(f"{path}, line {start}: {str(error).splitlines()[0]}") from error
    key = str(first["loc"][0]) if first["loc"] else ""
    raise ResultsError(f"{path}, line {lines.get(key, start)}: {_rule(key, dict(first))}")


def _plain(node: Any) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _rule(key: str, problem: dict[str, Any]) -> str:
    """The rule that a row breaks, in words."""
    known = list(PriceRow.model_fields)
    if problem["type"] in UNKNOWN:
        near = difflib.get_close_matches(key, known, n=1)
        guess = f"; did you mean {near[0]!r}?" if near else ""
        return f"unknown key {key!r}{guess} Known: {', '.join(known)}"
    if problem["type"] == "missing":
        return f"{key} is missing{' (null is a blank to fill in)' if key == 'price' else ''}; add it to the row"
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    if key == "currency":
        return f"currency {problem['input']!r}: three capital letters, e.g. JPY"
    return f"{key} {problem['input']!r}: {problem['msg']}"
