"""The page "Trajectories" over a run that was really made: its headline is counted anew from the raw trace."""

import json
import re
import shutil
from dataclasses import asdict
from html import unescape
from pathlib import Path

import pytest
import streamlit as st
from findings import folder as variant
from running import written
from scipy import stats
from streamlit.testing.v1 import AppTest

from dashboard.app import FOLDER
from dashboard.grids import csv_of
from dashboard.settings import VARIABLE, Settings
from dashboard.tree.choose import by_loss
from dashboard.tree.drawing import SHOWN, STEPS, tree_html, windows
from sn_eval.decision.findings import Attempt
from sn_eval.poc.run import run
from sn_eval.present.search_telling import Telling, figure, signed
from sn_eval.present.words import LANGUAGES, say
from sn_eval.results.plan import Planned
from sn_eval.results.search_tree import Look, Node, Tree, largest_rescue, load_tree, tree_of

PAGE = FOLDER / "trajectories.py"
HOSTILE = "<script>alert('x')</script> [a](b) $x$ {y}"
METHODS = ("plain", "best_of_n", "scaling_noise", "halving")


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> Path:
    """Two prompts, four methods, two seeds; five chunks."""
    place = tmp_path_factory.mktemp("trajectories")
    methods = [{"use": "plain", "budget": "own"}, "best_of_n", "scaling_noise", "halving"]
    experiment = written(
        place, name="hills", methods=methods, prompts=["a hill", HOSTILE], seeds=[0, 1],
        rollout={"use": "chunk", "params": {"steps": 6, "chunks": 5}}, budget={"unit": "nfe", "amounts": [120]},
    )  # fmt: skip
    outcome = run(experiment, place / "hills")
    assert outcome.finished, outcome
    return place / "hills"


@pytest.fixture
def open_page(real, monkeypatch):
    """Draws the page of a run: its folder, language, and what the URL says. Only the whole run is kept in memory."""

    def forget() -> None:
        st.cache_resource.clear()
        st.cache_data.clear()

    def opened(run: Path, lang: str = "en", **query: str) -> AppTest:
        if run != real:
            forget()
        monkeypatch.setenv(VARIABLE, json.dumps(asdict(Settings(runs=str(run)))))
        page = AppTest.from_file(PAGE, default_timeout=60)
        for name, value in {"lang": lang, **query}.items():
            page.query_params[name] = value
        page.run()
        assert not page.exception
        if run != real:
            forget()
        return page

    return opened


def cell_of(run: Path, method: str, prompt: str = "a hill", repeat: int = 0) -> str:
    plan = json.loads((run / "plan.json").read_text())["cells"]
    wanted = (method, prompt, repeat)
    return next(cell["cell"] for cell in plan if (cell["method"], cell["prompt"], cell["repeat"]) == wanted)


def html_of(page: AppTest) -> str:
    return "".join(element.proto.body for element in page.get("html"))


def texts(page: AppTest) -> str:
    elements = (*page.markdown, *page.caption, *page.warning, *page.info, *page.error, *page.subheader)
    return "\n".join(element.value for element in elements)


def headline(page: AppTest) -> str:
    return unescape(re.search(r'class="sn-call">(.*?)<', html_of(page), re.S)[1])


def counted(run: Path, cell: str) -> tuple[int | None, int, float, float]:
    """(departure, step of the largest rescue, plain, chosen) from the lines of the trace and nothing else."""
    rows = [json.loads(line) for line in (run / "cells" / cell / "trace.jsonl").read_text().splitlines()]
    key = json.loads((run / "cells" / cell / "record.json").read_text())["parameters"]["winner"]
    left, best = None, (0, 0.0, 0.0)
    for step in range(max(row["step"] for row in rows), -1, -1):
        own = next(r for r in rows if r["kind"] == "final" and r["step"] == step and r["key"] == key)
        left = step if own["candidate"] else left
        shared = {r["look"] for r in rows if r["kind"] == "preview" and r["key"] == key and r["step"] == step}
        beside = [r for r in rows if r["kind"] == "preview" and r["step"] == step and r["parent"] == own["parent"]]
        plain = max((r for r in beside if r["candidate"] == 0 and r["look"] in shared), key=lambda r: r["look"])
        chosen = next(r for r in beside if r["key"] == key and r["look"] == plain["look"])
        if chosen["score"] - plain["score"] >= best[2] - best[1]:
            best = (step, plain["score"], chosen["score"])
        key = own["parent"]
    return left, *best


# --- the headline -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["scaling_noise", "halving"])
@pytest.mark.parametrize("repeat", [0, 1])
def test_the_headline_is_what_the_raw_trace_says(real, open_page, method, repeat):
    cell = cell_of(real, method, repeat=repeat)
    left, step, plain, chosen = counted(real, cell)
    told = headline(open_page(real, cell=cell))
    if left is None:
        assert told == say("en", "trajectory.headline.stayed")
        return
    assert f"chunk {left + 1}" in told
    assert f"preview scored {plain:.3f}, the kept one {chosen:.3f}" in told
    if step != left:
        assert f"mattered most at chunk {step + 1}" in told


