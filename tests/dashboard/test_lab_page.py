"""Reward lab: its headline from raw records, re-ranking from raw traces, scoring by press of a button, bad input."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from findings import VARIANTS, folder
from scipy import stats
from small_run import PROMPTS, made
from streamlit.testing.v1 import AppTest

import dashboard
from dashboard import scoring
from dashboard.lab import clips
from dashboard.settings import VARIABLE, Settings

PAGE = str(Path(dashboard.__file__).parent / "app_pages" / "lab.py")
KNOWN = tuple(scoring.BuiltIn(name, "Its summary.", "pixels", 0.0, 1.0) for name in ("motion_floor", "object_position"))


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """No cache of another test, and no waiting for the list of rewards."""
    st.cache_resource.clear()
    st.cache_data.clear()
    monkeypatch.setattr(scoring, "built_in", lambda: KNOWN)
    monkeypatch.setattr(scoring, "prefetch", lambda: None)
    yield
    job = scoring.current()
    if job is not None:
        job.cancel()
    scoring._last.clear()


@pytest.fixture(scope="module")
def hills(tmp_path_factory):
    """A small run that was really made."""
    return made(tmp_path_factory.mktemp("lab"))


@pytest.fixture
def opened(monkeypatch):
    """Opens the page on a run."""

    def open_page(run, allow_code=False, **query):
        monkeypatch.setenv(VARIABLE, json.dumps(vars(Settings(runs=str(run), allow_code=allow_code))))
        at = AppTest.from_file(PAGE, default_timeout=120)
        for key, value in {"lang": "en", **query}.items():
            at.query_params[key] = value
        return at.run()

    return open_page


def sound(at):
    assert not at.exception
    return at


def words(at):
    """Everything that a visitor reads."""
    parts = [*at.markdown, *at.caption, *at.info, *at.warning, *at.error, *at.get("html")]
    return "\n".join(str(getattr(part, "value", "") or part.proto.body) for part in parts).replace("\\", "")


def rewritten(tmp_path, run, edit):
    """A copy of a run, its traces changed: edit(cell's folder)."""
    copy = shutil.copytree(run, tmp_path / tmp_path.name)  # an id of its own
    for cell in sorted((copy / "cells").iterdir()):
        edit(cell)
    return copy


# --- the headline -----------------------------------------------------------------------------------------


def raw(run):
    plan = json.loads((run / "plan.json").read_text())
    records = {p.parent.name: json.loads(p.read_text())["scores"] for p in run.glob("cells/*/record.json")}
    return plan, records


def test_the_headline_is_recomputed_from_raw_records(opened):
    run = folder("complete")
    plan, records = raw(run)
    at = sound(opened(run))
    table = next(f.value for f in at.dataframe if len(f.value) == len(plan["judges"]))
    agrees = []
    for row, judge in zip(table.itertuples(index=False), plan["judges"], strict=True):
        pairs = [(records[c["cell"]]["searched:likeness"], records[c["cell"]][judge["key"]]) for c in plan["cells"]]
        x, y = np.array(pairs).T
        row = row[-8:]  # a column before them marks judges that measure as the reward does
        rho = stats.spearmanr(x, y).statistic * (1 if judge["higher_is_better"] else -1)
        assert row[0] == judge["label"]
        assert row[2] == len(pairs)
        assert row[3] == pytest.approx(rho)
        by_prompt = {}
        for cell, (a, b) in zip(plan["cells"], pairs, strict=True):
            by_prompt.setdefault(cell["prompt"], []).append((a, b))
        centred = [stats.rankdata(v, axis=0) - (len(v) + 1) / 2 for v in map(np.array, by_prompt.values())]
        first, second = np.concatenate(centred).T
        inside = np.corrcoef(first, second)[0, 1] * (1 if judge["higher_is_better"] else -1)
        assert row[5] == pytest.approx(inside)
        if not judge["searched"] and rho > 0.3:
            agrees.append(judge["label"])
    assert f"agrees with {len(agrees)} of 3 independent judges" in words(at)
    assert f"▲ agrees with {', '.join(agrees)}" in words(at)
    assert "? undecided: motion" in words(at)


@pytest.mark.parametrize("lang", ["ja", "en"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_kind_of_run_is_shown(opened, variant, lang):
    for tab in ("stored", "clips", "audit"):
        at = sound(opened(folder(variant), lang=lang, tab=tab))
        assert at.title[0].value
        assert "<script>" not in words(at)


def test_a_run_without_scores_says_so(opened):
    assert "nothing to compare" in words(sound(opened(folder("empty"))))


# --- stored candidates ------------------------------------------------------------------------------------


def with_parts(cell):
    """Two parts in every scored row: `a` as the score says, `b` against it; the score is that of both at 3:1."""
    path = cell / "trace.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        if row["score"] is not None:
            a, b = row["score"], 1 - row["score"] ** 2
            row |= {"parts": {"a": a, "b": b}, "score": 0.75 * a + 0.25 * b}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def parted(tmp_path_factory, hills):
    """The small run, as if its reward were a composite of two parts."""
    return rewritten(tmp_path_factory.mktemp("parted"), hills, with_parts)


def tops(run, arm, weights):
    """From raw traces: at how many looks of an arm another candidate is the best, and how many there are."""
    plan = json.loads((run / "plan.json").read_text())
    changed = count = 0
    for cell in (c["cell"] for c in plan["cells"] if c["arm"] == arm):
        looks = {}
        for line in (run / "cells" / cell / "trace.jsonl").read_text().splitlines():
            row = json.loads(line)
            if row["kind"] == "preview":
                looks.setdefault((row["step"], row["stage"]), []).append(row)
        for rows in (rows for rows in looks.values() if len(rows) > 1):
            orders = [(row["candidate"], int(row["parent"], 16)) for row in rows]
            best = []
            for w in ((0.75, 0.25), weights):
                scores = [w[0] * row["parts"]["a"] + w[1] * row["parts"]["b"] for row in rows]
                best.append(min(range(len(rows)), key=lambda i: (-round(scores[i], 9), orders[i])))
            changed += best[0] != best[1]
            count += 1
    return changed, count


def test_other_weights_count_the_changes_that_raw_traces_hold(opened, parted):
    arm = "scaling_noise@72"
    at = sound(opened(parted, arm=arm, w="0.1,0.9"))
    changed, count = tops(parted, arm, (0.1, 0.9))
    assert changed > 0
    assert f">{changed} of {count}<" in words(at)
    assert "does not run the search again" in words(at)
    assert "a 0.75, b 0.25" in words(at)
    same = sound(opened(parted, arm=arm))
    assert f">0 of {count}<" in words(same)
    assert [slider.value for slider in same.slider] == [0.75, 0.25]


def test_best_of_n_says_that_the_other_video_is_unknown(opened, parted):
    text = words(sound(opened(parted, arm="best_of_n@72", w="0,1")))
    assert "Another video would be chosen" in text
    assert "what the judges would say of it is not known" in text


def test_a_slider_writes_its_weights_into_the_url_and_presets_take_them_back(opened, parted):
    at = sound(opened(parted, arm="scaling_noise@72"))
    sound(at.slider[1].set_value(0.9).run())
    assert at.query_params["w"] == "0.75,0.9"
    equal = next(button for button in at.button if button.label == "Equal weights")
    sound(equal.click().run())
    assert at.query_params["w"] == "1,1"
    sound(next(button for button in at.button if button.label == "As it was").click().run())
    assert "w" not in at.query_params


@pytest.mark.parametrize("weights", ["1", "nan,1", "0,0", "-1,1", "a,b", "1,1,1", "9e99,1"])
def test_nonsense_weights_of_a_link_are_said_at_the_place(opened, parted, weights):
    at = sound(opened(parted, arm="scaling_noise@72", w=weights))
    assert "do not fit this reward" in words(at)


def test_a_cell_of_the_url_opens_its_arm_and_shows_its_candidates(opened, parted):
    plan = json.loads((parted / "plan.json").read_text())
    cell = next(c for c in plan["cells"] if c["arm"] == "best_of_n@72" and c["prompt"] == PROMPTS[2])
    at = sound(opened(parted, cell=cell["cell"], w="0,1"))
    assert at.selectbox[0].value == "best_of_n@72"
    assert PROMPTS[2] in words(at).replace("&lt;", "<").replace("&gt;", ">")
    assert "<script>" not in words(at)
    search = next(c["cell"] for c in plan["cells"] if c["arm"] == "scaling_noise@72")
    text = words(sound(opened(parted, cell=search, w="0,1")))
    assert f"/cells/{parted.name}/{search}/candidates.jpg" in text
    assert "▲ another" in text
    nonsense = sound(opened(parted, cell="../../etc/passwd", arm="<b>"))
    assert nonsense.selectbox[0].value in ("best_of_n@72", "scaling_noise@72")


def test_a_reward_without_parts_and_missing_and_damaged_traces_are_said(opened, hills, tmp_path):
    assert "no parts" in words(sound(opened(hills, arm="scaling_noise@72")))

    def without(cell):
        (cell / "trace.jsonl").unlink(missing_ok=True)

    gone = rewritten(tmp_path / "gone", hills, without)
    assert "no record of candidates (trace)" in words(sound(opened(gone, arm="scaling_noise@72")))

    def damaged(cell):
        (cell / "trace.jsonl").write_bytes(b"{nonsense\n")
        (cell / "candidates.json").write_text("[")

    broken = rewritten(tmp_path / "broken", hills, damaged)
    text = words(sound(opened(broken, arm="scaling_noise@72")))
    [told] = [line for line in text.splitlines() if "whose record of candidates cannot be read" in line]
    assert str(tmp_path) not in told


# --- clips ------------------------------------------------------------------------------------------------


def until_ended(at, seconds=150.0):
    end = time.monotonic() + seconds
    while at.session_state["lab-job"].state == "running" and time.monotonic() < end:
        time.sleep(0.2)
    return sound(at.run())


def test_videos_of_the_run_are_scored_and_ranked(opened, hills):
    at = sound(opened(hills, tab="clips", reward="motion_floor"))
    sound(at.button(key="lab-score").click().run())
    until_ended(at)
    assert "Highest by motion_floor" in words(at)
    table = next(f.value for f in at.dataframe if "c0" in f.value and list(f.value["c0"]) == [1, 2, 3])
    assert list(table["c2"]) == sorted(table["c2"], reverse=True)
    job = at.session_state["lab-job"]
    assert {score.name for score in job.result.scores} == set(table["c1"])
    assert all(len(score.per_frame) == 33 for score in job.result.scores)


def test_code_is_refused_even_if_the_url_or_a_widget_says_so(opened, hills, monkeypatch):
    started = []
    monkeypatch.setattr(scoring.Job, "run", lambda job: started.append(job))
    at = sound(opened(hills, tab="clips", reward="own.py:evil", use="own.py:evil"))
    assert "--allow-code" in words(at)
    assert not at.text_area
    assert not [field for field in at.text_input if field.key == "lab-use"]
    sound(at.button(key="lab-score").click().run())
    assert [(job.request.use, job.request.params) for job in started] == [("motion_floor", ())]
    honest = clips.state.pick

    def forged(label, options, key, **more):
        return "own.py:evil" if key == "reward" else honest(label, options, key, **more)

    monkeypatch.setattr(clips.state, "pick", forged)
    at = sound(opened(hills, tab="clips"))
    sound(at.button(key="lab-score").click().run())
    assert "own.py:evil" in at.error[0].value.replace("\\", "")
    assert len(started) == 1


def test_code_is_offered_where_it_is_allowed(opened, hills, tmp_path):
    (tmp_path / "own.py").write_text(
        'from rewards.base import reward\n\n@reward(family="x")\n'
        "def broken(frames, prompts, *, fps, anchor=None, metadata=None):\n    raise RuntimeError('my [mistake](x)')\n"
    )
    at = sound(opened(hills, allow_code=True, tab="clips", reward="-own-"))
    assert "Start it with" not in words(at)
    sound(at.text_input(key="lab-use").set_value(f"{tmp_path / 'own.py'}:broken").run())
    sound(at.button(key="lab-score").click().run())
    until_ended(at)
    [error] = at.error
    assert "RuntimeError: my [mistake](x)" in error.value.replace("\\", "")
    assert "\\[mistake\\]" in error.value  # shown literally: no link
    assert "\n" not in error.value


@pytest.mark.parametrize(("state", "wanted"), [("cancelled", "was stopped"), ("timed_out", "did not end within 600 s")])
def test_an_end_before_the_end_is_said(opened, hills, state, wanted):
    at = sound(opened(hills, tab="clips"))
    at.session_state["lab-job"] = scoring.Job(scoring.Request("motion_floor", ()), state=state)
    assert wanted in words(sound(at.run()))


def test_a_running_job_can_be_stopped_and_is_the_only_one(opened, hills, tmp_path, monkeypatch):
    wait = tmp_path / "wait.py"
    wait.write_text("import time; time.sleep(300)")
    monkeypatch.setattr(scoring, "COMMAND", (scoring.sys.executable, str(wait)))
    at = sound(opened(hills, tab="clips", reward="motion_floor"))
    sound(at.button(key="lab-score").click().run())
    job = at.session_state["lab-job"]
    assert job.state == "running"
    other = sound(opened(hills, tab="clips", reward="motion_floor"))
    sound(other.button(key="lab-score").click().run())
    assert "another scoring is running" in words(other)
    sound(at.button(key="lab-cancel").click().run())
    assert job.state == "cancelled"
    assert "was stopped" in words(sound(at.run()))


def test_cells_of_the_url_are_held_against_the_plan(opened, hills):
    plan = json.loads((hills / "plan.json").read_text())
    cell = plan["cells"][-1]["cell"]
    at = sound(opened(hills, tab="clips", clips=f"../../etc/passwd,{cell},nonsense"))
    assert at.multiselect[0].value == [cell]


# --- audits -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lang", "wanted"), [("en", "71 of 81 gates met, 10 missed"), ("ja", "判定できた81件中71件を満たし")]
)
def test_the_built_in_rewards_audit_is_shown(opened, lang, wanted):
    at = sound(opened(folder("complete"), tab="audit", lang=lang, audited="motion_floor"))
    assert wanted in words(at)
    table = at.dataframe[-1].value
    assert set(table["c0"]) == {"motion_floor"}
    assert len(table) == 6


def test_one_reward_may_be_asked_for_and_nonsense_shows_all(opened):
    at = sound(opened(folder("complete"), tab="audit", audited="<script>"))
    assert len(at.dataframe[-1].value) == 96
