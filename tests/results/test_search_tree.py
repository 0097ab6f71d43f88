"""A trace as a tree: a known one, real ones of every method, cut and damaged ones; numbers are counted anew here."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import rewards
from sn_eval import models
from sn_eval.poc.cell import Cell, run_cell
from sn_eval.results.files import ResultsError
from sn_eval.results.record import Component
from sn_eval.results.search_tree import (
    departure,
    largest_rescue,
    load_tree,
    pairs,
    rank_correlation,
    rescues,
    within_steps,
)

PLAIN = "0" * 16
BRIGHT = """
from rewards.base import reward

@reward(family="brightness")
def bright(frames, prompts, *, fps, anchor=None, metadata=None):
    return frames.mean(dim=(2, 3, 4)).clamp(0, 1)
"""


def row(kind, step, index, key, parent, score, **more):
    told = {"kind": kind, "step": step, "candidate": index, "key": key, "parent": parent, "seed": 0, "score": score,
            "proposal": "gaussian" if index else "plain", "parts": {}, "kept": kind == "final"}  # fmt: skip
    told |= {"stage": 0, "look": 3} if kind == "preview" else {"mean_score": score, "previews": {}}
    return told | more


KNOWN = [
    row("preview", 0, 0, PLAIN, PLAIN, 0.9, kept=True),
    row("preview", 0, 1, "a1", PLAIN, 0.8),
    row("final", 0, 0, PLAIN, PLAIN, 0.85),
    row("preview", 1, 0, PLAIN, PLAIN, 0.61, parts={"event": 0.2, "light": 0.9, "light/tint": 0.1}),
    row("preview", 1, 1, "b1", PLAIN, 0.83, kept=True, parts={"event": 0.9, "light": 0.8, "light/tint": 0.9}),
    row("final", 1, 1, "b1", PLAIN, 0.8, mean_score=0.825),
    row("preview", 2, 0, "c0", "b1", 0.7),
    row("preview", 2, 1, "c1", "b1", 0.75, kept=True),
    row("final", 2, 1, "c1", "b1", 0.9, mean_score=0.85),
]


def written(folder: Path, rows, end: str = "\n") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "trace.jsonl").write_text("\n".join(json.dumps(each) for each in rows) + end)
    return folder


@pytest.fixture
def known(tmp_path):
    return load_tree(written(tmp_path / "cell", KNOWN), "c1")


# --- a known search ---------------------------------------------------------------------------------------


def test_a_known_search_is_told_as_it_was(known):
    assert (known.kind, known.winner, known.candidates, known.looks) == ("search", "recorded", 6, (3,))
    assert [node.key for node in known.path.values()] == [PLAIN, "b1", "c1"]
    assert departure(known) == 1
    best = largest_rescue(known)
    assert (best.step, best.before, best.after, best.look) == (1, 0.61, 0.83, 3)
    assert best.part.name == "event"  # a detail of a part stands behind whole parts
    assert [each.difference for each in rescues(known)] == pytest.approx([0.0, 0.22, 0.05])
    assert [each.same for each in rescues(known)] == [True, False, False]


def test_a_part_against_the_direction_does_not_explain_it(tmp_path):
    rows = [dict(each) for each in KNOWN]
    rows[3] |= {"parts": {"event": 0.5, "light": 0.9}}
    rows[4] |= {"parts": {"event": 0.7, "light": 0.1}}
    assert largest_rescue(load_tree(written(tmp_path / "cell", rows), "c1")).part.name == "event"


def test_where_no_part_differs_none_explains_it(tmp_path):
    rows = [dict(each) for each in KNOWN]
    for each in rows[3:5]:
        each["parts"] = {"event": 0.5, "light": 0.9}
    assert largest_rescue(load_tree(written(tmp_path / "cell", rows), "c1")).part is None


def test_candidates_that_were_dropped_have_no_final_score(known):
    dropped = [node.key for nodes in known.steps.values() for node in nodes if not node.kept]
    assert dropped == ["a1", PLAIN, "c0"]
    assert [(pair.preview, pair.final) for pair in pairs(known)] == [(0.9, 0.85), (0.83, 0.8), (0.75, 0.9)]


def test_of_several_looks_the_last_that_both_had_counts(tmp_path):
    rows = [
        row("preview", 0, 0, PLAIN, PLAIN, 0.4), row("preview", 0, 1, "a1", PLAIN, 0.5, kept=True),
        row("preview", 0, 1, "a1", PLAIN, 0.9, kept=True, stage=1, look=6), row("final", 0, 1, "a1", PLAIN, 0.8),
    ]  # fmt: skip
    tree = load_tree(written(tmp_path / "cell", rows), "a1")
    assert (tree.looks, tree.path[0].score) == ((3, 6), 0.9)
    assert (largest_rescue(tree).look, largest_rescue(tree).difference) == (3, pytest.approx(0.1))


def test_a_particle_that_was_drawn_twice_has_its_previews(tmp_path):
    rows = [
        row("preview", 0, 0, PLAIN, PLAIN, 0.4), row("preview", 0, 1, "a1", PLAIN, 0.5, kept=True),
        row("final", 0, 1, "a1", PLAIN, 0.6), row("final", 0, 1, "copy", PLAIN, 0.7),
    ]  # fmt: skip
    tree = load_tree(written(tmp_path / "cell", rows), "copy")
    assert [(node.key, node.copy) for node in tree.steps[0]] == [(PLAIN, False), ("a1", False), ("copy", True)]
    assert largest_rescue(tree).difference == pytest.approx(0.1)


def test_scores_of_pieces_that_only_repeat_the_preview_are_no_pairs(tmp_path):
    rows = [row("preview", s, 0, PLAIN, PLAIN, 0.1 * s, kept=True) for s in range(4)]
    rows += [row("final", s, 0, PLAIN, PLAIN, 0.1 * s) for s in range(4)]
    assert pairs(load_tree(written(tmp_path / "cell", rows), PLAIN)) == ()


BAD = ("not json", "[1, 2]", '{"kind":"preview"}', '{"kind":"final","step":"1"}', "[" * 9000)


# --- cut and damaged --------------------------------------------------------------------------------------


def test_a_cut_last_line_is_left_out_and_said(tmp_path):
    tree = load_tree(written(tmp_path / "cell", KNOWN, end='\n{"kind":"prev'), "c1")
    assert (tree.cut, tree.lost, departure(tree)) == (True, 0, 1)


@pytest.mark.parametrize("line", BAD)
def test_a_damaged_line_is_counted_and_the_rest_is_read(tmp_path, line):
    folder = written(tmp_path / "cell", KNOWN)
    lines = (folder / "trace.jsonl").read_text().splitlines()
    (folder / "trace.jsonl").write_text("\n".join([*lines[:4], line, *lines[4:]]) + "\n")
    tree = load_tree(folder, "c1")
    assert (tree.lost, tree.candidates, largest_rescue(tree).difference) == (1, 6, pytest.approx(0.22))


def test_scores_that_are_no_numbers_are_unknown(tmp_path):
    rows = [dict(each) for each in KNOWN]
    rows[3] |= {"score": "high", "parts": {"event": None, "light": [1]}}
    tree = load_tree(written(tmp_path / "cell", rows), "c1")
    assert (tree.steps[1][0].score, dict(tree.steps[1][0].parts)) == (None, {})
    assert rescues(tree)[1].difference is None


def test_a_search_that_was_killed_is_told_as_far_as_it_went(tmp_path):
    tree = load_tree(written(tmp_path / "cell", KNOWN[:7]), "")
    assert (tree.winner, [node.key for node in tree.path.values()], departure(tree)) == ("best", [PLAIN, "b1"], 1)


def test_where_the_beginning_is_lost_nobody_claims_to_know_where_it_left(tmp_path):
    tree = load_tree(written(tmp_path / "cell", KNOWN[6:]), "c1")
    assert (list(tree.path), departure(tree)) == ([2], None)
    assert departure(load_tree(written(tmp_path / "cell", KNOWN[3:]), "c1")) == 1  # b1 grew from the plain path


@pytest.mark.parametrize("text", [None, "", "nothing here\n"])
def test_without_a_readable_line_it_is_one_line_of_words(tmp_path, text):
    if text is not None:
        (tmp_path / "trace.jsonl").write_text(text)
    with pytest.raises(ResultsError, match=f"cell {tmp_path.name}") as told:
        load_tree(tmp_path)
    assert "\n" not in str(told.value)
    assert str(tmp_path.parent) not in str(told.value)


def test_a_thousand_steps_are_read(tmp_path):
    rows, parent = [], PLAIN
    for step in range(1000):
        keys = [f"{step:08x}{index:08x}" for index in range(8)]
        parts = {f"part{number}": 0.5 for number in range(12)}
        rows += [row("preview", step, i, key, parent, i / 10, parts=parts, kept=i == 7) for i, key in enumerate(keys)]
        parent, before = keys[7], parent
        rows.append(row("final", step, 7, parent, before, 0.7, parts=parts))
    folder = written(tmp_path / "cell", rows)
    tree = load_tree(folder, parent)
    assert (len(rescues(tree)), departure(tree), largest_rescue(tree).step) == (1000, 0, 0)


# --- real searches ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Cells of every method on the closed-form model."""
    place = tmp_path_factory.mktemp("cells")
    (place / "bright.py").write_text(BRIGHT)
    reward = f"{place / 'bright.py'}:bright"
    knobs = {
        "plain": {},
        "best_of_n": {"videos": 4},
        "random_pick": {"videos": 3},
        "scaling_noise": {"beams": 2, "candidates": 4, "look": 2},
        "halving": {},
    }
    cells = {}
    for method, params in knobs.items():
        folder = place / method
        folder.mkdir()
        how = Component(use="chunk", params={"steps": 6, "chunks": 5})
        cell = Cell(("a hill",), Component(use="gaussian"), how, Component(use=method, params=params),
                    Component(use=reward), seed=3)  # fmt: skip
        cells[method] = (folder, run_cell(cell, folder, models.create("gaussian"), rewards.create(reward)).record)
    return cells