def test_of_whole_videos_the_headline_names_the_one_with_the_best_mean(real, open_page):
    cell = cell_of(real, "best_of_n")
    rows = [json.loads(line) for line in (real / "cells" / cell / "trace.jsonl").read_text().splitlines()]
    last = [row["mean_score"] for row in rows if row["step"] == 4]
    best = last.index(max(last))
    told = headline(open_page(real, cell=cell))
    expected = f"Of {len(last)} whole videos, " + (
        f"video {best + 1} was chosen" if best else "the plain one was chosen"
    )
    assert told.startswith(expected)


def test_what_plain_sampling_really_made_stands_below(real, open_page):
    cell = cell_of(real, "scaling_noise")
    values = [
        json.loads((real / "cells" / name / "record.json").read_text())["scores"]["whole:bright"]
        for name in (cell_of(real, "plain"), cell)
    ]
    small = html_of(open_page(real, cell=cell))
    expected = say("en", "trajectory.basis.plain_cell", before=f"{values[0]:.3f}", after=f"{values[1]:.3f}", part="")
    assert expected in unescape(small)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_drawn_in_both_languages(real, open_page, method, lang):
    page = open_page(real, lang, cell=cell_of(real, method))
    shown, rows = html_of(page), (real / "cells" / cell_of(real, method) / "trace.jsonl").read_text().splitlines()
    finals = sum('"kind":"final"' in row for row in rows)
    previews = len({tuple(json.loads(r)[n] for n in ("step", "key")) for r in rows if '"kind":"preview"' in r})
    assert shown.count('role="listitem"') == (previews or finals)
    assert shown.count("sn-path") > 4
    assert say(lang, "trajectory.plain") in shown
    assert "<svg" not in shown  # Streamlit would cut it out


def test_preview_and_final_scores_are_those_of_the_raw_trace(real, open_page):
    found = {repeat: [] for repeat in (0, 1)}
    everything = []
    for prompt in ("a hill", HOSTILE):
        for repeat in (0, 1):
            cell = cell_of(real, "scaling_noise", prompt, repeat)
            lines = (real / "cells" / cell / "trace.jsonl").read_text().splitlines()
            rows = [row for row in map(json.loads, lines) if row["kind"] == "final"]
            own = [(preview, row["score"]) for row in rows for preview in row["previews"].values()]
            everything += own
            if prompt == "a hill":
                found[repeat] = own
    told = texts(open_page(real, cell=cell_of(real, "scaling_noise")))
    for own in (found[0], everything):
        rho = stats.spearmanr([preview for preview, _ in own], [final for _, final in own]).statistic
        assert say("en", "trajectory.pairs.rho", rho=figure(rho), n=len(own)) in told


def test_the_file_holds_every_candidate(real, open_page):
    cell = cell_of(real, "scaling_noise")
    rows = [json.loads(line) for line in (real / "cells" / cell / "trace.jsonl").read_text().splitlines()]
    page = open_page(real, cell=cell)
    assert [button.label for button in page.get("download_button")].count(say("en", "trajectory.save")) == 1
    tree = load_tree(real / "cells" / cell, "")
    lines = csv_of(Telling("en", tree).tree_grid(sorted(tree.steps))).decode("utf-8-sig").splitlines()
    assert len(lines) == 1 + len({(row["step"], row["key"]) for row in rows})


# --- what came from others --------------------------------------------------------------------------------


def test_a_prompt_is_shown_literally(real, open_page):
    page = open_page(real, cell=cell_of(real, "scaling_noise", HOSTILE))
    assert "<script" not in html_of(page)
    assert "**&lt;script&gt;" in texts(page)
    assert "\\[a\\](b)" in texts(page)


@pytest.mark.parametrize("asked", ["../../etc/passwd", "<b>x</b>", "v1-unknown", "a" * 5000])
def test_an_unknown_cell_is_said_and_another_one_shown(real, open_page, asked):
    page = open_page(real, cell=asked)
    assert "This run has no cell" in page.warning[0].value
    assert "<b>" not in page.warning[0].value
    assert headline(page)


def test_names_of_parts_and_proposals_are_escaped():
    rows = [
        {"kind": "preview", "look": 1, "step": 0, "candidate": i, "key": "0" * 15 + str(i), "parent": "0" * 16,
         "proposal": "<img src=x>", "score": 0.5 + i / 10, "kept": bool(i), "parts": {"<b onclick=x>": i}}
        for i in range(2)
    ]  # fmt: skip
    rows.append({**rows[1], "kind": "final", "mean_score": 0.6})
    told = Telling("en", tree_of(rows))
    drawn = tree_html(told, (0,), largest_rescue(told.tree), None)
    assert "<img src=x" not in drawn
    assert "<b onclick" not in drawn
    assert "&lt;b onclick=x&gt;" in drawn


