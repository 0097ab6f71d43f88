"""What a learned reward looks at: values and parts of named rewards, and an encoder's mean and spread over frames.

A recipe says how features were made, with every version and weight hash, and is saved with a head: features made
by anything else would be other numbers under the same names.
"""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from jaxtyping import Float
from torch import Tensor

import rewards
from rewards.base import Anchor, Frames, Metadata, Reward, RewardSpec, UserError
from rewards.encoders import Encoder, create_encoder, file_digest

DEFAULT = ("lighting_consistency", "motion_floor", "anchor_consistency", "object_persistence")
ENCODED = "encoder/"  # features whose names begin so are the encoder's

Recipe: TypeAlias = Mapping[str, Any]


class ClipFeatures:
    """Makes the features of videos: `features(frames, prompts, fps=…)`.

    uses: reward names ("motion_floor", "file.py:attr"), or mappings with `use` and `params`. encoder: a name for
    `create_encoder`, or None. specs: what the rewards declare. recipe: how these features are made, plain data.
    """

    def __init__(self, uses: Sequence[str | Mapping[str, Any]] = DEFAULT, encoder: str | None = None) -> None:
        if not uses and encoder is None:
            raise UserError("a learned reward needs features: name at least one reward, or an encoder")
        wanted: list[dict[str, Any]] = [{"use": use} if isinstance(use, str) else dict(use) for use in uses]
        self.rewards: list[Reward] = [rewards.create(one["use"], **one.get("params", {})) for one in wanted]
        self.names = [made.spec.name for made in self.rewards]
        if len(set(self.names)) < len(self.names):
            raise UserError(f"the rewards {', '.join(self.names)} name one twice: name each once")
        self.specs: list[RewardSpec] = [made.spec for made in self.rewards]
        self.encoder: Encoder | None = None if encoder is None else create_encoder(encoder)
        self.recipe: Recipe = {
            "rewards": [_identity(one, made) for one, made in zip(wanted, self.rewards, strict=True)],
            "encoder": None if self.encoder is None else self.encoder.name,
            "encoder_sha256": None if self.encoder is None else self.encoder.sha256,
        }

    @classmethod
    def of(cls, recipe: Recipe, head: str) -> "ClipFeatures":
        """The maker of a saved recipe; UserError where what is here now is not what `head` was trained with."""
        made = cls(recipe["rewards"], recipe["encoder"])
        pairs = zip(recipe["rewards"], made.recipe["rewards"], strict=True)
        for then, now in [*pairs, (recipe, made.recipe)]:
            for key in ("version", "source_sha256", "encoder", "encoder_sha256"):
                if then.get(key) != now.get(key):
                    of = f"reward {then['use']!r}" if "use" in then else f"encoder {then['encoder']!r}"
                    raise UserError(
                        f"{head} was trained with {of} of {key} {_short(then.get(key))}, but here it is "
                        f"{_short(now.get(key))}: fit the head anew, or install what it was trained with"
                    )
        return made

    def __call__(
        self,
        frames: Frames,
        prompts: Sequence[str],
        *,
        fps: float,
        anchor: Anchor | None = None,
        metadata: Metadata = None,
    ) -> dict[str, Float[Tensor, "b"]]:
        """Features by name, a number a video each; NaN where a reward did not score.

        "reward" is a reward's value, "reward/part" a part of it, "encoder/mean/3" and "encoder/spread/3" mean and
        standard deviation over frames of the encoder's feature 3. Raises UserError as rewards do.
        """
        found = {}
        for name, made in zip(self.names, self.rewards, strict=True):
            scores = made(frames, prompts, fps=fps, anchor=anchor, metadata=metadata)
            found[name] = scores.values
            found |= {f"{name}/{part}": value for part, value in scores.parts.items()}
        if self.encoder is not None:
            encoded = self.encoder(frames)
            pooled = {"mean": encoded.mean(1), "spread": encoded.std(1, correction=0)}
            for how, value in pooled.items():
                found |= {f"{ENCODED}{how}/{i}": column for i, column in enumerate(value.unbind(1))}
        return found


def _identity(wanted: Mapping[str, Any], made: Reward) -> dict[str, Any]:
    """What makes a reward's numbers what they are; a user's own file counts by its content."""
    source = _user_file(wanted["use"])
    return {
        "use": wanted["use"],
        "params": dict(wanted.get("params", {})),
        "version": made.spec.version,
        "encoder": made.spec.encoder,
        "encoder_sha256": made.spec.encoder_sha256,
        "source_sha256": None if source is None else file_digest(source),
    }


def _user_file(use: str) -> Path | None:
    """The file behind "file.py:attr" and "pkg.mod:attr"; None for built-in names, which carry a version."""
    if ":" not in use:
        return None
    where = use.rpartition(":")[0]
    return Path(where) if where.endswith(".py") else Path(inspect.getfile(rewards.resolve(use)))


def _short(value: object) -> str:
    text = str(value)
    return text[:12] if len(text) == 64 else text
