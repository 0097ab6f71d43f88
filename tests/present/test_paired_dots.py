"""The chart of paired dots: drawn in both languages, direction by shape and sign, text of others as text."""

import re

import pytest
from findings import VARIANTS, found

from sn_eval.decision.findings import ScalingFit
from sn_eval.decision.paired_dots import Asked, duel
from sn_eval.decision.ranks import Estimate
from sn_eval.present import charts
from sn_eval.present.paired_dots import SELECT, dots_grid, paired_dots
from sn_eval.present.report.teller import Teller
from sn_eval.present.scaling_words import scaling_words


def drawn(variant, lang="en", outcome="steadiness", arm="scaling_noise@96"):
    findings = found(variant)
    pairs = duel(findings.attempts, Asked(arm, findings.baseline, outcome), findings.judges)
    return Teller(findings, lang), pairs


@pytest.mark.parametrize("lang", ["ja", "en"])
@pytest.mark.parametrize("outcome", ["acceptance", "flicker"])
def test_it_is_drawn(lang, outcome):
    t, pairs = drawn("complete", lang, outcome)
    svg = charts.svg(paired_dots(t, pairs, 0, pairs.dots[:25], opened=1))
    signs = re.findall(r">([▲▼=]) ", svg)
    assert len(signs) == len(pairs.dots[:25])
    assert signs.count("▼") == pairs.count("worse")


def test_rows_are_selected_by_their_place():
    t, pairs = drawn("complete")
    below = paired_dots(t, pairs, 5, pairs.dots[5:9])["vconcat"][1]
    assert [row["place"] for row in below["data"]["values"]] == [5, 6, 7, 8]
    assert below["layer"][0]["params"][0]["name"] == SELECT


def test_a_prompt_is_text():
    t, pairs = drawn("awkward")
    svg = charts.svg(paired_dots(t, pairs, 0, pairs.dots))
    assert "<script" not in svg
    assert any(row.cells[-1] == VARIANTS["awkward"]["text"] for row in dots_grid(t, pairs, 0, pairs.dots).rows)


def test_without_a_value_there_is_no_chart():
    t, pairs = drawn("complete", outcome="nothing")
    with pytest.raises(ValueError, match="no prompt with a value"):
        paired_dots(t, pairs, 0, pairs.dots)


@pytest.mark.parametrize(
    "words",
    [
        "no curve: 1 budget, and it takes 3",
        "no curve: 4 prompts have a value at every budget, and it takes 8",
        "no curve: no clear rise with compute: from 48 to 192 nfe it gains +0.02 (-0.01 to +0.05)",
        "no curve: more compute makes it worse: from 48 to 192 nfe it gains -0.02 (-0.03 to -0.01)",
        "no ceiling in sight: these budgets agree with growth that does not end",
        "still rising at 192 nfe; where it ends lies too far beyond to say",
        "from about 210 nfe on less than 5% of the gain seen is left (beyond what was measured: an extrapolation); "
        "3 budgets determine the curve and cannot check its form",
        "from about 99 nfe on less than 5% of the gain seen is left (within what was measured)",
    ],
)
def test_what_a_fit_says_is_said_in_japanese(words):
    fit = ScalingFit("m", "s", "nfe", (), Estimate(), Estimate(), None, None, words)
    said = scaling_words(Teller(found("complete"), "ja"), fit)
    assert not re.search(r"curve|budget|compute|ceiling|rising|about", said)
    assert "–" not in said
    for figure in re.findall(r"\d+\.?\d*", words.replace("less than 5%", "")):
        assert figure in said


def test_a_real_fit_is_said_in_japanese():
    for fit in found("complete").scaling:
        assert not re.search(r"[a-z]{3,} [a-z]{3,}", scaling_words(Teller(found("complete"), "ja"), fit))
