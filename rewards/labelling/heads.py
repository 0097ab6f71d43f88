"""A head: a clip's features to a score, by an ensemble of ordinal logistic regressions; kept in a skops file.

One model serves all three kinds of labels. A judgement y lies above step k with P(y > k) = σ(w·x + b_k):

- pass/fail: one step, ordinary logistic regression;
- grades 1 … 5: four steps with common weights, the proportional-odds model (McCullagh, JRSS B 1980);
- pairs: x is the difference of the clips' features, and the steps "better" and "not worse" stand at −η and +η: the
  Bradley–Terry model with ties of Rao and Kupper (JASA 1967), whose η is the width of a tie.

It is fitted as one logistic regression on (judgement, step) rows, the reduction of Li and Lin ("Ordinal regression
by extended binary classification", NIPS 2006). scikit-learn and skops are loaded when a head is fitted or opened.
"""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from rewards.base import UserError
from rewards.labelling.labels import Kind

FORMAT = 1
LEVELS: dict[str, tuple[float, ...]] = {"pass": (0.5,), "grade": (1.5, 2.5, 3.5, 4.5), "pair": (0.25, 0.75)}
"""The steps between labels' values, as `rewards.labelling.labels.Kind` defines these."""

TRUSTED = ("numpy.dtype",)
"""What a head may hold beyond what skops trusts by itself (scikit-learn's estimators, arrays, plain data):
SimpleImputer keeps the number type that it was fitted on."""


