"""Experiments and attempts with a known truth, for tests of what is made of them."""

from collections.abc import Callable
from typing import Any

from sn_eval.decision.analysis import Material
from sn_eval.decision.findings import Attempt, Compute, RunFacts
from sn_eval.results.experiment import Experiment
from sn_eval.results.plan import Judge

JUDGES = (
    Judge(label="steady", key="steady[encoder]", families=("encoder:a",), low=0.0, high=1.0),
    Judge(label="moving", key="moving", families=("flow",), low=0.0, high=1.0),
)


def told(value: float | None, **more: Any) -> dict[str, Any]:
    """An amount with its source."""
    return {"value": value, "source": "the test", **more}


def business(**changed: Any) -> dict[str, Any]:
    """Inputs in which a rejected video is dear, so that a better method pays."""
    return {
        "videos_per_month": told(400), "minutes_per_video": told(1.0), "attempts_cap": 4, "review": told(300.0),
        "rejection": told(200.0), "fallback": told(30_000.0), "one_off": told(500_000.0), "monthly": told(50_000.0),
        "discount": told(0.05), "months": 24,
    } | changed  # fmt: skip


def prices(**changed: Any) -> dict[str, Any]:
    """A machine at 100 yen an hour."""
    rate = {"value": 100.0, "currency": "JPY", "unit": "CPU-hour", "as_of": "2026-11-01", "source": "the test"}
    return {"rate": rate, "utilisation": told(0.5), "currency": "JPY", "tax_included": False} | changed


def declared(confirm: int = 40, dev: int = 0, **changed: Any) -> dict[str, Any]:
    """A spec: plain against search at one budget, accepted where `steady` reaches .5."""
    return {
        "name": "trial", "reward": "wanted", "evaluators": ["steady", "moving"],
        "methods": [{"use": "plain", "budget": "own"}, {"use": "search"}],
        "budget": {"unit": "nfe", "amounts": [96]}, "seeds": [0, 1],
        "prompts": [{"text": f"dev {i}", "split": "dev"} for i in range(dev)]
        + [{"text": f"prompt {i}", "group": "ab"[i % 2]} for i in range(confirm)],
        "acceptance": [{"evaluator": "steady", "at_least": 0.5}], "primary": [{"minimum_effect": 0.1}],
        "prices": prices(), "business": business(),
    } | changed  # fmt: skip


Scored = Callable[[str, int, int], dict[str, float | None]]
"""(arm, number of the prompt, repeat) → scores by evaluator; "wanted" is the searched reward."""


def material(spec: dict[str, Any], scored: Scored, **changed: Any) -> Material:
    """All attempts of a spec, finished, scored by a rule."""
    experiment = Experiment.model_validate(spec)
    amounts = experiment.budget.amounts if experiment.budget else ()
    arms = {"plain": (None, 48.0)} | {f"search@{amount:g}": (int(amount), amount) for amount in amounts}
    attempts = [
        attempt(prompt.text, arm, repeat, scored(arm, number, repeat), nfe, split=prompt.split, group=prompt.group)
        for number, prompt in enumerate(experiment.prompts)
        for arm, (_, nfe) in arms.items()
        for repeat in experiment.seeds
    ]
    planned = tuple(prompt.text for prompt in experiment.prompts if prompt.split == "confirm")
    values: dict[str, Any] = {
        "experiment": experiment, "facts": facts(len(attempts), len(planned), len(experiment.seeds)), "judges": JUDGES,
        "baseline": "plain", "attempts": tuple(attempts), "budgets": {arm: budget for arm, (budget, _) in arms.items()},
        "planned": planned, "settled": frozenset(planned), "candidates": tuple(attempts),
    }  # fmt: skip
    return Material(**(values | changed))


def attempt(
    prompt: str, arm: str, repeat: int, scores: dict[str, float | None], nfe: float = 48.0, **more: Any
) -> Attempt:
    """One video of five seconds; `steady` from .5 on is accepted."""
    wanted, judged = scores.get("wanted"), {name: value for name, value in scores.items() if name != "wanted"}
    steady = judged.get("steady")
    return Attempt(
        cells=(f"{prompt}/{arm}/{repeat}",), prompt=prompt, arm=arm, repeat=repeat, scores=judged,
        searched=wanted, rewarded=wanted,
        accepted=None if steady is None else float(steady >= 0.5), video_seconds=5.0,
        compute=Compute("cpu", nfe / 10, nfe / 20, nfe, nfe / 100, None, "estimated"), **more,
    )  # fmt: skip


def facts(cells: int, prompts: int, repeats: int, **changed: Any) -> RunFacts:
    """A run that is finished."""
    values: dict[str, Any] = {
        "name": "trial", "about": "", "kind": "generated", "folder": "", "spec_sha256": "", "started": "", "ended": "",
        "planned": cells, "done": cells, "quality_failures": 0, "infrastructure": 0, "damaged": 0, "finished": True,
        "model": "gaussian", "rollout": "chunk", "reward": "wanted", "devices": (), "versions": {},
        "confirm_prompts": prompts, "dev_prompts": 0, "repeats": repeats,
    }  # fmt: skip
    return RunFacts(**(values | changed))
