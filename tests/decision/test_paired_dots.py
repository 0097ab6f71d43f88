"""Two arms prompt by prompt: pairs, filters, order, and the comparison of the report."""

import pytest
from findings import found

from sn_eval.decision.findings import Attempt
from sn_eval.decision.paired_dots import Asked, cells_of, duel
from sn_eval.results.plan import Judge


def attempt(prompt, arm, repeat=0, *, accepted=None, score=None, failed=False, cells=()):
    return Attempt(cells or (f"{arm}-{prompt}-{repeat}",), prompt, arm, repeat, scores={"s": score}, accepted=accepted,
                   failed=failed)  # fmt: skip


def test_every_declared_comparison_is_the_same():
    findings = found("complete")
    for each in findings.comparisons:
        got = duel(findings.attempts, Asked(each.arm, each.against, each.outcome), findings.judges).compared
        assert got.difference == each.difference, each.outcome


def test_repeats_are_paired_before_they_are_averaged():
    made = [attempt("x", "old", 0, score=1.0), attempt("x", "old", 1, score=None)]
    made += [attempt("x", "new", 0, score=2.0), attempt("x", "new", 1, score=9.0)]
    dot = duel(made, Asked("new", "old", "s"), ()).dots[0]
    assert (dot.theirs, dot.ours, dot.difference) == (1.0, 2.0, 1.0)
    assert [each.gain for each in dot.meetings] == [1.0, None]


def test_where_lower_is_better_a_rise_is_a_loss():
    made = [attempt("x", "old", score=1.0), attempt("x", "new", score=2.0)]
    judge = Judge(label="s", key="s", families=(), higher_is_better=False)
    dot = duel(made, Asked("new", "old", "s"), [judge]).dots[0]
    assert (dot.difference, dot.gain, dot.direction) == (1.0, -1.0, "worse")


def test_prompts_without_a_value_come_last():
    made = [attempt("x", "old", score=1.0), attempt("x", "new"), attempt("y", "old", score=1.0)]
    found = duel([*made, attempt("y", "new", score=5.0)], Asked("new", "old", "s"), ())
    assert [(dot.prompt, dot.direction) for dot in found.dots] == [("y", "better"), ("x", "unknown")]


def test_attempts_without_a_partner_are_counted():
    found = duel([attempt("x", "old"), attempt("y", "new")], Asked("new", "old", "s"), ())
    assert (found.dots, found.alone, found.compared.difference.mean) == ((), 2, None)


@pytest.mark.parametrize(
    ("state", "prompts"),
    [("accepted", "ac"), ("rejected", "bd"), ("gained", "a"), ("lost", "b"), ("failed", "d"), ("", "abcd")],
)
def test_only_what_came_out_so(state, prompts):
    out = {"a": (0.0, 1.0), "b": (1.0, 0.0), "c": (1.0, 1.0), "d": (0.0, 0.0)}
    made = [
        attempt(prompt, arm, accepted=value, failed=prompt == "d" and arm == "new")
        for prompt, values in out.items()
        for arm, value in zip(("old", "new"), values, strict=True)
    ]
    found = duel(made, Asked("new", "old", "acceptance", state=state), ())
    assert {dot.prompt for dot in found.dots} == set(prompts)


def test_candidates_that_both_choose_from_are_two():
    made = [attempt("x", "old", cells=("1", "2")), attempt("x", "new", cells=("1", "2"))]
    assert cells_of(duel(made, Asked("new", "old", "s"), ()).dots[0].meetings[0]) == ("2", "1")
