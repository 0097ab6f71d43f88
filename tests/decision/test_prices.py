"""A price is of the list, of a quotation or of one's own machine, in the report's currency, or a line says why not."""

from datetime import date

import pytest
import yaml
from money import dollars, machine, prices, rate, told

from sn_eval.decision.findings import Compute, HourPrice
from sn_eval.decision.prices import hour_price, load_prices, money, unit_problem
from sn_eval.results.experiment import Business, Owned, Prices, Rate, Sourced
from sn_eval.results.files import ResultsError

ROW = {"id": "ours", "provider": "Ours", "price": 300.0, "currency": "JPY", "unit": "GPU-hour",
       "as_of": date(2026, 11, 20), "source": "quotation 7"}  # fmt: skip


def own_list(tmp_path, *rows):
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(list(rows), sort_keys=False), encoding="utf-8")
    return path


def refused(path):
    with pytest.raises(ResultsError) as error:
        load_prices(path)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- the list ---------------------------------------------------------------------------------------------


def test_every_shipped_price_has_a_day_and_a_source_and_blanks_are_only_japanese():
    rows = load_prices().rows
    assert rows["runpod-h100-sxm-secure"].price == 3.99
    assert len(rows) > 20
    for row in rows.values():
        assert row.source
        assert (row.price is None) == (row.region == "Japan")
        assert (row.price is None) == (row.as_of is None)
        if row.price is None:
            assert row.source == "fill in from the provider's quotation"


def test_a_row_of_ones_own_wins_and_a_new_one_is_added(tmp_path):
    path = own_list(tmp_path, ROW | {"id": "sakura"}, ROW)
    rows = load_prices(path).rows
    assert rows["sakura"].price == rows["ours"].price == 300.0
    assert rows["runpod-h200"].price == 4.59


def test_a_list_written_reads_back_the_same(tmp_path):
    prices_now = load_prices(own_list(tmp_path, ROW))
    copy = tmp_path / "prices.yaml"
    copy.write_text(prices_now.text(), encoding="utf-8")
    assert load_prices(copy).rows == prices_now.rows


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("- id: a\n  provider: P\n  pricce: 3\n", 3, "unknown key 'pricce'; did you mean 'price'?"),
        ("- id: a\n  provider: P\n  price: -3\n  currency: JPY\n  unit: GPU-hour\n  source: s\n", 3, "price -3"),
        (
            "- id: a\n  provider: P\n  price: '3,99'\n  currency: JPY\n  unit: GPU-hour\n  source: s\n",
            3,
            "price '3,99'",
        ),
        ("- id: a\n  provider: P\n  price: true\n  currency: JPY\n  unit: GPU-hour\n  source: s\n", 3, "price True"),
        ("- id: a\n  provider: P\n  price: .nan\n  currency: JPY\n  unit: GPU-hour\n  source: s\n", 3, "price nan"),
        ("\n- id: a\n  provider: P\n  price: 3\n  unit: GPU-hour\n  source: s\n", 2, "currency is missing"),
        ("- id: a\n  provider: P\n  price: 3\n  currency: yen\n  unit: GPU-hour\n  source: s\n", 4, "currency 'yen'"),
        ("- id: a\n  provider: P\n  price: 3\n  currency: JPY\n  unit: hour\n  source: s\n", 5, "unit 'hour'"),
        ("- id: a\n  provider: P\n  price: 3\n  currency: JPY\n  unit: GPU-hour\n  source: s\n", 1, "without as_of"),
        ("- id: a\n  id: b\n", 1, "a key stands twice"),
        ("- id: a\n  as_of: 2026-13-01\n", 1, "month must be in 1..12"),
        ("- just text\n", 1, "a row is keys with values"),
        ("- [a]: b\n", 1, "a row is keys with values"),
        ("- id: a\n  provider: P\n  7: b\n", 3, "unknown key '7'"),
        ("price: 3\n", 1, "a price list is a list of rows"),
        ("", 1, "a price list is a list of rows"),
        ("- id: [\n", 2, "no YAML"),
    ],
)
def test_a_bad_row_is_one_line_with_its_line_number(tmp_path, text, line, told):
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    message = refused(path)
    assert f"own.yaml, line {line}: " in message
    assert told in message


def test_an_id_twice_a_missing_file_a_folder_and_no_text_are_one_line(tmp_path):
    assert "'ours' stands twice" in refused(own_list(tmp_path, ROW, ROW))
    assert "cannot read the price list" in refused(tmp_path / "none.yaml")
    assert "cannot read the price list" in refused(tmp_path)
    (tmp_path / "own.yaml").write_bytes(b"\xff\xfe- id: a")
    assert "UTF-8" in refused(tmp_path / "own.yaml")


# --- the price of an hour ---------------------------------------------------------------------------------


def test_a_listed_price_is_divided_by_utilisation_and_exchanged():
    price = hour_price(prices(rate=None, use="runpod-h100-sxm-secure", exchange=dollars()), load_prices())
    assert price.value == pytest.approx(3.99 / 0.5 * 150)
    assert (price.currency, price.unit, price.as_of) == ("JPY", "GPU-hour", "2026-11-09")
    assert price.words == "3.99 USD per GPU-hour ÷ 0.5 utilisation × 150 JPY/USD = 1,197 JPY"
    assert "runpod.io/pricing" in price.sources[0]
    assert price.exchange == "1 USD = 150 JPY on 2026-11-01 (a bank)"
    assert not price.illustrative


