"""A light predictor: guesses candidates' scores from noise, context and x0 estimate, so that few are ever decoded.

It is trained on the traces of earlier searches (`search.predictor_fitting`) and kept in a skops file of plain data: a
linear map, or trees as arrays, so nothing that is opened can run code, and asking it needs no scikit-learn.
"""

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from rewards.base import UserError
from sn_eval.interfaces import Branch, Rollout
from sn_eval.results.files import write_whole
from sn_eval.results.paths import data_path
from sn_eval.search.features import VERSION, feature_rows

FORMAT = 1
FIT = "sn-eval models fit-predictor RUN"


@dataclass(frozen=True)
class Linear:
    """Σ weight·feature."""

    weights: Float[np.ndarray, "f"]

    def __call__(self, rows: Float[np.ndarray, "n f"]) -> Float[np.ndarray, "n"]:
        """Guesses."""
        guesses: Float[np.ndarray, "n"] = rows @ self.weights
        return guesses


@dataclass(frozen=True)
class Trees:
    """The sum of k trees of at most m nodes: at node i a row goes left where its feature is at most the threshold.

    A leaf is its own child, so that `depth` steps down end in one from anywhere.
    """

    feature: Int[np.ndarray, "k m"]
    threshold: Float[np.ndarray, "k m"]
    left: Int[np.ndarray, "k m"]
    right: Int[np.ndarray, "k m"]
    value: Float[np.ndarray, "k m"]
    depth: int

    def __call__(self, rows: Float[np.ndarray, "n f"]) -> Float[np.ndarray, "n"]:
        """Guesses."""
        trees, each = np.arange(len(self.feature))[None], np.arange(len(rows))[:, None]
        at = np.zeros((len(rows), len(self.feature)), dtype=np.int64)
        for _ in range(self.depth):
            low = rows[each, self.feature[trees, at]] <= self.threshold[trees, at]
            at = np.where(low, self.left[trees, at], self.right[trees, at])
        guesses: Float[np.ndarray, "n"] = self.value[trees, at].sum(1)
        return guesses


@dataclass(frozen=True)
class Scope:
    """What a predictor was trained on, and can be asked about: features mean nothing elsewhere.

    reward: what its guesses are of, as `results.experiment.short` has it. steps, preview: of the looks that its
    estimates come from; they do not matter to a predictor with look 0.
    """

    model: str
    rollout: str
    reward: str
    noise: tuple[int, ...]
    steps: int
    preview: str
    features: int
    version: int = VERSION


@dataclass(frozen=True, repr=False)
class LightPredictor:
    """A trained predictor (`interfaces.Predictor`).

    look: evaluations before it is asked, 0 for noise and context alone; keep: share that goes on, in 0 … 1. card: what
    the user is told of it: rows, prompts, hit rate against chance.
    """

    look: int
    keep: float
    how: Linear | Trees
    scope: Scope
    card: Mapping[str, Any]

    def __repr__(self) -> str:
        """The same for the same content, wherever it was loaded from: it stands for it in cells' ids."""
        return f"LightPredictor(look={self.look}, keep={self.keep}, digest={self.digest!r})"

    @cached_property
    def digest(self) -> str:
        """Of all that decides its guesses: arrays by their bytes, the rest by its text."""
        found = hashlib.sha256(repr([self.look, self.keep, self.scope, type(self.how).__name__]).encode())
        for name, value in sorted(vars(self.how).items()):
            own = np.ascontiguousarray(value).tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
            found.update(name.encode() + own)
        return found.hexdigest()[:16]

    def scores(self, branches: Sequence[Branch]) -> list[float]:
        """A guess for each branch; UserError for branches of another shape, or that were not looked at as far."""
        shape = tuple(branches[0].candidate.noise.shape)
        if shape != self.scope.noise:
            raise UserError(
                f"the predictor was trained on noise of shape {self.scope.noise}, and this search has {shape}: train "
                f"one on a run of its own ({FIT})"
            )
        if self.look and branches[0].evaluations not in (0, self.look):
            raise UserError(f"the predictor looks after {self.look} evaluations, not {branches[0].evaluations}")
        rows = feature_rows(branches, self.look).half().double().numpy()  # as rounded as what it was trained on
        if rows.shape[1] != self.scope.features:
            raise UserError(
                f"the predictor was trained on {self.scope.features} features, and this search has {rows.shape[1]}: "
                f"train one on a run of its own ({FIT})"
            )
        return [float(value) for value in self.how(rows)]

    def check(self, rollout: Rollout, reward: str) -> None:
        """UserError, in one line, where the rollout or the reward is not what it was trained on."""
        same: list[tuple[str, Any, Any]] = [
            ("model", self.scope.model, rollout.model.name),
            ("rollout", self.scope.rollout, rollout.name),
            ("reward", self.scope.reward, reward),
            ("noise of shape", self.scope.noise, tuple(rollout.noise_shape())),
        ]
        if self.look:
            same += [("steps", self.scope.steps, rollout.steps), ("preview", self.scope.preview, rollout.preview)]
        for what, own, given in same:
            if own != given:
                raise UserError(
                    f"the predictor was trained on {what} {own}, and this search has {given}: train one on a run of "
                    f"its own ({FIT})"
                )


