"""Every headline number follows from the records of the cells that evidence.json names for it."""

import hashlib
import json
from collections import defaultdict
from pathlib import Path

import findings as runs
import numpy as np
import pytest
import yaml

from sn_eval.decision.numbers import FORMULAS, formula, numbered
from sn_eval.present.report.evidence import write_evidence


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    path = tmp_path_factory.mktemp("evidence") / "evidence.json"
    return json.loads(write_evidence(runs.found("complete"), path).read_text(encoding="utf-8"))


class Raw:
    """Records as they lie on the disk, read without this project's code."""

    def __init__(self, told) -> None:
        self.run = Path(told["run"]["folder"])
        self.sets = told["sets"]
        self.spec = yaml.safe_load((self.run / "spec.yaml").read_text(encoding="utf-8"))

    def by_prompt(self, name, value):
        grouped = defaultdict(list)
        for cell in self.sets[name]:
            record = json.loads((self.run / "cells" / cell / "record.json").read_bytes())
            grouped[record["prompt"]].append(value(record))
        return {prompt: float(np.mean(values)) for prompt, values in grouped.items()}

    def accepted(self, record) -> float:
        keys = {"steadiness": "steadiness[encoder]", "motion": "motion"}
        return float(all(record["scores"][keys[c["evaluator"]]] >= c["at_least"] for c in self.spec["acceptance"]))

    def seconds_a_second(self, record) -> float:
        phases = record["cost"]["seconds"]["by_phase"]
        busy = sum(seconds for phase, seconds in phases.items() if phase != "load")
        return busy * record["environment"]["threads"] / (record["frames"] / record["fps"])

    @property
    def hour(self) -> float:
        prices = self.spec["prices"]
        return prices["rate"]["value"] / prices["utilisation"]["value"] * prices["exchange"]["rate"]


def test_acceptance_follows_from_the_records(told):
    raw, arms = Raw(told), [key.partition("/")[2] for key in told["numbers"] if key.startswith("acceptance/")]
    assert len(arms) == 5
    for arm in arms:
        number = told["numbers"][f"acceptance/{arm}"]
        (cells,) = number["sets"]
        assert number["value"] == pytest.approx(np.mean(list(raw.by_prompt(cells, raw.accepted).values())))


def test_the_uplift_follows_from_the_records(told):
    raw, arm = Raw(told), told["verdict"]["arm"]
    ours, theirs = (raw.by_prompt(f"confirm/{name}", raw.accepted) for name in (arm, "plain"))
    expected = np.mean([ours[prompt] - theirs[prompt] for prompt in ours])
    assert told["numbers"]["uplift/value"]["value"] == pytest.approx(expected)
    assert set(told["numbers"]["uplift/value"]["sets"]) == {f"confirm/{arm}", "confirm/plain"}


def test_the_cost_of_an_accepted_minute_follows_from_the_records(told):
    raw, arm = Raw(told), told["verdict"]["arm"]
    rate = np.mean(list(raw.by_prompt(f"confirm/{arm}", raw.seconds_a_second).values()))
    share = np.mean(list(raw.by_prompt(f"confirm/{arm}", raw.accepted).values()))
    expected = rate * 60 / share / 3600 * raw.hour
    assert told["numbers"][f"cost/money_an_accepted_minute/{arm}"]["value"] == pytest.approx(expected)
    assert told["numbers"][f"cost/seconds_an_accepted_minute/{arm}"]["value"] == pytest.approx(rate * 60 / share)


def test_every_number_has_a_formula_and_cells_that_are_there(told):
    for key, number in told["numbers"].items():
        assert number["formula"], key
        assert number["sets"], key
        assert set(number["sets"]) <= set(told["sets"]), key
    cells = {cell for cells in told["sets"].values() for cell in cells}
    assert set(told["sha256"]["records"]) == cells


@pytest.mark.parametrize("prefix", FORMULAS)
def test_formulas_name_functions_that_exist(prefix):
    import importlib

    path = formula(prefix).partition(":")[0].partition(" ")[0].split(".")
    for length in range(len(path), 0, -1):
        try:
            found = importlib.import_module(".".join(path[:length]))
        except ModuleNotFoundError:
            continue
        for name in path[length:]:
            found = getattr(found, name)
        return
    pytest.fail(f"no module {path}")


def test_hashes_are_those_of_the_files(told):
    raw = Raw(told)
    for name, sha in told["sha256"]["files"].items():
        assert hashlib.sha256((raw.run / name).read_bytes()).hexdigest() == sha
    assert {"spec.yaml", "plan.json"} <= set(told["sha256"]["files"])
    cell, sha = next(iter(told["sha256"]["records"].items()))
    assert hashlib.sha256((raw.run / "cells" / cell / "record.json").read_bytes()).hexdigest() == sha


def test_another_spec_that_it_was_judged_by_is_named(tmp_path):
    spec = tmp_path / "other.yaml"
    spec.write_text("name: other\n")
    path = write_evidence(runs.found("minimal"), tmp_path / "evidence.json", used={"spec": spec})
    judged = json.loads(path.read_text())["sha256"]["judged_by"]
    assert judged == {"spec": hashlib.sha256(spec.read_bytes()).hexdigest()}


@pytest.mark.parametrize("variant", runs.VARIANTS)
def test_there_is_evidence_of_every_run(variant, tmp_path):
    told = json.loads(write_evidence(runs.found(variant), tmp_path / "evidence.json").read_text(encoding="utf-8"))
    assert set(told["numbers"]) == set(numbered(runs.found(variant)))
