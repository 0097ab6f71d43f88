"""Findings are what the attempts say, and the verdict follows the declared rules."""

import numpy as np
import pytest
from attempting import business, declared, facts, material, prices, told

from sn_eval.decision.analysis import conclude
from sn_eval.decision.prices import hour_price, load_prices


def better(arm, prompt, repeat):
    """Plain is accepted on half of the prompts, search on 90 %; both move alike."""
    steady = prompt % 10 > 0 if arm.startswith("search") else prompt % 2 == 0
    return {"steady": 0.9 if steady else 0.1, "moving": 0.5 + repeat / 10, "wanted": 0.8 if "@" in arm else 0.5}


def alike(arm, prompt, repeat):
    """Search wins on ten of 24 prompts and loses on eight."""
    steady = prompt % 12 in (0, 1, 2, 3, 4) if arm.startswith("search") else prompt % 12 in (5, 6, 7, 8)
    return {"steady": float(steady), "moving": 0.5, "wanted": 0.5}


def worse(arm, prompt, repeat):
    return better("plain" if arm.startswith("search") else "search@96", prompt, repeat)


def found(spec, scored, **changed):
    whole = material(spec, scored, **changed)
    price = hour_price(whole.experiment.prices, load_prices()) if whole.experiment.prices else None
    return conclude(whole, price, "no prices", draws=2000)


def reason(findings, code):
    return next(reason for reason in findings.verdict.reasons if reason.code == code)


def test_headline_numbers_are_those_of_the_attempts():
    findings = found(declared(), better)
    by_arm = {arm.name: arm for arm in findings.arms}
    for name in ("plain", "search@96"):
        rows = [a for a in findings.attempts if a.arm == name]
        assert by_arm[name].acceptance.value == pytest.approx(np.mean([a.scores["steady"] >= 0.5 for a in rows]))
        assert by_arm[name].scores["moving"].value == pytest.approx(np.mean([a.scores["moving"] for a in rows]))
        assert findings.cells[f"confirm/{name}"] == tuple(a.cells[0] for a in rows)
    primary = next(each for each in findings.comparisons if each.primary)
    assert (primary.arm, primary.against, primary.outcome) == ("search@96", "plain", "acceptance")
    assert primary.difference.mean == pytest.approx(0.9 - 0.5)
    assert findings.numbers["difference/acceptance/search@96"] == (
        pytest.approx(0.4), ("confirm/search@96", "confirm/plain"),
    )  # fmt: skip
    assert {each.prompt for each in findings.losing} == {f"prompt {i}" for i in range(0, 40, 10)}


def test_money_follows_from_time_and_price():
    findings = found(declared(), better)
    cost = findings.arm("search@96").cost
    # 9.6 CPU-seconds for 5 seconds of video, at 100 / 0.5 yen an hour
    assert cost.money_a_minute == pytest.approx(9.6 / 3600 * 200 / 5 * 60)
    assert cost.money_an_accepted_minute.value == pytest.approx(cost.money_a_minute / 0.9)
    assert findings.roi.compute_an_attempt == pytest.approx((cost.money_a_minute / 2, cost.money_a_minute))


def test_a_better_method_that_pays_is_a_go():
    findings = found(declared(), better)
    assert findings.verdict.decision == "go"
    assert findings.verdict.reasons[0].code == "uplift"
    assert findings.verdict.uplift.low > findings.verdict.break_even


def test_a_worse_one_is_a_stop():
    assert found(declared(), worse).verdict.decision == "stop"


def test_what_cannot_be_told_goes_on_and_says_how_far():
    findings = found(declared(confirm=24), alike)
    assert findings.verdict.decision == "continue"
    assert reason(findings, "uplift").holds is None
    assert reason(findings, "uplift").values["prompts"] == 24


def test_examples_are_never_a_go():
    spec = declared(business=business(review=told(300.0, illustrative=True)))
    findings = found(spec, better)
    assert findings.verdict.decision == "conditional"
    assert findings.watermark == ("business.review",)
    assert findings.verdict.reasons[0].code == "illustrative_inputs"


def test_a_missing_amount_leaves_the_case_open():
    findings = found(declared(business=business(fallback=told(None))), better)
    assert findings.verdict.decision == "conditional"
    assert "business.fallback" in findings.roi_words
    assert reason(findings, "uplift").values["threshold_kind"] == "minimum_effect"