@dataclass(frozen=True)
class Calibration:
    """A rising map from log-odds to a probability: σ(slope·m + shift), or a step curve through points (x, y)."""

    how: str
    slope: float = 1.0
    shift: float = 0.0
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()

    def __call__(self, margins: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        """Probabilities of these log-odds."""
        if self.how == "isotonic":
            curve: Float[np.ndarray, "*n"] = np.interp(margins, self.x, self.y)
            return curve
        return sigmoid(self.slope * margins + self.shift)


@dataclass(frozen=True)
class Head:
    """A fitted head.

    names: its features, in order. prepare: scikit-learn's transformer from features (NaN allowed) to inputs of the
    regression. weights `[m d]`, offsets `[m k]`: m members, fitted on resampled prompts; k steps. centre, precision,
    limit: clips whose Mahalanobis distance from the training clips is above the limit are unfamiliar. recipe: how the
    features are made. card: what the user is told: figures, thresholds, counts (see `rewards.labelling.learn`).
    """

    kind: Kind
    names: tuple[str, ...]
    prepare: Any
    weights: Float[np.ndarray, "m d"]
    offsets: Float[np.ndarray, "m k"]
    calibration: Calibration
    centre: Float[np.ndarray, "d"]
    precision: Float[np.ndarray, "d d"]
    limit: float
    recipe: Mapping[str, Any]
    card: Mapping[str, Any]

    def inputs(self, features: Float[np.ndarray, "n f"]) -> Float[np.ndarray, "n d"]:
        """The regression's inputs."""
        made: Float[np.ndarray, "n d"] = self.prepare.transform(features)
        return made

    def scores(self, features: Float[np.ndarray, "n f"]) -> Float[np.ndarray, "m n"]:
        """Every member's score of every clip, 0..1.

        pass: the chance to pass. grade: the expected share of the way from 1 to 5. pair: the chance to be better
        than the average training clip, a tie counted as half.
        """
        margins = self.weights @ self.inputs(features).T
        if self.kind == "pair":
            return self.calibration(margins)
        return self.calibration(margins[..., None] + self.offsets[:, None]).mean(-1)

    def chances(
        self, first: Float[np.ndarray, "n f"], second: Float[np.ndarray, "n f"] | None = None
    ) -> Float[np.ndarray, "m n k"]:
        """Every member's probability that a judgement lies above each step; pairs need both clips' features."""
        inputs = self.inputs(first) if second is None else self.inputs(first) - self.inputs(second)
        return self.calibration((self.weights @ inputs.T)[..., None] + self.offsets[:, None])

    def distance(self, features: Float[np.ndarray, "n f"]) -> Float[np.ndarray, "n"]:
        """Mahalanobis distance from the training clips."""
        return mahalanobis(self.inputs(features), self.centre, self.precision)

    def unfamiliar(self, features: Float[np.ndarray, "n f"]) -> Bool[np.ndarray, "n"]:
        """Is a clip unlike all that the head was trained on?"""
        return self.distance(features) > self.limit

    def table(self, found: Sequence[Mapping[str, float]]) -> Float[np.ndarray, "n f"]:
        """Features by name, one mapping a clip, as rows in the head's order; NaN for what a clip lacks."""
        return feature_table(found, self.names)


def feature_table(found: Sequence[Mapping[str, float]], names: Sequence[str]) -> Float[np.ndarray, "n f"]:
    """One row a clip, one column a name; NaN where a clip lacks it.

    >>> feature_table([{"a": 1.0, "b": 2.0}, {"b": 3.0}], ["b", "a"]).tolist()
    [[2.0, 1.0], [3.0, nan]]
    """
    return np.array([[row.get(name, np.nan) for name in names] for row in found], dtype=np.float64)


def sigmoid(x: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """1/(1 + e^−x), without overflow.

    >>> sigmoid(np.array([-1000.0, 0.0])).tolist()
    [0.0, 0.5]
    """
    return 0.5 * (1 + np.tanh(0.5 * x))


def mahalanobis(
    x: Float[np.ndarray, "n d"], centre: Float[np.ndarray, "d"], precision: Float[np.ndarray, "d d"]
) -> Float[np.ndarray, "n"]:
    """√((x − c)ᵀ P (x − c)), a row each.

    >>> mahalanobis(np.array([[3.0, 4.0]]), np.zeros(2), np.eye(2)).tolist()
    [5.0]
    """
    away = x - centre
    return np.sqrt(np.einsum("nd,de,ne->n", away, precision, away).clip(min=0))


# --- files ------------------------------------------------------------------------------------------------


def save_head(head: Head, path: Path) -> None:
    """Write a head, whole or not at all; UserError when it cannot be written."""
    from skops.io import dumps

    held = {field.name: getattr(head, field.name) for field in fields(head)}
    held["calibration"] = asdict(head.calibration)
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(dumps({"format": FORMAT, **held}))
        partial.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"cannot write {path}: {reason}. Choose a writable folder with free space") from error
    finally:
        partial.unlink(missing_ok=True)


def load_head(path: Path) -> Head:
    """Open a head that `save_head` wrote.

    Nothing but scikit-learn's estimators, arrays and plain data is ever built. Raises UserError for a missing or
    damaged file, for any other type in it (named, before it is touched), and for a file that holds no head.
    """
    from skops.io import get_untrusted_types, load

    if not path.is_file():
        raise UserError(f"there is no head {path}: train one with `sn-eval rewards fit LABELS.csv --out {path.name}`")
    try:
        foreign = sorted(set(get_untrusted_types(file=path)) - set(TRUSTED))
        if foreign:
            raise UserError(
                f"{path} holds the type {foreign[0]}, which a head has no use for and which might run foreign code: "
                "it is not opened. Train a head of your own with `sn-eval rewards fit`"
            )
        held = load(path, trusted=list(TRUSTED))
    except UserError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, zipfile.BadZipFile) as error:
        cause = " ".join(str(error).split())[:120] or type(error).__name__
        raise UserError(f"cannot read the head {path}: {cause}. Fit it anew with `sn-eval rewards fit`") from error
    wanted = {"format", *(field.name for field in fields(Head))}
    if not isinstance(held, dict) or set(held) != wanted or held["format"] != FORMAT:
        raise UserError(f"{path} holds no head of this version: fit it anew with `sn-eval rewards fit`")
    del held["format"]
    return Head(**{**held, "calibration": Calibration(**held["calibration"])})
