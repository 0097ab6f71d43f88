"""Gates are met by a reward that is the truth, missed by one that is constant, leans on the wrong thing or is NaN."""

import pytest
import torch

from rewards.base import BaseReward, RewardSpec, Scores, UserError
from sn_eval.audit.corruptions import CORRUPTIONS
from sn_eval.audit.validity import LEAST, Finding, Validity, validity
from sn_eval.audit.windows import event_windows, tabletop_windows
from sn_eval.metrics.base import MetricSpec

WINDOWS = tabletop_windows(LEAST)


class Scripted(BaseReward):
    """A reward given by a function of the whole video [b t 3 h w] (anchor first) and what is told of it."""

    def __init__(self, rule, range=(0.0, 1.0), lower_is_better=False) -> None:
        self.rule = rule
        self.spec = RewardSpec("scripted", ("script",), range=range)
        if lower_is_better:
            self.spec = MetricSpec("scripted", ("script",), range=range, higher_is_better=False)
        self.calls = []

    def score(self, frames, prompts, *, fps, anchor, metadata):
        self.calls.append((frames, prompts, fps, anchor, metadata))
        return Scores(self.rule(torch.cat([anchor, frames], dim=1), metadata))


def light(video, metadata=None):
    """How far the light stays what it was: the truth about exposure and gain."""
    level = video.mean((2, 3, 4))
    return torch.exp(-3 * (level / level[:, :1]).log().abs().mean(1))


def colourful(video, metadata=None):
    """Leans on how much red there is, which company changes too."""
    return (video[:, 1:, 0] - video[:, :1, 0]).abs().mean((1, 2, 3)).mul(-5).exp()


def absent(video, metadata):
    """1 for each frame [b t] without its subject, the window known by its mask."""
    windows = [next(w for w in WINDOWS if torch.equal(w.metadata["mask"], row["mask"])) for row in metadata]
    empty = torch.stack([w.stage.background for w in windows])
    return ((video - empty).abs().amax((2, 3, 4)) < 1e-3).float()


def of(found: Validity, change: str, source: str = "tabletop") -> Finding:
    return next(f for f in found.findings if (f.change, f.source) == (change, source))


def test_the_truth_meets_its_gates():
    found = validity(Scripted(light), WINDOWS, ["gain_ramp", "exposure_jump"], ["scale"])
    for change in ("gain_ramp", "exposure_jump"):
        gate = of(found, change)
        assert (gate.kind, gate.n, gate.wins, gate.passed) == ("must fall", LEAST, 1.0, True)
        assert gate.monotone == pytest.approx(-1)
        assert gate.effect > 0.1
    assert of(found, "scale").passed
    assert of(found, "scale").ratio < 0.1
    assert len(found.met) == 3
    assert found.missed == ()


def test_a_constant_misses_every_gate_of_what_must_fall_and_has_no_effect_to_hold_against():
    found = validity(
        Scripted(lambda v, m: torch.full((len(v),), 0.7)), WINDOWS, ["gain_ramp", "vanish", "blur"], ["exposure"]
    )
    assert {f.change for f in found.missed} == {"gain_ramp", "vanish", "blur"}
    assert all((f.monotone, f.wins, f.effect) == (0, 0, 0) for f in found.missed)
    assert of(found, "exposure").passed is None
    assert of(found, "exposure").words == "not evaluable"


def test_one_that_rises_under_a_fault_misses_its_gate():
    found = validity(Scripted(lambda v, m: 1 - light(v)), WINDOWS, ["gain_ramp"], [])
    gate = of(found, "gain_ramp")
    assert (gate.wins, gate.passed) == (0.0, False)
    assert gate.monotone == pytest.approx(1)


def test_where_lower_is_better_a_fault_must_raise_the_value():
    gap = Scripted(lambda v, m: 1 - light(v), lower_is_better=True)
    found = validity(gap, WINDOWS, ["gain_ramp"], ["scale"])
    same = validity(Scripted(light), WINDOWS, ["gain_ramp"], [])
    gate, other = of(found, "gain_ramp"), of(same, "gain_ramp")
    assert (gate.wins, gate.passed) == (1.0, True)
    assert gate.monotone == pytest.approx(-1)
    assert gate.effect == pytest.approx(other.effect, abs=1e-6)  # as of the one that falls
    assert of(found, "scale").passed
    assert "lower is better" in found.words
    assert "lower is better" not in same.words
    wrong = validity(Scripted(light, lower_is_better=True), WINDOWS, ["gain_ramp"], [])
    assert of(wrong, "gain_ramp").passed is False
    assert of(wrong, "gain_ramp").monotone == pytest.approx(1)


