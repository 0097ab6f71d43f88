"""Headroom: what choosing gives, against samples whose truth is known."""

import itertools
import json

import numpy as np
import pytest

from sn_eval.decision.findings import Attempt
from sn_eval.decision.headroom import as_dict, difference_spread, headroom, spreads_of
from sn_eval.results.experiment import Experiment
from sn_eval.results.files import ResultsError
from sn_eval.results.plan import Judge

JUDGES = (
    Judge(label="sharp", key="sharp", families=("a",)),
    Judge(label="shaky", key="shaky", families=("b",), higher_is_better=False),
)


def declared(effect: float | None = 0.5, **more) -> Experiment:
    primary = [] if effect is None else [{"outcome": "sharp", "minimum_effect": effect}]
    return Experiment.model_validate(
        {
            "name": "trial", "reward": "r", "evaluators": ["sharp", "shaky"], "methods": ["plain", "search"],
            "prompts": [{"text": "a", "split": "dev"}, "b"], "primary": primary, "seeds": [0, 1],
            "budget": {"unit": "videos", "amounts": [2]},
        } | more
    )  # fmt: skip


def sample(prompt: str, number: int, searched: float, sharp: float, **more) -> Attempt:
    scores = {"sharp": sharp, "shaky": -sharp}
    return Attempt((f"{prompt}{number}",), prompt, f"sample-{number}", 0, scores=scores, searched=searched, **more)


def samples(by: str) -> list[Attempt]:
    """Two prompts with 0, 1, 2, 3 in sharpness; the reward is it, its opposite, or the same for all."""
    sign = {"right": 1.0, "wrong": -1.0, "blind": 0.0}[by]
    return [sample(prompt, i, sign * i, start + i) for prompt, start in (("a", 0.0), ("b", 10.0)) for i in range(4)]


def test_the_curve_is_the_mean_over_all_choices():
    found = headroom(declared(), JUDGES, samples("right"))
    sharp = found.outcomes[0]
    assert sharp.outcome == "sharp"
    assert [step.videos for step in sharp.curve] == [1, 2, 4]
    pairs = np.mean([max(pair) for pair in itertools.combinations(range(4), 2)]) + 5
    assert [step.oracle for step in sharp.curve] == pytest.approx([6.5, pairs, 8.0])
    assert [step.chosen for step in sharp.curve][1:] == pytest.approx([pairs, 8.0])
    assert (sharp.gain, sharp.ceiling) == (pytest.approx(1.5), pytest.approx(1.5))
    assert sharp.regret is not None
    assert sharp.regret.captured == pytest.approx(1.0)


def test_where_lower_is_better_the_gain_is_a_fall():
    shaky = headroom(declared(), JUDGES, samples("right")).outcomes[1]
    assert shaky.outcome == "shaky"
    assert shaky.curve[-1].oracle == pytest.approx(-8.0)
    assert shaky.ceiling == pytest.approx(1.5)
    assert shaky.gain == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("by", "effect", "advice", "said"),
    [
        ("right", 0.5, "go on", "worth going on: choosing among 4 plain videos gains +1.5 in sharp by the reward and"),
        ("right", 2.0, "stop", "not worth going on: "),
        ("wrong", 0.5, "other reward", "worth going on with another reward: choosing among 4 plain videos gains -1.5"),
        ("blind", 0.5, "other reward", "gains +0 in sharp by the reward and +1.5 at most (oracle)"),
        ("right", None, "unknown", "declare a minimum effect under primary"),
    ],
)
def test_the_rule_is_applied_as_it_is_declared(by, effect, advice, said):
    found = headroom(declared(effect), JUDGES, samples(by))
    assert found.advice == advice
    assert said in found.words


def test_criteria_make_acceptance_an_outcome():
    accepted = [sample("a", i, i, float(i), accepted=float(i > 2)) for i in range(4)]
    found = headroom(declared(), JUDGES, accepted)
    assert [each.outcome for each in found.outcomes] == ["sharp", "acceptance", "shaky"]
    assert [step.oracle for step in found.outcomes[1].curve] == pytest.approx([0.25, 0.5, 1.0])


def test_unusable_samples_are_counted_and_left_out():
    failed = Attempt(("x",), "a", "sample-9", 0, accepted=0.0, failed=True, why="NaN")
    found = headroom(declared(), JUDGES, [*samples("right"), failed])
    assert (found.failed, found.samples, found.prompts) == (1, 4, 2)


@pytest.mark.parametrize("some", [[], samples("right")[:1], [*samples("right")[:4], samples("right")[5]]])
def test_too_few_samples_are_one_line(some):
    with pytest.raises(ResultsError, match="it takes two finished samples of every prompt"):
        headroom(declared(), JUDGES, some)


def test_the_expected_spread_is_that_of_drawn_differences():
    random = np.random.default_rng(0)
    table = random.normal(random.normal(0, 1, (300, 1)), 0.5, (300, 8))
    rows = [[(value, value) for value in prompt] for prompt in table.tolist()]
    for repeats in (1, 4):
        drawn = [
            np.mean([max(random.choice(prompt, 4, replace=False)) - random.choice(prompt) for _ in range(repeats)])
            for prompt in table
            for _ in range(10)
        ]
        assert difference_spread(rows, 4, repeats) == pytest.approx(np.std(drawn), rel=0.05)


def test_the_spread_can_be_read_back(tmp_path):
    found = headroom(declared(), JUDGES, samples("right"))
    path = tmp_path / "headroom.json"
    path.write_text(json.dumps(as_dict(found)))
    assert spreads_of(path) == {each.outcome: pytest.approx(each.spread) for each in found.outcomes}
    for text in ("", "[]", '{"outcomes": [{}]}'):
        path.write_text(text)
        with pytest.raises(ResultsError, match=r"is no headroom\.json"):
            spreads_of(path)
    with pytest.raises(ResultsError, match="cannot read"):
        spreads_of(tmp_path / "gone.json")