def lines(folder):
    return [json.loads(line) for line in (folder / "trace.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("method", ["scaling_noise", "halving"])
def test_departure_and_largest_rescue_are_those_of_the_raw_lines(made, method):
    folder, record = made[method]
    rows, key, path = lines(folder), record.parameters["winner"], []
    for step in reversed(range(5)):
        found = next(r for r in rows if r["kind"] == "final" and r["step"] == step and r["key"] == key)
        path.insert(0, found)
        key = found["parent"]
    gains = []
    for own in path:
        looks = {}
        for r in rows:
            if r["kind"] == "preview" and r["step"] == own["step"] and r["parent"] == own["parent"]:
                looks.setdefault(r["look"], {})[r["candidate"]] = r["score"]
        both = [look for look, scores in looks.items() if {0, own["candidate"]} <= set(scores)]
        gains.append(looks[max(both)][own["candidate"]] - looks[max(both)][0])
    tree = load_tree(folder, record.parameters["winner"])
    left = next((r["step"] for r in path if r["candidate"] != 0), None)
    assert left is not None, "a search that never left says nothing here: use another seed"
    assert departure(tree) == left
    best = largest_rescue(tree)
    assert (best.step, best.difference) == (int(np.argmax(gains)), pytest.approx(max(gains)))


def test_preview_correlation_is_that_of_the_record(made):
    for method in ("scaling_noise", "halving"):
        folder, record = made[method]
        found = pairs(load_tree(folder, record.parameters["winner"]))
        for look in {pair.look for pair in found}:
            own = within_steps([pair for pair in found if pair.look == look])
            expected = record.scores.get(f"preview_correlation@{look}")  # none of a search that finishes one a step
            assert rank_correlation(own) == (None if expected is None else pytest.approx(expected))
        rho = stats.spearmanr([p.preview for p in found], [p.final for p in found]).statistic
        assert rank_correlation(found) == pytest.approx(rho)


def test_whole_videos_are_lanes_and_the_best_mean_is_chosen(made):
    folder, record = made["best_of_n"]
    rows = lines(folder)
    means = {r["seed"]: r["mean_score"] for r in rows if r["step"] == 4}
    scores = {(r["seed"], r["step"]): r["score"] for r in rows}
    tree = load_tree(folder, record.parameters["winner"])
    best = max(means, key=means.get)
    assert (tree.kind, tree.lanes, {node.seed for node in tree.path.values()}) == ("videos", tuple(means), {best})
    gains = [scores[best, step] - scores[3, step] for step in range(5)]
    assert [each.difference for each in rescues(tree)] == pytest.approx(gains)
    assert best != 3
    assert departure(tree) == 0
    assert largest_rescue(tree).difference == pytest.approx(max(gains))


def test_plain_sampling_is_no_search_and_a_blind_pick_is_unknown(made):
    folder, record = made["plain"]
    tree = load_tree(folder, record.parameters["winner"])
    assert (tree.kind, departure(tree), largest_rescue(tree), len(tree.path)) == ("plain", None, None, 5)
    folder, record = made["random_pick"]
    tree = load_tree(folder, record.parameters["winner"])
    assert (tree.kind, tree.winner, dict(tree.path)) == ("videos", "unknown", {})
