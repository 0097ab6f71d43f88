"""The experiment file that `poc new` writes: it loads, explains itself, and invents no money."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.base import UserError
from sn_eval.poc.scaffold import EXAMPLES, WORDS, Answers, judges_for, read_prompts, scaffold, with_split
from sn_eval.results.experiment import Experiment, Prompt
from sn_eval.results.experiment_file import parse_experiment
from sn_eval.results.record import Component

JUDGES = (Component(use="anchor_consistency", params={"encoder": "imagenet-lite0@96"}), Component(use="motion_floor"))


def answers(**changes) -> Answers:
    fields = {
        "name": "shop",
        "model": Component(use="tabletop"),
        "reward": Component(use="tabletop_quality"),
        "evaluators": JUDGES,
        "prompts": with_split([Prompt(text=text) for text in EXAMPLES]),
    }
    return Answers(**(fields | changes))


def loaded(**changes) -> Experiment:
    return parse_experiment(scaffold(answers(**changes)), "a.yaml")


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_it_loads_and_says_the_same_in_both_languages(lang):
    text = scaffold(answers(), lang)
    found = parse_experiment(text, "a.yaml")
    assert found.evaluators[0].params == {"encoder": "imagenet-lite0@96"}
    assert found.model_copy(update={"about": "", "prices": None, "business": None}) == loaded().model_copy(
        update={"about": "", "prices": None, "business": None}
    )
    commented = [line for line in text.splitlines() if line.startswith("# ")]
    assert len(commented) > 20
    assert any(ord(letter) > 0x3000 for letter in "".join(commented)) == (lang == "ja")


@pytest.mark.parametrize("lang", [0, 1])
def test_no_line_is_wider_than_a_screen(lang):
    for text in WORDS.values():
        for line in text[lang].split("\n"):
            assert sum(2 if ord(letter) > 0x2E80 else 1 for letter in line) <= 118, line


def test_every_amount_of_money_is_a_gap_that_says_who_can_fill_it():
    found = loaded()
    assert found.business is not None
    assert found.prices is not None
    assert found.prices.rate is not None
    amounts = [*found.business.amounts().values(), found.prices.utilisation, found.prices.rate]
    assert len(amounts) == 10
    for amount in amounts:
        assert amount.value is None
        assert amount.source.startswith("fill in: ")
    assert found.examples == ()


def test_the_proposed_criteria_load_once_their_marks_are_taken_away():
    text = scaffold(answers())
    start = text.index("# acceptance:")
    end = text.index("\n\n", start)
    bare = text[:start] + re.sub(r"^# ?", "", text[start:end], flags=re.MULTILINE) + text[end:]
    bare = bare.replace(
        "outcome: anchor_consistency\n    minimum_effect: 0.02", "outcome: acceptance\n    minimum_effect: 0.1"
    )
    found = parse_experiment(bare, "a.yaml")
    assert [criterion.evaluator for criterion in found.acceptance] == ["anchor_consistency", "motion_floor"]


def test_answers_arrive_in_the_file():
    found = loaded(
        model=Component(use="image_to_video", params={"path": "a model: folder"}),
        budgets=(2.0, 4.5), seeds=3, chunks=2, currency="EUR", price="runpod-h200", about="yes",
        methods=("plain", "halving"),
    )  # fmt: skip
    assert found.model.params == {"path": "a model: folder"}
    assert found.rollout.params == {"steps": 25, "chunks": 2, "preview": "coarse"}
    assert found.budget is not None
    assert found.budget.amounts == (2.0, 4.5)
    assert found.seeds == (0, 1, 2)
    assert found.about == "yes"
    assert found.prices is not None
    assert (found.prices.use, found.prices.currency) == ("runpod-h200", "EUR")
    assert [method.label for method in found.methods] == ["plain", "halving"]


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=2, unique=True))
def test_prompts_are_read_back_letter_by_letter(texts):
    texts = [text for text in texts if text.strip()]
    if len(texts) > 1:
        found = loaded(prompts=with_split([Prompt(text=text) for text in texts]))
        assert [prompt.text for prompt in found.prompts] == texts


@given(count=st.integers(2, 100), share=st.floats(0.05, 0.9))
def test_a_share_of_the_prompts_is_for_choosing_settings(count, share):
    marked = with_split([Prompt(text=str(i)) for i in range(count)], share)
    dev = sum(prompt.split == "dev" for prompt in marked)
    assert dev == max(1, round(count * share))
    assert dev < count or round(count * share) == count


def test_one_prompt_is_too_few():
    with pytest.raises(UserError, match="1 prompt: give two or more, one to choose settings on"):
        with_split([Prompt(text="a")])


# --- prompts of a file --------------------------------------------------------------------------------------


def test_prompts_come_from_lines_or_from_yaml(tmp_path):
    lines, data = tmp_path / "a.txt", tmp_path / "b.yaml"
    lines.write_text("# mine\na cat: it walks\n\na dog\na dog\n", encoding="utf-8")
    data.write_text("prompts:\n- a cat\n- {text: a story, group: g, schedule: [x, y]}\n- {text: c, split: dev}\n")
    assert [p.text for p in read_prompts(lines)] == ["a cat: it walks", "a dog"]
    assert [p.split for p in read_prompts(data)] == ["confirm", "confirm", "dev"]  # as marked
    found = loaded(prompts=read_prompts(data))
    assert found.prompts[1] == Prompt(text="a story", group="g", schedule=("x", "y"))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.txt", "one", "1 prompt: give two or more"),
        ("a.txt", "", "0 prompt: give two or more"),
        ("a.yaml", "prompts: [1, 2]", "item 0: "),
        ("a.yaml", "[{txt: a}, b]", "item 0.text: Field required"),
        ("a.yaml", "prompts: 5", "item prompts: 'int' object is not iterable"),
        ("a.yaml", "[a", "are no YAML"),
    ],
)
def test_prompts_that_cannot_be_used_are_one_line(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=re.escape(said)):
        read_prompts(tmp_path / name)


# --- evaluators of another family ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reward", "judges"),
    [
        ("tabletop_quality", ["anchor_consistency", "motion_floor"]),
        ("anchor_consistency", ["object_persistence", "motion_floor"]),
        ("motion_floor", ["anchor_consistency", "dynamic_degree"]),
    ],
)
def test_proposed_evaluators_measure_otherwise_than_the_reward(reward, judges):
    assert [judge.use for judge in judges_for(Component(use=reward))] == judges