def test_a_price_for_another_device_is_said():
    rate = prices()["rate"] | {"unit": "GPU-hour"}
    findings = found(declared(prices=prices(rate=rate)), better)
    assert findings.roi is None
    assert "GPU-hour" in findings.roi_words
    assert findings.verdict.decision == "conditional"


def test_rules_that_were_changed_after_the_start_are_no_go():
    assert found(declared(), better, rules_changed=True).verdict.decision == "conditional"


def test_a_run_that_the_machine_failed_is_invalid():
    findings = found(declared(), better, facts=facts(160, 40, 2, infrastructure=20, done=140))
    assert findings.verdict.decision == "invalid"
    assert findings.verdict.reasons[0].code == "failures"


def test_an_arm_that_spends_more_than_declared_is_invalid():
    whole = material(declared(), better)
    findings = found(declared(), better, budgets={**whole.budgets, "search@96": 90})
    assert findings.verdict.decision == "invalid"
    assert findings.verdict.reasons[0].code == "balance"


def test_a_search_that_pleases_its_reward_only_is_stopped():
    def gamed(arm, prompt, repeat):
        scores, search = better(arm, prompt, repeat), "@" in arm
        wanted = scores["wanted"] + search * (prompt % 3) / 50
        return scores | {"wanted": wanted, "moving": (0.2 if search else 0.6) + search * (prompt % 4) / 50}

    findings = found(declared(), gamed)
    assert findings.hacking.alarm
    assert findings.verdict.decision == "stop"


def test_a_guarded_measure_may_not_fall():
    def still(arm, prompt, repeat):
        return better(arm, prompt, repeat) | {"moving": 0.3 if "@" in arm else 0.6}

    guard = {"no_worse": [{"evaluator": "moving", "margin": 0.05}]}
    assert found(declared(rules=guard), still).verdict.decision == "stop"
    assert found(declared(rules=guard), better).verdict.decision == "go"


def test_a_critical_criterion_may_not_fall():
    def dimmer(arm, prompt, repeat):
        return better(arm, prompt, repeat) | {"moving": 0.1 if "@" in arm and prompt % 4 == 0 else 0.6}

    criteria = [{"evaluator": "steady", "at_least": 0.5}, {"evaluator": "moving", "at_least": 0.3, "critical": True}]
    findings = found(declared(acceptance=criteria), dimmer)
    assert reason(findings, "critical_criterion").holds is False
    assert findings.verdict.decision == "stop"


def test_too_slow_is_no_go():
    findings = found(declared(rules={"max_latency": 0.5}), better)  # 4.8 s for 5 s of video
    assert findings.verdict.decision == "stop"
    assert reason(findings, "latency").values["latency"] == pytest.approx(0.96)


def test_without_a_declared_primary_there_is_no_verdict():
    findings = found(declared(primary=[]), better)
    assert findings.verdict.decision == "provisional"
    assert findings.verdict.reasons[0].code == "declared"


def test_settings_are_chosen_on_dev_prompts_only():
    def scored(arm, prompt, repeat):
        # on dev prompts (the first 6) 144 is better, on confirm prompts 96 is
        best = "search@144" if prompt < 6 else "search@96"
        return {"steady": 0.9 if arm == best or prompt % 2 else 0.1, "moving": 0.5, "wanted": 0.5}

    findings = found(declared(dev=6, budget={"unit": "nfe", "amounts": [96, 144]}), scored)
    assert findings.choice.arm == "search@144"
    assert findings.choice.prompts == 6
    assert findings.verdict.arm == "search@144"
    assert findings.arm("search@144").prompts == 40


def test_an_unfinished_run_has_figures_and_no_verdict():
    whole = material(declared(), better)
    findings = found(declared(), better, settled=frozenset(whole.planned[:30]))
    assert findings.verdict.decision == "provisional"
    assert findings.arm("plain").prompts == 30


def test_a_declared_look_decides_on_its_prompts_only_at_a_stricter_level():
    spec = declared(confirm=120, looks={"at": [0.5, 1.0]})
    whole = material(spec, better)
    findings = found(spec, better, settled=frozenset(whole.planned[:67]))
    assert findings.arm("plain").prompts == 60
    primary = next(each for each in findings.comparisons if each.primary)
    assert primary.adjusted[0] < primary.difference.low
    assert findings.verdict.decision == "go"
    assert findings.verdict.uplift.low == primary.adjusted[0]
    assert found(spec, better, settled=frozenset(whole.planned[:59])).verdict.decision == "provisional"


