"""A trial's parts: windows that fit the claims, samples, the gate table, and a page that holds them."""

from dataclasses import replace

import pytest
import torch

import rewards
from rewards.base import RewardSpec, reward
from sn_eval.audit import trial
from sn_eval.audit.pool import Pool
from sn_eval.audit.trial import Trial, gate_rows, samples_of, sections, windows_for
from sn_eval.audit.validity import Finding, Validity, validity
from sn_eval.audit.windows import tabletop_windows
from sn_eval.metrics.base import MetricSpec
from sn_eval.page import Clips, Table, write_page
from sn_eval.tabletop.course import scene_of
from sn_eval.tabletop.render import render
from sn_eval.video import to_uint8


@reward(family="test")
def level(frames, prompts, *, fps, anchor=None, metadata=None):
    """How near the brightness stays to the anchor's."""
    return 1 - (frames.mean((2, 3, 4)) - anchor.mean((2, 3, 4))[:, :1]).abs().mean(1)


@pytest.fixture(scope="module")
def found():
    return validity(level(), tabletop_windows(5), ["gain_ramp"], ["scale"])


SPEC = RewardSpec("any", ("test",))


def test_claims_about_events_get_windows_with_events():
    kinds = lambda *falls: [w.events is not None for w in windows_for(SPEC, falls, 2, 0)]  # noqa: E731
    assert kinds("vanish", "gain_ramp") == [False, False]
    assert kinds("event_removed", "late") == [True, True]
    assert kinds("event_removed", "vanish") == [False, False, True, True]
    assert kinds() == [False, False, True, True]  # without claims everything is tried


def test_real_windows_come_when_they_are_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(trial, "real_windows", lambda count: asked.append(count) or [])
    windows_for(SPEC, ["vanish"], 1, 0)
    assert asked == []
    windows_for(SPEC, ["vanish"], 1, None)
    windows_for(SPEC, ["vanish"], 1, 3)
    assert asked == [None, 3]


def test_what_knows_the_rendered_world_alone_is_not_tried_on_real_windows(monkeypatch):
    monkeypatch.setattr(trial, "real_windows", lambda count: pytest.fail("asked for real windows"))
    clip = windows_for(replace(SPEC, encoder="tabletop-clip"), ["swap"], 2, None)
    assert [w.name for w in clip] == ["tabletop 0", "tabletop 1"]
    seeded = windows_for(replace(SPEC, needs=("prompt", "seed")), ["swap"], 2, None)
    assert [w.metadata["seed"] for w in seeded] == [0, 1]


def test_a_seeded_window_is_the_beginning_of_its_prompts_scene():
    for window in windows_for(replace(SPEC, needs=("seed",)), ["swap"], 3, 0):
        scene = scene_of(window.prompt, window.metadata["seed"])
        drawn = render([scene], torch.arange(17.0)[None]).frames[0]
        assert torch.allclose(window.video, drawn, atol=1e-4)


def test_samples_are_every_second_window_with_all_it_tells():
    windows = tabletop_windows(5)
    samples = samples_of(windows)
    assert [s.prompt for s in samples] == [w.prompt for w in windows[::2]]
    first = samples[0]
    assert (len(first.frames), len(first.anchor)) == (16, 1)
    assert first.metadata is windows[0].metadata
    assert [s.group for s in samples] == [w.subject.split()[-1] for w in windows[::2]]


def test_the_gate_table_says_the_verdict_or_why_there_is_none():
    rows = gate_rows([
        Finding("vanish", "must fall", "tabletop", 8, 0.3, -1.0, 1.0, None, True),
        Finding("exposure", "must hold", "tabletop", 8, 0.1, None, None, 0.3, False),
        Finding("vanish", "must fall", "real", 2, words="not evaluable"),
    ])  # fmt: skip
    assert [row[-1] for row in rows] == [True, False, "not evaluable"]
    assert rows[0][:8] == ("vanish", "must fall", "tabletop", 8, 0.3, -1.0, 1.0, None)
    assert {len(row) for row in rows} == {len(trial.GATE_COLUMNS)}


def test_a_trial_of_gates_alone_is_one_section_with_its_clips(found, tmp_path):
    (only,) = sections(Trial("level", found))
    table, clips = only.blocks
    assert isinstance(table, Table)
    assert isinstance(clips, Clips)
    assert f"{len(found.met)} of {len(found.met) + len(found.missed)} gates met" in table.note
    assert "at most -0.9" in table.note
    assert [pair.label.partition(":")[0] for pair in clips.pairs] == ["gain_ramp", "scale"]
    page = write_page(tmp_path / "level.html", "Audit", [only]).read_text()
    assert page.count("<video") == 4
    assert "gain_ramp" in page


