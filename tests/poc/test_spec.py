"""Experiments by name or by file."""

import pytest
from experiment_files import FULL

from sn_eval.poc import spec
from sn_eval.poc.spec import experiment_named, experiment_names
from sn_eval.results.files import ResultsError


def test_a_file_is_loaded_whatever_it_is_called(tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text(FULL)
    (tmp_path / "plain").write_text(FULL)
    monkeypatch.chdir(tmp_path)
    assert experiment_named("mine.yaml") == experiment_named(str(tmp_path / "plain"))
    assert experiment_named("plain").name == "full-example"
    with pytest.raises(ResultsError, match=r"no experiment at her\.yml"):
        experiment_named("her.yml")


def test_a_suite_is_loaded_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "suite.yaml").write_text(FULL)
    (tmp_path / "some_prompts.yaml").write_text("prompts: [a]")
    monkeypatch.setattr(spec, "suites_path", lambda name="": tmp_path / name)
    assert experiment_names() == ["suite"]
    assert experiment_named("suite").name == "full-example"
    with pytest.raises(ResultsError, match=r"no experiment 'suit': .* one of suite\. Did you mean 'suite'\?"):
        experiment_named("suit")


def test_a_mistake_in_a_suite_names_its_file_and_line(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(FULL.replace("reward: tab", "rewrad: tab"))
    with pytest.raises(ResultsError, match=r"a\.yaml, line 8, rewrad: unknown key; did you mean 'reward'\?"):
        experiment_named(str(path))