def test_where_lower_is_better_the_uplift_is_turned():
    judges = tuple(judge.model_copy(update={"higher_is_better": judge.label != "moving"})
                   for judge in material(declared(), better).judges)  # fmt: skip

    def calmer(arm, prompt, repeat):
        return better(arm, prompt, repeat) | {"moving": (0.3 if "@" in arm else 0.6) + prompt / 1000 * ("@" in arm)}

    spec = declared(primary=[{"outcome": "moving", "minimum_effect": 0.1}])
    findings = found(spec, calmer, judges=judges)
    assert findings.verdict.uplift.value == pytest.approx(0.3, abs=0.03)
    assert findings.verdict.uplift.low < findings.verdict.uplift.value < findings.verdict.uplift.high
    assert findings.verdict.decision == "go"


def test_failed_attempts_are_rejected_ones():
    from dataclasses import replace

    whole = material(declared(), better)
    lost = [
        replace(a, scores={}, accepted=0.0, failed=True, why="NaN latents") if a.arm != "plain" and a.repeat else a
        for a in whole.attempts
    ]
    findings = found(declared(), better, attempts=tuple(lost))
    assert findings.arm("search@96").acceptance.value == pytest.approx(0.45)
    assert findings.arm("search@96").failed == 40


def test_people_correct_an_acceptance_that_a_search_pleases():
    """The check passes everything of the search; people pass half of it."""
    whole = material(declared(), better)
    labels = {a.cells[0]: float(int(a.prompt.split()[1]) % 2 == 0) for a in whole.attempts if a.repeat == 0}
    findings = found(declared(), better, labels=labels)
    assert findings.arm("search@96").acceptance.value == pytest.approx(0.9)
    assert findings.arm("search@96").corrected.value == pytest.approx(0.5, abs=0.03)
    assert reason(findings, "evaluator_validity").values["accuracy"] < 1


def test_a_check_that_people_contradict_makes_the_run_invalid():
    whole = material(declared(), better)
    labels = {a.cells[0]: 1 - a.accepted for a in whole.attempts}
    findings = found(declared(), better, labels=labels)
    assert findings.verdict.decision == "invalid"
    assert findings.verdict.reasons[0].code == "evaluator_validity"


def test_prompts_that_are_all_alike_are_no_certainty():
    def same(arm, prompt, repeat):
        return {"steady": float(prompt % 2), "moving": 0.5, "wanted": 0.5}

    findings = found(declared(confirm=12), same)
    primary = next(each for each in findings.comparisons if each.primary)
    assert primary.difference.mean == 0
    assert primary.difference.low == pytest.approx(-primary.difference.high)
    assert 0.2 < primary.difference.high < 0.4  # about 3.7 / 12: two-sided
    assert reason(findings, "uplift").holds is None
    everything = found(declared(confirm=12), lambda *_: {"steady": 1.0, "moving": 0.5, "wanted": 0.5})
    assert 0.7 < everything.arm("plain").acceptance.low < everything.arm("plain").acceptance.high == 1


def test_the_verdict_rests_on_people_where_they_judged_both_arms():
    """The check passes nearly everything of the search; people pass as much of it as of the plain videos."""
    whole = material(declared(), better)
    labels = {a.cells[0]: float(int(a.prompt.split()[1]) % 2 == 0) for a in whole.attempts}
    labels |= {a.cells[0]: a.accepted for a in whole.attempts if a.arm == "plain"}
    findings = found(declared(), better, labels=labels)
    assert next(each for each in findings.comparisons if each.primary).difference.mean == pytest.approx(0.4)
    assert findings.verdict.uplift.value == pytest.approx(0.0, abs=0.02)
    assert reason(findings, "uplift").values["by"] == "people"
    assert findings.verdict.decision != "go"
    few = dict(list(labels.items())[:10])
    assert reason(found(declared(), better, labels=few), "uplift").values["by"] == "check"


def test_of_a_losing_prompt_the_repeat_that_lost_is_shown_first():
    def once(arm, prompt, repeat):
        bad = arm.startswith("search") and prompt == 3 and repeat == 1
        return {"steady": 0.1 if bad else 0.9, "moving": 0.5, "wanted": 0.5}

    (lost,) = found(declared(), once).losing
    assert lost.cells == (
        ("prompt 3/plain/1", "prompt 3/plain/0"), ("prompt 3/search@96/1", "prompt 3/search@96/0"),
    )  # fmt: skip