def test_the_clips_that_moved_most_come_first_and_are_few(found):
    many = Validity(found.findings, found.moved * 5)
    (only,) = sections(Trial("level", many))
    clips = only.blocks[1]
    gaps = [abs(pair.before - pair.after) for pair in clips.pairs]
    assert len(gaps) == trial.SHOWN
    assert gaps == sorted(gaps, reverse=True)


def test_bias_finds_what_a_score_leans_on():
    @reward(family="test")
    def bright(frames, prompts, *, fps, anchor=None, metadata=None):
        """Leans on brightness."""
        return frames.mean((2, 3, 4))

    samples = samples_of(tabletop_windows(10), every=1)
    seen = []
    leaning = trial.bias(bright(), samples, lambda *at: seen.append(at))
    rho = {d.name: d.rho for d in leaning.dependences}
    assert max(rho, key=lambda name: abs(rho[name] or 0)) == "brightness"
    assert rho["brightness"] > 0.8
    assert seen[-1][0] == seen[-1][1]
    assert {g.name for g in leaning.groups.rows} == {f"tabletop: {s.group}" for s in samples}


def unsteady(lower_is_better: bool):
    """How much changes from frame to frame, as a value that should be high or one that should be low."""

    @reward(family="test", range=(-1.0, 1.0))
    def made(frames, prompts, *, fps, anchor=None, metadata=None):
        """Change."""
        whole = torch.cat([anchor, frames], dim=1)
        return (whole[:, 1:] - whole[:, :-1]).abs().mean((1, 2, 3, 4)) - 1e-3

    metric = made()
    metric.spec = MetricSpec("unsteady", ("test",), range=(-1.0, 1.0), higher_is_better=not lower_is_better)
    return metric


def test_a_frozen_video_is_shown_by_which_way_is_better():
    samples = samples_of([w for w in tabletop_windows(14) if w.metadata["minimum_motion"]], every=1)
    liked, not_liked = (trial.frozen(unsteady(low), samples) for low in (True, False))
    assert [row.name for row in liked.rows] == ["frozen_frame", "anchor_copy"]
    assert "A frozen video scores at least as well by unsteady" in liked.words
    assert "in 100% of" in liked.words
    assert "unsteady does not prefer a frozen video" in not_liked.words
    assert {row.name for row in trial.adversaries(unsteady(True), samples).rows if row.attracts} >= {"anchor_copy"}


def test_a_judge_where_lower_is_better_gains_when_it_falls(pool):
    good, bad = (trial.hacked(level(), unsteady(low), pool).rows("own", "judge") for low in (True, False))
    gains = [[row["gain"] for row in rows if row["score"] == "judge"] for rows in (good, bad)]
    assert gains[0] == pytest.approx([-gain for gain in gains[1]], abs=1e-6)
    assert any(abs(gain) > 0.01 for gain in gains[0])


@pytest.fixture(scope="module")
def pool():
    clips = [to_uint8(w.video) for w in tabletop_windows(8)]
    return Pool(
        torch.stack([torch.stack([clip[1:] for clip in part]) for part in (clips[:4], clips[4:])]),
        torch.stack([part[0][:1] for part in (clips[:4], clips[4:])]),
        ("a ball", "a cube"), (0, 1), 8.0,
    )  # fmt: skip


def test_tricks_and_best_of_n_stand_on_the_page_too(found, pool):
    samples = samples_of(tabletop_windows(4), every=1)
    motion = rewards.create("motion_floor")
    whole = Trial(
        "level", found, trial.adversaries(level(), samples), trial.bias(level(), samples),
        trial.hacked(level(), motion, pool), "motion_floor",
    )  # fmt: skip
    headings = [section.heading for section in sections(whole)]
    assert headings == [
        "Does it measure what it claims?",
        "What fools it?",
        "What does it lean on?",
        "What happens when it is optimised?",
    ]
    tricks = sections(whole)[1].blocks[1]
    fooled = {row[0] for row in tricks.rows if row[-1] == "fools it"}
    assert "anchor_copy" in fooled  # the brightness of a copy of the anchor is the anchor's
