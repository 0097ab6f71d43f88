"""Finding, making and explaining components, and what a user reads when a file of theirs is wrong."""

import importlib.metadata
import pickle

import pytest
import torch

import rewards
from rewards.base import RewardSpec, Scores, UserError
from rewards.registry import Registry, component, fits

GOOD = """
from rewards.base import reward

@reward(family="brightness")
def bright(frames, prompts, *, fps, anchor=None, metadata=None, gain: float = 1.0):
    '''Mean brightness.'''
    return {result}
"""


def write(tmp_path, result="(gain * frames.mean(dim=(2, 3, 4))).clamp(0, 1)", text=GOOD):
    file = tmp_path / "mine.py"
    file.write_text(text.replace("{result}", result))
    return file


def ask(use, **params):
    return rewards.create(use, **params)(torch.full((2, 3, 3, 8, 8), 0.5), ["a", "b"], fps=8.0)


def failure(use, **params) -> str:
    with pytest.raises(UserError) as error:
        ask(use, **params)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_users_reward_is_a_decorated_function(tmp_path):
    use = f"{write(tmp_path)}:bright"
    scores = ask(use, gain=0.5)
    assert scores.values.tolist() == [0.25, 0.25]
    assert scores.per_frame.shape == (2, 3)
    assert rewards.describe(use).summary == "Mean brightness."
    assert [str(p) for p in rewards.describe(use).parameters] == ["gain: float = 1.0"]
    assert rewards.create(use).spec == RewardSpec("bright", ("brightness",))


def test_a_changed_file_is_loaded_anew(tmp_path):
    first = ask(f"{write(tmp_path, 'frames.mean(dim=(1, 2, 3, 4))')}:bright").values
    second = ask(f"{write(tmp_path, '1 - frames.mean(dim=(1, 2, 3, 4)) / 2')}:bright").values
    assert (first.tolist(), second.tolist()) == ([0.5, 0.5], [0.75, 0.75])


def test_a_made_reward_of_a_users_file_survives_pickle(tmp_path):
    made = rewards.create(f"{write(tmp_path)}:bright", gain=0.5)
    assert pickle.loads(pickle.dumps(made)).params == {"gain": 0.5}  # noqa: S301 - our own bytes


@pytest.mark.parametrize(
    ("result", "rule"),
    [
        ("frames.mean()", r"returned shape \[\]; it must be \[2\] or \[2, 3\]"),
        ("frames.mean(dim=(3, 4))", r"returned shape \[2, 3, 3\]"),
        ("0.5", "returned float; it must return a tensor"),
        ("[0.5, 0.5]", "returned list"),
        ("3 + frames.mean(dim=(1, 2, 3, 4))", "returned 3.5, outside of its declared range 0..1"),
        ("frames.mean(dim=(1, 2, 3, 4)) / 0", "infinite"),
    ],
)
def test_a_wrong_result_gets_one_clear_line(tmp_path, result, rule):
    with pytest.raises(UserError, match=rule):
        ask(f"{write(tmp_path, result)}:bright")


def test_wrong_files_and_names(tmp_path):
    file = write(tmp_path)
    assert "Did you mean 'bright'?" in failure(f"{file}:brigt")
    assert "there is no file" in failure(f"{tmp_path}/other.py:bright")
    assert "write " in failure(str(file))
    assert "'reward' is not" not in failure(f"{file}:nothing")
    assert f"{file}, line 5" in failure(
        f"{write(tmp_path, text=GOOD.replace('def bright(', 'def bright['))}:bright"
    )
    broken = write(tmp_path, text="import torch\nx = 1 / 0\n")
    assert "mine.py, line 2): ZeroDivisionError" in failure(f"{broken}:bright")
    absent = write(tmp_path, text="import not_there_at_all\n")
    assert "there is no module 'not_there_at_all'" in failure(f"{absent}:bright")
    plain = write(tmp_path, text="def bright(frames, prompts):\n    return frames\n")
    assert "mark" in failure(f"{plain}:bright")
    short = write(tmp_path, text=GOOD.replace("fps, anchor=None, ", ""))
    assert "lacks fps, anchor" in failure(f"{short}:bright")


def test_wrong_names_and_parameters():
    assert failure("persistance").startswith(
        "unknown reward 'persistance'. Did you mean 'object_persistence'? Known: "
    )
    assert "there is no module 'nowhere'" in failure("nowhere.at.all:it")
    assert "is not a reward" in failure("json:dumps")
    assert "is named by a text" in failure("")
    assert "has no parameter 'lambda'. Allowed: things: int = 3" in failure(
        "object_persistence", **{"lambda": 1}
    )
    assert "things must be int; given 'two'" in failure("object_persistence", things="two")
    assert "needs parts" in failure("composite")
    assert "one of 'never', 'when asked', 'always'" in failure("lighting_consistency", allow_change="yes")


def test_what_is_made_must_be_a_reward(tmp_path):
    file = tmp_path / "odd.py"
    file.write_text("from rewards.registry import component\n@component('odd')\ndef odd():\n    return 3\n")
    assert "makes a int, which is not a Reward" in failure(f"{file}:odd")


def test_a_folder_is_a_registry_and_a_file_is_a_registration(tmp_path, monkeypatch):
    folder = tmp_path / "shapes"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "one.py").write_text(
        "from rewards.registry import component\n"
        "@component('round')\ndef f(r: int = 1):\n    '''A disc.'''\n    return r\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    shapes = Registry("shape", "shapes", "shapes.none")
    assert shapes.names() == ["round"]
    assert shapes.create("round", r=4) == 4
    assert shapes.create("shapes.one:f") == 1
    (folder / "two.py").write_text((folder / "one.py").read_text())
    with pytest.raises(UserError, match="defined twice"):
        Registry("shape", "shapes", "shapes.none").names()
    (folder / "two.py").unlink()
    (folder / "three.py").write_text("def f(:\n")
    with pytest.raises(UserError, match=r"three.py, line 1: .*Correct that line"):
        Registry("shape", "shapes", "shapes.none").names()


def test_an_installed_plugin_is_found_by_name(tmp_path, monkeypatch):
    (tmp_path / "plugin_of_shapes.py").write_text(
        "from rewards.registry import component\n"
        "@component('plugged')\ndef f(size: int = 2):\n    return size\n"
    )
    (tmp_path / "no_shapes").mkdir()
    (tmp_path / "no_shapes" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    point = importlib.metadata.EntryPoint("plugged", "plugin_of_shapes:f", "shapes.here")
    monkeypatch.setattr(
        importlib.metadata, "entry_points", lambda group: [point] if group == point.group else []
    )
    registry = Registry("shape", "no_shapes", "shapes.here")
    assert registry.names() == ["plugged"]
    assert registry.create("plugged", size=5) == 5


def test_a_mark_is_not_inherited():
    @component("parent")
    class Parent:
        pass

    class Child(Parent):
        pass

    assert "component_name" in vars(Parent)
    assert "component_name" not in vars(Child)


def test_types_that_yaml_can_hold():
    assert fits({"a": 1}, dict[str, int])
    assert not fits("abc", list[str])
    assert not fits(True, int)
    assert fits(3, "a forward reference")


def test_scores_and_spec_travel():
    scores = Scores(torch.tensor([1.0]), None, {"a": torch.tensor([0.5])})
    back = pickle.loads(pickle.dumps(scores))  # noqa: S301 - our own bytes
    assert back.parts["a"].item() == 0.5