def test_a_machine_of_ones_own_costs_its_loss_and_its_power():
    price = hour_price(prices(rate=None, owned=machine()), load_prices())
    lost = (10_000_000 - 2_000_000) / (4 * 8000 * 0.5)
    power = 5.0 * 1.5 * 30.0
    assert price.value == pytest.approx((lost + power) / 8)
    assert price.unit == "GPU-hour"
    assert "purchase: the test" in price.sources


def test_a_machine_bought_in_dollars_is_exchanged():
    yen = hour_price(prices(rate=None, owned=machine()), load_prices())
    foreign = hour_price(prices(rate=None, owned=machine(currency="USD"), exchange=dollars()), load_prices())
    assert foreign.value == pytest.approx(150 * yen.value)


@pytest.mark.parametrize(
    "changed",
    [
        {"rate": rate(illustrative=True)},
        {"utilisation": told(0.5, illustrative=True)},
        {"rate": rate(currency="USD"), "exchange": dollars(illustrative=True)},
        {"rate": None, "owned": machine(watts=told(10.0, illustrative=True))},
    ],
)
def test_an_example_anywhere_marks_the_price(changed):
    assert hour_price(prices(**changed), load_prices()).illustrative


@pytest.mark.parametrize(
    ("changed", "told_"),
    [
        ({"rate": None, "use": "runpod-h100-sxm"}, "Did you mean 'runpod-h100-sxm-secure'"),
        ({"rate": None, "use": "sakura"}, "'sakura' (Sakura Internet) has no price yet"),
        ({"rate": rate(None)}, "prices.rate has no value"),
        ({"rate": rate(currency="USD")}, "give prices.exchange with {of: USD, to: JPY}"),
        ({"rate": rate(currency="EUR"), "exchange": dollars()}, "is USD to JPY, and needed is {of: EUR, to: JPY}"),
        ({"rate": rate(currency="USD"), "exchange": dollars(of="JPY", to="USD")}, "is JPY to USD"),
        ({"utilisation": told(None)}, "prices.utilisation has no value"),
        ({"rate": None, "owned": machine(kwh=told(None))}, "prices.owned.kwh has no value"),
        ({"rate": None, "owned": machine(years=told(0.0))}, "prices.owned.years 0: must be above 0"),
        ({"rate": None, "owned": machine(watts=told(-1.0))}, "prices.owned.watts -1: must be 0 or more"),
        ({"rate": None, "owned": machine(pue=told(0.5))}, "prices.owned.pue 0.5"),
        ({"rate": None, "owned": machine(residual=told(2e7))}, "is above purchase"),
    ],
)
def test_a_price_that_cannot_be_had_is_one_line_with_the_key(changed, told_):
    with pytest.raises(ResultsError, match="^[^\n]*$") as error:
        hour_price(prices(**changed), load_prices())
    assert told_ in str(error.value)


# --- money ------------------------------------------------------------------------------------------------


def hour(unit):
    return HourPrice(3600.0, "JPY", unit, "", (), "", tax_included=False)


@pytest.mark.parametrize(
    ("unit", "device", "paid"),
    [
        ("GPU-hour", "gpu", 10.0), ("GPU-hour", "cpu", None), ("GPU-hour", "unknown", None),
        ("CPU-hour", "cpu", 10.0), ("CPU-hour", "gpu", None), ("CPU-hour", "unknown", None),
        ("machine-hour", "gpu", 7.0), ("machine-hour", "cpu", 7.0), ("machine-hour", "unknown", 7.0),
    ],
)  # fmt: skip
def test_a_price_applies_to_its_own_kind_of_seconds_only_and_says_so(unit, device, paid):
    assert money(hour(unit), Compute(device, seconds=10.0, wall=7.0)) == paid
    assert (unit_problem(hour(unit), device) == "") == (paid is not None)


def test_what_was_not_measured_costs_nobody_knows_what():
    assert money(hour("GPU-hour"), Compute("gpu")) is None
    assert money(hour("machine-hour"), Compute("gpu", seconds=3.0)) is None


# --- no amount has a default ------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [Business, Prices, Owned])
def test_no_amount_of_money_has_a_default(part):
    """Every amount is asked for, or is absent: only counts, months and shares of a ramp may have a usual value."""
    defaults = {name: field.get_default() for name, field in part.model_fields.items() if not field.is_required()}
    assert all(not isinstance(value, Sourced | Rate) for value in defaults.values())
    usual = {name for name, value in defaults.items() if value is not None}
    assert usual <= {"ramp", "months", "fiscal_year_starts", "devices"}


def test_an_amount_without_a_source_is_refused_and_has_no_value_of_its_own():
    assert Sourced.model_fields["source"].is_required()
    assert Sourced.model_fields["value"].default is None
    assert {"value", "source", "as_of"} <= {name for name, field in Rate.model_fields.items() if field.is_required()}