def test_the_page_shows_the_values_of_a_turned_metric_as_it_gives_them():
    found = validity(Scripted(lambda v, m: 1 - light(v), lower_is_better=True), WINDOWS, ["gain_ramp"], [])
    (moved,) = found.moved
    assert moved.before == pytest.approx(0, abs=0.05)
    assert moved.after > moved.before + 0.1


def test_one_that_falls_only_sometimes_misses_its_gate():
    sometimes = Scripted(lambda v, m: torch.where(torch.tensor([r["path"][0][0] > 0.5 for r in m]), light(v), 0.5))
    gate = of(validity(sometimes, WINDOWS, ["gain_ramp"], []), "gain_ramp")
    assert 0 < gate.wins < 0.95
    assert gate.passed is False


def test_one_that_moves_under_a_harmless_change_misses_that_gate_alone():
    found = validity(Scripted(colourful), WINDOWS, ["gain_ramp"], ["coloured_entry", "exposure"])
    assert of(found, "gain_ramp").passed
    gate = of(found, "coloured_entry")
    assert gate.passed is False
    assert gate.ratio == pytest.approx(gate.effect / of(found, "gain_ramp").effect)
    assert gate in found.missed


@pytest.mark.parametrize("share", [0.05, 0.15])
def test_a_harmless_change_may_move_the_score_by_a_tenth_of_the_effect(share):
    def rule(video, metadata):
        gone = absent(video, metadata)
        asked = torch.tensor([row.get("exit_allowed", False) for row in metadata])
        return 1 - torch.where(asked, gone[:, -1] * share * 5 / 16, gone.mean(1) * 17 / 16)

    found = validity(Scripted(rule), WINDOWS, ["vanish"], ["asked_exit"])
    assert of(found, "vanish").effect == pytest.approx(5 / 16)  # at 30 % of 16 frames
    assert of(found, "asked_exit").ratio == pytest.approx(share)
    assert of(found, "asked_exit").passed == (share < 0.1)


def test_what_is_not_scored_any_more_counts_as_not_fallen():
    def rule(video, metadata):
        changed = (video[:, 1:].mean((1, 2, 3, 4)) / video[:, 0].mean((1, 2, 3)) - 1).abs() > 0.02
        return torch.where(changed, torch.nan, 1.0)

    gate = of(validity(Scripted(rule), WINDOWS, ["gain_ramp"], []), "gain_ramp")
    assert (gate.n, gate.wins, gate.effect, gate.passed) == (LEAST, 0.0, 0.0, False)


@pytest.mark.parametrize("range", [(0.0, 1.0), (-3.0, 0.0)])
def test_what_a_harmless_change_makes_unscored_counts_as_fallen_to_the_least(range):
    low, high = range

    def rule(video, metadata):
        gone = absent(video, metadata)
        asked = torch.tensor([row.get("exit_allowed", False) for row in metadata])
        value = high - (high - low) * torch.where(asked, 0.0, gone.mean(1))
        return torch.where(asked & (gone[:, -1] > 0), torch.nan, value)

    found = validity(Scripted(rule, range), WINDOWS, ["vanish"], ["asked_exit"])
    assert of(found, "vanish").passed
    assert of(found, "asked_exit").effect == pytest.approx(high - low)
    assert of(found, "asked_exit").passed is False


@pytest.mark.parametrize("high", [2.0, float("inf")])
def test_where_lower_is_better_the_least_is_the_upper_end_however_far(high):
    def rule(video, metadata):
        gone = absent(video, metadata)
        asked = torch.tensor([row.get("exit_allowed", False) for row in metadata])
        return torch.where(asked & (gone[:, -1] > 0), torch.nan, torch.where(asked, 0.0, gone.mean(1)))

    found = validity(Scripted(rule, (0.0, high), lower_is_better=True), WINDOWS, ["vanish"], ["asked_exit"])
    assert of(found, "vanish").passed
    assert of(found, "asked_exit").effect == pytest.approx(high)
    assert of(found, "asked_exit").passed is False


def test_what_was_never_scored_is_left_out_and_too_few_decide_nothing():
    first = WINDOWS[0].metadata["mask"]

    def rule(video, metadata):
        mine = torch.tensor([torch.equal(row["mask"], first) for row in metadata])
        return torch.where(mine, torch.nan, light(video))

    found = validity(Scripted(rule), WINDOWS, ["gain_ramp"], ["exposure"])
    for change in ("gain_ramp", "exposure"):
        assert of(found, change).n == LEAST - 1
        assert (of(found, change).passed, of(found, change).words) == (None, "not evaluable")
    assert found.met == found.missed == ()


