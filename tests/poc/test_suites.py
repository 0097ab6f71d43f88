"""Every suite can be loaded and is what its README says."""

import re
from collections import Counter
from itertools import combinations

import pytest
import yaml

import rewards
from sn_eval import metrics
from sn_eval.poc.spec import experiment_named, experiment_names
from sn_eval.results.paths import suites_path
from sn_eval.tabletop.scene import parse

GROUPS = {"persistence", "position", "lighting", "events", "motion"}
PRICED = ("tabletop-mini", "tabletop-full")
TABLETOP = (*PRICED, "tabletop-methods")
OURS = (*TABLETOP, "long-video-open")


def texts(name):
    return [prompt.text for prompt in experiment_named(name).prompts]


def splits(name):
    return Counter(prompt.split for prompt in experiment_named(name).prompts)


def test_all_are_there_and_load():
    assert set(OURS) <= set(experiment_names())
    for name in experiment_names():
        assert experiment_named(name).name == name


def test_they_have_as_many_prompts_as_they_say():
    assert splits("tabletop-mini") == {"confirm": 12, "dev": 4}
    assert splits("tabletop-full") == {"confirm": 75, "dev": 15}
    assert splits("tabletop-methods") == {"confirm": 50, "dev": 20}
    assert splits("long-video-open") == {"confirm": 60, "dev": 12}
    readme = suites_path("README.md").read_text(encoding="utf-8")
    for name in OURS:
        counted = splits(name)
        assert re.search(rf"`{name}` \|.*\| {counted['confirm']} \+ {counted['dev']}", readme), name


@pytest.mark.parametrize(
    ("name", "extra"), [("tabletop-full", set()), ("tabletop-methods", set()), ("long-video-open", {"stories"})]
)
def test_groups_are_even_and_each_has_dev_prompts(name, extra):
    prompts = experiment_named(name).prompts
    for split in ("confirm", "dev"):
        counted = Counter(prompt.group for prompt in prompts if prompt.split == split)
        assert set(counted) == GROUPS | extra
        assert len(set(counted.values())) == 1


@pytest.mark.parametrize("name", TABLETOP)
def test_tabletop_prompts_are_canonical_captions(name):
    for text in texts(name):
        assert parse(text).caption() == text


def test_no_prompt_is_shared_between_suites_or_with_those_that_chose_settings():
    suites = {name: set(texts(name)) for name in experiment_names()}
    suites["dev_prompts"] = set(yaml.safe_load(suites_path("dev_prompts.yaml").read_text(encoding="utf-8"))["prompts"])
    for one, other in combinations(suites, 2):
        assert not suites[one] & suites[other], (one, other)


def test_stories_change_once_a_chunk():
    experiment = experiment_named("long-video-open")
    for prompt in experiment.prompts:
        assert (prompt.schedule is not None) == (prompt.group == "stories")
        if prompt.schedule:
            assert len(prompt.schedule) == experiment.rollout.params["chunks"]
            assert len(set(prompt.schedule)) == len(prompt.schedule)
            assert all(step in prompt.text for step in prompt.schedule)


@pytest.mark.parametrize("name", OURS)
def test_what_judges_is_of_another_family_and_every_criterion_has_a_reason(name):
    experiment = experiment_named(name)
    searched = set(rewards.create(experiment.reward.use, **experiment.reward.params).spec.families)
    for judge in experiment.evaluators:
        assert not searched & set(metrics.create(judge.use, **judge.params).spec.families), judge.label
    assert all(criterion.because for criterion in experiment.acceptance)
    accepts = name != "tabletop-methods"  # it compares, and accepts nothing
    assert all(bool(experiment.criteria(prompt.group)) is accepts for prompt in experiment.prompts)


def test_money_is_an_example_or_not_there():
    for name in PRICED:
        declared = experiment_named(name)
        amounts = [declared.prices.rate, declared.prices.utilisation, *declared.business.amounts().values()]
        assert all(amount.illustrative and amount.source.startswith("example") for amount in amounts)
    for name in ("long-video-open", "tabletop-methods"):
        assert (experiment_named(name).prices, experiment_named(name).business) == (None, None)


def test_the_methods_suite_says_what_its_table_needs():
    """One declared measure, a guard of motion, and best of 8 at its own cost as what others are held against."""
    experiment = experiment_named("tabletop-methods")
    assert [primary.outcome for primary in experiment.primary] == ["anchor_consistency"]
    assert [guard.evaluator for guard in experiment.rules.no_worse] == ["dynamic_degree"]
    reference = next(method for method in experiment.methods if method.label == "best_of_8")
    assert (reference.use, reference.budget, reference.params) == ("best_of_n", "own", {"videos": 8})
    for amount in experiment.budget.amounts:  # every arm lies below the goal of 40 % of best of 8
        assert amount <= 0.4 * 8 * experiment.rollout.params["steps"] * experiment.rollout.params["chunks"]