# --- cut, damaged, missing --------------------------------------------------------------------------------


@pytest.fixture
def worn(real, tmp_path) -> Path:
    """A copy to be harmed."""
    return Path(shutil.copytree(real, tmp_path / "hills"))


def harm(run: Path, cell: str, name: str, change) -> None:
    path = run / "cells" / cell / name
    path.write_bytes(change(path.read_bytes()))


def test_a_cut_trace_shows_what_was_written(worn, open_page):
    cell = cell_of(worn, "scaling_noise")
    harm(worn, cell, "trace.jsonl", lambda data: data[: len(data) // 2])
    page = open_page(worn, cell=cell)
    assert say("en", "trajectory.cut") in texts(page)
    assert headline(page)


def test_damaged_lines_are_counted(worn, open_page):
    cell = cell_of(worn, "scaling_noise")
    harm(worn, cell, "trace.jsonl", lambda data: b"\xff\xfe\n{}\n" + data)
    assert say("en", "trajectory.damaged", lost=2) in texts(open_page(worn, cell=cell))


@pytest.mark.parametrize(("content", "key"), [(None, "missing"), (b"\x00", "no_trace"), (b"", "no_trace")])
def test_without_a_trace_the_page_says_so_and_stays(worn, open_page, content, key):
    cell = cell_of(worn, "scaling_noise")
    path = worn / "cells" / cell / "trace.jsonl"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    page = open_page(worn, cell=cell)
    assert say("en", f"trajectory.{key}", why="").rstrip(" .:") in texts(page)
    assert str(worn.parent) not in texts(page)


def test_cells_without_a_trace_come_last(worn, open_page):
    for repeat in (0, 1):  # as a bundle leaves a cell that is not packed in full
        folder = worn / "cells" / cell_of(worn, "halving", repeat=repeat)
        (folder / "trace.jsonl").unlink()
        record = json.loads((folder / "record.json").read_text())
        del record["files"]["trace.jsonl"]
        (folder / "record.json").write_text(json.dumps(record))
    page = open_page(worn, cell=cell_of(worn, "halving", HOSTILE))
    prompts = next(box for box in page.selectbox if box.label.startswith("Prompt"))
    assert prompts.options[0].endswith(HOSTILE)
    assert prompts.options[1].endswith("(no trace) a hill")


def test_without_pictures_scores_stand_alone_and_damage_is_said(worn, open_page):
    cell = cell_of(worn, "scaling_noise")
    (worn / "cells" / cell / "candidates.jpg").unlink()
    page = open_page(worn, cell=cell)
    assert say("en", "trajectory.tree.no_pictures") in texts(page)
    other = cell_of(worn, "scaling_noise", repeat=1)
    assert "background-image:url(&#x27;/cells/hills/" in html_of(open_page(worn, cell=other))
    harm(worn, other, "candidates.json", lambda data: b"{")
    assert say("en", "trajectory.tree.bad_pictures") in texts(open_page(worn, cell=other))


@pytest.mark.parametrize("name", ["complete", "provisional", "empty", "failing", "imported", "awkward"])
def test_runs_without_traces_say_so(open_page, name):
    page = open_page(variant(name), "ja")
    if name == "imported":
        assert page.info[0].value == say("ja", "trajectory.imported")
    elif name != "empty":
        assert say("ja", "trajectory.missing") in texts(page)


# --- choosing ---------------------------------------------------------------------------------------------


def test_the_biggest_rescue_comes_first(real, open_page):
    best = {}
    for prompt in ("a hill", HOSTILE):
        for repeat in (0, 1):
            _, _, plain, chosen = counted(real, cell_of(real, "scaling_noise", prompt, repeat))
            best[prompt] = max(best.get(prompt, 0.0), chosen - plain)
    page = open_page(real, cell=cell_of(real, "scaling_noise"), order="rescue")
    prompts = next(box for box in page.selectbox if box.label.startswith("Prompt"))
    first = max(best, key=best.get)
    assert prompts.options[0] == f"◆ {signed(best[first])} · {first}"


def test_what_lost_against_plain_sampling_comes_first():
    cells, attempts = [], {}
    for prompt, accepted, score in (("won", 1.0, 0.9), ("lost", 0.0, 0.9), ("tied", 1.0, 0.6), ("alone", 1.0, 0.1)):
        cells.append(Planned(cell=f"s-{prompt}", prompt=prompt, arm="search", method="search", repeat=0))
        attempts[f"s-{prompt}"] = Attempt((f"s-{prompt}",), prompt, "search", 0, accepted=accepted, rewarded=score)
        if prompt != "alone":
            plain = Attempt((f"p-{prompt}",), prompt, "plain", 0, accepted=float(prompt != "won"), rewarded=0.7)
            attempts[f"p-{prompt}"] = plain
    found = [(each.cell.prompt, each.told) for each in by_loss(cells, attempts, "plain", "en")]
    assert found == [
        ("lost", "▼ acceptance worse (score +0.200) ·"), ("tied", "= acceptance equal (score −0.100) ·"),
        ("alone", ""), ("won", "▲ acceptance better (score +0.200) ·"),
    ]  # fmt: skip


def test_another_arm_keeps_prompt_and_repeat_in_the_url(real, open_page):
    page = open_page(real, cell=cell_of(real, "scaling_noise", repeat=1))
    arms = next(box for box in page.selectbox if box.label == say("en", "trajectory.choose.arm"))
    halving = next(arm for arm in arms.options if arm.startswith("halving"))
    arms.set_value(halving).run()
    assert page.query_params["cell"] == cell_of(real, "halving", repeat=1)


def test_the_search_box_leads_to_the_first_prompt_that_holds_the_text(real, open_page):
    page = open_page(real, cell=cell_of(real, "scaling_noise"))
    page.text_input[0].set_value("ALERT('").run()
    assert page.query_params["find"] == "ALERT('"
    assert page.query_params["cell"] in {cell_of(real, "scaling_noise", HOSTILE, repeat) for repeat in (0, 1)}
    page.text_input[0].set_value("no such prompt").run()
    assert "No prompt holds" in texts(page)


def test_another_cell_opens_where_its_own_search_mattered_most(real, open_page):
    page = open_page(real, cell=cell_of(real, "scaling_noise"), piece="5")
    repeats = next(box for box in page.selectbox if box.label == say("en", "trajectory.choose.repeat"))
    repeats.set_value(1).run()
    assert page.query_params["cell"] == cell_of(real, "scaling_noise", repeat=1)
    assert "piece" not in page.query_params
    _, step, _, _ = counted(real, cell_of(real, "scaling_noise", repeat=1))
    assert any(header.value.startswith(f"Chunk {step + 1}: ") for header in page.subheader)


def test_the_step_that_is_looked_into_can_be_linked_to(real, open_page):
    page = open_page(real, cell=cell_of(real, "scaling_noise"), piece="3")
    assert any(header.value.startswith("Chunk 3: ") for header in page.subheader)
    page = open_page(real, cell=cell_of(real, "scaling_noise"), piece="99")
    assert any(re.match(r"Chunk \d: ", header.value) for header in page.subheader)


# --- long ones --------------------------------------------------------------------------------------------


def test_a_long_search_is_drawn_in_windows_and_a_wide_one_says_what_is_left_out():
    looks = (Look(3, 0.5, {}, False),)
    key = "{:08x}{:08x}".format
    steps = {
        step: tuple(
            Node(step, 0, key(step + 1, i), key(step, 0) if step else "0" * 16, i, looks=looks) for i in range(40)
        )
        for step in range(100)
    }
    tree = Tree(steps, {step: nodes[0] for step, nodes in steps.items()}, "search")
    groups = windows(tree)
    assert [step for group in groups for step in group] == list(range(100))
    assert max(map(len, groups)) == STEPS
    drawn = tree_html(Telling("en", tree), groups[3], None, None)
    assert drawn.count('role="listitem"') == STEPS * SHOWN
    assert drawn.count(say("en", "trajectory.node.more", count=40 - SHOWN)) == STEPS
    assert drawn.count("sn-path") == STEPS


def test_a_long_trace_opens_where_it_mattered_most(worn, open_page):
    cell, rows, parent = cell_of(worn, "scaling_noise"), [], "0" * 16
    for step in range(1000):
        for index in range(4):
            gain = 0.3 if step == 777 else 0.1
            told = {"step": step, "candidate": index, "key": f"{step:012x}{index:04x}", "parent": parent, "seed": 0}
            rows.append({**told, "kind": "preview", "look": 2, "score": gain * index, "kept": index == 3, "parts": {}})
        rows.append({**rows[-1], "kind": "final", "mean_score": 0.3, "previews": {}})
        parent = rows[-1]["key"]
    harm(worn, cell, "trace.jsonl", lambda _: "".join(json.dumps(row) + "\n" for row in rows).encode())
    page = open_page(worn, cell=cell)
    assert "mattered most at chunk 778" in headline(page)
    assert "<b>chunk 778</b>" in html_of(page)
    assert html_of(page).count('role="listitem"') == 4 * STEPS
    page = open_page(worn, cell=cell, **{"from": "1"})
    assert "<b>chunk 1</b>" in html_of(page)
