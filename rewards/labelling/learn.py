"""From labels to a head with its card: fit it, test it on held-out prompts, and say how far to trust it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import combinations
from typing import Any

import numpy as np

from rewards.base import UserError
from rewards.labelling.acceptance_thresholds import thresholds
from rewards.labelling.clip_features import Recipe
from rewards.labelling.fitting import FOLDS, MEMBERS, Task, fit_head, task_of
from rewards.labelling.heads import Head
from rewards.labelling.held_out import RANKING, Figure, cross_validate, figures, measure, reliability
from rewards.labelling.labels import Labels

MIN_LABELS, MIN_GROUPS = 20, 5
SHARES = (0.25, 0.5, 0.75)  # of the training prompts, in the learning curve
CURVE_MEMBERS = 5  # enough for its figures, which average over many judgements


def learn(
    labels: Labels,
    features: Sequence[Mapping[str, float]],
    recipe: Recipe,
    *,
    folds: int = FOLDS,
    members: int = MEMBERS,
    seed: int = 0,
    on_progress: Callable[[float, float], None] | None = None,
) -> Head:
    """A head from labels and their clips' features (one mapping a clip of `labels.clips`), with its card.

    recipe: how the features were made (`ClipFeatures.recipe`). The same input and seed give the same head. Raises
    UserError for fewer than 20 labels or 5 prompts, and for labels or features in which nothing varies.
    """
    check_enough(labels, folds, members)
    task = task_of(labels, features)
    steps = len(SHARES) + 2
    tell = on_progress or (lambda done, total: None)
    held = cross_validate(task, folds, members, seed)
    tell(1, steps)
    curve = []
    for number, share in enumerate(SHARES, 2):
        curve += _curve_point(task, folds, seed, share)
        tell(number, steps)
    figures = measure(task, held, seed)
    whole = [{"prompts": held.training_groups, **{figure.name: figure.value for figure in figures}}]
    head = fit_head(task, members, seed, recipe)
    tell(steps, steps)
    card = {
        **_counts(labels, task, folds, members, seed),
        "calibration": {
            "how": head.calibration.how,
            "reliability": reliability(held.chances.ravel(), task.above.ravel()),
        },
        "figures": [asdict(figure) for figure in figures],
        "learning_curve": [*curve, *whole],
        "thresholds": [asdict(found) for found in thresholds(task, held, seed)],
        "notes": [*labels.notes, *_notes(labels, task, figures, folds)],
        "features": list(head.names),
        "recipe": dict(recipe),
        "versions": _versions(),
    }
    return replace(head, card=card)


def check_enough(labels: Labels, folds: int = FOLDS, members: int = MEMBERS) -> None:
    """Raise UserError for fewer than 20 labels or 5 prompts, 2 folds or 2 members."""
    groups = len(set(labels.groups))
    if len(labels.values) < MIN_LABELS or groups < MIN_GROUPS:
        raise UserError(
            f"{len(labels.values)} labels of {groups} prompts are too few: a head needs at least {MIN_LABELS} labels "
            f"of {MIN_GROUPS} prompts; label more clips"
        )
    if folds < 2 or members < 2:
        raise UserError(f"folds and members must be 2 or more; given {folds} and {members}")


def _curve_point(task: Task, folds: int, seed: int, share: float) -> list[dict[str, float]]:
    """The figures when only a share of the training prompts is used; nothing where these are too few to tell apart."""
    try:
        held = cross_validate(task, folds, CURVE_MEMBERS, seed, share)
    except UserError:
        return []
    return [{"prompts": held.training_groups, **figures(task.kind, task.values, held.chances, held.fold)}]


def _counts(labels: Labels, task: Task, folds: int, members: int, seed: int) -> dict[str, Any]:
    """What was learned from."""
    values, counts = np.unique(task.values, return_counts=True)
    return {
        "kind": task.kind,
        "labels": len(task.values),
        "by_value": {f"{value:g}": int(count) for value, count in zip(values, counts, strict=True)},
        "clips": len(task.used),
        "prompts": len(np.unique(task.groups)),
        "raters": len(set(labels.raters)),
        "agreement": agreement(labels),
        "folds": min(folds, len(np.unique(task.groups))),
        "members": members,
        "seed": seed,
    }


def agreement(labels: Labels) -> float | None:
    """Of two judgements of the same clip (or pair, in the same order), how often are they equal? None without any."""
    seen: dict[tuple[int, int], list[float]] = {}
    for row, value in enumerate(labels.values):
        other = -1 if labels.second is None else labels.second[row]
        seen.setdefault((labels.first[row], other), []).append(value)
    same = [x == y for values in seen.values() for x, y in combinations(values, 2)]
    return float(np.mean(same)) if same else None


def _notes(labels: Labels, task: Task, measured: Sequence[Figure], folds: int) -> list[str]:
    """What a reader of the figures must know."""
    notes = []
    prompts = len(np.unique(task.groups))
    if prompts < folds:
        notes.append(f"{prompts} prompts allow no more than {prompts} folds")
    if task.kind == "pair":
        notes.append("pairs say which clip is better, not which is good enough: they give no thresholds")
    name, guess = RANKING[task.kind]
    ranking = next(figure for figure in measured if figure.name == name)
    if not ranking.low > guess:
        notes.append(
            f"this head cannot be told from guessing ({name} {ranking.low:.2f} to {ranking.high:.2f}, guessing "
            f"{guess:g}): do not steer by it; label more clips, or name rewards that see the difference"
        )
    agreed = agreement(labels)
    if agreed is not None:
        notes.append(f"judgements of the same clip agree {agreed:.0%} of the time: expect no better of a head")
    return notes


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("scikit-learn", "skops", "numpy", "torch")}
