"""The experiment of videos made elsewhere: a default that its owner edits, or the rules of a file that they have.

Prompts, methods and budgets follow from the videos; what judges them, what decides and what it costs may be given.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from rewards.base import UserError
from sn_eval.poc.candidates import Candidate
from sn_eval.results.experiment import (
    Budget,
    Evaluator,
    Experiment,
    Guard,
    Method,
    Primary,
    Prompt,
    Rules,
    Split,
)
from sn_eval.results.experiment_file import parse_experiment
from sn_eval.results.record import Component

SIZES = (2, 4, 8)
DEV_SHARE = 0.3
SELECTOR = "selector"  # stands for the reward where scores were given; params: the column
EVALUATORS = (
    Evaluator(use="subject_consistency"),
    Evaluator(use="drift", params={"quantity": "light"}, name="drift_light"),
    Evaluator(use="warping_error"),
    Evaluator(use="background_consistency"),
    Evaluator(use="dynamic_degree"),
)
"""Of the bundled suite, the first one being the primary outcome; those of the reward's family are left out."""
EFFECT = {"subject_consistency": 0.01, "drift_light": 0.5, "warping_error": 0.0001, "dynamic_degree": 0.05}
ACCEPTANCE_EFFECT = 0.1
STILL = 0.1  # dynamic_degree may fall by so much: a frozen video is consistent for nothing

HEAD = """\
# Written by `sn-eval poc import` from the videos that it found. What follows from them (prompts, methods, budget) is
# rewritten when they are imported again into another folder; all rules are yours to change:
#   acceptance: what a video must reach to be usable, with reasons; then primary: {outcome: acceptance, …}
#   prices, business: without them there is no ROI, and the verdict can be no Go
# `sn-eval poc report RUN` judges the same measurements by the changed file; nothing is measured again.
"""


def sizes_asked(most: int) -> tuple[int, ...]:
    """The sizes of "best of" that are asked, for so many candidates.

    >>> sizes_asked(16), sizes_asked(8), sizes_asked(3), sizes_asked(1)
    ((2, 4, 8), (2, 4, 8), (2, 3), ())
    """
    if most < 2:
        return ()
    largest = min(most, SIZES[-1])
    return (*(size for size in SIZES if size < largest), largest)


def default_experiment(
    name: str,
    candidates: Sequence[Candidate],
    reward: Component,
    evaluators: Sequence[Evaluator],
    *,
    labels: str | None,
) -> Experiment:
    """What is asked where nobody says: plain against the best of 2, 4 and 8, by the first evaluator.

    labels: file of people's verdicts, which are then the primary outcome.
    """
    size, first = _size(candidates), evaluators[0].label
    outcome = (
        Primary(minimum_effect=ACCEPTANCE_EFFECT) if labels else Primary(outcome=first, minimum_effect=_effect(first))
    )
    moving = [Guard(evaluator=e.label, margin=STILL) for e in evaluators if e.use == "dynamic_degree"]
    return _fitted(
        {
            "name": name, "reward": reward, "evaluators": tuple(evaluators), "labels": labels,
            "about": "Videos made elsewhere: is the best of several worth it?",
            "primary": (outcome,) if size > 1 else (), "rules": Rules(no_worse=tuple(moving)),
        },
        candidates, {}, size,
    )  # fmt: skip


def experiment_by(
    spec: Experiment, candidates: Sequence[Candidate], reward: Component, labels: str | None
) -> tuple[Experiment, list[str]]:
    """The rules of an experiment file for these videos, and what in it has no use here."""
    notes = [
        f"{key} of the spec has no use here: the videos are made" for key in ("model", "rollout") if _said(spec, key)
    ]
    methods = [method.label for method in spec.methods if method.label not in ("plain", "best_of_n")]
    if methods:
        notes.append(f"methods {', '.join(methods)} of the spec have no use here: plain and best_of_n are judged")
    size = _size(candidates)
    asked = spec.budget.amounts if spec.budget is not None and spec.budget.unit == "videos" else ()
    if spec.budget is not None and spec.budget.unit != "videos":
        notes.append("the spec's budget in nfe has no use here: best of 2, 4 and 8 videos is asked")
    if many := [amount for amount in asked if amount > size or amount != int(amount) or amount < 2]:
        notes.append(f"best of {', '.join(f'{a:g}' for a in many)} cannot be had from {size} candidates: left out")
    sizes = tuple(int(amount) for amount in asked if amount not in many) or None
    primary = tuple(p.model_copy(update={"method": None}) for p in spec.primary) if size > 1 else ()
    kept = {name: value for name, value in spec if name in spec.model_fields_set}
    unknown = [c.prompt for c in candidates if c.prompt not in {p.text for p in spec.prompts}]
    if unknown and any(prompt.group for prompt in spec.prompts):
        notes.append(
            f"{len(set(unknown))} prompts are not in the spec: they have no group unless the manifest says one"
        )
    kept |= {"reward": reward, "primary": primary, "labels": spec.labels or labels}
    return _fitted(kept, candidates, {prompt.text: prompt for prompt in spec.prompts}, size, sizes), notes


