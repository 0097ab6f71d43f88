"""What the verdict is when the truth is known: settings chosen on dev prompts, two declared looks, money included.

An experiment runs as one does: the best of six settings on dev prompts is judged on confirm prompts, first when half of
them are done; a Go ends it. The verdict is `sn_eval.decision.analysis.conclude`, nothing less. Left out, since no rule
looks at it: confirm videos of settings that were not chosen, and evaluators beside the acceptance. Without evaluators
no guard can veto, with `one_off` and `monthly` at 0 a saving is a profit: both leave the uplift to decide alone, which
makes a wrong Go likelier. Draws of the ROI: 500, which the interval of the uplift does not depend on.
"""

from functools import cache

import numpy as np

from benchmarks.decision.world import CAP, FALLBACK, PLAIN, REJECTION, REVIEW, SEARCH, SETTINGS, World
from sn_eval.decision.analysis import Material, conclude
from sn_eval.decision.findings import Attempt, Compute, RunFacts
from sn_eval.results.experiment import Experiment, Split

DRAWS = 500
LOOKS = (0.5, 1.0)
NFE = 48  # of a plain video


def outcome(world: World, shift: float, seed: int) -> tuple[str, int]:
    """(decision, look at which it was made) of one experiment in which every setting has this true shift."""
    rng = np.random.default_rng([seed, round(1e6 * shift) % 2**32])
    dev = world.draw(world.dev, shift, SETTINGS, rng)
    best = int(dev[1:].mean((1, 2)).argmax())
    confirm = world.draw(world.confirm, shift, 1, rng)
    decision = "provisional"
    for look, share in enumerate(LOOKS, 1):
        decision = conclude(material(world, dev, confirm, best, share), draws=DRAWS).verdict.decision
        if decision == "go":
            return decision, look
    return decision, len(LOOKS)


def material(world: World, dev: np.ndarray, confirm: np.ndarray, best: int, share: float) -> Material:
    """The attempts that are there when a share of the confirm prompts is done."""
    experiment = _experiment(world)
    arms = ["plain", *(f"search{setting}@{_budget()}" for setting in range(SETTINGS))]
    prompts = {split: [p.text for p in experiment.prompts if p.split == split] for split in ("dev", "confirm")}
    done = prompts["confirm"][: round(share * world.confirm)]
    attempts = [
        *_attempts(dev, arms, prompts["dev"], "dev"),
        *_attempts(confirm[:, : len(done)], ["plain", arms[1 + best]], done, "confirm"),
    ]
    return Material(
        experiment=experiment, facts=_facts(world, len(attempts)), judges=(), baseline="plain",
        attempts=tuple(attempts), budgets={arm: None if arm == "plain" else _budget() for arm in arms},
        planned=tuple(prompts["confirm"]), settled=frozenset(done),
    )  # fmt: skip


def _attempts(accepted: np.ndarray, arms: list[str], prompts: list[str], split: Split) -> list[Attempt]:
    """One attempt for each arm, prompt and repeat."""
    return [
        Attempt(
            (f"{split}/{prompt}/{arm}/{repeat}",), prompt, arm, repeat, split=split, accepted=float(value),
            compute=Compute(nfe=float(NFE if arm == "plain" else _budget()), source="measured"),
        )
        for arm, by_prompt in zip(arms, accepted, strict=True)
        for prompt, values in zip(prompts, by_prompt, strict=True)
        for repeat, value in enumerate(values)
    ]  # fmt: skip


def _budget() -> int:
    return round(NFE * SEARCH / PLAIN)


@cache
def _experiment(world: World) -> Experiment:
    """What is declared; the money is that of `world`."""

    def told(value: float) -> dict[str, object]:
        return {"value": value, "source": "the truth of this simulation"}

    rate = {"value": 1.0, "currency": "JPY", "unit": "CPU-hour", "as_of": "2026-11-01", "source": "not used"}
    return Experiment.model_validate({
        "name": "simulated", "reward": "wanted", "evaluators": ["judge"],
        "methods": [
            {"use": "plain", "budget": "own"}, *({"use": "search", "name": f"search{n}"} for n in range(SETTINGS))
        ],
        "budget": {"unit": "nfe", "amounts": [_budget()]}, "seeds": list(range(world.repeats)),
        "prompts": [{"text": f"dev {n}", "split": "dev"} for n in range(world.dev)]
        + [{"text": f"confirm {n}"} for n in range(world.confirm)],
        "acceptance": [{"evaluator": "judge", "at_least": 0.5}], "primary": [{"minimum_effect": 0.01}],
        "looks": {"at": list(LOOKS), "spending": "obrien_fleming"},
        "prices": {"rate": rate, "utilisation": told(1.0), "currency": "JPY", "tax_included": False},
        "business": {
            "videos_per_month": told(400.0), "minutes_per_video": told(1.0), "attempts_cap": CAP,
            "review": told(REVIEW), "rejection": told(REJECTION), "fallback": told(FALLBACK), "one_off": told(0.0),
            "monthly": told(0.0), "discount": told(0.05), "compute_per_attempt": told(PLAIN),
        },
    })  # fmt: skip


def _facts(world: World, cells: int) -> RunFacts:
    return RunFacts(
        name="simulated", about="", kind="generated", folder="", spec_sha256="", started="", ended="", planned=cells,
        done=cells, quality_failures=0, infrastructure=0, damaged=0, finished=True, model="", rollout="", reward="",
        devices=(), versions={}, confirm_prompts=world.confirm, dev_prompts=world.dev, repeats=world.repeats,
    )  # fmt: skip