def test_rendered_and_real_windows_are_judged_apart():
    found = validity(Scripted(light), WINDOWS, ["gain_ramp"], ["scale"])
    for change in ("gain_ramp", "scale"):
        gate = of(found, change, "real")
        assert (gate.n, gate.passed, gate.words) == (0, None, "not evaluable")


def test_a_window_says_where_its_chunks_meet_and_the_jump_is_there():
    told = []

    def rule(video, metadata):
        told.extend(row["frames_per_chunk"] for row in metadata)
        steps = (video[:, 1:] - video[:, :-1]).abs().mean((2, 3, 4))
        return torch.stack([step[row["frames_per_chunk"] - 1] for step, row in zip(steps, metadata, strict=True)])

    assert of(validity(Scripted(rule, lower_is_better=True), WINDOWS, ["boundary_jump"], []), "boundary_jump").passed
    assert set(told) == {9}


def test_changes_of_events_need_events_and_others_need_subjects():
    found = validity(Scripted(light), WINDOWS, ["event_removed", "gain_ramp"], [])
    assert of(found, "event_removed").words == "not evaluable"
    found = validity(Scripted(colourful), event_windows(2 * LEAST), ["event_removed", "vanish", "swapped_order"], [])
    assert of(found, "vanish").words == "not evaluable"
    assert of(found, "event_removed").n == of(found, "swapped_order").n == LEAST
    assert of(found, "swapped_order").monotone is None  # it is there or it is not: one copy, no severities


def test_without_claims_everything_is_tried_and_nothing_judged():
    seen = []
    found = validity(Scripted(light), WINDOWS[:1], [], [], lambda *at: seen.append(at))
    assert {f.kind for f in found.findings} == {"no claim"}
    assert found.met == found.missed == ()
    assert {f.change for f in found.findings} > set(CORRUPTIONS)
    done, total = seen[-1]
    assert done == total
    assert [at[0] for at in seen] == list(range(1, total + 1))


@pytest.mark.parametrize(
    ("falls", "holds", "said"),
    [
        (["vanis"], [], "unknown change 'vanis'. Did you mean 'vanish'?"),
        (["gain_ramp"], ["exposur"], "unknown change 'exposur'. Did you mean 'exposure'?"),
        (["exposure"], [], "'exposure' is a harmless change, which must not move a score: name it under holds"),
        ([], ["vanish"], "'vanish' is a fault, which must lower a score: name it under falls"),
    ],
)
def test_an_unknown_change_is_one_line_that_knows_better(falls, holds, said):
    reward = Scripted(light)
    with pytest.raises(UserError) as error:
        validity(reward, WINDOWS, falls, holds)
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)
    assert reward.calls == []  # before anything is scored


def test_a_reward_is_told_what_belongs_to_each_window():
    reward = Scripted(light)
    validity(reward, WINDOWS, ["vanish"], ["asked_exit", "camera_pan"])
    frames, prompts, fps, anchor, told = reward.calls[0]
    assert prompts == [w.prompt for w in WINDOWS]
    assert fps == 8.0
    for i, window in enumerate(WINDOWS):
        assert torch.equal(frames[i], window.video[1:])
        assert torch.equal(anchor[i], window.video[:1])
        assert torch.equal(told[i]["mask"], window.metadata["mask"])
    asked = [call for call in reward.calls if call[-1][0].get("exit_allowed")]
    assert len(asked) == 2  # before and after
    cropped = [call for call in reward.calls if call[0].shape[-2:] != (64, 64)]
    assert len(cropped) == 2
    assert all(row["mask"] is None for call in cropped for row in call[-1])  # the mask was of the whole picture


def test_the_clips_that_moved_most_are_kept():
    found = validity(Scripted(light), WINDOWS, ["gain_ramp"], ["exposure"])
    assert [m.change for m in found.moved] == ["gain_ramp", "exposure"]
    fault, harmless = found.moved
    clean, changed = fault.clips()
    assert torch.equal(clean, fault.window.video)
    assert torch.equal(changed, CORRUPTIONS["gain_ramp"].on(fault.window, 0.75))
    assert fault.before == pytest.approx(light(clean[None]).item(), abs=1e-5)
    assert fault.after == pytest.approx(light(changed[None]).item(), abs=1e-5)
    rivals = [light(torch.stack([w.video, CORRUPTIONS["gain_ramp"].on(w, 0.75)])) for w in WINDOWS]
    assert fault.before - fault.after == pytest.approx(max((a - b).item() for a, b in rivals), abs=1e-5)
    assert harmless.clips()[0].shape == harmless.clips()[1].shape
