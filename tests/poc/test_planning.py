"""Cells of an experiment: arms at budgets that they keep, schedules, images."""

import pytest
import torch
from running import written

from rewards.base import UserError
from sn_eval.poc.cast import make_cast
from sn_eval.poc.planning import arms, make_plan
from sn_eval.video import save_image


def planned(experiment):
    return make_plan(experiment, make_cast(experiment))


def test_arms_are_methods_at_amounts_and_plain_is_there_once(tmp_path):
    methods = ["plain", {"use": "best_of_n", "name": "own", "budget": "own"}, "best_of_n"]
    experiment = written(tmp_path, methods=methods, budget={"unit": "videos", "amounts": [2, 3.5], "within": 0.2})
    found = arms(experiment, make_cast(experiment))
    assert [(arm.name, arm.budget_nfe, arm.nominal) for arm in found] == [
        ("plain", None, 6), ("own", None, 24), ("best_of_n@2videos", 12, 12), ("best_of_n@3.5videos", 21, 18)
    ]  # fmt: skip


def test_a_method_far_below_its_budget_is_refused_with_amounts_that_fit(tmp_path):
    experiment = written(tmp_path, budget={"unit": "nfe", "amounts": [17]})
    with pytest.raises(UserError) as caught:
        arms(experiment, make_cast(experiment))
    assert str(caught.value) == (
        "method 'best_of_n' spends 12 of 17 denoiser evaluations at a budget of 17 nfe, 70.6%, and at least 97.0% is "
        "declared (budget.within); amounts that fit all methods: 12 and 18"
    )


def test_every_amount_that_is_offered_fits(tmp_path):
    methods = ["plain", "best_of_n", {"use": "scaling_noise", "params": {"look": 2}}]
    for amount in (7, 20, 31, 45):
        experiment = written(tmp_path, methods=methods, budget={"unit": "nfe", "amounts": [amount]})
        try:
            arms(experiment, make_cast(experiment))
        except UserError as error:
            offered = str(error).split("fit all methods: ")[1].split(" and ")
            for fit in map(int, offered):
                fitting = written(tmp_path, methods=methods, budget={"unit": "nfe", "amounts": [fit]})
                assert len(arms(fitting, make_cast(fitting))) == 3


def test_schedules_and_images_go_into_the_cells(tmp_path):
    save_image(torch.rand(3, 8, 8), tmp_path / "first.png")
    story = {"text": "a walk", "schedule": ["a hill", "a lake"], "image": str(tmp_path / "first.png")}
    plan, cells = planned(written(tmp_path, prompts=["a hill", story]))
    assert [(cell.prompts, cell.text) for cell in cells[1:3]] == [
        (("a hill",), "a hill"),
        (("a hill", "a lake"), "a walk"),
    ]
    assert (cells[1].image, cells[2].image) == (None, str(tmp_path / "first.png"))
    assert [cell.prompt for cell in plan.cells] == ["a hill"] * 2 + ["a walk"] * 2
    with pytest.raises(UserError, match="prompt 'a lake': there is no image gone.png"):
        planned(written(tmp_path, prompts=[{"text": "a lake", "image": "gone.png"}]))


def test_ids_are_apart_and_do_not_depend_on_names_or_rules(tmp_path):
    seeds = {"seeds": [0, 1, 2]}
    plan, cells = planned(written(tmp_path, **seeds))
    assert len({cell.id for cell in cells}) == len(plan.cells) == 12
    renamed = written(tmp_path, **seeds, name="other", evaluators=[{"use": "mine:red", "name": "rouge"}], baseline="a",
                      methods=[{"use": "plain", "name": "a"}, {"use": "best_of_n", "name": "b"}],
                      acceptance=[{"evaluator": "rouge", "at_least": 0.2}])  # fmt: skip
    assert [cell.id for cell in planned(renamed)[1]] == [cell.id for cell in cells]


def test_two_evaluators_of_one_key_are_refused(tmp_path):
    evaluators = ["mine:red", {"use": "mine:red", "name": "again"}]
    with pytest.raises(UserError, match="two evaluators are called 'red'"):
        planned(written(tmp_path, evaluators=evaluators))
