"""The decision is read off the declared rules, and the reasons that led to it come first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn_eval.decision.findings import Reason
from sn_eval.decision.ranks import Estimate
from sn_eval.decision.verdict import BUSINESS, CODES, GUARDS, VALIDITY, Evidence, decide

SHOWN, UNSURE, BELOW = Estimate(0.2, 0.1, 0.3), Estimate(0.1, 0.0, 0.2), Estimate(-0.1, -0.2, 0.04)


def evidence(uplift=SHOWN, *, finished=True, threshold=0.05, **checks):
    found = [Reason(code, holds) for code, holds in checks.items()]
    return Evidence("search@96", "acceptance", uplift, threshold, "break_even", threshold, finished, found)


@pytest.mark.parametrize(
    ("uplift", "checks", "decision"),
    [
        (SHOWN, {"profit": True}, "go"),
        (SHOWN, {"profit": True, "latency": True, "hacking": True, "evaluator_validity": None}, "go"),
        (UNSURE, {"profit": True}, "continue"),
        (BELOW, {"profit": True}, "stop"),
        (SHOWN, {"profit": None, "business_inputs": False}, "conditional"),
        (SHOWN, {"profit": True, "illustrative_inputs": False}, "conditional"),
        (SHOWN, {"profit": True, "rules_changed": False}, "conditional"),
        (SHOWN, {"profit": True, "no_worse": None}, "continue"),
        (SHOWN, {"profit": False}, "continue"),
        (UNSURE, {"failures": False}, "invalid"),
        (BELOW, {"balance": False}, "invalid"),
        (Estimate(0.2), {"profit": True}, "continue"),
    ],
)
def test_decisions(uplift, checks, decision):
    assert decide(evidence(uplift, **checks)).decision == decision


def test_an_uplift_that_is_shown_without_profit_stops_and_one_that_is_not_goes_on():
    def chance(value, uplift=SHOWN):
        return Evidence(
            "a", "acceptance", uplift, 0.0, "break_even", 0.0, True, [Reason("profit", False, {"chance": value})]
        )

    assert decide(chance(0.1)).decision == "stop"
    assert decide(chance(0.5)).decision == "continue"
    assert decide(chance(0.1, Estimate(0.1, -0.1, 0.3))).decision == "continue"


CHECKS = st.sampled_from([code for code in CODES if code not in ("uplift", "finished")])


@given(
    st.dictionaries(CHECKS, st.sampled_from([True, False, None])),
    st.sampled_from([SHOWN, UNSURE, BELOW]),
    st.booleans(),
)
def test_go_takes_everything(checks, uplift, finished):
    verdict = decide(evidence(uplift, finished=finished, **checks))
    assert len(verdict.reasons) == len(checks) + 2
    if verdict.decision == "go":
        assert finished
        assert uplift is SHOWN
        assert all(checks.get(code) is not False for code in (*VALIDITY, *GUARDS, *BUSINESS, "profit"))
    if any(checks.get(code) is False for code in VALIDITY):
        assert verdict.decision == "invalid"
    elif not finished:
        assert verdict.decision == "provisional"


@pytest.mark.parametrize(
    ("checks", "first"),
    [({"balance": False, "profit": True}, "balance"), ({"latency": False, "profit": True}, "latency"),
     ({"profit": True, "illustrative_inputs": False}, "illustrative_inputs"), ({"profit": True}, "uplift")],
)  # fmt: skip
def test_the_deciding_reason_comes_first(checks, first):
    assert decide(evidence(**checks)).reasons[0].code == first
