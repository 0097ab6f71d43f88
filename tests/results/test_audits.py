"""Audits: the stored one is the README's; what a visitor brings is read, or refused in one line."""

import json
from pathlib import Path

import pytest

from sn_eval.results.audits import LARGEST, built_in_audit, read_audit
from sn_eval.results.files import ResultsError

README = Path(__file__).parents[2] / "README.md"


def told(gate):
    """A cell of the README's table."""
    if gate.met is None:
        return "not evaluable"
    wins, ratio = (None if v is None else f"{v:.{digits}%}" for v, digits in ((gate.wins, 0), (gate.ratio, 1)))
    figures = [*([] if gate.monotone is None else [f"{gate.monotone:.2f}"]), wins or ratio]
    return f"{', '.join(figures)} ({gate.n})" + ("" if gate.met else " **missed**")


def test_the_stored_audit_is_the_readmes():
    rows = README.read_text("utf-8").partition("| reward | change | must |")[2].partition("\n\n")[0].splitlines()[2:]
    gates = iter(built_in_audit())
    name = ""
    for row in rows:
        reward, change, must, *cells = (cell.strip() for cell in row.strip("|").split("|"))
        name = reward or name
        for source, cell in zip(("tabletop", "real"), cells, strict=True):
            gate = next(gates)
            assert (gate.reward, gate.change, gate.must, gate.source, told(gate)) == (name, change, must, source, cell)
    assert next(gates, None) is None


GATE = {"change": "vanish", "kind": "must fall", "source": "real", "n": 9, "monotone": None, "wins": 0.5,
        "ratio": float("inf"), "passed": False}  # fmt: skip


def test_what_the_command_prints_is_read():
    [gate] = read_audit(json.dumps([{"metric": "mine.py:mine", "gates": [GATE]}]).encode())
    assert (gate.reward, gate.must, gate.n, gate.wins) == ("mine.py:mine", "fall", 9, 0.5)
    assert gate.ratio is None
    assert gate.met is False


@pytest.mark.parametrize(
    "data", [[], {}, None, 3, [3], [{"gates": [GATE]}], [{"reward": "x", "gates": "abc"}],
             [{"reward": "x", "gates": []}], [{"reward": "x", "gates": [GATE | {"kind": "must win"}]}],
             [{"reward": "x", "gates": [GATE | {"passed": 1}]}], [{"reward": "x", "gates": [GATE] * 5001}]],
)  # fmt: skip
def test_anything_else_is_refused_in_one_line(data):
    with pytest.raises(ResultsError, match="audit") as error:
        read_audit(json.dumps(data).encode())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", [b"", b"\xff", b"[" * 100_000, b" " * (LARGEST + 1)])
def test_what_is_no_json_is_refused_too(text):
    with pytest.raises(ResultsError, match="audit"):
        read_audit(text)