# --- files ------------------------------------------------------------------------------------------------


def save(predictor: LightPredictor, path: Path) -> LightPredictor:
    """Write a predictor, whole or not at all, and return it as it will be loaded."""
    from skops.io import dumps

    held = {field.name: getattr(predictor, field.name) for field in fields(predictor)}
    held["how"] = {"kind": type(predictor.how).__name__, **asdict(predictor.how)}
    held["scope"], held["card"] = asdict(predictor.scope), dict(predictor.card)
    write_whole(path, dumps({"format": FORMAT, **held}))
    return load(path)


def load(path: Path | str) -> LightPredictor:
    """Open what `save` wrote, by its path or by the name of a shipped one; nothing but arrays and plain data is built.

    UserError for a missing or damaged file, for any other type in it (named, before it is touched), for a file that
    holds something else, and for features of another version.
    """
    from skops.io import get_untrusted_types
    from skops.io import load as read

    shipped = data_path(f"predictors/{path}.skops")
    path = shipped if shipped.is_file() else Path(path)
    if not path.is_file():
        raise UserError(f"there is no predictor {path}: train one with `{FIT} --out {path.name}`")
    try:
        foreign = sorted(get_untrusted_types(file=path))
        if foreign:
            raise UserError(
                f"{path} holds the type {foreign[0]}, which a predictor has no use for and which might run foreign "
                f"code: it is not opened. Train one of your own with `{FIT}`"
            )
        held = read(path, trusted=[])
    except UserError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, zipfile.BadZipFile) as error:
        cause = " ".join(str(error).split())[:120] or type(error).__name__
        raise UserError(f"cannot read the predictor {path}: {cause}. Train it anew with `{FIT}`") from error
    return _opened(held, path)


def _opened(held: Any, path: Path) -> LightPredictor:
    wanted = {"format", "look", "keep", "how", "scope", "card"}
    if not isinstance(held, dict) or set(held) != wanted or held["format"] != FORMAT:
        raise UserError(f"{path} holds no predictor of this version: train one with `{FIT}`")
    kinds = {kind.__name__: kind for kind in (Linear, Trees)}
    try:
        how = dict(held["how"])
        made = kinds[how.pop("kind")](**how)
        scope = Scope(**{**held["scope"], "noise": tuple(held["scope"]["noise"])})
        if not all(isinstance(value, np.ndarray) for name, value in how.items() if name != "depth"):
            raise TypeError("numbers that are no arrays")
        if not (isinstance(held["look"], int) and held["look"] >= 0 and 0 < held["keep"] <= 1):
            raise ValueError("no look or share that there can be")
        made(np.zeros((1, scope.features)))  # its arrays fit together, and its features
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} holds no predictor of this version: train one with `{FIT}`") from error
    if scope.version != VERSION:
        raise UserError(
            f"{path} was trained on features of version {scope.version}, and this sn-eval makes {VERSION}: make the "
            f"run anew (keep_features: true), then `{FIT}`"
        )
    return LightPredictor(held["look"], held["keep"], made, scope, held["card"])