def spec_text(experiment: Experiment, cost: float | None = None, source: Path | None = None) -> str:
    """The experiment as a commented YAML file that reads back as the same. cost: mean money an attempt, as given."""
    data = experiment.model_dump(mode="json", exclude_unset=True)
    text = HEAD
    if source is not None:
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        text += f"# Rules taken from {source.name} (sha256 {digest[:16]}…).\n"
    if cost is not None and experiment.business is None:
        text += (
            f"# The manifest's column cost says {cost:g} an attempt on average: in business, write\n"
            f"#   compute_per_attempt: {{value: {cost:g}, source: your invoice, as_of: …}}\n"
        )
    text += yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110)
    parse_experiment(text, "spec.yaml")
    return text


def run_name(place: Path) -> str:
    """A name for a run of what lies there.

    >>> run_name(Path("clips/my videos")), run_name(Path("a.csv"))
    ('my-videos', 'a')
    """
    name = place.resolve().stem if place.suffix and not place.is_dir() else place.resolve().name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:64] or "imported"


# --- parts ------------------------------------------------------------------------------------------------


def _fitted(
    rules: dict[str, Any], candidates: Sequence[Candidate], known: dict[str, Prompt], size: int,
    sizes: tuple[int, ...] | None = None,
) -> Experiment:  # fmt: skip
    """The rules with the prompts, methods and budget that the videos allow."""
    sizes = sizes_asked(size) if sizes is None else sizes
    prompts = _prompts(candidates, known, divided=bool(rules["primary"]))
    if rules["primary"] and not any(prompt.split == "dev" for prompt in prompts):
        sizes = sizes[-1:]  # nothing to choose a size on: the largest is judged
    plain, best = Method(use="plain", budget="own"), Method(use="best_of_n")
    amounts = Budget(unit="videos", amounts=tuple(float(each) for each in sizes)) if sizes else None
    made = {
        "model": Component(use="imported"), "rollout": Component(use="imported"), "seeds": (0,), "baseline": "plain",
        "methods": (plain, best) if sizes else (plain,), "budget": amounts, "prompts": prompts,
    }  # fmt: skip
    named = {name: value for name, value in {**rules, **made}.items() if value is not None}
    groups = {prompt.group for prompt in prompts}
    for criterion in named.get("acceptance", ()):
        if gone := [group for group in criterion.groups if group not in groups]:
            raise UserError(
                f"acceptance on {criterion.evaluator!r} names group {gone[0]!r}, which no video has: name groups in "
                "the manifest's column group, or list these prompts with their groups in the spec"
            )
    return Experiment.model_validate(named)


def _prompts(candidates: Sequence[Candidate], known: dict[str, Prompt], *, divided: bool) -> tuple[Prompt, ...]:
    """Each prompt with group and split: as the manifest says, else the spec, else by its hash where sizes compete."""
    first = {candidate.prompt: candidate for candidate in reversed(candidates)}
    texts = list(dict.fromkeys(candidate.prompt for candidate in candidates))
    said: dict[str, Split | None] = {
        text: first[text].split or (known[text].split if text in known else None) for text in texts
    }
    drawn = split_by_hash(texts) if divided and "dev" not in said.values() and None in said.values() else {}
    return tuple(
        Prompt(
            text=text,
            group=first[text].group or (known[text].group if text in known else ""),
            split=said[text] or drawn.get(text, "confirm"),
        )
        for text in texts
    )


def split_by_hash(prompts: Sequence[str]) -> dict[str, Split]:
    """About DEV_SHARE of the prompts for choosing: the same whatever the others are, but at least one of each of two.

    >>> sorted(split_by_hash(["a", "b"]).values()), split_by_hash(["a"])
    (['confirm', 'dev'], {'a': 'confirm'})
    """
    place = {text: int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32 for text in prompts}
    order = sorted(place, key=lambda text: place[text])
    count = sum(value < DEV_SHARE for value in place.values())
    dev = order[: min(max(count, 1), len(order) - 1)]
    return {text: "dev" if text in dev else "confirm" for text in prompts}


def _size(candidates: Sequence[Candidate]) -> int:
    counts: dict[str, int] = {}
    for candidate in candidates:
        counts[candidate.prompt] = counts.get(candidate.prompt, 0) + 1
    return min(counts.values())


def _effect(label: str) -> float:
    """A least effect to start from, to be replaced by one that matters to somebody."""
    return EFFECT.get(label, 0.01)


def _said(spec: Experiment, key: str) -> bool:
    return key in spec.model_fields_set and getattr(spec, key).use not in ("imported",)
