"""Keeps what candidates looked like before they were decoded, beside the trace that says how they were scored.

`features.npz` in a cell's folder, only where an experiment asks for it (`keep_features`): what
`sn-eval models fit-predictor` is trained on. Float16, the first MOST candidates, so that it does not grow with length.
"""

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from rewards.base import UserError
from sn_eval.interfaces import Branch, Preview
from sn_eval.results.files import write_whole
from sn_eval.search.features import VERSION, given_features, lengths, seen_features

FILE_NAME = "features.npz"
MOST = 4000  # candidates of a cell
FORMAT = 1

Name = tuple[int, int, str]
"""(step, seed, lineage), as in the trace."""


@dataclass
class Memory:
    """Rows by candidate, and by (candidate, look); `about`: what they are features of."""

    parents: dict[Name, str] = field(default_factory=dict)
    given: dict[Name, np.ndarray] = field(default_factory=dict)  # type: ignore[type-arg]
    seen: dict[tuple[Name, int], np.ndarray] = field(default_factory=dict)  # type: ignore[type-arg]
    about: dict[str, Any] = field(default_factory=dict)


@dataclass
class FeatureTap:
    """A rollout that remembers features of the candidates that it looked at.

    Where looks are early ones, it looks on the way, too, at latents alone: the evaluations are the same ones.
    """

    rollout: Any
    memory: Memory = field(default_factory=Memory)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rollout, name)

    def with_steps(self, steps: int) -> "FeatureTap":
        """The rollout with other denoising steps, and the same memory."""
        return FeatureTap(self.rollout.with_steps(steps), self.memory)

    def with_eta(self, eta: float) -> "FeatureTap":
        """The rollout with a more, or less, stochastic sampler, and the same memory."""
        return FeatureTap(self.rollout.with_eta(eta), self.memory)

    def with_preview(self, preview: Preview, ahead: int | None = None) -> "FeatureTap":
        """The rollout with another kind of look, and the same memory."""
        return FeatureTap(self.rollout.with_preview(preview, ahead), self.memory)

    def refine(self, branches: Sequence[Branch], look: int, decode: bool = True) -> list[Branch]:
        """The rollout's own."""
        self._given(branches)
        if self.rollout.preview == "early":
            for before in range(branches[0].evaluations + 1, look):
                branches = self.rollout.refine(branches, before, decode=False)
                self._seen(branches, before)
        refined: list[Branch] = self.rollout.refine(branches, look, decode)
        self._seen(refined, look)
        return refined

    def save(self, folder: Path) -> None:
        """Write what there is; nothing where nothing was looked at."""
        if self.memory.given:
            write_whole(folder / FILE_NAME, _packed(self.memory))

    def _given(self, branches: Sequence[Branch]) -> None:
        new = [b for b in branches if _name(b) not in self.memory.given][: max(MOST - len(self.memory.given), 0)]
        if not new:
            return
        groups = given_features(new)
        shape = tuple(new[0].candidate.noise.shape)
        self.memory.about |= {
            "format": FORMAT, "version": VERSION, "noise": shape, "steps": self.rollout.steps,
            "preview": self.rollout.preview, "model": self.rollout.model.name, "rollout": self.rollout.name,
            "groups": {**self.memory.about.get("groups", {}), **lengths(groups)},
        }  # fmt: skip
        for branch, row in zip(new, torch.cat(list(groups.values()), 1).half().numpy(), strict=True):
            self.memory.given[_name(branch)] = row
            self.memory.parents[_name(branch)] = f"{branch.candidate.parent.key:016x}"

    def _seen(self, branches: Sequence[Branch], look: int) -> None:
        new = [b for b in branches if _name(b) in self.memory.given and (_name(b), look) not in self.memory.seen]
        if not new:
            return
        groups = seen_features(new)
        self.memory.about["groups"].update(lengths(groups))
        for branch, row in zip(new, torch.cat(list(groups.values()), 1).half().numpy(), strict=True):
            self.memory.seen[_name(branch), look] = row


def _name(branch: Branch) -> Name:
    candidate = branch.candidate
    return (candidate.parent.depth, candidate.parent.seed, f"{candidate.key:016x}")


# --- the file ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kept:
    """A cell's features. names, parents, given: by candidate; seen: by look, rows of the candidates in `seen_of`.

    about: version of the features, shape of the noise, model, rollout, steps and preview, length of each group.
    """

    names: tuple[Name, ...]
    parents: tuple[str, ...]
    given: Float[np.ndarray, "n f"]
    seen_of: dict[int, Int[np.ndarray, "m"]]
    seen: dict[int, Float[np.ndarray, "m g"]]
    about: dict[str, Any]

    def rows(self, look: int) -> dict[Name, np.ndarray]:  # type: ignore[type-arg]
        """Features by candidate, of those that were looked at after `look` evaluations (0: of all)."""
        if not look:
            return dict(zip(self.names, self.given, strict=True))
        if look not in self.seen:
            return {}
        pairs = zip(self.seen_of[look], self.seen[look], strict=True)
        return {self.names[at]: np.concatenate([self.given[at], row]) for at, row in pairs}


def _packed(memory: Memory) -> bytes:
    names = list(memory.given)
    place = {name: at for at, name in enumerate(names)}
    arrays: dict[str, Any] = {
        "about": np.array(json.dumps(memory.about)),
        "step": np.array([name[0] for name in names], dtype=np.int32),
        "seed": np.array([name[1] for name in names], dtype=np.int64),
        "key": np.array([name[2] for name in names]),
        "parent": np.array([memory.parents[name] for name in names]),
        "given": np.stack(list(memory.given.values())),
    }
    for look in sorted({look for _, look in memory.seen}):
        found = {name: row for (name, at), row in memory.seen.items() if at == look}
        arrays[f"of_{look}"] = np.array([place[name] for name in found], dtype=np.int32)
        arrays[f"seen_{look}"] = np.stack(list(found.values()))
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    return packed.getvalue()


def read_features(folder: Path) -> Kept | None:
    """The features of a cell's folder, None where none were kept; UserError, in one line, for a damaged file."""
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            held = dict(file)
        about = json.loads(str(held["about"]))
        names = zip(held["step"].tolist(), held["seed"].tolist(), held["key"].tolist(), strict=True)
        looks = [int(name.removeprefix("seen_")) for name in held if name.startswith("seen_")]
        return Kept(
            tuple(names), tuple(held["parent"].tolist()), held["given"], {look: held[f"of_{look}"] for look in looks},
            {look: held[f"seen_{look}"] for look in looks}, about,
        )  # fmt: skip
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is damaged: delete the cell's folder {folder} and run it again") from error
