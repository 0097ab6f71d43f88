"""`sn-eval poc new`, on the command line."""

import json

import pytest
from typer.testing import CliRunner

from sn_eval.cli import app, poc_new
from sn_eval.results.experiment_file import load_experiment


def new(*words: str, said: str | None = None):
    return CliRunner().invoke(app, ["poc", "new", *words], prog_name="sn-eval", input=said)


def test_flags_are_enough(tmp_path):
    (tmp_path / "p.txt").write_text("a cat walks\na dog sleeps\na bird sings\n")
    file = tmp_path / "shop.yaml"
    words = (
        "--evaluator lighting_consistency --reward object_persistence --budget 2 --budget 3 --currency usd --lang ja"
    )
    result = new(str(file), "--prompts", str(tmp_path / "p.txt"), *words.split(), "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["file"] == str(file)
    found = load_experiment(file)
    assert found.name == "shop"
    assert found.reward.use == "object_persistence"
    assert [judge.use for judge in found.evaluators] == ["lighting_consistency"]
    assert [prompt.split for prompt in found.prompts] == ["confirm", "dev", "confirm"]
    assert found.budget is not None
    assert found.budget.amounts == (2.0, 3.0)
    assert found.prices is not None
    assert found.prices.currency == "USD"


def test_on_a_terminal_it_asks_for_what_is_not_given(tmp_path, monkeypatch):
    monkeypatch.setattr(poc_new, "_terminal", lambda: True)
    monkeypatch.chdir(tmp_path)
    result = new("--reward", "tabletop_quality", said="my-shop\n\n\n2, 4\nEUR\n")
    assert result.exit_code == 0, result.stderr
    assert "Name of the experiment" in result.stderr
    assert "Reward" not in result.stderr
    found = load_experiment(tmp_path / "my-shop.yaml")
    assert found.budget is not None
    assert found.budget.amounts == (2.0, 4.0)
    assert found.prices is not None
    assert found.prices.currency == "EUR"
    assert "sn-eval poc plan my-shop.yaml" in result.stdout


def test_a_file_that_is_there_is_kept(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("mine")
    result = new(str(file))
    assert result.exit_code == 2
    assert "is there already: choose another file, or replace it with --force" in result.stderr
    assert file.read_text() == "mine"
    assert new(str(file), "--force").exit_code == 0
    assert load_experiment(file).name == "a"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--reward", "tabletop_qualty"], "Did you mean 'tabletop_quality'?"),
        (["--evaluator", "dynamic_degre"], "Did you mean 'dynamic_degree'?"),
        (["--method", "best_of"], "Did you mean 'best_of_n'?"),
        (["--model", "tabeltop"], "Did you mean 'tabletop'?"),
        (["--budget", "0"], "budget.amounts[0]: '0' must be above 0"),
        (["--price", "runpod-h100-sxm-secur"], "Did you mean 'runpod-h100-sxm-secure'"),
        (["--prompts", "gone.txt"], "cannot read prompts gone.txt: No such file or directory. Name a text file"),
        (["--currency", "JP"], "must be a currency of three capital letters"),
        (["--lang", "fr"], "--lang 'fr': choose one of en, ja"),
    ],
)
def test_wrong_answers_are_one_line_and_write_nothing(tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    result = new("a.yaml", *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
